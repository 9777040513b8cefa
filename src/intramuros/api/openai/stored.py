"""Chat completions that are kept because the request said `store`: made, listed, shown, described, deleted.

Called by the chat route and the router. What differs is in README.md.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Annotated, Any, TypedDict, cast

import orjson
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from intramuros.accounts.caller import Caller
from intramuros.api.body import read_object
from intramuros.api.openai.fields import inside, unknown
from intramuros.api.openai.listing import Deleted, Page, page
from intramuros.api.openai.notes import metadata
from intramuros.api.openai.replies import ChatCompletion
from intramuros.api.openai.schemas import ChatCall
from intramuros.api.request import as_json, caller_of, entry_of
from intramuros.errors import BadRequest
from intramuros.tasks.calling import merge_call
from intramuros.tasks.stored_replies import StoredReplies, StoredReply, with_metadata

DEFAULT_LIMIT, MOST = 20, 100
PREFIX = "chatcmpl-"


@dataclass(frozen=True, slots=True)
class Keeping:
    """Keeps completions."""

    replies: StoredReplies

    async def check_room(self, call: ChatCall, by: Caller) -> None:
        """Asked before it is answered. Raises: TooLarge where it is to be stored and there is no room."""
        if call.store:
            await asyncio.to_thread(self.replies.check_room, by=by)

    async def keep(
        self, reply: dict[str, Any], call: ChatCall, by: Caller, *, line: str | None = None
    ) -> dict[str, Any]:
        """The reply under an id of its own, once it is on the disk; to the line of a batch always under the same."""
        named = {**reply, "id": f"{PREFIX}{line}" if line else new_id()}
        await asyncio.to_thread(self.replies.add, _stored(named, call), by=by, again=line is not None)
        return {**named, "metadata": call.metadata or {}}

    async def kept(self, chunks: AsyncGenerator[bytes], call: ChatCall, by: Caller) -> AsyncGenerator[bytes]:
        """The chunks under an id of its own; it is on the disk before the stream ends."""
        gathered = Gathered(new_id())
        async with aclosing(chunks):
            async for chunk in chunks:
                parsed = orjson.loads(chunk) | {"id": gathered.id}
                gathered.take(parsed)
                yield orjson.dumps(parsed)
        if gathered.choices:
            await asyncio.to_thread(self.replies.add, _stored(gathered.completion(), call), by=by)


@dataclass(slots=True)
class Gathered:
    """A completion put together from its chunks."""

    id: str
    head: dict[str, Any] = field(default_factory=dict)
    choices: dict[int, dict[str, Any]] = field(default_factory=dict)
    usage: dict[str, Any] | None = None

    def take(self, chunk: Mapping[str, Any]) -> None:
        """Adds one."""
        self.head = self.head or {"created": chunk.get("created", 0), "model": chunk.get("model", "")}
        self.usage = chunk.get("usage") or self.usage
        for piece in chunk.get("choices") or ():
            index, delta = piece.get("index", 0), piece.get("delta") or {}
            empty = {"index": index, "finish_reason": "stop", "logprobs": None}
            choice = self.choices.setdefault(index, {**empty, "message": {"role": "assistant", "content": None}})
            message = choice["message"]
            if delta.get("content"):
                message["content"] = (message["content"] or "") + delta["content"]
            for call in delta.get("tool_calls") or ():
                merge_call(message.setdefault("tool_calls", []), call)
            if delta.get("function_call"):
                message["function_call"] = delta["function_call"]
            if found := (piece.get("logprobs") or {}).get("content"):
                choice["logprobs"] = {"content": [*((choice["logprobs"] or {}).get("content") or ()), *found]}
            choice["finish_reason"] = piece.get("finish_reason") or choice["finish_reason"]

    def completion(self) -> dict[str, Any]:
        """The whole, as a reply that was no stream would be."""
        choices = [self.choices[index] for index in sorted(self.choices)]
        whole = {"id": self.id, "object": "chat.completion", **self.head, "choices": choices}
        return whole | ({"usage": self.usage} if self.usage else {})


class StoredMessage(TypedDict):
    """A message that a stored completion was asked with: text in `content`, or several parts."""

    id: str
    role: str
    content: str | None
    content_parts: list[Any] | None


class StoredCompletions:
    """The routes of stored completions."""

    def __init__(self, replies: StoredReplies) -> None:
        self.replies = replies

    def routes(self) -> list[BaseRoute]:
        """What the server mounts."""
        one = "/v1/chat/completions/{completion}"
        return [
            Route("/v1/chat/completions", self.index, methods=["GET"]),
            Route(one, self.show, methods=["GET"]),
            Route(one, self.change, methods=["POST"]),
            Route(one, self.remove, methods=["DELETE"]),
            Route(f"{one}/messages", self.messages, methods=["GET"]),
        ]

    async def index(self, request: Request) -> Response:
        """The caller's, a page at a time."""
        asked = _asked(request.query_params)
        limit = asked.pop("limit")
        by = caller_of(request)
        found = await asyncio.to_thread(
            lambda: self.replies.list(kind="completion", by=by, limit=limit + 1, **asked)  # one more: is there another?
        )
        shown = [completion_object(reply) for reply in found[:limit]]
        first, last = (shown[0]["id"], shown[-1]["id"]) if shown else (None, None)
        more = len(found) > limit
        return as_json(Page(object="list", data=shown, first_id=first, last_id=last, has_more=more))

    async def show(self, request: Request) -> Response:
        """One of them."""
        return as_json(completion_object(await self._reply(request)))

    async def change(self, request: Request) -> Response:
        """Replaces its metadata."""
        values = inside(await read_object(request.receive), "body", {"metadata"})
        if "metadata" not in values:
            raise BadRequest("'metadata' is missing.", code="missing_parameter", param="metadata")
        notes = metadata(values["metadata"])
        reply = with_metadata(await self._reply(request), notes)
        await asyncio.to_thread(self.replies.change, reply, by=caller_of(request))
        return as_json(completion_object(reply))

    async def remove(self, request: Request) -> Response:
        """Removes one for good."""
        reply = await self._reply(request)
        await asyncio.to_thread(self.replies.remove, reply.id, kind="completion", by=caller_of(request))
        return as_json(Deleted(id=reply.id, object="chat.completion.deleted", deleted=True))

    async def messages(self, request: Request) -> Response:
        """What was sent with one."""
        reply = await self._reply(request)
        sent: Sequence[dict[str, Any]] = reply.body["messages"]
        found = [_message_object(reply.id, index, message) for index, message in enumerate(sent)]
        query = request.query_params
        asked = query if query.get("order") else QueryParams([*query.multi_items(), ("order", "asc")])
        return as_json(page(found, asked, show=lambda one: one, id_of=lambda one: str(one["id"])))

    async def _reply(self, request: Request) -> StoredReply:
        wanted = request.path_params["completion"]
        reply = await asyncio.to_thread(self.replies.get, wanted, kind="completion", by=caller_of(request))
        entry_of(request).about(reply.id)
        return reply


