"""Limits through the doors: who is refused and in which words, what administrators set, what everybody sees of theirs."""

from __future__ import annotations

from typing import Any

import pytest

from intramuros.accounts.prices import Price
from intramuros.accounts.rights import Quota
from intramuros.engines.route import Route, Target
from intramuros.engines.upstream import Upstream
from tests.installed import Installed
from tests.support.upstream_server import upstream_server

CHAT: dict[str, Any] = {"model": "default", "messages": [{"role": "user", "content": "Bonjour"}]}
PATH = "/v1/chat/completions"


def user_id(installed: Installed, who: str) -> str:
    return installed.app.quotas.find("user", f"{who}@firm.example").id


async def test_a_person_s_limit_holds_for_all_their_keys(installed: Installed) -> None:
    installed.app.quotas.set("user", user_id(installed, "alice"), Quota(tokens_per_day=5))
    assert (await installed.client("alice").post(PATH, CHAT)).status == 200
    refused = await installed.client("alice").post(PATH, CHAT)
    error = refused.json()["error"]
    assert refused.status == 429 and error["code"] == "user_tokens_per_day" and "your 5 tokens" in error["message"]
    assert int(refused.headers["retry-after"]) > 0 and refused.headers["x-ratelimit-remaining-tokens"] == "0"
    other = installed.app.api_keys.create("other", user_id(installed, "alice"))[0]
    installed.keys["other"] = other
    assert (await installed.client("other").post(PATH, CHAT)).status == 429
    assert (await installed.client("bob").post(PATH, CHAT)).status == 200
    assert (await installed.client("alice").call("GET", "/v1/models")).status == 200, "what costs nothing goes on"


async def test_group_and_person_both_hold(installed: Installed) -> None:
    app = installed.app
    group = app.groups.create("Finance")
    charlie = app.sessions.caller(installed.sessions["charlie"])
    assert charlie is not None
    for who in ("alice", "bob"):
        app.groups.add(group.id, user_id=user_id(installed, who), by=charlie)
    app.quotas.set("group", group.id, Quota(tokens_per_day=20))
    app.quotas.set("user", user_id(installed, "alice"), Quota(tokens_per_day=100))
    assert (await installed.client("alice").post(PATH, CHAT)).status == 200
    assert (await installed.client("bob").post(PATH, CHAT)).status == 200
    for who in ("alice", "bob"):
        refused = await installed.client(who).post(PATH, CHAT)
        assert refused.json()["error"]["code"] == "group_tokens_per_day"
        assert "The group Finance" in refused.json()["error"]["message"]
    assert app.usage.used(("group", group.id)).tokens_today == 30


async def test_money_counts_with_the_price_of_the_model(installed: Installed) -> None:
    app = installed.app
    assert (await installed.client("charlie").call("GET", "/api/v1/usage")).status == 200
    app.quotas.set("everyone", "all", Quota(euros_per_month=0.00003))
    app.prices.set("scripted", app.prices.of("x").__class__(1.0, 2.0))
    assert (await installed.client("alice").post(PATH, CHAT)).status == 200
    assert (await installed.client("alice").post(PATH, CHAT)).status == 200
    refused = await installed.client("alice").post(PATH, CHAT)
    assert refused.status == 429 and refused.json()["error"]["code"] == "user_euros_per_month"
    used = (await installed.client("alice").call("GET", "/api/v1/usage")).json()["limits"]
    mine = next(limit for limit in used if limit["kind"] == "user")
    assert mine["used"]["euros_this_month"] == pytest.approx(2 * 18e-6) and mine["used"]["tokens_today"] == 30
    assert mine["euros_per_month"] == 0.00003


@pytest.mark.parametrize("streamed", [False, True])
async def test_an_answer_along_a_route_costs_what_its_target_costs(installed: Installed, streamed: bool) -> None:
    app, alice = installed.app, ("user", user_id(installed, "alice"))
    routing = app.router.routing
    ask = CHAT | {"model": "team", "stream": streamed}
    async with upstream_server() as server:
        routing.add(Upstream("gpu", server.url, is_outside=False, models=("big",), price_in=1000.0, price_out=3000.0))
        routing.add(Upstream("free", server.url, is_outside=False, models=("big",)))
        app.prices.set("scripted", Price(50.0, 70.0))
        costs = []
        for target in ("gpu/big", "free/big", "local/scripted"):
            routing.set(Route("team", (Target.parse(target),)))
            before = app.usage.used(alice)
            assert (await installed.client("alice").post(PATH, ask)).status == 200
            after = app.usage.used(alice)
            assert after.tokens_today > before.tokens_today
            costs.append(after.euros_today - before.euros_today)
    prompt, completion = 7, 3
    assert costs == pytest.approx([(prompt * 1000 + completion * 3000) / 1e6, 0.0, (12 * 50 + 3 * 70) / 1e6])


async def test_administrators_set_show_list_and_remove(installed: Installed) -> None:
    admin, member = installed.client("charlie"), installed.client("alice")
    one = "/api/v1/quotas/user/bob@firm.example"
    assert (await member.call("GET", "/api/v1/quotas")).status == 403
    put = await admin.call("PUT", one, b'{"tokens_per_day": 100, "weight": 2.5}')
    assert put.status == 200 and put.json()["tokens_per_day"] == 100 and put.json()["name"] == "bob@firm.example"
    shown = (await admin.call("GET", one)).json()
    assert shown["weight"] == 2.5 and shown["used"]["tokens_today"] == 0 and shown["tokens_per_month"] is None
    assert (await admin.call("PUT", "/api/v1/quotas/everyone/all", b'{"requests_per_minute": 9}')).status == 200
    listed = (await admin.call("GET", "/api/v1/quotas")).json()["quotas"]
    assert [item["kind"] for item in listed] == ["user", "everyone"] and listed[1]["used"] is None
    assert (await admin.call("DELETE", one)).status == 204 and (await admin.call("DELETE", one)).status == 404
    assert [record.action for record in installed.records("quota.set", "quota.remove")] == [
        "quota.set", "quota.set", "quota.remove", "quota.remove"]  # fmt: skip


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("user/nobody", b"{}", 404),
        ("tribe/x", b"{}", 400),
        ("role/king", b"{}", 400),
        ("everyone/all", b'{"tokens": 5}', 400),
        ("everyone/all", b'{"tokens_per_day": "5"}', 400),
        ("everyone/all", b'{"tokens_per_day": true}', 400),
        ("everyone/all", b'{"tokens_per_day": 1.5}', 400),
        ("everyone/all", b'{"tokens_per_day": 1e400}', 400),
        ("everyone/all", b'{"weight": -1}', 400),
        ("everyone/all", b"[]", 400),
    ],
)
async def test_what_can_t_be_set_is_said(installed: Installed, path: str, body: bytes, status: int) -> None:
    answer = await installed.client("charlie").call("PUT", f"/api/v1/quotas/{path}", body)
    assert answer.status == status and answer.json()["error"]["code"] and installed.app.quotas.list() == []
