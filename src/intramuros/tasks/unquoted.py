"""Reads the inside of a JSON text as it comes, a piece at a time. Called by `tasks.calling`."""

from __future__ import annotations

import re

import orjson

_PIECE = re.compile(r'[^"\\]+|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[0-9a-fA-F]{4}|\\u[0-9a-fA-F]{4}|\\[^u]')
_HALF_PAIR = re.compile(r"\\u[dD][89abAB]")
_LONGEST_ESCAPE = 12


class Unquoted:
    """What follows the opening quotation mark; what follows the closing one is dropped."""

    def __init__(self) -> None:
        self.is_over = False
        self._held = ""

    def feed(self, text: str) -> str:
        """As much as can be read by now: an escape that has not come whole is kept for the next piece."""
        out, held, place = [], self._held + text, 0
        while place < len(held) and not self.is_over:
            if held[place] == '"':
                self.is_over = True
                break
            left = len(held) - place
            if left < _LONGEST_ESCAPE and _HALF_PAIR.match(held, place):
                break
            found = _PIECE.match(held, place)
            if found is not None:
                out.append(_read(found[0]))
                place = found.end()
            elif left >= _LONGEST_ESCAPE:
                place += 1  # no escape at all
            else:
                break
        self._held = held[place:]
        return "".join(out)


def _read(piece: str) -> str:
    if not piece.startswith("\\"):
        return piece
    try:
        return str(orjson.loads(f'"{piece}"'))
    except orjson.JSONDecodeError:
        return "\N{REPLACEMENT CHARACTER}"  # half a pair
