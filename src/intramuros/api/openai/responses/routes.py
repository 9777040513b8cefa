"""`/v1/responses`: made, shown, continued, cancelled, deleted. Called by the router. What differs is in README.md."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Annotated, Any, Literal, TypedDict

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from intramuros.accounts.caller import Caller
from intramuros.accounts.identity import Identity
from intramuros.api.body import read_object
from intramuros.api.connected import while_connected
from intramuros.api.openai import fields
from intramuros.api.openai.listing import Deleted, page
from intramuros.api.openai.responses.conversations import turns_of
from intramuros.api.openai.responses.items import Item, as_messages, sealed_in, words_of
from intramuros.api.openai.responses.request import (
    INCLUDE,
    LOGPROBS,
    RESULTS,
    ResponseCall,
    count_call,
    included,
    response_call,
)
from intramuros.api.openai.responses.running import Job, Running, unpacked, with_sources
from intramuros.api.openai.responses.writing import Event, ResponseObject, Writing, results
from intramuros.api.openai.sending import EventStream, send_json
from intramuros.api.request import as_json, caller_of, entry_of
from intramuros.audit.entry import Entry
from intramuros.errors import BadRequest
from intramuros.tasks.batch_door import Answered
from intramuros.tasks.compactions import Compactions
from intramuros.tasks.respond import Asked, Looks, RespondTask, Turn
from intramuros.tasks.stored_conversations import check_room
from intramuros.tasks.stored_replies import StoredReply

_GONE = {"code": "server_error", "message": "The server stopped before this was answered. Ask again."}

ESTIMATED = "x-intramuros-estimated"
"""Which numbers of an answer were not counted but estimated."""


class InputTokens(TypedDict):
    """How many tokens a request is."""

    object: Literal["response.input_tokens"]
    input_tokens: int


class Create:
    """`POST /v1/responses`."""

    def __init__(self, running: Running, identity: Identity) -> None:
        self.running, self.identity = running, identity

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        call = response_call(await read_object(receive))
        entry: Entry = scope["state"]["entry"]
        by: Caller = scope["state"]["caller"]
        job = await begun(call, self.running, by)
        headers = fields.not_used(job.call.not_used)
        if call.store:
            entry.about(job.writing.id)
        if call.background:
            shown = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
            await self.running.in_background(job, lambda: self.identity.caller(shown))
            if not call.stream:
                await send_json(send, job.writing.response(), headers=headers)
                return
        async with while_connected(receive):
            if not call.stream:
                await self.running.now(job, entry)
                await send_json(send, job.writing.response(), headers=headers)
            elif call.background:
                await sent(self.running.follow(job, after=-1), send, headers)
            else:
                await self._stream(job, entry, send, headers)

    async def _stream(self, job: Job, entry: Entry, send: Send, headers: fields.Headers) -> None:
        stream = EventStream(send, headers)

        async def tell(event: Event) -> None:
            await stream.send(_framed(event))

        try:
            await self.running.now(job, entry, tell, stream.waits)
        except (Exception, asyncio.CancelledError):
            if stream.has_begun:
                await stream.end()
            raise
        await stream.end()


class Responses:
    """The routes of responses that are there, and the count of tokens."""

    def __init__(self, running: Running) -> None:
        self.running, self.replies = running, running.replies

    def routes(self) -> list[BaseRoute]:
        """What the server mounts."""
        one = "/v1/responses/{response}"
        return [
            Route("/v1/responses/input_tokens", self.count, methods=["POST"]),
            Route(one, self.show, methods=["GET"]),
            Route(one, self.remove, methods=["DELETE"]),
            Route(f"{one}/cancel", self.cancel, methods=["POST"]),
            Route(f"{one}/input_items", self.input_items, methods=["GET"]),
        ]

    async def show(self, request: Request) -> Response | EventsOf:
        """One of the caller's own, or the events that told of it."""
        query = request.query_params
        for name in query:
            if name not in {"stream", "starting_after", "include_obfuscation", *INCLUDE}:
                raise fields.unknown(name[:64])
        include = included(request)
        reply = await self._reply(request)
        if query.get("stream") == "true":
            return EventsOf(self._events(reply, caller_of(request), after=_number(query.get("starting_after"))))
        if query.get("starting_after") is not None and query.get("stream") not in {None, "false"}:
            raise BadRequest("'stream' must be true or false.", param="stream")
        shown = shown_response(reply)
        if RESULTS in include:
            await asyncio.to_thread(self._fill_results, shown, reply, caller_of(request))
        return as_json(shown)

    async def remove(self, request: Request) -> Response:
        """Removes one for good; one that is being written ends."""
        reply, by = await self._reply(request), caller_of(request)
        await asyncio.to_thread(self.replies.remove, reply.id, kind="response", by=by)
        self.running.forget(reply.id, by)
        return as_json(Deleted(id=reply.id, object="response", deleted=True))

    async def cancel(self, request: Request) -> Response:
        """Ends one in the background."""
        reply = await self._reply(request)
        if not reply.body["response"]["background"]:
            raise BadRequest(
                "Only a response in the background can be cancelled.",
                hint="To end another, close its connection.",
                code="not_in_background",
                param="response_id",
            )
        await self.running.cancel(reply, caller_of(request))
        return as_json(shown_response(await self._reply(request)))

    async def input_items(self, request: Request) -> Response:
        """What was sent with one."""
        included(request)
        reply = await self._reply(request)
        items: list[dict[str, Any]] = reply.body["items"]
        return as_json(
            page(items, request.query_params, show=lambda item: item, id_of=lambda item: str(item["id"]), known=INCLUDE)
        )

    async def count(self, request: Request) -> Response:
        """How many tokens a request is."""
        by = caller_of(request)
        call = weighed(count_call(await read_object(request.receive)), self.running.task, by)
        asked = replace(await asked_of(call, self.running, by), looks=None)
        count = await self.running.task.count(asked, by=by, entry=entry_of(request))
        counted: InputTokens = {"object": "response.input_tokens", "input_tokens": count.tokens}
        headers = fields.not_used_header(call.not_used)
        return as_json(counted, headers=headers if count.is_exact else {**headers, ESTIMATED: "input_tokens"})

    async def _reply(self, request: Request) -> StoredReply:
        wanted = request.path_params["response"]
        reply = await asyncio.to_thread(self.replies.get, wanted, kind="response", by=caller_of(request))
        entry_of(request).about(reply.id)
        return reply

    async def _events(self, reply: StoredReply, by: Caller, *, after: int) -> AsyncGenerator[Event]:
        job = self.running.find(reply.id, by)
        if job is not None:
            async with aclosing(self.running.follow(job, after=after)) as coming:
                async for event in coming:
                    yield event
            return
        for event in unpacked(reply.body["events"])[after + 1 :]:
            yield event

    def _fill_results(self, shown: dict[str, Any], reply: StoredReply, by: Caller) -> None:
        task = self.running.task
        files = task.files(reply.projects, by=by)
        for item in shown["output"]:
            if item["type"] == "file_search_call":
                hits = [(int(number), int(chunk), float(score)) for number, chunk, score in reply.body["hits"]]
                item["results"] = results(task.passages(hits, reply.projects), files)


