"""Files that a batch writes: one JSON object a line. Why a whole batch ended early.

Called by `tasks.batch_work`. What a line says is the business of the batch's door.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import orjson


def trouble(code: str, message: str, *, line: int | None = None) -> dict[str, Any]:
    """Why a whole batch ended early."""
    return {"code": code, "message": message, "line": line, "param": None}


def as_line(said: Mapping[str, Any]) -> bytes:
    """One line of a file."""
    return orjson.dumps(said) + b"\n"


class Reading:
    """Bytes that are made while they are read, for what stores a file."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces, self._rest = iter(pieces), b""

    def read(self, size: int, /) -> bytes:
        """At most so many, none at the end."""
        while len(self._rest) < size and (piece := next(self._pieces, None)) is not None:
            self._rest += piece
        taken, self._rest = self._rest[:size], self._rest[size:]
        return taken
