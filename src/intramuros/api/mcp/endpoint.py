"""`/mcp`: one address that takes the protocol's messages by POST (transport "streamable HTTP"), without sessions.

Called by the server's router as a plain ASGI application, so that a client that leaves stops the generation. An answer
that takes long comes as a stream of events where the client takes one. There is nothing to GET: the server never
speaks unasked.
"""

from __future__ import annotations

import asyncio
from functools import partial
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from intramuros.api.body import read_body
from intramuros.api.connected import while_connected
from intramuros.api.faults import cut, known
from intramuros.api.mcp import message as rpc
from intramuros.api.mcp.call import Call
from intramuros.api.mcp.errors import error_body
from intramuros.api.mcp.message import Message, Refused
from intramuros.api.mcp.methods import Methods
from intramuros.api.mcp.reply import Reply
from intramuros.api.mcp.versions import MODERN, version_of
from intramuros.errors import BadRequest, NotAllowed


class Endpoint:
    """The route."""

    def __init__(self, methods: Methods) -> None:
        self.methods = methods

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one message."""
        headers = Headers(scope=scope)
        reply = Reply(send, takes_events="text/event-stream" in headers.get("accept", ""))
        if scope["method"] != "POST":
            await reply.nothing(405, allow=b"POST")
            return
        check_origin(headers)
        check_types(headers)
        body = await read_body(receive)
        message: Message | None = None
        try:
            message = rpc.parse(body)
            version = version_of(message, headers)
        except Refused as refused:
            scope["state"]["admit"](spends=False)
            _record(scope, refused)
            number = message.id if message else None
            await reply.end(rpc.error(number, refused.code, refused.message, data=refused.data), status=refused.status)
            return
        scope["state"]["admit"](spends=self.methods.spends(message))
        if message.is_notification:
            scope["state"]["entry"].note(method="notification")
            await reply.nothing(202)
            return
        async with while_connected(receive):
            await self._answer(message, version, scope, reply)

    async def _answer(self, message: Message, version: str, scope: Scope, reply: Reply) -> None:
        state = scope["state"]
        tell = partial(reply.tell, message.progress_token)
        call = Call(message, version, state["caller"], state["entry"], state, tell)
        try:
            result = await self.methods.answer(call)
        except Refused as refused:
            _record(scope, refused)
            status = refused.status if version in MODERN else 200
            await reply.end(rpc.error(message.id, refused.code, refused.message, data=refused.data), status=status)
        except asyncio.CancelledError as cancelled:
            if reply.has_begun:
                await reply.end(error_body(cut(cancelled), message.id))
            raise
        except Exception as raised:
            error = known(raised)
            state["entry"].note(error=error.code)
            state["entry"].outcome = "failed" if error.status >= 500 else "refused"
            await reply.end(error_body(error, message.id))
        else:
            await reply.end(rpc.result(message.id, result))
        finally:
            reply.close()


def _record(scope: Scope, refused: Refused) -> None:
    entry = scope["state"]["entry"]
    entry.facts.setdefault("error", f"rpc_{-refused.code}")
    entry.outcome = "refused"


def check_origin(headers: Headers) -> None:
    """Refuses pages of other sites, whatever key they send: the specification wants it on every request.

    Raises: NotAllowed.
    """
    origin = headers.get("origin")
    if origin is not None and urlsplit(origin).netloc.lower() != headers.get("host", "").lower():
        raise NotAllowed(
            "This request came from a page of another site.",
            hint="Connect from a program, not from a web page.",
            code="wrong_origin",
        )


def check_types(headers: Headers) -> None:
    """Raises: BadRequest (415, 406) where the body is not JSON, or the answer must not be."""
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise _wrong_type("A message is sent as application/json.", status=415)
    accepted = headers.get("accept", "*/*")
    if not any(kind in accepted for kind in ("application/json", "application/*", "*/*")):
        raise _wrong_type("Answers are application/json or text/event-stream: accept both.", status=406)


def _wrong_type(message: str, *, status: int) -> BadRequest:
    error = BadRequest(message, code="wrong_type")
    error.status = status
    return error
