"""Limits for administration programs, and everybody's own usage: `/api/v1/quotas…`, `/api/v1/usage`.

Users, groups, projects and keys are named by id, or as `accounts.quotas` finds them; `everyone` as `everyone/all`.
Called by the router.
"""

from __future__ import annotations

import asyncio
from typing import Any, TypedDict

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from intramuros.accounts.quotas import COUNTED, NAMES, Quotas
from intramuros.accounts.rights import Limit, Quota
from intramuros.accounts.usage import Usage, Used
from intramuros.api.request import as_json, caller_of, entry_of
from intramuros.api.shapes import Field, Shape
from intramuros.errors import BadRequest


class UsedObject(TypedDict):
    """What was used today and this month (UTC)."""

    requests_today: int
    tokens_today: int
    tokens_this_month: int
    euros_today: float
    euros_this_month: float


class QuotaObject(TypedDict):
    """The limits of one; null is none. `used` is null for what nothing is counted of."""

    kind: str
    id: str
    name: str
    requests_per_minute: int | None
    tokens_per_day: int | None
    tokens_per_month: int | None
    euros_per_day: float | None
    euros_per_month: float | None
    weight: float | None
    used: UsedObject | None


class QuotaObjects(TypedDict):
    """Everything that is set."""

    quotas: list[QuotaObject]


class OwnLimits(TypedDict):
    """What limits the caller."""

    limits: list[QuotaObject]


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
        return as_json(QuotaObjects(quotas=[quota_object(limit, self.usage) for limit in found]))

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
        return as_json(OwnLimits(limits=[quota_object(limit, self.usage) for limit in limits]))

    async def _found(self, request: Request) -> Limit:
        kind, subject = request.path_params["kind"], request.path_params["subject"]
        limit = await asyncio.to_thread(self.quotas.find, kind, subject)
        entry_of(request).about(limit.id)
        return limit


def quota_object(limit: Limit, usage: Usage) -> QuotaObject:
    """One as the API and the command line show it."""
    quota = limit.quota
    return {
        "kind": limit.kind,
        "id": limit.id,
        "name": limit.name,
        "requests_per_minute": quota.requests_per_minute,
        "tokens_per_day": quota.tokens_per_day,
        "tokens_per_month": quota.tokens_per_month,
        "euros_per_day": quota.euros_per_day,
        "euros_per_month": quota.euros_per_month,
        "weight": quota.weight,
        "used": used_object(usage.used(limit.subject)) if limit.kind in COUNTED else None,
    }


def used_object(used: Used) -> UsedObject:
    """What was used, as programs see it."""
    return {
        "requests_today": used.requests_today,
        "tokens_today": used.tokens_today,
        "tokens_this_month": used.tokens_this_month,
        "euros_today": round(used.euros_today, 6),
        "euros_this_month": round(used.euros_this_month, 6),
    }


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
