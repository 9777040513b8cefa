"""Pulling and uploading by Ollama's API: from a hub of our own, and with bytes that are not what they should be."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from intramuros.accounts.caller import LOCAL
from intramuros.api.ollama.names import KNOWN, Names
from tests.asgi import Answer, Client
from tests.installed import Installed, installation
from tests.integration.models.hub_server import Hub, served
from tests.models import tiny

REFERENCE = "hf:owner/models/tiny-q8.gguf"


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Hub]:
    async with served(Hub(content=tiny.chat(tmp_path / "tiny.gguf", layers=1).read_bytes())) as running:
        yield running


@pytest.fixture
async def charlie(hub: Hub, tmp_path: Path) -> AsyncIterator[Client]:
    with installation(tmp_path / "made", hub_url=hub.hub_url, egress_allowed=hub.store_url) as made:
        made.app.users.find("charlie@firm.example")
        yield made.client("charlie")


def statuses(answer: Answer) -> list[str]:
    return [json.loads(line)["status"] for line in answer.body.splitlines()]


async def test_pull_says_how_far_it_is_and_ends_with_success(charlie: Client, hub: Hub) -> None:
    answer = await charlie.post("/api/pull", {"model": REFERENCE})
    assert answer.status == 200, answer.body
    steps = [json.loads(line) for line in answer.body.splitlines()]
    assert steps[0] == {"status": "pulling manifest"} and steps[-1] == {"status": "success"}
    last = [step for step in steps if "completed" in step][-1]
    assert last["completed"] == last["total"] == len(hub.content)
    shown = (await charlie.post("/api/show", {"model": "tiny-q8"})).json()
    assert shown["details"]["family"] == "llama"
    again = (await charlie.post("/api/pull", {"model": REFERENCE, "stream": False})).json()
    assert again == {"status": "success"}, "it is here already"
    for name in ("tiny-q8", "Tiny-Q8:latest"):
        assert (await charlie.post("/api/pull", {"model": name, "stream": False})).json() == {"status": "success"}
    assert statuses(await charlie.post("/api/pull", {"model": "tiny-q8"})) == ["success"]


@pytest.mark.parametrize("fault", [{"announced": "0" * 64}, {"gated": True}, {"content": b"GGUF nonsense" * 99}])
async def test_a_pull_that_fails_says_why_and_installs_nothing(
    charlie: Client, hub: Hub, fault: dict[str, Any]
) -> None:
    for name, value in fault.items():
        setattr(hub, name, value)
    answer = await charlie.post("/api/pull", {"model": REFERENCE})
    last = json.loads(answer.body.splitlines()[-1])
    assert set(last) == {"error"}, answer.body
    assert (await charlie.call("GET", "/api/tags")).json()["models"] == []
    whole = await charlie.post("/api/pull", {"model": REFERENCE, "stream": False})
    assert whole.status in {422, 502} and set(whole.json()) == {"error"}


async def test_an_upload_is_taken_in_pieces_and_compared(installed: Installed, tmp_path: Path) -> None:
    charlie, content = installed.client("charlie"), tiny.chat(tmp_path / "a.gguf", layers=1).read_bytes()
    digest = "sha256:" + hashlib.sha256(content).hexdigest()
    pieces = [content[start : start + 1000] for start in range(0, len(content), 1000)]
    assert (await charlie.call("HEAD", f"/api/blobs/{digest}")).status == 404
    assert (await charlie.call("POST", f"/api/blobs/{digest}", pieces)).status == 201
    assert (await charlie.call("HEAD", f"/api/blobs/{digest}")).status == 200
    made = await charlie.post("/api/create", {"model": "mine", "files": {"a.gguf": digest}})
    assert statuses(made) == ["parsing GGUF", "success"]
    assert installed.app.models.get("mine").sha256 == digest[7:]
    assert not any((installed.app.models.incoming / "uploads").iterdir()), "it is a model now"


async def test_an_upload_cut_short_or_of_other_bytes_leaves_nothing(installed: Installed) -> None:
    charlie, wrong = installed.client("charlie"), "sha256:" + "0" * 64
    answer = await charlie.call("POST", f"/api/blobs/{wrong}", [b"abc", b"def"])
    assert answer.status == 400 and "SHA-256" in answer.json()["error"]
    await charlie.call("POST", f"/api/blobs/{wrong}", [b"abc", b"def"], leave_after=0)
    assert not any((installed.app.models.incoming / "uploads").iterdir())
    for name in ("sha256:xyz", "md5:" + "0" * 32, "..", "sha256:" + "A" * 64):
        assert (await charlie.call("POST", f"/api/blobs/{name}", b"x")).status == 400


async def test_files_that_nobody_made_a_model_of_are_gone_after_a_day(installed: Installed) -> None:
    charlie = installed.client("charlie")

    async def upload(content: bytes) -> str:
        digest = "sha256:" + hashlib.sha256(content).hexdigest()
        assert (await charlie.call("POST", f"/api/blobs/{digest}", content)).status == 201
        return digest

    old = await upload(b"old")
    path = installed.app.models.incoming / "uploads" / old[7:]
    os.utime(path, (time.time() - 90_000,) * 2)
    new = await upload(b"new")
    assert (await charlie.call("HEAD", f"/api/blobs/{old}")).status == 404
    assert (await charlie.call("HEAD", f"/api/blobs/{new}")).status == 200


async def test_an_upload_larger_than_other_requests_may_be(installed: Installed) -> None:
    installed.guard.limits = type(installed.guard.limits)(request_bytes=1000, upload_bytes=1000)
    content = b"x" * 200_000
    digest = "sha256:" + hashlib.sha256(content).hexdigest()
    assert (await installed.client("charlie").call("POST", f"/api/blobs/{digest}", content)).status == 201
    assert (await installed.client("alice").call("POST", f"/api/blobs/{digest}", content)).status == 403
    big = {"model": "x", "files": {"a.gguf": digest}, "system": "y" * 2000}
    assert (await installed.client("charlie").post("/api/create", big)).status == 413


async def test_create_makes_a_preset_anew_and_names_what_it_does_not_keep(installed: Installed, tmp_path: Path) -> None:
    installed.app.models.add_file(tiny.chat(tmp_path / "t.gguf", layers=1), "tiny")
    charlie = installed.client("charlie")
    body = {
        "model": "Clerk:latest",
        "from": "tiny:latest",
        "system": "A",
        "license": "MIT",
        "parameters": {"num_gpu": 3},
    }
    assert statuses(await charlie.post("/api/create", body))[1:] == [
        "license is not kept here", "parameters.num_gpu is not kept here", "success"]  # fmt: skip
    again = {"model": "clerk", "from": "clerk", "system": "B", "messages": [{"role": "user", "content": "x"}]}
    assert (await charlie.post("/api/create", again | {"stream": False})).json() == {"status": "success"}
    [preset] = installed.app.presets.list(by=LOCAL)
    assert (preset.name, preset.model, preset.system) == ("clerk", "tiny", "B") and preset.is_everyones
    taken = await charlie.post("/api/create", {"model": "tiny", "from": "clerk", "system": "x"})
    assert json.loads(taken.body.splitlines()[-1]).keys() == {"error"}, "never in a model's place"
    assert installed.app.models.get("tiny")


@pytest.mark.parametrize(
    "body",
    [
        {"model": "x"},
        {"model": "x", "from": "tiny", "files": {"a": "sha256:" + "0" * 64}},
        {"model": "x", "files": {"a": "b", "c": "d"}},
        {"model": "x", "files": ["a"]},
        {"model": "x", "from": 5},
        {"model": "x", "from": "tiny", "system": 5},
        {"model": "x", "from": "tiny", "messages": "hello"},
        {"model": "x", "from": "tiny", "parameters": {"temprature": 1}},
        {"model": "x", "from": "tiny", "template": "x"},
        {"model": "x", "from": "tiny", "quantize": "q4_0"},
        {"model": "x", "from": "tiny", "colour": "red"},
        {"model": "x", "path": "/etc/passwd"},
        {"model": "x", "modelfile": 5},
        {"model": " :latest", "from": "tiny"},
        {"from": "tiny"},
    ],
)
async def test_what_create_refuses(installed: Installed, body: dict[str, Any]) -> None:
    answer = await installed.client("charlie").post("/api/create", body)
    assert answer.status == 400 and set(answer.json()) == {"error"}, answer.body


def test_names_of_ollamas_library_mean_models_of_the_catalogue(installed: Installed) -> None:
    app = installed.app
    names = Names(app.models, app.presets, app.catalogue)
    assert set(KNOWN.values()) <= {model.name for model in app.catalogue}
    for name, ours in {"smollm2:135m": "smollm2-135m", "llama3.2": "llama-3.2-3b", "llama3.2:3b": "llama-3.2-3b",
                       "library/qwen3:0.6b": "qwen3-0.6b", "gpt-oss:20b": "gpt-oss-20b", "bge-m3:latest": "bge-m3",
                       "gemma3:12b": "gemma-3-12b", "phi4": "phi-4"}.items():  # fmt: skip
        found = names.in_catalogue(name)
        assert found is not None and found.name == ours, name
    for name in ("llama3.2:1b", "qwen3:14b", "gpt-4o", "qwen3", ""):
        assert names.in_catalogue(name) is None, name