def new_id() -> str:
    """An id as OpenAI's look."""
    return PREFIX + secrets.token_hex(16)


def completion_object(reply: StoredReply) -> Annotated[dict[str, Any], ChatCompletion]:
    """A stored completion as OpenAI's clients know it."""
    return {**reply.body["completion"], "metadata": reply.body["metadata"] or {}}


def _stored(reply: dict[str, Any], call: ChatCall) -> StoredReply:
    messages = call.request["messages"]
    said = [choice["message"].get("content") or "" for choice in reply["choices"]]
    body = {
        "asked": _words(messages[-1]),
        "said": "\n".join(said),
        "metadata": call.metadata,
        "completion": reply,
        "messages": messages,
    }
    return StoredReply(reply["id"], "completion", reply["model"], "completed", body)


def _words(message: Mapping[str, Any]) -> str:
    content = message.get("content")
    return content if isinstance(content, str) else "\n".join(part.get("text", "") for part in content or ())


def _message_object(completion: str, index: int, message: Mapping[str, Any]) -> StoredMessage:
    content = message.get("content")
    parts = content if isinstance(content, list) else None
    text = content if isinstance(content, str) else None
    shown = {**message, "id": f"{completion}-{index}", "content": text, "content_parts": parts}
    return cast("StoredMessage", shown)


def _asked(query: QueryParams) -> dict[str, Any]:
    """The page that is asked for. Raises: BadRequest."""
    wanted: dict[str, str] = {}
    for name, value in query.multi_items():
        if name.startswith("metadata[") and name.endswith("]"):
            wanted[name[len("metadata[") : -1]] = value
        elif name not in {"limit", "order", "after", "model"}:
            raise unknown(name[:64])
    limit, order = query.get("limit", str(DEFAULT_LIMIT)), query.get("order") or "asc"
    if not (limit.isascii() and limit.isdigit() and len(limit) < 7 and int(limit) <= MOST):
        raise BadRequest(f"'limit' must be a whole number between 0 and {MOST}.", param="limit")
    if order not in {"asc", "desc"}:
        raise BadRequest("'order' must be 'asc' or 'desc'.", param="order")
    return {
        "limit": int(limit),
        "newest_first": order == "desc",
        "after": query.get("after") or None,
        "model": query.get("model") or None,
        "metadata": metadata(wanted) if wanted else None,
    }