class EventsOf:
    """An answer that is a stream of events which are there already, or come."""

    def __init__(self, events: AsyncGenerator[Event]) -> None:
        self.events = events

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends them."""
        async with while_connected(receive):
            await sent(self.events, send, [])


async def sent(events: AsyncGenerator[Event], send: Send, headers: fields.Headers) -> None:
    """Sends events as they come, until they end."""
    stream = EventStream(send, headers)
    async with aclosing(events) as coming:
        async for event in coming:
            await stream.send(_framed(event))
    await stream.end()


async def begun(call: ResponseCall, running: Running, by: Caller) -> Job:
    """A response that is to be written. Raises: as `asked_of`."""
    call = weighed(call, running.task, by)
    if call.store or call.conversation:
        await asyncio.to_thread(running.replies.check_room, by=by)
    asked = await asked_of(call, running, by)
    return Job(call, asked, _writing(call, running.task, by), by, asked.turn)


async def of_line(call: ResponseCall, running: Running, *, by: Caller, entry: Entry, line: str) -> Answered:
    """The response to the line of a batch, under an id that it has however often it is tried. Raises: as the task.

    One that goes on from a response that was made from projects is a BadRequest.
    """
    job = await begun(call, running, by)
    if job.asked.projects:
        raise no_passages("previous_response_id" if call.previous else "input")
    job.writing.id = f"resp_{line}"
    await running.now(job, entry, is_batch=True)
    return Answered(job.writing.response(), job.call.not_used)


def no_passages(param: str) -> BadRequest:
    """Why a batch takes no line that is made from projects: its output would outlive them, and who may read them."""
    return BadRequest(
        "A batch takes nothing that is made from a project's documents: its files would outlive the project.",
        hint="Ask it with a single request.",
        param=param,
    )


async def asked_of(call: ResponseCall, running: Running, by: Caller) -> Asked:
    """What the task gets: the conversation so far, and what is new. Raises: NotFound, BadRequest, NotAllowed."""
    return await asyncio.to_thread(asked_from, call, await earlier_of(call, running, by), running.compactions, by)


async def earlier_of(call: ResponseCall, running: Running, by: Caller) -> list[StoredReply]:
    """The responses, or the conversation, that it goes on from. Raises: NotFound, BadRequest."""
    if call.conversation:
        found = await asyncio.to_thread(running.conversations.get, call.conversation, by=by)
        check_room(found, call.items)
        return [found]
    return await asyncio.to_thread(running.replies.chain, call.previous, by=by) if call.previous else []


def items_of(reply: StoredReply) -> list[Item]:
    """What was sent with a response and what it answered, or all of a conversation."""
    output = reply.body["response"]["output"] if reply.kind == "response" else []
    return [*reply.body["items"], *output]


def asked_from(call: ResponseCall, earlier: Sequence[StoredReply], compactions: Compactions, by: Caller) -> Asked:
    """The same of what was read. Raises: BadRequest, NotAllowed."""
    opened = compactions.open(
        sealed_in([*(item for reply in earlier for item in items_of(reply)), *call.items]), by=by, param="input"
    )
    turns = (
        turns_of(earlier[0], opened.texts)
        if call.conversation
        else [_turn_of(reply, opened.texts) for reply in earlier]
    )
    projects = {*opened.projects, *(project for reply in earlier for project in reply.projects)}
    looks = None
    if call.search is not None:
        by.rights.check_scope("search")
        query = _query(call)
        if query:
            looks = Looks(call.search.projects, query, call.search.limit, call.search.threshold, call.search.fits)
            projects |= set(call.search.projects)
    return Asked(
        request=call.request,
        turn=Turn(as_messages(call.items, opened.texts)),
        earlier=turns,
        instructions=call.instructions,
        looks=looks,
        projects=tuple(sorted(projects)),
        cites=call.is_prose,
    )


def weighed(call: ResponseCall, task: RespondTask, by: Caller) -> ResponseCall:
    """Says that the effort is of no use, where the model's template has no word of it."""
    if "chat_template_kwargs" not in call.request:
        return call
    if task.complete.weighs_effort(task.complete.model_of(call.request["model"], by)):
        return call
    request = {name: value for name, value in call.request.items() if name != "chat_template_kwargs"}
    return replace(call, request=request, not_used=(*call.not_used, "reasoning.effort"))


