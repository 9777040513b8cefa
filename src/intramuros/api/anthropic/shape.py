"""What several of this door's routes send: pages of lists, moments, and JSON with the request's id.

Called by the routes of models and of batches.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Generic, TypedDict, TypeVar

import orjson
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response

from intramuros.api.anthropic.dialect import REQUEST_ID
from intramuros.api.anthropic.errors import request_id
from intramuros.errors import BadRequest

Item = TypeVar("Item")
Shown = TypeVar("Shown", bound=Mapping[str, Any])

MOST, USUAL = 1000, 20


class MessagePage(TypedDict, Generic[Shown]):
    """A page of a list. `first_id` and `last_id`: of what is on it; `has_more`: whether another follows."""

    data: list[Shown]
    has_more: bool
    first_id: str | None
    last_id: str | None


def page(
    found: Sequence[Item], query: QueryParams, *, show: Callable[[Item], Shown], id_of: Callable[[Item], str]
) -> MessagePage[Shown]:
    """What a query asks for of a list, in the list's order. Raises: BadRequest for a limit or a place that is none."""
    limit = _limit(query.get("limit"))
    place = {id_of(one): index for index, one in enumerate(found)}
    for name in ("after_id", "before_id"):
        if name in query and query[name] not in place:
            raise BadRequest(f"'{name}' names nothing in this list.", param=name)
    after, before = query.get("after_id"), query.get("before_id")
    between = found[place[after] + 1 if after else 0 : place[before] if before else None]
    part = between[-limit:] if before and not after else between[:limit]
    shown = [show(one) for one in part]
    return {
        "data": shown,
        "has_more": len(part) < len(between),
        "first_id": shown[0]["id"] if shown else None,
        "last_id": shown[-1]["id"] if shown else None,
    }


def moment(seconds: float) -> str:
    """A time as RFC 3339 writes it, from seconds since 1970."""
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


def as_json(request: Request, value: Any, headers: dict[str, str] | None = None) -> Response:
    """An answer."""
    named = {REQUEST_ID.decode(): request_id(request.scope)}
    return Response(orjson.dumps(value), media_type="application/json", headers=named | (headers or {}))


def _limit(value: str | None) -> int:
    if value is None:
        return USUAL
    if not (value.isascii() and value.isdigit() and len(value) < 5 and 1 <= int(value) <= MOST):
        raise BadRequest(f"'limit' must be between 1 and {MOST}.", param="limit")
    return int(value)
