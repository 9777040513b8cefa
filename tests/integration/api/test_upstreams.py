"""The upstream and route API: administrators alone, no key ever comes out, and a map of what is wrong."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.installed import Installed
from tests.support.upstream_server import upstream_server

CLOUD = {"name": "cloud", "url": "https://api.example.com", "key": "sk-secret", "models": ["gpt"], "price_in": 2.5}


async def test_an_upstream_is_added_tried_agreed_to_routed_and_removed(installed: Installed) -> None:
    admin = installed.client("charlie")
    async with upstream_server() as server:
        made = await admin.post(
            "/api/v1/upstreams", {"name": "gpu", "url": server.url, "where": "inside", "models": ["big"]}
        )
        assert made.status == 201 and made.json()["url"] == server.url and made.json()["where"] == "inside"
        trial = (await admin.post("/api/v1/upstreams/gpu/test", {"ask": "big"})).json()
        assert trial["state"] == "ready" and trial["models"] == ["big"] and len(server.chats) == 1
        made = await admin.post("/api/v1/upstreams", CLOUD | {"waits": {"first_token_s": 9}})
        assert made.status == 201 and made.json()["has_key"] and made.json()["waits"]["first_token_s"] == 9

        plan = {"targets": ["gpu/big"], "fallbacks": ["cloud/gpt"]}
        assert (await admin.call("PUT", "/api/v1/routes/team/big", json.dumps(plan).encode())).status == 200
        chat = {"model": "team/big", "messages": [{"role": "user", "content": "Bonjour"}]}
        assert (await installed.client("alice").post("/v1/chat/completions", chat)).status == 200
        listed = (await admin.call("GET", "/api/v1/upstreams")).json()
        assert [one["name"] for one in listed["upstreams"]] == ["cloud", "gpu"]
        assert [state["breaker"] for state in listed["targets"]] == ["closed"] and listed["outside_allowed"] is False

    assert (await admin.call("GET", "/api/v1/routes/team/big")).json()["fallbacks"] == ["cloud/gpt"]
    assert [route["name"] for route in (await admin.call("GET", "/api/v1/routes")).json()["routes"]] == ["team/big"]
    consent = {"kind": "user", "id": "alice@firm.example"}
    assert (await admin.post("/api/v1/upstreams/cloud/consents", consent)).json()["kind"] == "user"
    assert (await admin.post("/api/v1/upstreams/cloud/consents", {"kind": "everybody"})).status == 200
    assert len((await admin.call("GET", "/api/v1/upstreams")).json()["consents"]) == 2
    assert (await admin.post("/api/v1/upstreams/cloud/consents/withdraw", consent)).status == 204
    assert (await admin.call("DELETE", "/api/v1/upstreams/cloud")).status == 409
    assert (await admin.call("DELETE", "/api/v1/routes/team/big")).status == 204
    assert (await admin.call("DELETE", "/api/v1/upstreams/cloud")).status == 204
    assert (await admin.call("DELETE", "/api/v1/upstreams/gpu")).status == 204
    actions = {record.action for record in installed.records()}
    assert {
        "upstream.add",
        "upstream.test",
        "route.set",
        "consent.give",
        "consent.withdraw",
        "upstream.remove",
    } <= actions


async def test_an_upstream_and_a_route_are_renamed(installed: Installed) -> None:
    admin = installed.client("charlie")
    assert (await admin.post("/api/v1/upstreams", CLOUD)).status == 201
    plan = json.dumps({"targets": ["cloud/gpt"]}).encode()
    assert (await admin.call("PUT", "/api/v1/routes/team/big", plan)).status == 200
    await admin.post("/api/v1/upstreams/cloud/consents", {"kind": "everybody"})
    renamed = await admin.post("/api/v1/upstreams/cloud/rename", {"name": "sky"})
    assert renamed.status == 200 and renamed.json()["routes"] == ["team/big"] and renamed.json()["consents"] == 1
    renamed = await admin.post("/api/v1/routes/team/big/rename", {"name": "grand"})
    assert renamed.json() == {
        "was": "team/big",
        "name": "grand",
        "routes": [],
        "consents": 0,
        "presets": 0,
        "keys": 0,
    }
    assert (await admin.call("GET", "/api/v1/routes/grand")).json()["targets"] == ["sky/gpt"]
    taken = await admin.post("/api/v1/routes/grand/rename", {"name": "sky/gpt"})
    assert taken.status == 409 and taken.json()["error"]["code"] == "name_in_use"
    assert (await admin.post("/api/v1/upstreams/cloud/rename", {"name": "x"})).status == 404
    assert (await admin.post("/api/v1/upstreams/sky/rename", {"name": "Big One"})).status == 400
    assert (await admin.post("/api/v1/upstreams/sky/rename", {})).status == 400
    alice = installed.client("alice")
    assert (await alice.post("/api/v1/upstreams/sky/rename", {"name": "x"})).status == 403
    assert (await alice.post("/api/v1/routes/grand/rename", {"name": "x"})).status == 403


async def test_no_answer_holds_a_key(installed: Installed) -> None:
    admin = installed.client("charlie")
    answers = [
        await admin.post("/api/v1/upstreams", CLOUD),
        await admin.post("/api/v1/upstreams", CLOUD),
        await admin.call("GET", "/api/v1/upstreams"),
        await admin.post("/api/v1/upstreams", CLOUD | {"name": "other", "key": "sk secret with spaces"}),
    ]
    assert [answer.status for answer in answers] == [201, 409, 200, 400]
    assert not any(b"sk-secret" in answer.body or b"sk secret" in answer.body for answer in answers)
    assert "sk-secret" not in str([record.facts for record in installed.records()])


@pytest.mark.parametrize(
    "wrong",
    [
        {"url": "http://api.example.com"},
        {"url": 7},
        {"where": "somewhere"},
        {"models": "gpt"},
        {"models": [1]},
        {"price_in": "free"},
        {"price_in": True},
        {"context_tokens": 1.5},
        {"waits": {"first_token_s": 0}},
        {"waits": {"coffee_s": 1}},
        {"waits": [1]},
        {"color": "red"},
    ],
)
async def test_what_is_wrong_is_a_bad_request(installed: Installed, wrong: dict[str, Any]) -> None:
    assert (await installed.client("charlie").post("/api/v1/upstreams", CLOUD | wrong)).status == 400


@pytest.mark.parametrize("plan", [{}, {"targets": "a/b"}, {"targets": ["nobody/m"]}, {"targets": ["local/m"], "x": 1}])
async def test_what_is_no_route_is_a_bad_request(installed: Installed, plan: dict[str, Any]) -> None:
    answer = await installed.client("charlie").call("PUT", "/api/v1/routes/big", json.dumps(plan).encode())
    assert answer.status == 400


@pytest.mark.parametrize("role", ["targets", "fallbacks", "overflows", "shadow"])
async def test_a_route_names_no_model_that_this_machine_lacks(installed: Installed, role: str) -> None:
    plan = {"targets": ["local/scripted"], "shadow_share": 0.5} | {
        role: "local/none" if role == "shadow" else ["local/none"]
    }
    answer = await installed.client("charlie").call("PUT", "/api/v1/routes/big", json.dumps(plan).encode())
    assert answer.status == 400 and "local/none" in answer.json()["error"]["message"]
    assert installed.app.router.routing.routes() == []


async def test_a_key_bound_to_models_opens_only_its_routes(installed: Installed) -> None:
    from intramuros.accounts.rights import Rights
    from tests.asgi import Client

    app = installed.app
    admin = installed.client("charlie")
    for name in ("mine", "yours"):
        plan = json.dumps({"targets": ["local/scripted"]}).encode()
        assert (await admin.call("PUT", f"/api/v1/routes/{name}", plan)).status == 200
    alice = app.users.find("alice@firm.example")
    key = app.api_keys.create("bound", alice.id, rights=Rights(models=frozenset({"mine"})))[0]
    client = Client(installed.guard, authorization=f"Bearer {key}")
    ask = {"messages": [{"role": "user", "content": "Bonjour"}]}
    assert (await client.post("/v1/chat/completions", ask | {"model": "mine"})).status == 200
    assert (await client.post("/v1/chat/completions", ask | {"model": "yours"})).status == 403
    assert [model["id"] for model in (await client.call("GET", "/v1/models")).json()["data"]] == ["mine"]


async def test_what_is_not_said_stays_and_a_key_goes_to_no_other_host(installed: Installed) -> None:
    admin = installed.client("charlie")
    await admin.post("/api/v1/upstreams", CLOUD | {"waits": {"first_token_s": 9}})

    async def change(**values: Any) -> Any:
        return await admin.call("PATCH", "/api/v1/upstreams/cloud", json.dumps(values).encode())

    changed = (await change(models=["gpt", "gpt-mini"], waits={"whole_s": 60}, probes=True)).json()
    assert changed["models"] == ["gpt", "gpt-mini"] and changed["probes"] is True and changed["price_in"] == 2.5
    assert changed["waits"]["first_token_s"] == 9 and changed["waits"]["whole_s"] == 60
    assert installed.app.router.routing.upstream("cloud").key == "sk-secret"
    for wrong in ({"name": "other"}, {"url": "https://elsewhere.example"}, {"probes": "yes"}, {"waits": [1]}):
        assert (await change(**wrong)).status == 400, wrong
    assert (await change(url="https://elsewhere.example", key="sk-new")).json()["url"].startswith("https://elsewhere")
    assert installed.app.router.routing.upstream("cloud").key == "sk-new"
    assert (await change(key=None)).json()["has_key"] is False
    assert (await installed.client("alice").call("PATCH", "/api/v1/upstreams/cloud", b"{}")).status == 403
