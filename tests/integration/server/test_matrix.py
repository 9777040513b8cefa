"""The access matrix: every route × everybody who might ask, with each credential, generated from the table of routes.

A new route is asked as soon as it has its row (`server/access.py`; `test_routes` fails without one), an access that is
new must be said in `matrix.ROLES`, and what is public is listed here, so that nothing becomes public by a slip.
"""

from __future__ import annotations

import io
import json
import re
import time
from pathlib import Path

import pytest
from sqlalchemy import update
from starlette.types import Message, Scope

from intramuros.accounts.caller import Caller
from intramuros.accounts.rights import Rights
from intramuros.accounts.users import Users
from intramuros.models.installed import InstalledModel
from intramuros.models.presets import Wanted
from intramuros.server.access import RULES
from intramuros.server.rule import Access, Rule
from intramuros.server.rule import Scope as KeyScope
from intramuros.storage.schema import batches
from tests.asgi import Client
from tests.installed import PASSWORD, Installed
from tests.integration.server.matrix import LEAVES, PERSONS, ROLES, WAYS, Cast, address, expected, got
from tests.support import cheap
from tests.unit.models.builder import Gguf

SCOPES = frozenset(scope.value for scope in KeyScope if scope not in {KeyScope.ANY, KeyScope.BROWSER})
ROLE_OF = {"auditor": "auditor", "manager": "manager", "administrator": "administrator"}
OWN = {"file", "batch", "messagebatch", "response", "completion", "preset"}
PUBLIC = {
    "health", "static", "sign_in.show", "sign_in", "sign_in.sso.begin", "sign_in.sso", "sign_in.second.show",
    "sign_in.second", "mcp.listen", "mcp.end", "sign_in.passkey.begin", "sign_in.passkey", "first.show", "first",
}  # fmt: skip


