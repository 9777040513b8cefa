"""`/v1/vector_stores`: a vector store is a project, with its documents. Called by the router.

What a caller may do is what their role in the project allows; what they may not see does not exist. What differs from
OpenAI's is in README.md.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, TypedDict

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from intramuros.accounts.descriptions import Described, Descriptions
from intramuros.accounts.projects import Project, Projects, Role
from intramuros.api.body import only, parse_object, read_body, read_object, text, whole
from intramuros.api.openai.fields import not_used_header
from intramuros.api.openai.listing import Deleted, page
from intramuros.api.openai.notes import metadata
from intramuros.api.openai.store import PREFIX, store_of
from intramuros.api.openai.vector_store_files import (
    Attaching,
    FileCounts,
    Wanted,
    counts,
    cut_otherwise,
    file_ids,
    strategy,
)
from intramuros.api.request import as_json, caller_of, entry_of
from intramuros.documents.attached import AttachedFile, AttachedFiles
from intramuros.errors import BadRequest, kind_of
from intramuros.privacy.erase.retention import Kept, Retention
from intramuros.privacy.erase.unused import LastUse, Unused
from intramuros.storage.erasable import Subject
from intramuros.storage.schema import now

UNNAMED = "Vector store"
ANCHOR = "last_active_at"
MOST_DAYS = 365


class ExpiryObject(TypedDict):
    """After how many days without any use a store's documents go."""

    anchor: str
    days: int


class StoreObject(TypedDict):
    """A vector store, which is a project. Times: seconds since 1970."""

    id: str
    object: Literal["vector_store"]
    created_at: int
    name: str
    description: str | None
    usage_bytes: int
    file_counts: FileCounts
    status: Literal["in_progress", "completed", "expired"]
    expires_after: ExpiryObject | None
    expires_at: int | None
    last_active_at: int
    metadata: dict[str, str]


