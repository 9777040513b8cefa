"""`/v1/messages/batches`: many messages asked for at once, answered behind everybody's single ones.

Called by the server's router. What is sent is kept as a file of the caller's until the batch ends; what it says is
checked line by line when it is read in, so that one bad request is reported and the others are answered.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, NotRequired, TypedDict, cast

import orjson
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from intramuros.accounts.caller import Caller
from intramuros.api.anthropic.batch_lines import ENDPOINT, PREFIX, request_of
from intramuros.api.anthropic.dialect import REQUEST_ID, betas, check_version
from intramuros.api.anthropic.errors import request_id
from intramuros.api.anthropic.shape import as_json, moment, page
from intramuros.api.body import only, parse_object, read_body
from intramuros.api.openai.fields import not_used_header, unknown
from intramuros.api.openai.listing import bare
from intramuros.api.request import caller_of, entry_of
from intramuros.errors import BadRequest, NotFound, kind_of
from intramuros.tasks.batch import Batch, Batches, no_batch
from intramuros.tasks.batch_output import Reading
from intramuros.tasks.batch_work import MOST_LINES

HOME = "/v1/messages/batches"
MOST_VALUES, MOST_SIGNS = 2_000_000, 4_000_000
"""In all requests of a batch: values, and, before they take their memory, commas and brackets, also those of texts."""
FILE_NAME = "message_batch.jsonl"

Pair = tuple[str, dict[str, Any]]


class MessageBatchCounts(TypedDict):
    """How far a batch is."""

    processing: int
    succeeded: int
    errored: int
    canceled: int
    expired: int


class MessageBatchObject(TypedDict):
    """A batch of messages. Times as RFC 3339 writes them; `errors`: why it was refused, line by line."""

    id: str
    type: Literal["message_batch"]
    processing_status: str
    request_counts: MessageBatchCounts
    created_at: str
    expires_at: str
    ended_at: str | None
    cancel_initiated_at: str | None
    archived_at: None
    results_url: str | None
    errors: NotRequired[list[Mapping[str, Any]]]


class DeletedMessageBatch(TypedDict):
    """A batch that is gone."""

    id: str
    type: Literal["message_batch_deleted"]


class MessageBatches:
    """The routes. `batches` are those of messages."""

    def __init__(self, batches: Batches) -> None:
        self.batches = batches

    def routes(self) -> list[BaseRoute]:
        """What the server mounts."""
        one = f"{HOME}/{{messagebatch}}"
        return [
            Route(HOME, self.create, methods=["POST"]),
            Route(HOME, self.index, methods=["GET"]),
            Route(one, self.show, methods=["GET"]),
            Route(one, self.remove, methods=["DELETE"]),
            Route(f"{one}/cancel", self.cancel, methods=["POST"]),
            Route(f"{one}/results", self.results, methods=["GET"]),
        ]

    async def create(self, request: Request) -> Response:
        """Begins a batch; it is answered in the background."""
        _check(request)
        body, by = await read_body(request.receive), caller_of(request)
        batch = await asyncio.to_thread(self._created, body, by)
        entry_of(request).about(batch.id)
        entry_of(request).note(records=batch.total)
        return as_json(request, batch_object(batch, request), not_used_header(betas(request.scope)))

    async def index(self, request: Request) -> Response:
        """The caller's batches, newest first."""
        _check(request, {"limit", "after_id", "before_id"})
        found = await asyncio.to_thread(lambda: self.batches.list(by=caller_of(request)))
        return as_json(
            request,
            page(
                list(reversed(found)),
                request.query_params,
                show=lambda batch: batch_object(batch, request),
                id_of=lambda batch: PREFIX + batch.id,
            ),
        )

    async def show(self, request: Request) -> Response:
        """One batch and how far it is."""
        return as_json(request, batch_object(await self._batch(request), request))

    async def cancel(self, request: Request) -> Response:
        """Has it end; what was answered is kept. One whose results are being written ends by itself."""
        batch = await self._batch(request)
        if batch.state != "finalizing":
            batch = await asyncio.to_thread(lambda: self.batches.cancel(batch.id, by=caller_of(request)))
        return as_json(request, batch_object(batch, request))

    async def remove(self, request: Request) -> Response:
        """Removes one that has ended, with its results."""
        batch = await self._batch(request)
        await asyncio.to_thread(lambda: self.batches.remove(batch.id, by=caller_of(request)))
        return as_json(request, DeletedMessageBatch(id=PREFIX + batch.id, type="message_batch_deleted"))

    async def results(self, request: Request) -> Response:
        """The result of every request, one JSON object a line, in their order."""
        batch = await self._batch(request)
        if batch.output_file is None:
            raise NotFound(
                "The batch has no results." if batch.is_over else "The batch has not ended yet.",
                hint="" if batch.is_over else "Ask for it until its 'processing_status' is 'ended'.",
                code="no_results",
            )
        files = self.batches.files
        file = await asyncio.to_thread(files.of_person, batch.output_file, batch.user_id)
        content = await asyncio.to_thread(files.content, file)
        headers = {REQUEST_ID.decode(): request_id(request.scope)}
        return Response(content, media_type="application/x-jsonl", headers=headers)

    def _created(self, body: bytes, by: Caller) -> Batch:
        """The batch of a body. Raises: BadRequest, TooLarge, TooMany."""
        requests = _requests(body)
        lines = (orjson.dumps({"custom_id": id, "params": params}) + b"\n" for id, params in requests)
        return self.batches.send(FILE_NAME, Reading(lines), ENDPOINT, by=by, total=len(requests))

    async def _batch(self, request: Request) -> Batch:
        _check(request)
        wanted = bare(request.path_params["messagebatch"], PREFIX, no_batch)
        batch = await asyncio.to_thread(lambda: self.batches.get(wanted, by=caller_of(request)))
        entry_of(request).about(batch.id)
        return batch


