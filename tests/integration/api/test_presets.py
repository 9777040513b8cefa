"""Presets over the product's own API and in the OpenAI door."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from intramuros.accounts.rights import Rights
from tests.asgi import Client
from tests.installed import Installed
from tests.models import tiny

ASKED = {"messages": [{"role": "user", "content": "Hello"}]}


@pytest.fixture
def installed(installed: Installed, tmp_path: Path) -> Installed:
    installed.app.models.add_file(tiny.chat(tmp_path / "tiny.gguf", layers=1), "tiny")
    installed.engine.model = "tiny"
    return installed


async def made(client: Client, **fields: Any) -> dict[str, Any]:
    answer = await client.post("/api/v1/presets", {"name": "clerk", "model": "tiny", "system": "Be brief."} | fields)
    assert answer.status == 201, answer.body
    preset: dict[str, Any] = answer.json()
    return preset


async def test_made_listed_changed_and_removed(installed: Installed) -> None:
    alice = installed.client("alice")
    preset = await made(alice, parameters={"temperature": 0.2})
    assert preset["everyone"] is False
    assert [one["name"] for one in (await alice.call("GET", "/api/v1/presets")).json()["presets"]] == ["clerk"]
    address = f"/api/v1/presets/{preset['id']}"
    changed = await alice.call("PATCH", address, b'{"system": "", "name": "team/clerk"}')
    assert changed.json()["system"] == "" and changed.json()["parameters"] == {"temperature": 0.2}
    assert (await alice.call("GET", "/api/v1/presets/team/clerk")).json()["id"] == preset["id"]
    assert (await installed.client("bob").call("GET", address)).status == 404
    assert (await alice.call("DELETE", address)).status == 204
    assert (await alice.call("GET", address)).status == 404
    assert [row.object for row in installed.records("preset.create", "preset.change", "preset.remove")] == [
        preset["id"]
    ] * 3


async def test_it_is_asked_and_listed_like_a_model(installed: Installed) -> None:
    alice, bob = installed.client("alice"), installed.client("bob")
    preset = await made(alice, parameters={"temperature": 0.2, "max_tokens": 9})
    answer = await alice.post("/v1/chat/completions", ASKED | {"model": "clerk", "max_tokens": 5})
    assert answer.status == 200 and answer.json()["model"] == "tiny"
    asked = installed.engine.asked[-1]
    assert asked["messages"][0] == {"role": "system", "content": "Be brief."}
    assert (asked["temperature"], asked["max_tokens"]) == (0.2, 5)
    assert installed.records("chat")[-1].facts["preset"] == preset["id"]
    listed = {model["id"] for model in (await alice.call("GET", "/v1/models")).json()["data"]}
    assert listed == {"default", "tiny", "clerk"}
    assert (await alice.call("GET", "/v1/models/clerk")).json()["id"] == "clerk"
    assert (await bob.post("/v1/chat/completions", ASKED | {"model": "clerk"})).status == 404
    assert (await bob.call("GET", "/v1/models/clerk")).status == 404


async def test_a_key_without_the_model_can_not_have_it_by_a_preset(installed: Installed) -> None:
    app = installed.app
    await made(installed.client("alice"))
    alice = app.users.find("alice@firm.example")
    key, _ = app.api_keys.create("other", alice.id, rights=Rights(models=frozenset({"another"})))
    program = Client(installed.guard, authorization=f"Bearer {key}")
    answer = await program.post("/v1/chat/completions", ASKED | {"model": "clerk"})
    assert (answer.status, answer.json()["error"]["code"]) == (403, "model_not_allowed")
    assert (await program.call("GET", "/v1/models")).json()["data"] == []


@pytest.mark.parametrize(
    "body",
    [
        {"name": "x", "colour": 1},
        {"name": 1},
        {},
        {"name": "x", "parameters": []},
        {"name": "x", "messages": ["hello"]},
        {"name": "x", "messages": {}},
        {"name": "x", "adapter": "poetry"},
        {"name": "x", "system": 5},
        {"name": "x", "everyone": "yes"},
    ],
)
async def test_bad_requests(installed: Installed, body: dict[str, Any]) -> None:
    assert (await installed.client("alice").post("/api/v1/presets", body)).status == 400


async def test_only_administrators_make_them_for_everyone(installed: Installed) -> None:
    refused = await installed.client("alice").post("/api/v1/presets", {"name": "all", "everyone": True})
    assert refused.status == 403
    preset = await made(installed.client("charlie"), everyone=True)
    assert (await installed.client("bob").post("/v1/chat/completions", ASKED | {"model": "clerk"})).status == 200
    assert (await installed.client("bob").call("DELETE", f"/api/v1/presets/{preset['id']}")).status == 403
