"""`POST /v1/messages` and `…/count_tokens`: checks the request, calls the completion task, writes the message.

Called by the server's router. Errors before the first byte go up to the guard; a stream that fails after it ends with
one error event.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import replace
from functools import partial
from typing import TypedDict

from starlette.types import Receive, Scope, Send

from intramuros.accounts.caller import Caller
from intramuros.api.anthropic.dialect import REQUEST_ID, betas, check_version
from intramuros.api.anthropic.errors import error_event, request_id
from intramuros.api.anthropic.events import events
from intramuros.api.anthropic.replies import message
from intramuros.api.anthropic.schemas import MessageCall, count_call, message_call
from intramuros.api.body import read_object
from intramuros.api.connected import while_connected
from intramuros.api.openai.fields import Headers, not_used
from intramuros.api.openai.sending import Framing, send_events, send_json
from intramuros.audit.entry import Entry
from intramuros.tasks.admission import OnWait
from intramuros.tasks.complete import CompleteTask

ESTIMATED = b"x-intramuros-estimated"
"""Which numbers of an answer were not counted but estimated."""


class Messages:
    """The route that writes messages: plain ASGI, because this is the path whose latency counts."""

    def __init__(self, task: CompleteTask) -> None:
        self.task = task

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        check_version(scope)
        entry: Entry = scope["state"]["entry"]
        by: Caller = scope["state"]["caller"]
        call = weighed(message_call(await read_object(receive)), self.task, by=by)
        request, message_id = request_id(scope), f"msg_{entry.id}"
        headers = _headers(scope, call, request)
        async with while_connected(receive):
            if not call.stream:
                reply = await self.task.run(call.request, by=by, entry=entry)
                await send_json(send, message(reply, call, message_id=message_id), headers=headers)
                return

            def stream(waits: OnWait) -> AsyncGenerator[bytes]:
                chunks = self.task.stream(call.request, by=by, entry=entry, with_usage=True, on_wait=waits)
                return events(chunks, call, message_id=message_id)

            framing = Framing(event=lambda made: made, failed=partial(error_event, request=request), done=b"")
            await send_events(send, stream, headers=headers, framing=framing)


class MessageTokens(TypedDict):
    """How many tokens a message would read."""

    input_tokens: int


class CountTokens:
    """The route that counts what a message would read."""

    def __init__(self, task: CompleteTask) -> None:
        self.task = task

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        check_version(scope)
        entry: Entry = scope["state"]["entry"]
        by: Caller = scope["state"]["caller"]
        call = weighed(count_call(await read_object(receive)), self.task, by=by)
        async with while_connected(receive):
            count = await self.task.count(call.request, by=by, entry=entry)
        headers = _headers(scope, call, request_id(scope))
        if not count.is_exact:
            headers.append((ESTIMATED, b"input_tokens"))
        await send_json(send, MessageTokens(input_tokens=count.tokens), headers=headers)


def weighed(call: MessageCall, task: CompleteTask, *, by: Caller) -> MessageCall:
    """Says that thinking and effort are of no use, where the model's template has no word of them."""
    told = call.request.get("chat_template_kwargs")
    if told is None or task.weighs_effort(task.model_of(call.request["model"], by)):
        return call
    request = {name: value for name, value in call.request.items() if name != "chat_template_kwargs"}
    unused = [*call.not_used, *(["thinking"] if told.get("enable_thinking") else [])]
    unused += ["output_config.effort"] if "reasoning_effort" in told else []
    return replace(call, request=request, not_used=tuple(unused))


def _headers(scope: Scope, call: MessageCall, request: str) -> Headers:
    return [(REQUEST_ID, request.encode()), *not_used([*call.not_used, *betas(scope)])]