@pytest.fixture
async def cast(installed: Installed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cast:
    app = installed.app
    users = Users(app.database, passwords=cheap.passwords())
    people = {name: users.create(f"{name}@matrix.example", name, role=ROLE_OF.get(name, "member"), password=PASSWORD)
              for name in PERSONS}  # fmt: skip
    service = users.create("service@matrix.example", "service", role="service")
    every = Rights(scopes=SCOPES)
    keys = {name: app.api_keys.create("k", user.id, rights=every)[0] for name, user in people.items()}
    sessions = {name: app.sessions.open(user) for name, user in people.items()}
    admin = people["administrator"].id
    keys["service"] = app.api_keys.create("k", service.id, rights=every)[0]
    expired, record = app.api_keys.create("k", admin, rights=every, expires=time.time() + 60)
    with app.database.write() as connection:
        connection.exec_driver_sql("UPDATE api_keys SET expires_at = 1 WHERE id = ?", (record.id,))
    keys["expired key"] = expired
    keys["revoked key"], record = app.api_keys.create("k", admin, rights=every)
    app.api_keys.revoke(record.id)
    users.suspend(people["suspended"].id)
    member = app.sessions.caller(sessions["member"])
    assert member is not None
    project = app.projects.create("Matrix", by=member)
    group = app.groups.create("Matrix group")
    conversation = app.conversations.create(project, by=member)
    model = tmp_path / "tiny.gguf"
    model.write_bytes(bytes(Gguf.model().bytes()))
    app.models.add_file(model, "tiny")

    own = await own_objects(installed, member, keys["member"])

    async def pull(entry: object, **more: object) -> InstalledModel:  # the network is not what is asked about here
        return app.models.get("tiny")

    monkeypatch.setattr("intramuros.web.downloads.pull", pull)
    return Cast(installed, sessions, keys, {
        "project": project.id, "store": f"vs_{project.id}", "group": group.id, "user": people["other"].id, "conversation": conversation,
        "catalogue": app.catalogue.starter.name, **own,
    })  # fmt: skip


async def own_objects(installed: Installed, member: Caller, key: str) -> dict[str, str]:
    """What belongs to the member alone, in no project: one real object for each name in a route's path."""
    app, client = installed.app, Client(installed.guard, authorization=f"Bearer {key}")
    asked = {"model": "default", "messages": [{"role": "user", "content": "Matrix"}]}
    line = {"custom_id": "Matrix", "method": "POST", "url": "/v1/chat/completions", "body": asked}
    file = app.files.add("Matrix.jsonl", "batch", io.BytesIO(json.dumps(line).encode()), by=member)
    batch = app.batches.create(file.id, "/v1/chat/completions", by=member)
    preset = app.presets.create(Wanted(name="matrix", model="tiny", system="Matrix"), by=member)
    answers = {
        "response": await client.call("POST", "/v1/responses", json.dumps({"model": "default", "input": "Matrix"}).encode()),
        "completion": await client.call(
            "POST", "/v1/chat/completions", json.dumps({**asked, "store": True}).encode()
        ),
    }  # fmt: skip
    said = json.dumps({"items": [{"role": "user", "content": "Matrix"}]}).encode()
    answers["dialogue"] = await client.call("POST", "/v1/conversations", said)
    made = {name: answer.json()["id"] for name, answer in answers.items()}
    listed = await client.call("GET", f"/v1/conversations/{made['dialogue']}/items")
    made["item"] = listed.json()["data"][0]["id"]
    ids = {"file": f"file-{file.id}", "batch": f"batch_{batch.id}", "preset": preset.id, **made}
    return ids | {"messagebatch": f"msgbatch_{ended_batch(installed, member)}"}


def ended_batch(installed: Installed, member: Caller) -> str:
    """A batch of messages with its results."""
    app = installed.app
    batch = app.batches.send("Matrix.jsonl", io.BytesIO(b"{}"), "/v1/messages", by=member, total=1).id
    results = app.files.write("Matrix.jsonl", io.BytesIO(b"{}"), user_id=member.user_id, file_id=f"{batch}-results")
    with app.database.write() as connection:
        ended = {"state": "completed", "times": {"completed": time.time()}, "output_file": results.id}
        connection.execute(update(batches).where(batches.c.id == batch).values(ended))
    return batch


@pytest.mark.parametrize(("actor", "way"), WAYS)
async def test_matrix(cast: Cast, actor: str, way: str) -> None:
    wrong = []
    wrong_scope: dict[KeyScope, str] = {}
    admin = cast.installed.app.users.find("administrator@matrix.example")
    for rule in RULES:
        assert rule.access in ROLES or rule.access is Access.PUBLIC, f"say in this test who may call {rule}"
        if rule.access is Access.PUBLIC or rule.action in LEAVES:
            continue
        if actor == "wrong scope":
            if rule.scope not in wrong_scope:
                others = Rights(scopes=SCOPES - {rule.scope.value})
                wrong_scope[rule.scope] = cast.installed.app.api_keys.create("k", admin.id, rights=others)[0]
            cast.keys["wrong scope"] = wrong_scope[rule.scope]
        answer, allowed = await cast.ask(actor, way, rule), expected(actor, way, rule)
        if got(answer) not in allowed or answer.status >= 500:
            wrong.append((rule.method, rule.path, answer.status, allowed))
    assert wrong == []


@pytest.mark.parametrize("action", ["model.install", "model.use", "samples.add"])
async def test_what_takes_long_is_done_for_whoever_may(cast: Cast, action: str) -> None:
    [rule] = [rule for rule in RULES if rule.action == action]
    answer = await cast.ask("administrator", "session", rule)
    assert answer.status == 303 and not answer.headers["location"].startswith("/sign-in")


@pytest.mark.parametrize("actor", ["other", "auditor", "manager", "administrator", "service"])
async def test_whoever_is_not_in_a_project_finds_no_object_of_it(cast: Cast, actor: str) -> None:
    """Insecure direct references: the ids of Alice's objects are good for nothing to others."""
    wrong = []
    for rule in RULES:
        if not {"{project}", "{store}"} & set(re.findall("{[a-z]+}", rule.path)):
            continue
        for way in ("key",) if actor == "service" else ("session", "key"):
            if way == "key" and rule.scope is KeyScope.BROWSER:
                continue
            answer = await cast.ask(actor, way, rule)
            if answer.status not in {404, 400} or b"Matrix" in answer.body:
                wrong.append((way, rule.method, rule.path, answer.status))
    assert wrong == []
    member = cast.installed.app.sessions.caller(cast.sessions["member"])
    assert member is not None
    assert cast.installed.app.projects.get(cast.objects["project"], by=member, need="owner")


def is_own(rule: Rule) -> bool:
    """Whether a route is about an object that is one person's, in no project."""
    names = set(re.findall(r"{([a-z]+)", rule.path))
    return bool(OWN & names) and not {"project", "store"} & names


@pytest.mark.parametrize("actor", ["other", "auditor", "manager", "administrator", "service"])
async def test_what_is_ones_own_is_there_for_nobody_else(cast: Cast, actor: str) -> None:
    wrong = []
    for rule in filter(is_own, RULES):
        for way in ("key",) if actor == "service" else ("session", "key"):
            if way == "key" and rule.scope is KeyScope.BROWSER:
                continue
            answer = await cast.ask(actor, way, rule)
            if answer.status not in {403, 404} or b"Matrix" in answer.body:
                wrong.append((way, rule.method, rule.path, answer.status))
    assert wrong == []
    shown = [rule for rule in RULES if is_own(rule) and rule.method == "GET"]
    assert {name for rule in shown for name in OWN if f"{{{name}" in rule.path} == OWN
    for rule in shown:  # they are there, and still are
        answer = await cast.ask("member", "session" if rule.scope is KeyScope.BROWSER else "key", rule)
        assert answer.status == 200, (rule.path, answer.status)


async def test_what_is_public_is_what_we_know(cast: Cast) -> None:
    assert {rule.action for rule in RULES if rule.access is Access.PUBLIC} == PUBLIC


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule.access is Access.PUBLIC], ids=lambda rule: rule.action)
async def test_a_public_route_answers_everybody_and_lets_nobody_in(cast: Cast, rule: object) -> None:
    """Whatever credential somebody shows, good or not, is no reason to refuse; an empty form opens no session."""
    for actor, way in WAYS:
        if actor == "wrong scope":
            continue  # nobody's key here
        answer = await cast.ask(actor, way, rule)  # type: ignore[arg-type]
        assert answer.status in {200, 303, 400, 401, 404, 405, 429}, (actor, way, answer.status)  # 429: slowed guessing
        assert not any(line.startswith("intramuros_session=") for line in answer.cookies), (actor, way)