def shown_response(reply: StoredReply) -> Annotated[dict[str, Any], ResponseObject]:
    """A stored response as it is shown: one that a server left behind has failed."""
    response: dict[str, Any] = reply.body["response"]
    if reply.state != response["status"]:
        response |= {"status": reply.state, "error": _GONE if reply.state == "failed" else None}
    return response


def _writing(call: ResponseCall, task: RespondTask, by: Caller) -> Writing:
    return Writing(
        call.shown,
        task.complete.named(task.complete.model_of(call.request["model"], by)),
        call.metadata,
        store=call.store,
        background=call.background,
        with_results=RESULTS in call.include,
        with_logprobs=LOGPROBS in call.include or bool(call.shown["top_logprobs"]),
    )


def _turn_of(reply: StoredReply, summaries: Mapping[str, str]) -> Turn:
    if reply.state not in {"completed", "incomplete"}:
        raise BadRequest(
            f"The response to continue is {reply.state}.",
            hint="Wait until it is completed, or continue the one before it.",
            code="previous_response_unfinished",
            param="previous_response_id",
        )
    output: Sequence[dict[str, Any]] = reply.body["response"]["output"]
    sent, answered = as_messages(reply.body["items"], summaries), as_messages(output)
    return with_sources(Turn(sent, answered), reply.body["turn"])


def _query(call: ResponseCall) -> str:
    """What is searched for: the words of the last message, where a person said it."""
    asking = [item for item in call.items if item["type"] in {"message", "function_call_output"}]
    if not asking or asking[-1]["type"] != "message" or asking[-1]["role"] != "user":
        return ""
    return words_of(asking[-1]).strip()


def _framed(event: Event) -> bytes:
    """One event as it goes out."""
    return b"event: %b\ndata: %b\n\n" % (event["type"].encode(), orjson.dumps(event))


def _number(value: str | None) -> int:
    if value is None:
        return -1
    if not (value.isascii() and value.isdigit() and len(value) < 10):
        raise BadRequest("'starting_after' must be a whole number.", param="starting_after")
    return int(value)
