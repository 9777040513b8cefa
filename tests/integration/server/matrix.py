"""Everybody who might ask, how they come, and what each should get from a route, by its row of the access table.

A new route needs nothing here: its row in `server/access.py` says all. Where an empty request would not come through,
`SAYS` holds what a good one says; where the object behind a route answers for itself, `OBJECT_ANSWERS` says what.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from urllib.parse import urlencode

from intramuros.accounts.sessions import csrf
from intramuros.server.rule import Access, Rule, Scope, is_for_programs
from tests.asgi import Answer, Client
from tests.installed import Installed

IN, UNKNOWN, FORBIDDEN = "in", "401", "403"

ROLES = {
    Access.SIGNED_IN: {"member", "other", "auditor", "manager", "administrator"},
    Access.OVERSEER: {"auditor", "manager", "administrator"},
    Access.AUDITOR: {"auditor", "administrator"},
    Access.MANAGER: {"manager", "administrator"},
    Access.ADMINISTRATOR: {"administrator"},
}
PERSONS = ("member", "other", "auditor", "manager", "administrator", "suspended")
PROGRAMS = ("expired key", "revoked key", "wrong scope", "service")
WAYS = [("anonymous", "nothing"), *((who, way) for who in PERSONS for way in ("session", "key")),
        *((who, "key") for who in PROGRAMS)]  # fmt: skip
"""Each actor with each credential they may show; on every route, pages and APIs alike."""

LEAVES = {"sign_out"}
"""Ends the very session it is asked with, and has a test of its own."""
SAYS = {"model.install": {"name": "{catalogue}"}, "model.use": {"name": "tiny"}, "model.load": {"name": "tiny"}}
SAYS_AS_JSON = {
    "completion.change": {"metadata": {"seen": "yes"}},
    "dialogue.change": {"metadata": {"seen": "yes"}},
    "dialogue.add": {"items": [{"role": "user", "content": "Matrix"}]},
}
OBJECT_ANSWERS = {
    "prove": (set(PERSONS), UNKNOWN),  # a wrong proof is answered like a wrong password
    "prove.passkey": (set(PERSONS), UNKNOWN),
    "password.change": (set(PERSONS), UNKNOWN),
    "codes.add": (set(PERSONS), UNKNOWN),
    "view_as": ({"member", "other", "manager", "service"}, FORBIDDEN),  # who is not alone in a project
    "view_as.search": ({"member", "other", "manager", "service"}, FORBIDDEN),
}


@dataclass
class Cast:
    """Everybody, and one object of each kind that is the member's."""

    installed: Installed
    sessions: dict[str, str]
    keys: dict[str, str]
    objects: dict[str, str]

    def client(self, actor: str, way: str) -> Client:
        guard = self.installed.guard
        if way == "key":
            return Client(guard, authorization=f"Bearer {self.keys[actor]}")
        if way == "session":
            return Client(guard, cookie=f"intramuros_session={self.sessions[actor]}")
        return Client(guard)

    async def ask(self, actor: str, way: str, rule: Rule) -> Answer:
        """One request as this actor; whoever gets a stream leaves after its first part."""
        says = {name: value.format_map(self.objects) for name, value in SAYS.get(rule.action, {}).items()}
        headers: dict[str, str] = {}
        if rule.path.startswith("/v1/messages"):
            headers["anthropic-version"] = "2023-06-01"
        body = json.dumps(SAYS_AS_JSON.get(rule.action, {})).encode()
        if not is_for_programs(rule.path):
            headers["accept"] = "text/html"
            if rule.method != "GET":
                token = csrf(self.sessions[actor]) if way == "session" else ""
                body = urlencode({"csrf": token} | says).encode()
                headers |= {"content-type": "application/x-www-form-urlencoded", "x-csrf-token": token}
        client = self.client(actor, way)
        return await client.call(rule.method, address(rule, self.objects), body, headers=headers, leave_after=1)


def address(rule: Rule, objects: dict[str, str]) -> str:
    """The route's path with the ids of objects that are there, and of none where there is none."""
    samples = {"page": "1", "token": "x" * 32, **objects}
    return re.sub(r"{(\w+)(:\w+)?}", lambda found: samples.get(found[1], "AAAAAAAAAAAAAAAA"), rule.path)


def expected(actor: str, way: str, rule: Rule) -> set[str]:
    """What an actor may get from a route that is not public."""
    if actor in {"anonymous", "suspended", "expired key", "revoked key"}:
        return {UNKNOWN}
    if way == "key" and rule.scope is Scope.BROWSER:
        return {FORBIDDEN}
    if actor == "wrong scope":
        return {FORBIDDEN} if rule.scope is not Scope.ANY else {IN}
    role = "member" if actor == "service" else actor
    if role not in ROLES[rule.access]:
        return {FORBIDDEN}
    actors, answer = OBJECT_ANSWERS.get(rule.action, (set(), IN))
    return {IN, answer} if actor in actors else {IN}


def got(answer: Answer) -> str:
    """In means past the guard and the object's own check: anything but 401, 403 and the way to the sign-in."""
    location = answer.headers.get("location", "")
    if answer.status == 401 or (answer.status == 303 and location.startswith("/sign-in")):
        return UNKNOWN
    return FORBIDDEN if answer.status == 403 else IN
