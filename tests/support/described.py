"""Holds answers of the server against the OpenAPI document: status, media type, and every field with its type."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatch
from functools import cache
from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from starlette.types import Message, Receive, Scope, Send

from intramuros.server import answers, openapi
from intramuros.server.access import AccessTable
from intramuros.server.guard import Guard
from intramuros.server.rule import UNKNOWN, is_for_programs
from tests.asgi import Answer

DOCUMENT = openapi.document(version="1")
TABLE = AccessTable()


def problems(method: str, path: str, answer: Answer) -> list[str]:
    """What of a whole answer is not as the document says; none for an address that it does not have."""
    rule = TABLE.rule(method, path)
    if rule is UNKNOWN or not is_for_programs(rule.path) or method == "HEAD":
        return []
    said = DOCUMENT["paths"][rule.path.replace(":path", "")][method.lower()]["responses"]
    if (found := said.get(str(answer.status))) is None:
        if answer.status < 400:
            return [f"status {answer.status} is not described"]
        found = DOCUMENT["components"]["responses"][said["default"]["$ref"].rpartition("/")[2]]
    return list(_wrong(found.get("content", {}), answer))


@dataclass
class Held:
    """What was answered: by which routes with which status, and what of it is not as the document says."""

    answered: set[tuple[str, str, int]] = field(default_factory=set)
    wrong: list[str] = field(default_factory=list)

    def note(self, method: str, path: str, answer: Answer) -> None:
        """One whole answer."""
        self.answered.add((method, TABLE.rule(method, path).path, answer.status))
        if found := problems(method, path, answer):
            self.wrong.append(f"{method} {path} answers {answer.status}: {found[:5]} in {answer.body[:600]!r}")


def watch(monkeypatch: pytest.MonkeyPatch) -> Held:
    """From now on every answer of a guard is held against the document."""
    held, call = Held(), Guard.__call__

    async def watched(self: Guard, scope: Scope, receive: Receive, send: Send) -> None:
        answer = Answer()

        async def heard(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer.status = message["status"]
                answer.headers = {name.decode().lower(): value.decode("latin-1") for name, value in message["headers"]}
            else:
                answer.parts.append(message.get("body", b""))
                answer.is_complete = not message.get("more_body", False)
            await send(message)

        await call(self, scope, receive, heard)
        if answer.is_complete:
            held.note(scope["method"], scope["path"], answer)

    monkeypatch.setattr(Guard, "__call__", watched)
    return held


def _wrong(content: dict[str, Any], answer: Answer) -> Iterator[str]:
    media = answer.headers.get("content-type", "").partition(";")[0]
    if not content:
        if answer.body:
            yield f"{len(answer.body)} bytes of {media!r}, where nothing is described"
        return
    if (of := next((of for kind, of in content.items() if fnmatch(media, kind)), None)) is None:
        yield f"the media type {media!r} is not described"
    elif media == answers.JSON:
        yield from _misfits(answer.json(), of["schema"])
    elif answers.EACH in of:
        texts = answer.events() if media == answers.EVENTS else answer.body.decode().splitlines()
        for text in texts:
            if text != "[DONE]":
                yield from _misfits(json.loads(text), of[answers.EACH])


def _misfits(value: Any, schema: dict[str, Any]) -> Iterator[str]:
    for error in _validator(json.dumps(schema)).iter_errors(value):
        yield f"{error.json_path}: {error.message[:200]}"


@cache
def _validator(schema: str) -> Any:
    whole = json.loads(schema) | {"components": DOCUMENT["components"]}
    Draft202012Validator.check_schema(whole)
    return Draft202012Validator(whole)
