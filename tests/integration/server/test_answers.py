"""Every route for programs answers as the OpenAPI document says: each is asked once so that nothing is wrong.

What is answered is held against the document by `held`, here and in every other test of the APIs. A route that is not
asked here, or refuses what it is asked, fails this test.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from intramuros.accounts.caller import LOCAL
from intramuros.accounts.sessions import csrf
from intramuros.server import answers
from intramuros.server.access import RULES
from intramuros.server.answers import EVENTS, LINES
from intramuros.server.rule import Access, Rule, Scope, is_for_programs
from intramuros.tasks.moderating import CATEGORIES
from tests.asgi import Answer
from tests.integration.server.matrix import Cast, address
from tests.integration.server.test_matrix import cast
from tests.support.described import DOCUMENT, Held, problems
from tests.unit.models.builder import Gguf

__all__ = ["cast"]

UNASKED = {
    "speak", "transcribe", "translate", "draw", "model.pull", "model.push", "embed", "rerank", "batch.cancel",
}  # fmt: skip
"""Nothing is installed for four; one goes to other servers, one always refuses; the engine here neither embeds nor
ranks; and its batches are over before they can be cancelled."""
WORDS = b"The suspension bridge was painted green in spring by the municipal workshop.\n"
SAYS = [{"role": "user", "content": "Which bridge is green?"}]
CHAT: dict[str, Any] = {"model": "default", "messages": SAYS}
TEXT: dict[str, Any] = {"model": "default", "input": "Which bridge is green?"}
UPSTREAM = {"name": "near", "url": "http://127.0.0.1:9/v1", "where": "inside", "models": ["small"], "probes": False}
MESSAGE: dict[str, Any] = {"model": "default", "max_tokens": 20, "messages": SAYS}
SAID: Mapping[tuple[str, str], Any] = {
    ("POST", "/v1/chat/completions"): CHAT,
    ("POST", "/v1/chat/completions/{completion}"): {"metadata": {"seen": "yes"}},
    ("POST", "/v1/responses"): TEXT,
    ("POST", "/v1/responses/input_tokens"): TEXT,
    ("POST", "/v1/responses/compact"): TEXT,
    ("POST", "/v1/conversations"): {},
    ("POST", "/v1/conversations/{dialogue}"): {"metadata": {"seen": "yes"}},
    ("POST", "/v1/conversations/{dialogue}/items"): {"items": SAYS},
    ("POST", "/v1/completions"): {"model": "default", "prompt": "The bridge"},
    ("POST", "/v1/moderations"): {"model": "default", "input": "The bridge"},
    ("POST", "/v1/batches"): {
        "input_file_id": "{file}", "endpoint": "/v1/chat/completions", "completion_window": "24h",
    },
    ("POST", "/v1/vector_stores"): {"name": "Bridges"},
    ("POST", "/v1/vector_stores/{store}"): {"metadata": {"seen": "yes"}},
    ("POST", "/v1/vector_stores/{store}/search"): {"query": "green bridge"},
    ("POST", "/v1/vector_stores/{store}/files"): {"file_id": "{paper}"},
    ("POST", "/v1/vector_stores/{store}/files/{file}"): {"attributes": {"year": 2024}},
    ("POST", "/v1/vector_stores/{store}/file_batches"): {"file_ids": ["{paper}"]},
    ("POST", "/api/chat"): CHAT | {"stream": False},
    ("POST", "/api/generate"): {"model": "default", "prompt": "The bridge", "stream": False},
    ("POST", "/api/show"): {"model": "default"},
    ("POST", "/api/create"): {"model": "mine", "from": "tiny", "system": "Be short.", "stream": False},
    ("POST", "/api/copy"): {"source": "tiny", "destination": "other"},
    ("DELETE", "/api/delete"): {"model": "other"},
    ("POST", "/v1/messages"): MESSAGE,
    ("POST", "/v1/messages/count_tokens"): {"model": "default", "messages": SAYS},
    ("POST", "/v1/messages/batches"): {"requests": [{"custom_id": "one", "params": MESSAGE}]},
    ("POST", "/mcp"): {"jsonrpc": "2.0", "id": 1, "method": "tools/list"},
    ("POST", "/api/v1/projects"): {"name": "Towers"},
    ("POST", "/api/v1/projects/{project}/search"): {"query": "green bridge"},
    ("POST", "/api/v1/projects/{project}/ask"): {"question": "Which bridge is green?", "mode": "quote"},
    ("PUT", "/api/v1/projects/{project}/members/{user}"): {"role": "reader"},
    ("PUT", "/api/v1/projects/{project}/groups/{group}"): {"role": "reader"},
    ("PUT", "/api/v1/projects/{project}/retention"): {"documents_days": 30},
    ("POST", "/api/v1/users"): {"email": "new@matrix.example", "name": "New", "role": "service"},
    ("POST", "/api/v1/invitations"): {"role": "member"},
    ("PUT", "/api/v1/users/{user}/role"): {"role": "member"},
    ("POST", "/api/v1/users/{user}/search"): {"query": "green bridge"},
    ("POST", "/api/v1/groups"): {"name": "Painters"},
    ("PATCH", "/api/v1/groups/{group}"): {"external_name": "cn=painters"},
    ("PUT", "/api/v1/quotas/{kind}/{subject}"): {"tokens_per_day": 1000},
    ("POST", "/api/v1/presets"): {"name": "short", "model": "tiny"},
    ("PATCH", "/api/v1/presets/{preset:path}"): {"system": "Be short."},
    ("POST", "/api/v1/break-glass"): {"project": "{project}", "reason": "A test of the document"},
    ("POST", "/api/v1/upstreams"): UPSTREAM,
    ("PATCH", "/api/v1/upstreams/{upstream}"): {"context_tokens": 4096},
    ("POST", "/api/v1/upstreams/{upstream}/test"): {},
    ("POST", "/api/v1/upstreams/{upstream}/rename"): {"name": "next"},
    ("POST", "/api/v1/routes/{route:path}/rename"): {"name": "tower"},
    ("POST", "/api/v1/upstreams/{upstream}/consents"): {"kind": "everybody"},
    ("POST", "/api/v1/upstreams/{upstream}/consents/withdraw"): {"kind": "everybody"},
    ("PUT", "/api/v1/routes/{route:path}"): {"targets": ["near/small", "local/scripted"]},
    ("POST", "/privacy/v1/redact"): {"text": "Mme Anna Keller, Bern"},
    ("POST", "/privacy/v1/restore"): {"text": "Bonjour", "map": "{map}"},
}  # fmt: skip
STREAMED: Mapping[str, dict[str, Any]] = {
    "/v1/chat/completions": CHAT | {"stream_options": {"include_usage": True}},
    "/v1/completions": {"model": "default", "prompt": "The bridge"},
    "/v1/responses": TEXT,
    "/v1/messages": MESSAGE,
    "/api/chat": CHAT,
    "/api/generate": {"model": "default", "prompt": "The bridge"},
    "/api/create": {"model": "mine", "from": "tiny", "system": "Be short."},
    "/api/v1/projects/{project}/ask": {"question": "Which bridge is green?", "mode": "quote"},
}
FORMS = {"/v1/files", "/api/v1/projects/{project}/documents"}
FIRST = {"upstream.add": -3, "upstream.set": -2, "route.set": -1, "model.upload": -1}
LATE = {
    "project.remove": 3, "user.remove": 3, "group.remove": 2, "dialogue.remove": 2, "upstream.remove": 2,
    "document.remove": 1, "route.remove": 1, "erase.receipt": 4,
}  # fmt: skip
TAKES = ("remove", "take_out", "unshare", "leave", "withdraw", "cancel", "end", "erase", "suspend", "resume")
"""Words of actions that take away what others need: they come last, and among them those of `LATE` in this order."""
ADMINISTRATORS = {"view_as", "view_as.search", "break_glass.begin", "break_glass.end"}
GIVES = {
    ("POST", "/privacy/v1/redact"): ("map", "map"),
    ("POST", "/api/v1/upstreams/{upstream}/rename"): ("upstream", "name"),
    ("POST", "/api/v1/routes/{route:path}/rename"): ("route", "name"),
    ("POST", "/api/v1/break-glass"): ("access", "id"),
    ("POST", "/v1/vector_stores/{store}/file_batches"): ("papers", "id"),
    ("DELETE", "/api/v1/projects/{project}/conversations/{conversation}"): ("receipt", "id"),
}
"""What an answer has that other requests need: its name there, and the field."""


def asked() -> Iterator[Rule]:
    """Each route that can answer here, in an order in which all can."""

    def turn(rule: Rule) -> int:
        is_late = rule.method == "DELETE" or any(word in rule.action.split(".")[-1] for word in TAKES)
        return FIRST.get(rule.action, 0) + (10 + LATE.get(rule.action, 0) if is_late or rule.action in LATE else 0)

    yield from sorted((one for one in RULES if is_for_programs(one.path) and one.action not in UNASKED), key=turn)


class Asking:
    """Asks routes, as somebody who may, about objects that are there."""

    def __init__(self, cast: Cast) -> None:
        self.cast, self.model = cast, bytes(Gguf.model("llama", block_count=3).bytes())
        self.objects = cast.objects | {
            "kind": "user", "subject": cast.objects["user"], "upstream": "near", "route": "bridge", "model": "default",
            "digest": f"sha256:{hashlib.sha256(self.model).hexdigest()}",
        }  # fmt: skip

    async def prepare(self, folder: Path) -> None:
        """Makes what the cast lacks: a document, a file in a vector store, a spare model, a response in the background."""
        app, ask = self.cast.installed.app, self.made
        member = app.users.find("member@matrix.example")
        app.groups.add(self.objects["group"], user_id=member.id, by=LOCAL)
        (folder / "spare.gguf").write_bytes(bytes(Gguf.model("llama", block_count=4).bytes()))
        for name in ("spare", "scripted"):  # the second is what the engine says it is
            app.models.add_file(folder / "spare.gguf", name)
        self.objects["paper"] = (await ask("POST", "/v1/files"))["id"]
        self.objects["store"] = (await ask("POST", "/v1/vector_stores"))["id"]
        self.objects["papers"] = (await ask("POST", "/v1/vector_stores/{store}/file_batches"))["id"]
        [document] = (await ask("POST", "/api/v1/projects/{project}/documents"))["documents"]
        self.objects["document"] = document["id"]
        response = await ask("POST", "/v1/responses", TEXT | {"background": True})
        self.objects["background"] = response["id"]
        async with asyncio.timeout(60):
            while (await ask("GET", "/api/v1/projects/{project}/documents/{document}"))["state"] != "ready":
                await asyncio.sleep(0.1)
            while (await ask("GET", "/v1/vector_stores/{store}"))["status"] != "completed":
                await asyncio.sleep(0.1)

    async def made(self, method: str, path: str, said: Any = None) -> Any:
        """What one request answers."""
        [rule] = [rule for rule in RULES if (rule.method, rule.path) == (method, path)]
        return (await self.ask(rule, said)).json()

    async def ask(self, rule: Rule, said: Any = None) -> Answer:
        """One request of a route."""
        said = SAID.get((rule.method, rule.path), {}) if said is None else said
        body = b"" if rule.method == "GET" else json.dumps(said).encode()
        for name, value in self.objects.items():
            body = body.replace(f'"{{{name}}}"'.encode(), json.dumps(value).encode())
        headers = {"content-type": "application/json"}
        if rule.path.startswith("/v1/messages"):
            headers["anthropic-version"] = "2023-06-01"
        if rule.path in FORMS and rule.method == "POST":
            headers["content-type"], body = "multipart/form-data; boundary=x", form(rule)
        if rule.action == "model.upload":
            body = self.model
        is_admins = rule.action in ADMINISTRATORS or rule.access not in {Access.SIGNED_IN, Access.PUBLIC}
        who, way = "administrator" if is_admins else "member", "key" if rule.scope is not Scope.BROWSER else "session"
        if way == "session":
            headers["x-csrf-token"] = csrf(self.cast.sessions[who])
        at = address(rule, self.objects | self._others(rule))
        answer = await self.cast.client(who, way).call(rule.method, at, body, headers=headers)
        if answer.status < 300 and (rule.method, rule.path) in GIVES:
            name, field = GIVES[rule.method, rule.path]
            self.objects[name] = answer.json()[field]
        return answer

    def _others(self, rule: Rule) -> dict[str, str]:
        """The objects that are others than usual in the address of this route."""
        if rule.path.startswith("/v1/vector_stores"):
            return {"file": self.objects.get("paper", ""), "batch": self.objects.get("papers", "")}
        if rule.action == "response.cancel":
            return {"response": self.objects["background"]}
        return {"model": "spare"} if rule.action == "model.remove" else {}


def form(rule: Rule) -> bytes:
    """A file as a browser sends it."""
    parts = [b'name="file"; filename="bridge.md"\r\n\r\n' + WORDS]
    parts += [b'name="purpose"\r\n\r\nassistants'] if rule.path == "/v1/files" else []
    return b"".join(b"--x\r\ncontent-disposition: form-data; " + part + b"\r\n" for part in parts) + b"--x--\r\n"


@pytest.fixture
async def asking(cast: Cast, tmp_path: Path) -> Asking:
    asking = Asking(cast)
    await asking.prepare(tmp_path)
    return asking


def is_described(rule: Rule, answer: Answer) -> bool:
    """Whether the answer is the one that the document has for when nothing is wrong."""
    return str(answer.status) in described(rule)


def described(rule: Rule) -> Mapping[str, Any]:
    found: Mapping[str, Any] = DOCUMENT["paths"][rule.path.replace(":path", "")][rule.method.lower()]["responses"]
    return {status: one for status, one in found.items() if status != "default"}


async def test_every_route_answers_as_described(asking: Asking, held: Held) -> None:
    wrong = []
    for rule in asked():
        judged = json.dumps(dict.fromkeys(CATEGORIES, False))
        asking.cast.installed.engine.words = [judged] if rule.action == "moderate" else ("Bonjour", ", ", "monde")
        answer = await asking.ask(rule)
        if not is_described(rule, answer):
            wrong.append((rule.method, rule.path, answer.status, answer.body[:300]))
    assert not wrong, "\n".join(map(str, wrong))
    assert len(held.answered) > 100


@pytest.mark.parametrize("path", STREAMED)
async def test_every_stream_is_of_what_is_described(asking: Asking, path: str) -> None:
    [rule] = [rule for rule in RULES if (rule.method, rule.path) == ("POST", path)]
    answer = await asking.ask(rule, STREAMED[path] | {"stream": True})
    [said] = described(rule).values()
    assert answer.status == 200 and answer.headers["content-type"].partition(";")[0] in {EVENTS, LINES}
    assert answers.EACH in said["content"][answer.headers["content-type"].partition(";")[0]]


async def test_an_answer_that_is_not_as_described_is_seen(asking: Asking) -> None:
    """The check itself: a field that is missing, one of another type, another status, another media type."""
    answer = await asking.cast.client("member", "key").call("GET", "/health")
    good = answer.json()
    assert problems("GET", "/health", answer) == []
    for spoilt in (good | {"status": "well"}, good | {"version": 1}, {"status": "ok"}):
        assert problems("GET", "/health", replace(answer, parts=[json.dumps(spoilt).encode()]))
    assert problems("GET", "/health", replace(answer, status=201))
    assert problems("GET", "/health", replace(answer, headers={"content-type": "text/html"}))
    error = await asking.cast.client("member", "key").call("GET", "/api/v1/users")
    assert error.status == 403 and problems("GET", "/api/v1/users", error) == []
    assert problems("GET", "/api/v1/users", replace(error, parts=[b'{"error": "no"}']))
    chunks = replace(answer, headers={"content-type": "text/event-stream"}, parts=[b'data: {"object": "chat"}\n\n'])
    assert problems("POST", "/v1/chat/completions", chunks)
    assert problems("DELETE", "/api/v1/groups/{group}", replace(answer, status=204, parts=[b"{}"]))
