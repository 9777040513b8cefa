"""Breaking the glass for programs: `/api/v1/break-glass…`. Called by the router."""

from __future__ import annotations

import asyncio
from typing import Any, TypedDict

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from intramuros.accounts.break_glass import BreakGlass, Opening
from intramuros.api.request import as_json, caller_of, entry_of
from intramuros.api.shapes import Shape, number, words

BEGUN = Shape(
    {"project": words(100), "user": words(100), "reason": words(2000), "hours": number()}, required=("reason",)
)


class OpeningObject(TypedDict):
    """An administrator's access to a project or to a person's conversations. Times: seconds since 1970."""

    id: str
    by: str | None
    by_name: str
    project: str | None
    user: str | None
    reason: str
    created_at: float
    expires_at: float
    ended_at: float | None
    open: bool


class Openings(TypedDict):
    """All accesses, newest first."""

    accesses: list[OpeningObject]


class BreakGlassRoutes:
    """The routes about administrators' time-limited accesses."""

    def __init__(self, break_glass: BreakGlass) -> None:
        self.break_glass = break_glass

    def routes(self) -> list[BaseRoute]:
        """What the server mounts."""
        return [
            Route("/api/v1/break-glass", self.index, methods=["GET"]),
            Route("/api/v1/break-glass", self.begin, methods=["POST"]),
            Route("/api/v1/break-glass/{access}/end", self.end, methods=["POST"]),
        ]

    async def index(self, request: Request) -> Response:
        """All accesses, newest first."""
        found = await asyncio.to_thread(self.break_glass.list)
        return as_json(Openings(accesses=[opening_object(opening) for opening in found]))

    async def begin(self, request: Request) -> Response:
        """Begins one: `{"project" or "user": id, "reason": …, "hours": 1}`."""
        values = await BEGUN.of(request.receive)
        project, subject, reason = values.get("project"), values.get("user"), values["reason"]
        hours = 1 if values.get("hours") is None else values["hours"]
        opening = await asyncio.to_thread(
            lambda: self.break_glass.begin(
                by=caller_of(request), reason=reason, hours=hours, project=project, subject=subject
            )
        )
        note(entry_of(request), opening)
        return as_json(opening_object(opening), status=201)

    async def end(self, request: Request) -> Response:
        """Ends one early."""
        opening = await asyncio.to_thread(
            lambda: self.break_glass.end(request.path_params["access"], by=caller_of(request))
        )
        note(entry_of(request), opening)
        return as_json(opening_object(opening))


def note(entry: Any, opening: Opening) -> None:
    """What the audit keeps of an access: never its reason."""
    entry.about(opening.id)
    entry.note(project=opening.project_id, user=opening.subject_id)


def opening_object(opening: Opening) -> OpeningObject:
    """An access as programs see it; names of projects are not for auditors, ids are."""
    return {
        "id": opening.id,
        "by": opening.user_id,
        "by_name": opening.user_name,
        "project": opening.project_id,
        "user": opening.subject_id,
        "reason": opening.reason,
        "created_at": opening.created_at,
        "expires_at": opening.expires_at,
        "ended_at": opening.ended_at,
        "open": opening.is_open,
    }