@pytest.mark.parametrize("actor", ["anonymous", "suspended", "member", "administrator"])
async def test_signing_out_ends_only_the_own_session(cast: Cast, actor: str) -> None:
    [rule] = [rule for rule in RULES if rule.action in LEAVES]
    others = {
        name for name in cast.sessions if name != actor and cast.installed.app.sessions.caller(cast.sessions[name])
    }
    answer = await cast.ask(actor, "nothing" if actor == "anonymous" else "session", rule)
    if actor in cast.sessions:
        assert cast.installed.app.sessions.caller(cast.sessions[actor]) is None
        assert actor == "suspended" or answer.headers["clear-site-data"] == '"cache", "storage"'
    assert all(cast.installed.app.sessions.caller(cast.sessions[name]) for name in others)


async def test_what_must_be_recent_is_refused_to_an_old_proof(cast: Cast) -> None:
    """Pages and APIs alike: an old session is sent to prove itself before anything happens; a key does what its scope
    says, and never begins an exceptional access or makes another key."""
    with cast.installed.app.database.write() as connection:
        connection.exec_driver_sql("UPDATE sessions SET proven_at = 1")
    cast.installed.app.identity.flush()
    wrong = []
    recent = [rule for rule in RULES if rule.recent]
    assert {"break_glass.begin", "key.create", "codes.begin", "user.reset_factor"} <= {rule.action for rule in recent}
    for rule in recent:
        by_session = await cast.ask("administrator", "session", rule)
        is_led = by_session.headers.get("location", "").startswith("/account/prove")
        if not is_led and (by_session.status != 403 or b'"proof_needed"' not in by_session.body):
            wrong.append((rule.path, "session", by_session.status))
        by_key = await cast.ask("administrator", "key", rule)
        if rule.scope is KeyScope.BROWSER and by_key.status != 403:
            wrong.append((rule.path, "key", by_key.status))
    assert wrong == []
    assert all(rule.scope is KeyScope.BROWSER for rule in recent if rule.action in {"break_glass.begin", "key.create"})
    assert cast.installed.app.break_glass.list() == []


async def test_no_route_is_a_web_socket(cast: Cast) -> None:
    """There are none, so none is opened: neither as a socket nor by asking a route to become one."""
    for rule in RULES:
        path = address(rule, cast.objects)
        sent: list[Message] = []

        async def send(message: Message) -> None:
            sent.append(message)  # noqa: B023

        async def receive() -> Message:
            return {"type": "websocket.connect"}

        scope: Scope = {"type": "websocket", "path": path, "headers": [(b"host", b"localhost")], "state": {}}
        with pytest.raises(NotImplementedError):
            await cast.installed.guard(scope, receive, send)
        assert sent == [], path
