"""What a key may do at the doors: scopes, models, projects and how much, refused in each door's own shape."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest

from intramuros.accounts.caller import LOCAL
from intramuros.accounts.keys import ApiKey
from intramuros.accounts.rights import SCOPES, Quota, Rights
from intramuros.accounts.users import Users
from intramuros.server.access import RULES
from intramuros.server.rule import Access, Body, Rule, Scope, is_for_programs, is_ollamas
from intramuros.storage.schema import api_keys, now
from tests.asgi import Answer, Client
from tests.installed import Installed

CHAT: dict[str, Any] = {"model": "default", "messages": [{"role": "user", "content": "Bonjour"}]}
CHAT_PATH = "/v1/chat/completions"


def key_of(installed: Installed, who: str = "alice", **rights: Any) -> tuple[Client, ApiKey]:
    """A program with a new key of that person."""
    person = installed.app.users.by_email(f"{who}@firm.example")
    assert person is not None
    key, record = installed.app.api_keys.create("job", person.id, rights=Rights(**rights))
    return Client(installed.guard, authorization=f"Bearer {key}"), record


def probe(rule: Rule) -> str:
    return re.sub(r"{(\w+)(:\w+)?}", "sample", rule.path)


def code(answer: Answer) -> str:
    return str(error_of(answer)["code"])


def error_of(answer: Answer) -> Any:
    """The product's own words of an error; JSON-RPC has them in a place of their own."""
    error = answer.json()["error"]
    return error.get("data", error)


async def test_each_route_takes_its_scope_and_no_other(installed: Installed) -> None:
    """Over the whole table: a key without the scope is refused with its name; one with it gets further."""
    for scope in SCOPES:
        rest = frozenset(SCOPES) - {scope}
        having, _ = key_of(installed, "charlie", scopes=frozenset({scope}))
        lacking, _ = key_of(installed, "charlie", scopes=rest)
        for rule in RULES:
            if rule.scope.value != scope:
                continue
            refused = await lacking.call(rule.method, probe(rule), b"{}")
            assert refused.status == 403 and scope in refused.body.decode(), rule
            if not is_ollamas(rule.path):  # whose errors are a sentence
                assert code(refused) == "missing_scope" and error_of(refused)["scope"] == scope, rule
            let_in = await having.call(rule.method, probe(rule), b"{}")
            assert let_in.status != 403, rule


async def test_no_key_opens_a_page(installed: Installed) -> None:
    client = installed.client("charlie")
    for rule in RULES:
        if rule.scope is Scope.BROWSER:
            answer = await client.call(rule.method, probe(rule), b"", headers={"accept": "application/json"})
            said = answer.json()
            assert answer.status == 403 and said.get("error", said)["code"] == "session_needed", rule


def test_a_route_for_programs_must_say_its_scope() -> None:
    for path in ("/v1/new", "/api/v1/new", "/privacy/v1/new", "/metrics"):
        with pytest.raises(ValueError, match="scope"):
            Rule("POST", path, "new", Access.SIGNED_IN, Body.REQUEST)
    assert Rule("GET", "/new", "new").scope is Scope.BROWSER
    for rule in RULES:
        if rule.access is not Access.PUBLIC:
            assert (rule.scope.value in SCOPES) == (
                is_for_programs(rule.path) and rule.action != "break_glass.begin"
            ), rule


async def test_a_session_has_every_scope_of_its_person(installed: Installed) -> None:
    assert (await installed.browser("charlie").call("GET", "/metrics")).status == 200
    assert (await installed.browser("alice").call("GET", "/metrics")).status == 403


async def test_the_scope_admin_makes_nobody_an_administrator(installed: Installed) -> None:
    client, _ = key_of(installed, "alice", scopes=frozenset(SCOPES))
    answer = await client.call("GET", "/metrics")
    assert answer.status == 403 and code(answer) == "not_allowed"


async def test_a_new_key_has_everything_but_administration(installed: Installed) -> None:
    key, record = installed.app.api_keys.create("job", LOCAL.user_id)
    assert record.rights.scopes == frozenset(SCOPES) - {"admin"}
    assert (await Client(installed.guard, authorization=f"Bearer {key}").call("GET", "/metrics")).status == 403


@pytest.mark.parametrize("header", ["authorization", "x-api-key", "api-key"])
async def test_every_header_is_the_same_door(installed: Installed, header: str) -> None:
    person = installed.app.users.by_email("alice@firm.example")
    assert person is not None
    rights = Rights(scopes=frozenset({"search"}), quota=Quota(requests_per_minute=3))
    key, record = installed.app.api_keys.create("job", person.id, rights=rights)
    shown = f"Bearer {key}" if header == "authorization" else key
    client = Client(installed.guard, **{header.replace("-", "_"): shown})
    foreign = {"sec-fetch-site": "cross-site"}  # no browser sends a key on its own
    assert (await client.post(CHAT_PATH, CHAT, headers=foreign)).status == 403
    for _ in range(3):
        answer = await client.call("GET", "/api/v1/projects")
        assert answer.status == 200
    assert (await client.call("GET", "/api/v1/projects")).status == 429
    installed.app.api_keys.revoke(record.id)
    assert (await client.call("GET", "/api/v1/projects")).status == 401


