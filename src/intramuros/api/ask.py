"""`POST /api/v1/projects/{project}/ask`: a question, and its answer with sources as JSON or as a stream of events.

Called by the server's router as a plain ASGI application, so that a client that leaves stops the generation.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from functools import partial
from typing import Any

import orjson
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from intramuros.accounts.projects import Projects
from intramuros.api.connected import while_connected
from intramuros.api.errors import ErrorObject, error_object
from intramuros.api.faults import cut, known
from intramuros.api.projects import project_of
from intramuros.api.request import as_json, caller_of, entry_of
from intramuros.api.shapes import Shape, choice, maybe, words, yes_no
from intramuros.tasks.answer import AnswerTask
from intramuros.tasks.answered import AnswerObject, Done, Event, FoundObject, JudgedSentence, Queued, Text
from intramuros.tasks.conversation import Conversations

MODES = ("quote", "write")
NEW = "new"
ASKED = Shape(
    {"question": words(8000), "conversation": maybe(words(100)), "mode": choice(*MODES), "stream": yes_no()},
    required=("question",),
)


EventObject = FoundObject | Queued | Text | JudgedSentence | AnswerObject | ErrorObject
"""What the events of an answer's stream have as their data."""


class Ask:
    """The route. With `"conversation": "new"` the answer carries the id that a follow-up question gives."""

    def __init__(self, projects: Projects, conversations: Conversations, task: AnswerTask) -> None:
        self.projects, self.conversations, self.task = projects, conversations, task

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one question."""
        values = await ASKED.of(receive)
        question, mode, conversation = values["question"], values.get("mode"), values.get("conversation")
        streams = values.get("stream", False)
        request = Request(scope)
        caller, entry = caller_of(request), entry_of(request)
        project = await project_of(request, self.projects, need="reader")
        async with while_connected(receive):
            if conversation == NEW:
                conversation = await asyncio.to_thread(self.conversations.create, project, by=caller)
            asked = partial(self.task.stream, question, project=project, by=caller, entry=entry, mode=mode)
            async with aclosing(asked(conversation=conversation)) as events:
                if streams:
                    await _stream(events, send)
                else:
                    await as_json(await _answer(events))(scope, receive, send)


async def _answer(events: AsyncIterator[Event]) -> AnswerObject:
    async for event in events:
        if isinstance(event, Done):
            return event.answer.to_json()
    raise AssertionError("a stream of an answer ends with Done")


async def _stream(events: AsyncIterator[Event], send: Send) -> None:
    """Waits for the first event before it answers, so that errors until then have their own status."""
    first = await anext(events)
    headers = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"x-accel-buffering", b"no")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    try:
        await _send_event(send, first.kind, first.to_json())
        async for event in events:
            await _send_event(send, event.kind, event.to_json())
    except asyncio.CancelledError as cancelled:
        await _send_event(send, "error", error_object(cut(cancelled)), more=False)
        raise
    except Exception as raised:
        error = known(raised)
        await _send_event(send, "error", error_object(error), more=False)
        raise error from None
    await send({"type": "http.response.body", "body": b""})


async def _send_event(send: Send, kind: str, value: Any, *, more: bool = True) -> None:
    data = b"event: " + kind.encode() + b"\ndata: " + orjson.dumps(value) + b"\n\n"
    await send({"type": "http.response.body", "body": data, "more_body": more})
