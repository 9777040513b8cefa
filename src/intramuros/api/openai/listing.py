"""Pages of lists as OpenAI's clients ask for them (`limit`, `order`, `after`, `before`), and ids behind prefixes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, Literal, TypedDict, TypeVar

from starlette.datastructures import QueryParams

from intramuros.errors import BadRequest, NotFound

Item = TypeVar("Item")
Shown = TypeVar("Shown", bound=Mapping[str, Any])

DEFAULT_LIMIT = 20


class Page(TypedDict, Generic[Shown]):
    """A page of a list. `first_id` and `last_id`: of what is on it; `has_more`: whether another follows."""

    object: Literal["list"]
    data: list[Shown]
    first_id: str | None
    last_id: str | None
    has_more: bool


class Deleted(TypedDict):
    """What is gone."""

    id: str
    object: str
    deleted: Literal[True]


def page(
    items: Sequence[Item],
    query: QueryParams,
    *,
    show: Callable[[Item], Shown],
    id_of: Callable[[Item], str],
    most: int = 100,
    default: int = DEFAULT_LIMIT,
    known: frozenset[str] = frozenset(),
    keep: Callable[[Item], bool] = lambda _item: True,
) -> Page[Shown]:
    """One page of a list that is given oldest first: of those to `keep`, though a place may be at one of the others.

    `known`: other parameters that the route itself reads.

    Raises: BadRequest for an unknown or bad parameter, or a place in the list that is not in it.
    """
    for name in query:
        if name not in known | {"limit", "order", "after", "before"}:
            raise BadRequest(f"Unknown parameter '{name[:64]}'.", code="unknown_parameter", param=name[:64])
    order = query.get("order") or "desc"
    if order not in {"asc", "desc"}:
        raise BadRequest("'order' must be 'asc' or 'desc'.", param="order")
    limit = _limit(query, default, most)
    ordered = list(items if order == "asc" else reversed(items))
    ids = [id_of(item) for item in ordered]
    begin, end = 0, len(ordered)
    if after := query.get("after"):
        begin = _place(ids, after, "after") + 1
    if before := query.get("before"):
        end = _place(ids, before, "before")
    kept = [item for item in ordered[begin:end] if keep(item)]
    backwards = bool(before and not after)
    wanted = kept[max(0, len(kept) - limit) :] if backwards else kept[:limit]
    found = [show(item) for item in wanted]
    return {
        "object": "list",
        "data": found,
        "first_id": found[0]["id"] if found else None,
        "last_id": found[-1]["id"] if found else None,
        "has_more": len(wanted) < len(kept),
    }


def bare(prefixed: str, prefix: str, missing: Callable[[], NotFound]) -> str:
    """The id that stands behind its prefix. Raises: what `missing` makes, for anything else."""
    if not prefixed.startswith(prefix) or not 1 <= len(prefixed) - len(prefix) <= 64:
        raise missing()
    return prefixed.removeprefix(prefix)


def _limit(query: QueryParams, default: int, most: int) -> int:
    value = query.get("limit")
    if value is None:
        return default
    if not (value.isascii() and value.isdigit() and len(value) < 7 and int(value) <= most):
        raise BadRequest(f"'limit' must be a whole number between 0 and {most}.", param="limit")
    return int(value)


def _place(ids: Sequence[str], wanted: str, name: str) -> int:
    try:
        return ids.index(wanted)
    except ValueError:
        raise BadRequest(f"'{name}' names nothing in this list.", param=name) from None
