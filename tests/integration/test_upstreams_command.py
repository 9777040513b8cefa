"""`intramuros upstreams` and `intramuros routes`: kept, shown without keys, and in force in a running server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from intramuros.cli.main import app
from intramuros.engines import probing
from tests.installed import Installed, installation
from tests.models import tiny
from tests.support.upstream_server import upstream_server

ASK = {"model": "big", "messages": [{"role": "user", "content": "Bonjour, ici Jean Dupont."}]}


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Installed]:
    with installation(tmp_path, outside_allowed=True) as made:
        monkeypatch.setenv("INTRAMUROS_DATA", str(made.app.settings.data))
        monkeypatch.setenv("INTRAMUROS_KEY_FILE", str(tmp_path / "data.key"))
        yield made


def run(*arguments: str, code: int = 0, stdin: str = "") -> Any:
    result = CliRunner().invoke(app, [*arguments, "--json"], input=stdin)
    assert result.exit_code == code, result.output
    return json.loads(result.stdout)


async def off(*arguments: str, code: int = 0, stdin: str = "") -> Any:
    """In a thread: the command has an event loop of its own."""
    return await asyncio.to_thread(run, *arguments, code=code, stdin=stdin)


async def test_added_tried_routed_and_removed_while_a_server_runs(installed: Installed, tmp_path: Path) -> None:
    client = installed.client("alice")
    async with installed.app.running(), upstream_server() as server:
        added = await off(
            "upstreams", "add", "vllm", server.url, "--inside", "--models", "big", "--key-file", "-", stdin="sk-1\n"
        )
        assert added["has_key"] and added["where"] == "inside" and "sk-1" not in json.dumps(added)
        assert (await off("upstreams", "test", "vllm", "--ask", "big"))["state"] == "ready"
        assert server.calls[0].headers["authorization"] == "Bearer sk-1"
        (listed,) = await off("upstreams", "list", "--check")
        assert listed["trial"]["models"] == ["big"] and "sk-1" not in json.dumps(listed)

        assert (await client.post("/v1/chat/completions", ASK)).status == 404
        planned = ("routes", "set", "big", "vllm/big", "--fallback", "local/scripted")
        lacking = (await off(*planned, code=1))["error"]
        assert lacking["code"] == "bad_route" and "models list" in lacking["hint"], lacking
        await off("models", "pull", str(tiny.chat(tmp_path / "tiny.gguf")), "--name", "scripted")
        await off(*planned)
        for _ in range(100):
            if (answer := await client.post("/v1/chat/completions", ASK)).status == 200:
                break
            await asyncio.sleep(0.02)
        assert answer.json()["model"] == "big"
        assert answer.json()["choices"][0]["message"]["content"] == "Bonjour monde"
        listed_models = (await client.call("GET", "/v1/models")).json()["data"]
        assert {"big", "vllm/big"} <= {model["id"] for model in listed_models}

        assert (await off("upstreams", "remove", "vllm", code=1))["error"]["code"] == "conflict"
        assert (await off("routes", "show", "big"))["compared"] == []
        await off("routes", "remove", "big")
        await off("upstreams", "remove", "vllm")
        assert await off("upstreams", "list") == await off("routes", "list") == []
    (record,) = [r for r in installed.records("chat") if r.outcome == "ok"]
    assert record.facts["upstream"] == "vllm/big" and record.facts["route"] == "inside"


async def test_renamed_with_what_names_it_while_a_server_runs(installed: Installed) -> None:
    client = installed.client("alice")
    async with installed.app.running(), upstream_server() as server:
        await off("upstreams", "add", "vllm", server.url, "--inside", "--models", "big")
        await off("routes", "set", "big", "vllm/big")
        assert (await client.post("/v1/chat/completions", ASK)).status == 200
        renamed = await off("upstreams", "rename", "vllm", "gpu")
        assert renamed == {"was": "vllm", "name": "gpu", "routes": ["big"], "consents": 0, "presets": 0, "keys": 0}
        assert (await off("routes", "rename", "big", "vllm/big"))["name"] == "vllm/big"
        for _ in range(100):  # until the server has seen both
            if (await client.post("/v1/chat/completions", ASK)).status == 404:
                break
            await asyncio.sleep(0.02)
        answer = await client.post("/v1/chat/completions", ASK | {"model": "vllm/big"})
        assert answer.json()["model"] == "vllm/big" and (await client.post("/v1/chat/completions", ASK)).status == 404
        taken = (await off("routes", "rename", "vllm/big", "gpu/big", code=1))["error"]
        assert taken["code"] == "name_in_use" and "by an upstream" in taken["message"]
        said = await asyncio.to_thread(CliRunner().invoke, app, ["upstreams", "rename", "gpu", "vllm"])
        assert said.exit_code == 1 and "The name vllm/big is taken by a route." in said.output
        said = await asyncio.to_thread(CliRunner().invoke, app, ["upstreams", "rename", "gpu", "cluster"])
        assert said.exit_code == 0 and "routes: vllm/big" in said.output and "ask for cluster/…" in said.output
    done = [
        [(one.object, one.facts["was"]) for one in installed.records(action) if one.outcome == "ok"]
        for action in ("route.rename", "upstream.rename")
    ]
    assert done == [[("vllm/big", "big")], [("gpu", "vllm"), ("cluster", "gpu")]]


async def test_consent_by_header_or_for_good_and_names_stay_inside(installed: Installed) -> None:
    client = installed.client("alice")
    async with installed.app.running(), upstream_server() as server:
        await off("upstreams", "add", "cloud", server.url, "--models", "big")
        await off("routes", "set", "big", "cloud/big")
        installed.app.router.routing._forget()
        refused = await client.post("/v1/chat/completions", ASK)
        assert refused.status == 403 and refused.json()["error"]["code"] == "outside_not_allowed"
        assert server.calls == []
        agreeing = installed.client("alice", x_intramuros_outside="allow")
        assert (await agreeing.post("/v1/chat/completions", ASK)).status == 200
        assert "Dupont" not in server.wire
        await off("upstreams", "agree", "cloud", "--user", "alice@firm.example")
        installed.app.router.routing._forget()
        assert (await client.post("/v1/chat/completions", ASK)).status == 200
        assert (await installed.client("bob").post("/v1/chat/completions", ASK)).status == 403
        await off("upstreams", "agree", "cloud", "--user", "alice@firm.example", "--withdraw")
        installed.app.router.routing._forget()
        assert (await client.post("/v1/chat/completions", ASK)).status == 403
    first = next(r for r in installed.records("chat") if r.outcome == "ok")
    assert first.facts["route"] == "outside" and first.facts["masked"] == {"PERSON": 1}


async def test_an_upstream_whose_models_were_not_named_says_that_a_route_is_needed(installed: Installed) -> None:
    async with upstream_server() as server:
        for name, named in (("bare", ()), ("named", ("--models", "big"))):
            await off("upstreams", "add", name, server.url, "--inside", *named)
            shown = await asyncio.to_thread(CliRunner().invoke, app, ["upstreams", "test", name])
            assert ("intramuros routes set NAME bare/big" in shown.stdout) == (not named), shown.stdout


@pytest.mark.parametrize(
    "wrong",
    [
        ("upstreams", "add", "cloud", "http://api.example.com"),
        ("upstreams", "add", "cloud", "https://api.example.com", "--key-file", "/nowhere"),
        ("upstreams", "test", "nobody"),
        ("upstreams", "agree", "nobody", "--everybody"),
        ("upstreams", "agree", "nobody"),
        ("routes", "set", "big", "nobody/m"),
        ("routes", "set", "big", "nonsense"),
        ("routes", "show", "nothing"),
    ],
)
def test_what_can_not_be_is_said(installed: Installed, wrong: tuple[str, ...]) -> None:
    assert run(*wrong, code=1)["error"]["message"]


def test_an_upstream_that_does_not_answer_ends_with_1(installed: Installed) -> None:
    run("upstreams", "add", "gone", "http://127.0.0.1:1", "--inside")
    assert run("upstreams", "test", "gone", code=1)["state"] == "failed"
    plain = CliRunner().invoke(app, ["upstreams", "list", "--check"])
    assert plain.exit_code == 0 and "inside" in plain.stdout


async def test_changed_looked_at_and_shown_with_its_state(
    installed: Installed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probing, "LOOK_S", 0.05)
    async with installed.app.running(), upstream_server() as server:
        await off("upstreams", "add", "gpu", server.url, "--inside", "--models", "big", "--price-in", "2")
        changed = await off("upstreams", "set", "gpu", "--models", "big,small", "--first-token-s", "9", "--no-probe")
        assert (changed["models"], changed["probes"], changed["price_in"]) == (["big", "small"], False, 2.0)
        assert changed["waits"]["first_token_s"] == 9 and changed["waits"]["connect_s"] == 5
        await off("upstreams", "set", "gpu", "--probe")
        async with asyncio.timeout(30):
            while (shown := (await off("upstreams", "list"))[0])["probe"] is None:
                installed.app.router.routing._forget()
                await asyncio.sleep(0.05)
        assert (shown["probe"]["state"], shown["probe"]["missing"]) == ("ready", ["small"])
        plain = await asyncio.to_thread(CliRunner().invoke, app, ["upstreams", "list"])
        assert "s ago" in plain.stdout
        lacking = (await off("routes", "set", "team", "gpu/other", code=1))["error"]
        assert lacking["code"] == "model_not_listed" and "It lists: big, small" in lacking["message"]
        assert await off("routes", "list") == []
    assert (await off("upstreams", "list"))[0]["probe"] is None, "no server runs"
    for wrong, code in ((("gpu", "--key-file", "x", "--no-key"), "bad_request"), (("nobody",), "not_found")):
        assert (await off("upstreams", "set", *wrong, code=1))["error"]["code"] == code
