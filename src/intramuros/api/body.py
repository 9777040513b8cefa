"""Reads what a program sends: the bytes of a request, and JSON from anyone, however hostile.

Called by the routes of this package. The guard has bounded the number of bytes before this sees them. Messages name
places, never values.
"""

from __future__ import annotations

from typing import Any

import orjson
from starlette.types import Receive

from intramuros.api.connected import ClientGone
from intramuros.errors import BadRequest, kind_of

MAX_DEPTH = 64
MAX_VALUES = 200_000


async def read_body(receive: Receive) -> bytes:
    """The whole body. Raises: ClientGone when the client leaves before its end; TooLarge, from the guard."""
    message = await receive()
    first: bytes = message.get("body", b"")
    if message["type"] == "http.request" and not message.get("more_body"):
        return first
    parts = [first]
    while message.get("more_body"):
        message = await receive()
        parts.append(message.get("body", b""))
    if message["type"] == "http.disconnect":
        raise ClientGone
    return b"".join(parts)


async def read_object(receive: Receive) -> dict[str, Any]:
    """The body as a JSON object. Raises: as `read_body`, and BadRequest for anything else than an object."""
    return parse_object(await read_body(receive))


def parse_object(body: bytes, *, most_values: int = MAX_VALUES) -> dict[str, Any]:
    """A JSON object from bytes, at most `MAX_DEPTH` deep and with at most `most_values` values in it.

    Raises: BadRequest, with the place of the mistake.
    """
    if not body:
        raise BadRequest("The request has no body.", hint="Send a JSON object.", code="invalid_json")
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BadRequest(
            f"The body is not valid JSON: {error.msg}, line {error.lineno}, column {error.colno}.", code="invalid_json"
        ) from None
    if not isinstance(value, dict):
        raise BadRequest(f"The body is JSON, but {kind_of(value)} where an object was expected.", code="invalid_json")
    _bound(value, most_values)
    return value


def _bound(value: Any, most_values: int) -> None:
    """Refuses nesting and numbers of values that no honest request has, before anything walks them recursively."""
    level, seen = [value], 0
    for _ in range(MAX_DEPTH):
        below: list[Any] = []
        for holder in level:
            seen += len(holder)
            if seen > most_values:
                raise BadRequest(f"The body has more than {most_values} values.", code="invalid_json")
            inside = holder.values() if isinstance(holder, dict) else holder
            below += [item for item in inside if isinstance(item, (dict, list))]
        if not below:
            return
        level = below
    raise BadRequest(f"The body is nested more than {MAX_DEPTH} levels deep.", code="invalid_json")


def text(values: dict[str, Any], name: str, *, longest: int = 10_000) -> str:
    """A field that must be text with something in it. Raises: BadRequest."""
    value = values.get(name)
    if isinstance(value, str) and not value.strip():
        raise BadRequest(f"'{name}' must not be empty.", param=name)
    if not isinstance(value, str):
        raise BadRequest(f"'{name}' must be text, not {kind_of(value)}.", param=name)
    if len(value) > longest:
        raise BadRequest(f"'{name}' has {len(value)} characters; the limit is {longest}.", param=name)
    return value


def only(values: dict[str, Any], known: set[str]) -> None:
    """Refuses fields that a route does not know. Raises: BadRequest naming the first one."""
    for name in values:
        if name not in known:
            raise BadRequest(
                f"Unknown field '{name[:64]}'.", hint=f"Known fields: {', '.join(sorted(known))}.", param=name[:64]
            )


def whole(values: dict[str, Any], name: str, *, default: int, low: int, high: int) -> int:
    """A field that must be a whole number in a range, or is left out. Raises: BadRequest."""
    value = values.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int):
        raise BadRequest(f"'{name}' must be a whole number, not {kind_of(value)}.", param=name)
    if not low <= value <= high:
        raise BadRequest(f"'{name}' must be between {low} and {high}.", param=name)
    return value


def flag(values: dict[str, Any], name: str) -> bool:
    """A field that must be true or false; left out, it is false. Raises: BadRequest."""
    value = values.get(name)
    if value is not None and not isinstance(value, bool):
        raise BadRequest(f"'{name}' must be true or false, not {kind_of(value)}.", param=name)
    return bool(value)
