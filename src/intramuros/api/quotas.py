"""Limits for administration programs, and everybody's own usage: `/api/v1/quotas…`, `/api/v1/usage`.

Users, groups, projects and keys are named by id, or as `accounts.quotas` finds them; `everyone` as `everyone/all`.
Called by the router.
"""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from intramuros.accounts.quotas import COUNTED, NAMES, Quotas
from intramuros.accounts.rights import Limit, Quota
from intramuros.accounts.usage import Usage
from intramuros.api.request import as_json, caller_of, entry_of
from intramuros.api.shapes import Field, Shape
from intramuros.errors import BadRequest


class QuotaRoutes:
    """The routes about limits."""

    def __init__(self, quotas: Quotas, usage: Usage) -> None:
        self.quotas, self.usage = quotas, usage

    def routes(self) -> list[BaseRoute]:
        """What the server mounts."""
        one = "/api/v1/quotas/{kind}/{subject}"
        return [
            Route("/api/v1/quotas", self.index, methods=["GET"]),
            Route(one, self.show, methods=["GET"]),
            Route(one, self.put, methods=["PUT"]),
            Route(one, self.remove, methods=["DELETE"]),
            Route("/api/v1/usage", self.own, methods=["GET"]),
        ]

    async def index(self, request: Request) -> Response:
        """Everything that is set."""
        found = await asyncio.to_thread(self.quotas.list)
        return as_json({"quotas": [quota_object(limit, self.usage) for limit in found]})

    async def show(self, request: Request) -> Response:
        """What is set for one."""
        return as_json(quota_object(await self._found(request), self.usage))

    async def put(self, request: Request) -> Response:
        """Sets all limits of one; what is left out is not limited."""
        quota = Quota(**await LIMITS.of(request.receive))
        limit = await self._found(request)
        await asyncio.to_thread(self.quotas.set, limit.kind, limit.id, quota)
        return as_json(quota_object(Limit(limit.kind, limit.id, limit.name, quota), self.usage))

    async def remove(self, request: Request) -> Response:
        """Takes all limits of one away."""
        limit = await self._found(request)
        await asyncio.to_thread(self.quotas.remove, limit.kind, limit.id)
        return Response(status_code=204)

    async def own(self, request: Request) -> Response:
        """What limits the caller, and what was used of it."""
        limits = caller_of(request).limits
        return as_json({"limits": [quota_object(limit, self.usage) for limit in limits]})

    async def _found(self, request: Request) -> Limit:
        kind, subject = request.path_params["kind"], request.path_params["subject"]
        limit = await asyncio.to_thread(self.quotas.find, kind, subject)
        entry_of(request).about(limit.id)
        return limit


def quota_object(limit: Limit, usage: Usage) -> dict[str, Any]:
    """One as the API and the command line show it."""
    used = None
    if limit.kind in COUNTED:
        used = usage.used(limit.subject)._asdict()
        used |= {name: round(used[name], 6) for name in ("euros_today", "euros_this_month")}
    values = {name: getattr(limit.quota, name) for name in NAMES}
    return {"kind": limit.kind, "id": limit.id, "name": limit.name, **values, "used": used}


def _number(values: dict[str, Any], name: str) -> float | int | None:
    value = values.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadRequest(f"'{name}' must be a number.", param=name, code="bad_limit")
    if _is_whole(name) and value != int(value):
        raise BadRequest(f"'{name}' must be a whole number.", param=name, code="bad_limit")
    return value


def _is_whole(name: str) -> bool:
    return name.startswith(("requests", "tokens"))


LIMITS = Shape(
    {
        name: Field({"type": ["integer" if _is_whole(name) else "number", "null"], "minimum": 0}, _number)
        for name in NAMES
    }
)
"""All of one; what is left out is not limited."""
