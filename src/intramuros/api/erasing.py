"""Erasing by programs, with the receipt as the answer; receipts and times to keep. Called by the router."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import TypedDict

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from intramuros.accounts.projects import Projects
from intramuros.api.projects import project_of
from intramuros.api.request import as_json, caller_of, entry_of
from intramuros.api.shapes import Shape, count
from intramuros.privacy.erase.erasure import Erasure
from intramuros.privacy.erase.receipt import ReceiptObject, receipt, receipts
from intramuros.privacy.erase.retention import Kept, Retention
from intramuros.storage.erasable import Kind, Subject
from intramuros.tasks.conversation import Conversations

MOST_RECEIPTS = 1000

_DAYS = count("a whole number of days, or null for ever")
KEPT = Shape({"conversations_days": _DAYS, "documents_days": _DAYS, "unused_days": _DAYS})


class Receipts(TypedDict):
    """What was erased, newest first."""

    receipts: list[ReceiptObject]


class ErasureRoutes:
    """The routes that erase, and those that show what was erased."""

    def __init__(
        self, projects: Projects, conversations: Conversations, erasure: Erasure, retention: Retention
    ) -> None:
        self.projects, self.conversations, self.erasure, self.retention = projects, conversations, erasure, retention

    def routes(self) -> list[BaseRoute]:
        """What the server mounts."""
        project = "/api/v1/projects/{project}"
        return [
            Route(project + "/conversations/{conversation}", self.conversation, methods=["DELETE"]),
            Route(project + "/retention", self.kept, methods=["GET"]),
            Route(project + "/retention", self.keep, methods=["PUT"]),
            Route("/api/v1/receipts", self.index, methods=["GET"]),
            Route("/api/v1/receipts/{receipt}", self.show, methods=["GET"]),
        ]

    async def conversation(self, request: Request) -> Response:
        """Erases one of the caller's own conversations."""
        project = await project_of(request, self.projects, need="reader")
        conversation = request.path_params["conversation"]
        await asyncio.to_thread(self.conversations.check, conversation, project=project, by=caller_of(request))
        entry_of(request).note(conversation=conversation)
        return await self._erased(request, "conversation", conversation)

    async def index(self, request: Request) -> Response:
        """What was erased, newest first."""
        found = await asyncio.to_thread(receipts, self.erasure.database, limit=MOST_RECEIPTS)
        return as_json(Receipts(receipts=[item.to_json() for item in found]))

    async def show(self, request: Request) -> Response:
        """One erasure with its receipt."""
        return as_json(
            (await asyncio.to_thread(receipt, self.erasure.database, request.path_params["receipt"])).to_json()
        )

    async def kept(self, request: Request) -> Response:
        """How long a project keeps things."""
        project = await project_of(request, self.projects, need="reader")
        return as_json(asdict(await asyncio.to_thread(self.retention.get, project.id)))

    async def keep(self, request: Request) -> Response:
        """Changes it; only an owner may."""
        values = await KEPT.of(request.receive)
        project = await project_of(request, self.projects, need="owner")
        kept = Kept(*(values.get(name) for name in KEPT.fields))
        await asyncio.to_thread(self.retention.set, project.id, kept)
        return as_json(asdict(kept))

    async def _erased(self, request: Request, kind: Kind, subject: str) -> Response:
        by = caller_of(request).user_id
        done = await asyncio.to_thread(self.erasure.run, Subject(kind, subject), by=by)
        entry_of(request).note(erasure=done.id)
        return as_json(done.to_json())