async def test_who_a_key_is_not(installed: Installed) -> None:
    """Expired, revoked, of a suspended owner, mistyped: each is nobody, at once and without saying which."""
    app = installed.app
    said = set()
    for spoil in ("expired", "revoked", "suspended", "mistyped"):
        client, record = key_of(installed, "bob")
        assert (await client.call("GET", "/v1/models")).status == 200
        if spoil == "expired":
            with app.database.write() as connection:
                connection.execute(api_keys.update().where(api_keys.c.id == record.id).values(expires_at=now() - 1))
        elif spoil == "revoked":
            app.api_keys.revoke(record.id)
        elif spoil == "suspended":
            Users(app.database).suspend(record.user_id)
        else:
            key = client.headers["authorization"]
            client.headers["authorization"] = key[:-1] + ("0" if key[-1] != "0" else "1")
        answer = await client.call("GET", "/v1/models")
        assert answer.status == 401, spoil
        said.add(answer.body)
        Users(app.database).resume(record.user_id)
    assert len(said) == 1


async def test_too_many_a_minute_is_said_as_openai_says_it(installed: Installed) -> None:
    client, _ = key_of(installed, quota=Quota(requests_per_minute=2))
    first = await client.post(CHAT_PATH, CHAT)
    assert first.status == 200
    assert first.headers["x-ratelimit-limit-requests"] == "2"
    assert first.headers["x-ratelimit-remaining-requests"] == "1"
    await client.post(CHAT_PATH, CHAT)
    refused = await client.post(CHAT_PATH, CHAT)
    assert refused.status == 429 and refused.json()["error"]["code"] == "key_requests_per_minute"
    assert 1 <= int(refused.headers["retry-after"]) <= 30
    assert refused.headers["x-ratelimit-remaining-requests"] == "0"
    assert len(installed.engine.asked) == 2, "refused before any work"
    assert installed.records("chat")[-1].outcome == "refused"


async def test_tokens_are_counted_and_then_refused(installed: Installed) -> None:
    client, record = key_of(installed, quota=Quota(tokens_per_day=5))
    answer = await client.post(CHAT_PATH, CHAT)
    total = answer.json()["usage"]["total_tokens"]
    assert total >= 5 and installed.app.usage.used(("key", record.id)).tokens_today == total
    refused = await client.post(CHAT_PATH, CHAT)
    assert refused.status == 429 and code(refused) == "key_tokens_per_day"
    assert refused.headers["x-should-retry"] == "false" and int(refused.headers["retry-after"]) > 0
    assert refused.headers["x-ratelimit-remaining-tokens"] == "0"
    assert (await client.call("GET", "/v1/models")).status == 200
    stream = await client.post(CHAT_PATH, CHAT | {"stream": True})
    assert stream.status == 429


async def test_a_stream_s_tokens_count_and_leaving_early_is_not_free(installed: Installed) -> None:
    client, record = key_of(installed)
    await client.post(CHAT_PATH, CHAT | {"stream": True})
    used = installed.app.usage.used(("key", record.id)).tokens_today
    assert used > 0
    installed.engine.hangs = True
    long = CHAT | {"messages": [{"role": "user", "content": "mot " * 1000}]}
    await client.post(CHAT_PATH, long | {"stream": True}, leave_after=1)
    await asyncio.sleep(0)
    assert installed.app.usage.used(("key", record.id)).tokens_today >= used + 1000


async def test_changed_limits_count_from_the_next_request_on(installed: Installed) -> None:
    client, record = key_of(installed)
    assert (await client.post(CHAT_PATH, CHAT)).status == 200
    installed.app.api_keys.limit(record.id, Rights(quota=Quota(tokens_per_month=1)))
    assert (await client.post(CHAT_PATH, CHAT)).status == 429
    installed.app.api_keys.limit(record.id, Rights(scopes=frozenset({"search"})))
    assert code(await client.post(CHAT_PATH, CHAT)) == "missing_scope"
    installed.app.api_keys.limit(record.id, Rights())
    assert (await client.post(CHAT_PATH, CHAT)).status == 200


async def test_a_key_of_certain_projects_sees_no_other(installed: Installed) -> None:
    app = installed.app
    alice = app.sessions.caller(installed.sessions["alice"])
    assert alice is not None
    leases, salaries = (app.projects.create(name, by=alice) for name in ("Leases", "Salaries"))
    client, _ = key_of(installed, projects=frozenset({leases.id}))
    listed = (await client.call("GET", "/api/v1/projects")).json()["projects"]
    assert [project["name"] for project in listed] == ["Leases"]
    for name in (salaries.id, salaries.name):
        assert (await client.call("GET", f"/api/v1/projects/{name}/documents")).status == 404
        assert (await client.post(f"/api/v1/projects/{name}/search", {"query": "x"})).status == 404
    assert (await client.call("GET", f"/api/v1/projects/{leases.id}/documents")).status == 200
    assert (await client.post("/api/v1/projects", {"name": "Another"})).status == 403
    stranger, _ = key_of(installed, "bob", projects=frozenset({salaries.id}))
    assert (await stranger.call("GET", f"/api/v1/projects/{salaries.id}/documents")).status == 404


async def test_a_key_of_certain_models_may_use_no_other(installed: Installed) -> None:
    client, record = key_of(installed, models=frozenset({"another"}))
    for model in ("default", "scripted"):
        answer = await client.post(CHAT_PATH, CHAT | {"model": model})
        assert answer.status == 403 and code(answer) == "model_not_allowed"
    assert installed.engine.asked == []
    installed.app.api_keys.limit(record.id, Rights(models=frozenset({"default"})))
    assert (await client.post(CHAT_PATH, CHAT)).status == 200
