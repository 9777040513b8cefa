"""`POST /api/v1/projects/{project}/ask`: a question, and its answer with sources as JSON or as a stream of events.

Called by the server's router as a plain ASGI application, so that a client that leaves stops the generation.
"""

from __future__ import annotations

from contextlib import aclosing
from typing import Any

import orjson
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from intramuros.accounts.projects import Project, Projects
from intramuros.api.body import flag, only, read_object, text
from intramuros.api.connected import while_connected
from intramuros.api.errors import error_object
from intramuros.api.projects import as_json, caller_of, entry_of, project_of
from intramuros.errors import BadRequest, IntramurosError
from intramuros.tasks.answer import AnswerTask

MODES = ("quote", "write")


class Ask:
    """The route."""

    def __init__(self, projects: Projects, task: AnswerTask) -> None:
        self.projects, self.task = projects, task

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one question."""
        values = await read_object(receive)
        only(values, {"question", "conversation", "mode", "stream"})
        asked = {
            "question": text(values, "question", longest=8000),
            "conversation": _choice(values, "conversation"),
            "mode": _choice(values, "mode", MODES),
        }
        request = Request(scope)
        project = await project_of(request, self.projects, need="reader")
        async with while_connected(receive):
            if flag(values, "stream"):
                await self._stream(request, project, asked, send)
            else:
                question = asked.pop("question")
                answer = await self.task.run(
                    question, project=project, by=caller_of(request), entry=entry_of(request), **asked
                )
                await as_json(answer.to_json())(scope, receive, send)

    async def _stream(self, request: Request, project: Project, asked: dict[str, Any], send: Send) -> None:
        headers = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"x-accel-buffering", b"no")]
        question = asked.pop("question")
        events = self.task.stream(question, project=project, by=caller_of(request), entry=entry_of(request), **asked)
        async with aclosing(events):
            first = await anext(events)
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            try:
                await _send_event(send, first.kind, first.to_json())
                async for event in events:
                    await _send_event(send, event.kind, event.to_json())
            except IntramurosError as error:
                await _send_event(send, "error", error_object(error), more=False)
                raise
        await send({"type": "http.response.body", "body": b""})


async def _send_event(send: Send, kind: str, value: Any, *, more: bool = True) -> None:
    data = b"event: " + kind.encode() + b"\ndata: " + orjson.dumps(value) + b"\n\n"
    await send({"type": "http.response.body", "body": data, "more_body": more})


def _choice(values: dict[str, Any], name: str, allowed: tuple[str, ...] = ()) -> str | None:
    value = values.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or (allowed and value not in allowed):
        raise BadRequest(f"'{name}' must be {' or '.join(allowed) or 'text'}.", param=name)
    return value
