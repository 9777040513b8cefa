"""`/v1/batches`: many requests sent as one file, answered behind everybody else's. Called by the router."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any, Literal, TypedDict, cast

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from intramuros.api.body import only, read_object, text
from intramuros.api.openai.batch_lines import PREFIX
from intramuros.api.openai.files import PREFIX as FILE
from intramuros.api.openai.files import keep_s
from intramuros.api.openai.listing import bare, page
from intramuros.api.openai.notes import metadata
from intramuros.api.request import as_json, caller_of, entry_of
from intramuros.errors import BadRequest
from intramuros.tasks.batch import Batch, Batches, no_batch
from intramuros.tasks.files import no_file

WINDOW = "24h"
FIELDS = {"input_file_id", "endpoint", "completion_window", "metadata", "output_expires_after"}
_TIMES = ("in_progress", "finalizing", "completed", "failed", "expired", "cancelling", "cancelled")


class BatchErrors(TypedDict):
    """Why a batch was refused, line by line."""

    object: Literal["list"]
    data: list[Mapping[str, Any]]


class BatchCounts(TypedDict):
    """How far a batch is."""

    total: int
    completed: int
    failed: int


class BatchUsage(TypedDict):
    """What a batch took, in tokens."""

    input_tokens: int
    input_tokens_details: dict[str, int]
    output_tokens: int
    output_tokens_details: dict[str, int]
    total_tokens: int


class BatchTimes(TypedDict):
    """When a batch came to each of its states, in seconds since 1970."""

    in_progress_at: int | None
    finalizing_at: int | None
    completed_at: int | None
    failed_at: int | None
    expired_at: int | None
    cancelling_at: int | None
    cancelled_at: int | None


class BatchObject(BatchTimes):
    """A batch. Times: seconds since 1970."""

    id: str
    object: Literal["batch"]
    endpoint: str
    errors: BatchErrors | None
    input_file_id: str
    completion_window: str
    status: str
    output_file_id: str | None
    error_file_id: str | None
    created_at: int
    expires_at: int
    request_counts: BatchCounts
    usage: BatchUsage
    metadata: dict[str, str] | None


class BatchRoutes:
    """The routes below `/v1/batches`."""

    def __init__(self, batches: Batches, endpoints: Collection[str]) -> None:
        self.batches, self.endpoints = replace(batches, of=frozenset(endpoints)), endpoints

    def routes(self) -> list[BaseRoute]:
        """What the server mounts."""
        return [
            Route("/v1/batches", self.create, methods=["POST"]),
            Route("/v1/batches", self.index, methods=["GET"]),
            Route("/v1/batches/{batch}", self.show, methods=["GET"]),
            Route("/v1/batches/{batch}/cancel", self.cancel, methods=["POST"]),
        ]

    async def create(self, request: Request) -> Response:
        """Begins a batch; it is answered in the background."""
        values = await read_object(request.receive)
        only(values, FIELDS)
        endpoint = text(values, "endpoint", longest=100)
        if endpoint not in self.endpoints:
            raise BadRequest(f"'endpoint' must be one of {', '.join(sorted(self.endpoints))}.", param="endpoint")
        if values.get("completion_window") != WINDOW:
            raise BadRequest(f"'completion_window' must be '{WINDOW}'.", param="completion_window")
        notes, kept_s = (
            metadata(values.get("metadata")),
            keep_s(values.get("output_expires_after"), "output_expires_after"),
        )
        wanted = bare(text(values, "input_file_id", longest=100), FILE, no_file)
        batch = await asyncio.to_thread(
            lambda: self.batches.create(wanted, endpoint, by=caller_of(request), metadata=notes, output_keep_s=kept_s)
        )
        entry_of(request).about(batch.id)
        return as_json(batch_object(batch))

    async def index(self, request: Request) -> Response:
        """The caller's batches."""
        found = await asyncio.to_thread(lambda: self.batches.list(by=caller_of(request)))
        return as_json(page(found, request.query_params, show=batch_object, id_of=lambda one: PREFIX + one.id))

    async def show(self, request: Request) -> Response:
        """One batch and how far it is."""
        batch = await asyncio.to_thread(lambda: self.batches.get(_wanted(request), by=caller_of(request)))
        entry_of(request).about(batch.id)
        return as_json(batch_object(batch))

    async def cancel(self, request: Request) -> Response:
        """Has it end; what was answered is kept."""
        batch = await asyncio.to_thread(lambda: self.batches.cancel(_wanted(request), by=caller_of(request)))
        entry_of(request).about(batch.id)
        return as_json(batch_object(batch))


def batch_object(batch: Batch) -> BatchObject:
    """A batch as OpenAI's clients know it."""
    errors: BatchErrors | None = {"object": "list", "data": list(batch.errors)} if batch.errors else None
    times = {f"{name}_at": int(batch.times[name]) if name in batch.times else None for name in _TIMES}
    return {
        "id": PREFIX + batch.id,
        "object": "batch",
        "endpoint": batch.endpoint,
        "errors": errors,
        "input_file_id": FILE + batch.input_file,
        "completion_window": WINDOW,
        "status": batch.state,
        "output_file_id": FILE + batch.output_file if batch.output_file else None,
        "error_file_id": FILE + batch.error_file if batch.error_file else None,
        "created_at": int(batch.created_at),
        "expires_at": int(batch.expires_at),
        **cast("BatchTimes", times),
        "request_counts": {"total": batch.total, "completed": batch.completed, "failed": batch.failed},
        "usage": {
            "input_tokens": batch.prompt_tokens,
            "input_tokens_details": {"cached_tokens": batch.cached_tokens},
            "output_tokens": batch.completion_tokens,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": batch.prompt_tokens + batch.completion_tokens,
        },
        "metadata": dict(batch.metadata) if batch.metadata else None,
    }


def _wanted(request: Request) -> str:
    return bare(request.path_params["batch"], PREFIX, no_batch)
