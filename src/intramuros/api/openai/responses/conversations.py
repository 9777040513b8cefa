"""`/v1/conversations`: items that programs and responses add one after another. Called by the router."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Literal, TypedDict

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from intramuros.accounts.caller import Caller
from intramuros.api.body import only, parse_object, read_body, read_object
from intramuros.api.openai.fields import not_used_header
from intramuros.api.openai.listing import Deleted, page
from intramuros.api.openai.notes import metadata
from intramuros.api.openai.responses.items import Item, as_messages, items, sealed_in
from intramuros.api.openai.responses.request import INCLUDE, RESULTS, included
from intramuros.api.openai.responses.running import with_sources
from intramuros.api.openai.responses.writing import results
from intramuros.api.request import as_json, caller_of, entry_of
from intramuros.errors import BadRequest
from intramuros.tasks.compactions import Compactions
from intramuros.tasks.respond import RespondTask, Turn
from intramuros.tasks.stored_conversations import Added, StoredConversations, no_item
from intramuros.tasks.stored_replies import StoredReply


class ConversationObject(TypedDict):
    """A conversation. `created_at`: seconds since 1970."""

    id: str
    object: Literal["conversation"]
    created_at: int
    metadata: dict[str, str]


class ConversationRoutes:
    """The routes below `/v1/conversations`."""

    def __init__(self, conversations: StoredConversations, compactions: Compactions, task: RespondTask) -> None:
        self.conversations, self.compactions, self.task = conversations, compactions, task

    def routes(self) -> list[BaseRoute]:
        """What the server mounts."""
        one = "/v1/conversations/{dialogue}"
        return [
            Route("/v1/conversations", self.create, methods=["POST"]),
            Route(one, self.show, methods=["GET"]),
            Route(one, self.change, methods=["POST"]),
            Route(one, self.remove, methods=["DELETE"]),
            Route(f"{one}/items", self.add, methods=["POST"]),
            Route(f"{one}/items", self.index, methods=["GET"]),
            Route(f"{one}/items/{{item}}", self.item, methods=["GET"]),
            Route(f"{one}/items/{{item}}", self.take_out, methods=["DELETE"]),
        ]

    async def create(self, request: Request) -> Response:
        """Begins a conversation."""
        body = await read_body(request.receive)
        values = parse_object(body) if body else {}  # everything may be left out
        only(values, {"items", "metadata"})
        notes, unused = metadata(values.get("metadata")) or {}, list[str]()
        given = items(values["items"], "items", unused) if values.get("items") is not None else []
        made = await asyncio.to_thread(self._create, given, notes, caller_of(request))
        entry_of(request).about(made.id)
        return as_json(conversation_object(made), headers=not_used_header(unused))

    async def show(self, request: Request) -> Response:
        """One of the caller's own."""
        return as_json(conversation_object(await self._found(request)))

    async def change(self, request: Request) -> Response:
        """Replaces its metadata."""
        values = await read_object(request.receive)
        only(values, {"metadata"})
        if "metadata" not in values:
            raise BadRequest("'metadata' is missing.", code="missing_parameter", param="metadata")
        notes = metadata(values["metadata"]) or {}
        found = await self._found(request)
        changed = await asyncio.to_thread(self.conversations.describe, found.id, notes, by=caller_of(request))
        return as_json(conversation_object(changed))

    async def remove(self, request: Request) -> Response:
        """Removes one for good, with its items; the responses that were made in it stay."""
        found = await self._found(request)
        await asyncio.to_thread(self.conversations.remove, found.id, by=caller_of(request))
        return as_json(Deleted(id=found.id, object="conversation.deleted", deleted=True))

    async def add(self, request: Request) -> Response:
        """Adds items at its end."""
        included(request)
        values, unused = await read_object(request.receive), list[str]()
        only(values, {"items"})
        given = items(values.get("items"), "items", unused)
        if not given:
            raise BadRequest("'items' must have one item at least.", param="items")
        found = await self._found(request)
        added = await asyncio.to_thread(self._add, found.id, given, caller_of(request))
        entry_of(request).note(records=len(added))
        made = page(added, QueryParams(order="asc", limit=str(len(added))), show=_as_it_is, id_of=_id, most=len(added))
        return as_json(made, headers=not_used_header(unused))

    async def index(self, request: Request) -> Response:
        """Its items, a page at a time."""
        wanted = included(request)
        found = await self._found(request)
        listed = page(found.body["items"], request.query_params, show=_as_it_is, id_of=_id, known=INCLUDE)
        listed["data"] = await self._filled(listed["data"], found, wanted, caller_of(request))
        return as_json(listed)

    async def item(self, request: Request) -> Response:
        """One of its items."""
        wanted = included(request)
        found = await self._found(request)
        one = next((one for one in found.body["items"] if one["id"] == request.path_params["item"]), None)
        if one is None:
            raise no_item()
        [shown] = await self._filled([one], found, wanted, caller_of(request))
        return as_json(shown)

    async def take_out(self, request: Request) -> Response:
        """Takes one item out; the answer is the conversation."""
        found, item = await self._found(request), request.path_params["item"]
        changed = await asyncio.to_thread(self.conversations.take_out, found.id, item, by=caller_of(request))
        return as_json(conversation_object(changed))

    def _create(self, given: list[Item], notes: dict[str, str], by: Caller) -> StoredReply:
        return self.conversations.create(self._added(given, by), notes, by=by)

    def _add(self, id: str, given: list[Item], by: Caller) -> list[Item]:
        return self.conversations.add(id, self._added(given, by), by=by)

    def _added(self, given: list[Item], by: Caller) -> Added:
        """The items with what their compactions were made from. Raises: BadRequest for one that can't be opened."""
        return Added(given, self.compactions.open(sealed_in(given), by=by, param="items").projects)

    async def _found(self, request: Request) -> StoredReply:
        wanted = request.path_params["dialogue"]
        found = await asyncio.to_thread(self.conversations.get, wanted, by=caller_of(request))
        entry_of(request).about(found.id)
        return found

    async def _filled(self, some: Sequence[Item], of: StoredReply, wanted: set[str], by: Caller) -> list[Item]:
        """The items, with what their searches found where that is wanted."""
        hits = of.body["hits"] if RESULTS in wanted else {}
        if not any(item["id"] in hits for item in some):
            return list(some)
        files = await asyncio.to_thread(self.task.files, of.projects, by=by)
        filled = []
        for item in some:
            if item["id"] in hits:
                there = await asyncio.to_thread(self.task.passages, hits[item["id"]], of.projects)
                filled.append({**item, "results": results(there, files)})
            else:
                filled.append(item)
        return filled


def conversation_object(conversation: StoredReply) -> ConversationObject:
    """A conversation as OpenAI's clients know it."""
    return {
        "id": conversation.id,
        "object": "conversation",
        "created_at": int(conversation.created_at),
        "metadata": dict(conversation.body["metadata"]),
    }


def turns_of(conversation: StoredReply, summaries: Mapping[str, str]) -> list[Turn]:
    """What was said in it so far; a turn ends with each message that sources were given for."""
    turns: list[Turn] = []
    some: list[Item] = []
    for item in conversation.body["items"]:
        some.append(item)
        if kept := conversation.body["turns"].get(item["id"]):
            turns.append(with_sources(Turn(as_messages(some, summaries)), kept))
            some = []
    return [*turns, Turn(as_messages(some, summaries))] if some else turns


def _as_it_is(item: Item) -> Item:
    return item


def _id(item: Item) -> str:
    return str(item["id"])