class VectorStoreRoutes:
    """The routes of the stores themselves."""

    def __init__(
        self, projects: Projects, descriptions: Descriptions, files: AttachedFiles, attaching: Attaching,
        retention: Retention,
    ) -> None:  # fmt: skip
        self.projects, self.descriptions, self.files = projects, descriptions, files
        self.attaching, self.retention = attaching, retention
        self.unused = Unused(retention.database)

    def routes(self) -> list[BaseRoute]:
        """What the server mounts."""
        one = "/v1/vector_stores/{store}"
        return [
            Route("/v1/vector_stores", self.create, methods=["POST"]),
            Route("/v1/vector_stores", self.index, methods=["GET"]),
            Route(one, self.show, methods=["GET"]),
            Route(one, self.change, methods=["POST"]),
            Route(one, self.remove, methods=["DELETE"]),
        ]

    async def create(self, request: Request) -> Response:
        """Makes a project that the caller owns, with these files in it."""
        body = await read_body(request.receive)
        values = parse_object(body) if body else {}  # everything may be left out
        only(values, {"name", "description", "metadata", "file_ids", "chunking_strategy", "expires_after"})
        days = expiry(values)
        name = text(values, "name", longest=100).strip() if values.get("name") is not None else UNNAMED
        description = text(values, "description", longest=2000) if values.get("description") is not None else None
        notes, sizes = metadata(values.get("metadata")), strategy(values)
        wanted = file_ids(values) if values.get("file_ids") is not None else []
        by = caller_of(request)
        sent = await asyncio.to_thread(self.attaching.mine, [Wanted(one, {}, sizes) for one in wanted], by=by)
        made = await asyncio.to_thread(
            lambda: self.descriptions.create(name, by=by, description=description, metadata=notes)
        )
        entry_of(request).about(made.project.id)
        if days is not None:
            await asyncio.to_thread(self.retention.set, made.project.id, Kept(unused_days=days))
        attached = await asyncio.to_thread(self.attaching.attach, made.project, sent, by=by)
        unused = cut_otherwise(sent, attached) if wanted or sizes is None else ["chunking_strategy"]
        return as_json(await self._shown(made), headers=not_used_header(unused))

    async def index(self, request: Request) -> Response:
        """The projects the caller may see."""
        found = await asyncio.to_thread(lambda: self.descriptions.all(self.projects.list(caller_of(request))))
        found.sort(key=lambda one: (one.project.created_at, one.project.id))
        used = await asyncio.to_thread(self.unused.of, [one.project.id for one in found])
        shown = await asyncio.to_thread(
            page,
            found,
            request.query_params,
            show=lambda one: store_object(one, self.files.list(one.project), used.get(one.project.id)),
            id_of=lambda one: PREFIX + one.project.id,
        )
        return as_json(shown)

    async def show(self, request: Request) -> Response:
        """One project."""
        return as_json(await self._shown(await self._described(request, need="reader")))

    async def change(self, request: Request) -> Response:
        """Renames it, replaces its metadata, or says how long its documents stay unused; only an owner may."""
        values = await read_object(request.receive)
        only(values, {"name", "metadata", "expires_after"})
        days = expiry(values)
        name = text(values, "name", longest=100).strip() if values.get("name") is not None else None
        notes = metadata(values.get("metadata"))
        if "metadata" in values and notes is None:
            notes = {}
        project = await store_of(request, self.projects, need="owner")
        changed = await asyncio.to_thread(lambda: self.descriptions.change(project, name=name, metadata=notes))
        if "expires_after" in values:
            await asyncio.to_thread(self._keep, project, days)
        return as_json(await self._shown(changed))

    async def remove(self, request: Request) -> Response:
        """Erases the project with all its documents and conversations; only an owner may."""
        project = await store_of(request, self.projects, need="owner")
        subject, by = Subject("project", project.id), caller_of(request).user_id
        receipt = await asyncio.to_thread(self.retention.erasure.run, subject, by=by)
        entry_of(request).note(erasure=receipt.id)
        return as_json(Deleted(id=PREFIX + project.id, object="vector_store.deleted", deleted=True))

    async def _described(self, request: Request, *, need: Role) -> Described:
        project = await store_of(request, self.projects, need=need)
        return await asyncio.to_thread(self.descriptions.get, project)

    async def _shown(self, one: Described) -> StoreObject:
        files = await asyncio.to_thread(self.files.list, one.project)
        used = await asyncio.to_thread(self.unused.of, [one.project.id])
        return store_object(one, files, used.get(one.project.id))

    def _keep(self, project: Project, days: int | None) -> None:
        """Leaves the other times to keep as they are."""
        self.retention.set(project.id, replace(self.retention.get(project.id), unused_days=days))


def store_object(one: Described, files: Sequence[AttachedFile], used: LastUse | None) -> StoreObject:
    """A project as OpenAI's clients know it."""
    counted = counts(files)
    used = used or LastUse(one.project.created_at, None)
    ends_at = used.ends_at
    status: Literal["in_progress", "completed"] = "in_progress" if counted["in_progress"] else "completed"
    documents = [file.document for file in files if file.document is not None]
    return {
        "id": PREFIX + one.project.id,
        "object": "vector_store",
        "created_at": int(one.project.created_at),
        "name": one.project.name,
        "description": one.description,
        "usage_bytes": sum({document.id: document.size_bytes for document in documents}.values()),
        "file_counts": counted,
        "status": "expired" if ends_at is not None and ends_at <= now() else status,
        "expires_after": None if used.days is None else {"anchor": ANCHOR, "days": used.days},
        "expires_at": None if ends_at is None else int(ends_at),
        "last_active_at": int(used.at),
        "metadata": dict(one.metadata),
    }


def expiry(values: Mapping[str, Any]) -> int | None:
    """The days of `expires_after`; None where it doesn't say. Raises: BadRequest."""
    asked, path = values.get("expires_after"), "expires_after"
    if asked is None:
        return None
    if not isinstance(asked, dict):
        raise BadRequest(f"'{path}' must be an object, not {kind_of(asked)}.", param=path)
    only(asked, {"anchor", "days"})
    if asked.get("anchor") != ANCHOR:
        raise BadRequest(f"'{path}.anchor' must be '{ANCHOR}'.", param=f"{path}.anchor")
    if asked.get("days") is None:
        raise BadRequest(f"'{path}.days' is missing.", code="missing_parameter", param=f"{path}.days")
    return whole(asked, "days", default=0, low=1, high=MOST_DAYS)