def batch_object(batch: Batch, request: Request) -> MessageBatchObject:
    """A batch as Anthropic's clients know it. The counts say how far it is from the beginning on."""
    times = batch.times
    left = batch.total - batch.completed - batch.failed
    kind = {"cancelled": "canceled", "expired": "expired", "failed": "errored"}.get(batch.state, "processing")
    counts = {"processing": 0, "succeeded": batch.completed, "errored": batch.failed, "canceled": 0, "expired": 0}
    counts[kind] += left
    counted = cast("MessageBatchCounts", counts)
    results = f"{request.url.scheme}://{request.headers.get('host', '')}{HOME}/{PREFIX}{batch.id}/results"
    shown: MessageBatchObject = {
        "id": PREFIX + batch.id,
        "type": "message_batch",
        "processing_status": _status(batch),
        "request_counts": counted,
        "created_at": moment(batch.created_at),
        "expires_at": moment(batch.expires_at),
        "ended_at": moment(times[batch.state]) if batch.is_over and batch.state in times else None,
        "cancel_initiated_at": moment(times["cancelling"]) if "cancelling" in times else None,
        "archived_at": None,
        "results_url": results if batch.output_file else None,
    }
    if batch.errors:
        shown["errors"] = list(batch.errors)
    return shown


def _status(batch: Batch) -> str:
    return "ended" if batch.is_over else "canceling" if batch.state == "cancelling" else "in_progress"


def _requests(body: bytes) -> Sequence[Pair]:
    """All requests of a body. Raises: BadRequest for one without an id of its own, or with anything but parameters."""
    if body.count(b",") + body.count(b"[") + body.count(b"{") > MOST_SIGNS:
        raise BadRequest(
            f"There are more than {MOST_SIGNS} commas and brackets.", hint="Send several batches.", param="requests"
        )
    values = parse_object(body, most_values=MOST_VALUES)
    only(values, {"requests"})
    asked = values.get("requests")
    if not isinstance(asked, list):
        raise BadRequest(f"'requests' must be a list, not {kind_of(asked)}.", param="requests")
    if not 1 <= len(asked) <= MOST_LINES:
        raise BadRequest(f"'requests' must have 1 to {MOST_LINES} entries, not {len(asked)}.", param="requests")
    return list(_each(asked))


def _each(asked: list[Any]) -> Iterator[Pair]:
    seen: dict[str, int] = {}
    for index, one in enumerate(asked):
        path = f"requests[{index}]"
        custom_id, params = request_of(one, path)
        if seen.setdefault(custom_id, index) != index:
            raise BadRequest(
                f"'{path}' has the custom_id of requests[{seen[custom_id]}]: each must have its own.",
                code="duplicate_custom_id",
                param=f"{path}.custom_id",
            )
        yield custom_id, params


def _check(request: Request, known: set[str] | None = None) -> None:
    """Raises: BadRequest for a version that is none, and for a parameter of the address that is not known."""
    check_version(request.scope)
    query: QueryParams = request.query_params
    for name in query:
        if name not in {"beta", *(known or ())}:  # the clients' betas say so in the address too
            raise unknown(name[:64])
