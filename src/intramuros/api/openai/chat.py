"""`POST /v1/chat/completions`: checks the request, calls the completion task, writes the reply or the stream.

Called by the server's router as a plain ASGI application, because this is the path whose latency counts. Errors before
the first byte go up to the guard; a stream that fails after it ends with one error event.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import orjson
from starlette.types import Receive, Scope, Send

from intramuros.accounts.caller import Caller
from intramuros.api.body import read_object
from intramuros.api.connected import while_connected
from intramuros.api.openai.fields import not_used
from intramuros.api.openai.schemas import ChatCall, chat_call
from intramuros.api.openai.sending import send_events, send_json
from intramuros.api.openai.stored import Keeping
from intramuros.audit.entry import Entry
from intramuros.tasks.admission import OnWait
from intramuros.tasks.complete import CompleteTask


class ChatCompletions:
    """The route. `scope["state"]` holds the audit `entry` that the guard opened."""

    def __init__(self, task: CompleteTask, keeping: Keeping | None = None) -> None:
        self.task, self.keeping = task, keeping

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        call = chat_call(await read_object(receive))
        entry: Entry = scope["state"]["entry"]
        by: Caller = scope["state"]["caller"]
        call = weighed(call, self.task, by)
        if self.keeping is not None:
            await self.keeping.check_room(call, by)
        async with while_connected(receive):
            if call.stream:
                await self._stream(call, by, entry, send)
            else:
                await self._whole(call, by, entry, send)

    async def _whole(self, call: ChatCall, by: Caller, entry: Entry, send: Send) -> None:
        reply = await self.task.run(call.request, by=by, entry=entry)
        reply = legacy_reply(reply) if call.is_legacy else reply
        if call.store and self.keeping is not None:
            reply = await self.keeping.keep(reply, call, by)
        await send_json(send, reply, headers=not_used(call.not_used))

    async def _stream(self, call: ChatCall, by: Caller, entry: Entry, send: Send) -> None:
        def stream(waits: OnWait) -> AsyncGenerator[bytes]:
            chunks = self.task.stream(call.request, by=by, entry=entry, with_usage=call.with_usage, on_wait=waits)
            chunks = legacy_stream(chunks) if call.is_legacy else chunks
            return self.keeping.kept(chunks, call, by) if call.store and self.keeping is not None else chunks

        await send_events(send, stream, headers=not_used(call.not_used))


def weighed(call: ChatCall, task: CompleteTask, by: Caller) -> ChatCall:
    """Says that `reasoning_effort` is of no use, where the model's template has no word of it."""
    if "chat_template_kwargs" not in call.request:
        return call
    if task.weighs_effort(task.model_of(call.request["model"], by)):
        return call
    request = {name: value for name, value in call.request.items() if name != "chat_template_kwargs"}
    return replace(call, request=request, not_used=(*call.not_used, "reasoning_effort"))


def legacy_reply(reply: dict[str, Any]) -> dict[str, Any]:
    """The reply with its one call as `function_call`, for whoever sent `functions`."""
    for choice in reply["choices"]:
        message = choice.get("message") or choice.get("delta") or {}
        if calls := message.pop("tool_calls", None):
            message["function_call"] = calls[0]["function"]
        if choice.get("finish_reason") == "tool_calls":
            choice["finish_reason"] = "function_call"
    return reply


async def legacy_stream(chunks: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    """The same for a stream."""
    async with aclosing(chunks):
        async for chunk in chunks:
            yield orjson.dumps(legacy_reply(orjson.loads(chunk))) if b"tool_calls" in chunk else chunk
