"""The access matrix: every route × everybody who might ask, generated from the table of routes.

`EXPECTED` says for each kind of route what an actor gets: let in, or which refusal. A route whose access is not in it
fails, and so does a new row of the table that leads nowhere. "In" means past the guard and the object's own check:
anything but 401, 403 and the way to the sign-in.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from urllib.parse import urlencode

import pytest

from intramuros.accounts.rights import Rights
from intramuros.accounts.sessions import csrf
from intramuros.accounts.users import Users
from intramuros.server.access import RULES, Access, Rule, Scope, is_for_programs
from tests.asgi import Answer, Client
from tests.installed import PASSWORD, Installed
from tests.support import cheap

IN, UNKNOWN, FORBIDDEN = "in", "401", "403"

ROLES = {
    Access.SIGNED_IN: {"member", "other", "auditor", "manager", "administrator"},
    Access.OVERSEER: {"auditor", "manager", "administrator"},
    Access.AUDITOR: {"auditor", "administrator"},
    Access.MANAGER: {"manager", "administrator"},
    Access.ADMINISTRATOR: {"administrator"},
}
ACTORS = ("anonymous", "member", "other", "auditor", "manager", "administrator", "suspended", "expired key",
          "revoked key", "wrong scope", "service")  # fmt: skip
STREAMS = {"documents.watch", "models.watch"}
LEAVES = {"sign_out"}  # ends the very session it is asked with
DOES = {"model.install", "model.use", "samples.add"}  # takes long, or the network
PROVES = (
    "/account/prove",
    "/account/password",
    "/account/codes/confirm",
)  # a wrong proof is answered with 401, like a wrong password


@dataclass
class Cast:
    """Everybody, and one object of each kind that is Alice's."""

    installed: Installed
    sessions: dict[str, str]
    keys: dict[str, str]
    objects: dict[str, str]

    def client(self, actor: str, rule: Rule) -> Client:
        """How this actor comes: with a key to programs' routes, with a session to pages."""
        guard = self.installed.guard
        if actor == "anonymous":
            return Client(guard)
        if actor in {"expired key", "revoked key", "wrong scope", "service"} or is_for_programs(rule.path):
            return Client(guard, authorization=f"Bearer {self.keys[actor]}")
        return Client(guard, cookie=f"intramuros_session={self.sessions[actor]}")


@pytest.fixture
async def cast(installed: Installed) -> Cast:
    app = installed.app
    users = Users(app.database, passwords=cheap.passwords())
    roles = {"auditor": "auditor", "manager": "manager", "administrator": "administrator", "member": "member",
             "other": "member", "suspended": "member"}  # fmt: skip
    people = {name: users.create(f"{name}@matrix.example", name, role=role, password=PASSWORD)
              for name, role in roles.items()}  # fmt: skip
    service = users.create("service@matrix.example", "service", role="service")
    every = Rights(scopes=frozenset({"chat", "search", "documents", "privacy", "admin"}))
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
    return Cast(installed, sessions, keys, {"project": project.id, "group": group.id, "user": people["other"].id,
                                            "conversation": conversation})  # fmt: skip


def address(rule: Rule, objects: dict[str, str]) -> str:
    samples = {"page": "1", "token": "x" * 32, **objects}
    return re.sub(r"{(\w+)(:\w+)?}", lambda found: samples.get(found[1], "AAAAAAAAAAAAAAAA"), rule.path)


def expected(actor: str, rule: Rule) -> set[str]:
    """What an actor may get from a route."""
    if rule.access is Access.PUBLIC:
        return {IN, UNKNOWN, FORBIDDEN}
    if actor in {"anonymous", "suspended", "expired key", "revoked key"}:
        return {UNKNOWN}
    if actor in {"wrong scope", "service"} and rule.scope is Scope.BROWSER:
        return {FORBIDDEN}
    if actor == "wrong scope":
        return {FORBIDDEN} if rule.scope is not Scope.ANY else {IN}
    role = "member" if actor == "service" else actor
    return {IN} if role in ROLES[rule.access] else {FORBIDDEN}


def got(answer: Answer) -> str:
    location = answer.headers.get("location", "")
    if answer.status == 401 or (answer.status == 303 and location.startswith("/sign-in")):
        return UNKNOWN
    return FORBIDDEN if answer.status == 403 else IN


async def ask(cast: Cast, actor: str, rule: Rule) -> Answer:
    client = cast.client(actor, rule)
    headers = {"accept": "text/html"} if not is_for_programs(rule.path) else {}
    body = b"{}"
    if rule.method != "GET" and not is_for_programs(rule.path):
        token = csrf(cast.sessions[actor]) if actor in cast.sessions else ""
        body = urlencode({"csrf": token}).encode()
        headers |= {"content-type": "application/x-www-form-urlencoded", "x-csrf-token": token}
    leave = 1 if rule.action in STREAMS else None
    return await client.call(rule.method, address(rule, cast.objects), body, headers=headers, leave_after=leave)


