"""How the reader process and the gateway speak: frames over a socket pair.

The reading side trusts nothing: a parser that a document has taken over may write anything.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable, Iterator
from typing import Any

import orjson

from intramuros.documents.document import KINDS, Block, Line, Page

_HEADER = struct.Struct(">cI")
JSON, BYTES = b"j", b"b"


class BadFrame(Exception):
    """The reader process wrote something that is not a frame of this protocol."""


def json_frame(value: dict[str, Any]) -> bytes:
    """A message as one frame."""
    body = orjson.dumps(value)
    return _HEADER.pack(JSON, len(body)) + body


def bytes_frame(value: bytes) -> bytes:
    """Raw bytes as one frame."""
    return _HEADER.pack(BYTES, len(value)) + value


def frames(receive: Callable[[int], bytes], *, max_bytes: int) -> Iterator[dict[str, Any] | bytes]:
    """The frames that arrive until the other side closes; a frame cut off by its end is dropped.

    Raises: BadFrame; OverflowError when more than `max_bytes` arrive in all.
    """
    total = 0
    while header := _exactly(receive, _HEADER.size):
        kind, length = _HEADER.unpack(header)
        total += _HEADER.size + length
        if total > max_bytes:
            raise OverflowError
        body = _exactly(receive, length)
        if body is None:
            return
        if kind == BYTES:
            yield body
            continue
        try:
            value = orjson.loads(body)
        except json.JSONDecodeError as error:
            raise BadFrame from error
        if kind != JSON or not isinstance(value, dict):
            raise BadFrame
        yield value


def _exactly(receive: Callable[[int], bytes], length: int) -> bytes | None:
    parts = []
    while length:
        part = receive(min(length, 1 << 20))
        if not part:
            return None
        parts.append(part)
        length -= len(part)
    return b"".join(parts)


def page_message(page: Page) -> dict[str, Any]:
    """A page as lists and numbers; coordinates to a hundredth of a point."""
    blocks = [
        [
            block.text,
            block.kind,
            block.level,
            [[line.start, line.end, *(round(x, 2) for x in line.rect)] for line in block.lines],
        ]
        for block in page.blocks
    ]
    return {"number": page.number, "width": page.width, "height": page.height, "blocks": blocks}


def page_from(message: Any, *, number: int) -> Page:
    """The page of a message.

    Raises: BadFrame unless every value is of the right kind and within its bounds.
    """
    try:
        width, height = _length(message["width"]), _length(message["height"])
        if message["number"] != number:
            raise BadFrame
        return Page(number, tuple(_block(block) for block in message["blocks"]), width, height)
    except (KeyError, TypeError, ValueError) as error:
        raise BadFrame from error


def _block(message: Any) -> Block:
    text, kind, level, lines = message
    if not isinstance(text, str) or kind not in KINDS or type(level) is not int or not 0 <= level <= 9:
        raise BadFrame
    return Block(text, kind, level, tuple(_line(line, len(text)) for line in lines))


def _line(message: Any, length: int) -> Line:
    start, end, x0, y0, x1, y1 = message
    if type(start) is not int or type(end) is not int or not 0 <= start <= end <= length:
        raise BadFrame
    return Line(start, end, (_number(x0), _number(y0), _number(x1), _number(y1)))


def _length(value: Any) -> float | None:
    return None if value is None else _number(value)


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or abs(value) > 1e6:
        raise BadFrame
    return float(value)