# What is refused behind the guard, by the object itself: with 403 to whoever sees it, but may not do this.
OBJECT_RULES = {
    "view_as": {"member", "other", "manager", "service"},
    "view_as.search": {"member", "other", "manager", "service"},
}


@pytest.mark.parametrize("actor", ACTORS)
async def test_matrix(cast: Cast, actor: str) -> None:
    wrong = []
    for rule in RULES:
        assert rule.access in ROLES or rule.access is Access.PUBLIC, f"say in this test who may call {rule}"
        if rule.access is Access.PUBLIC or rule.action in LEAVES:
            continue
        if rule.action in DOES and expected(actor, rule) == {IN}:
            continue
        if actor == "wrong scope":
            others = frozenset({"chat", "search", "documents", "privacy", "admin"}) - {rule.scope.value}
            user = cast.installed.app.users.find("administrator@matrix.example")
            key, _ = cast.installed.app.api_keys.create("k", user.id, rights=Rights(scopes=others))
            cast.keys["wrong scope"] = key
        answer, allowed = await ask(cast, actor, rule), expected(actor, rule)
        if actor in OBJECT_RULES.get(rule.action, set()):
            allowed = allowed | {FORBIDDEN}
        if rule.path.startswith(PROVES) and allowed == {IN}:
            allowed = {IN, UNKNOWN}
        if got(answer) not in allowed:
            wrong.append((rule.method, rule.path, answer.status, allowed))
    assert wrong == []


@pytest.mark.parametrize("actor", ["other", "auditor", "manager", "administrator", "service"])
async def test_whoever_is_not_in_a_project_finds_no_object_of_it(cast: Cast, actor: str) -> None:
    """Insecure direct references: the ids of Alice's objects are good for nothing to others."""
    wrong = []
    for rule in RULES:
        if "{project}" not in rule.path or (rule.scope is Scope.BROWSER and actor == "service"):
            continue
        answer = await ask(cast, actor, rule)
        if answer.status not in {404, 400} or b"Matrix" in answer.body:
            wrong.append((rule.method, rule.path, answer.status))
    assert wrong == []
    member = cast.installed.app.sessions.caller(cast.sessions["member"])
    assert member is not None
    assert cast.installed.app.projects.get(cast.objects["project"], by=member, need="owner")


async def test_what_is_public_needs_nobody(cast: Cast) -> None:
    """Public rules are these and no others, and nobody is asked who they are before they may use them."""
    public = {rule.action for rule in RULES if rule.access is Access.PUBLIC}
    assert public == {
        "health", "static", "sign_in.show", "sign_in", "sign_in.sso.begin", "sign_in.sso", "sign_in.second.show",
        "sign_in.second", "sign_in.passkey.begin", "sign_in.passkey", "first.show", "first",
    }  # fmt: skip
    for rule in RULES:
        if rule.access is Access.PUBLIC and rule.method == "GET" and "sso" not in rule.action:
            answer = await ask(cast, "anonymous", rule)
            assert answer.status != 401, rule


@pytest.mark.parametrize("actor", ["anonymous", "suspended", "member", "administrator"])
async def test_signing_out_ends_only_the_own_session(cast: Cast, actor: str) -> None:
    [rule] = [rule for rule in RULES if rule.action in LEAVES]
    others = {
        name for name in cast.sessions if name != actor and cast.installed.app.sessions.caller(cast.sessions[name])
    }
    await ask(cast, actor, rule)
    if actor in cast.sessions:
        assert cast.installed.app.sessions.caller(cast.sessions[actor]) is None
    assert all(cast.installed.app.sessions.caller(cast.sessions[name]) for name in others)


async def test_what_must_be_recent_is_refused_to_an_old_proof(cast: Cast) -> None:
    """Each such route sends whoever proved themselves long ago to prove it again, before anything happens."""
    with cast.installed.app.database.write() as connection:
        connection.exec_driver_sql("UPDATE sessions SET proven_at = 1")
    cast.installed.app.identity.flush()
    wrong = []
    for rule in (rule for rule in RULES if rule.recent and not is_for_programs(rule.path)):
        answer = await ask(cast, "administrator", rule)
        if answer.status not in {303, 401, 403} or "/account/prove" not in answer.headers.get(
            "location", "/account/prove"
        ):
            wrong.append((rule.path, answer.status))
    assert wrong == []
