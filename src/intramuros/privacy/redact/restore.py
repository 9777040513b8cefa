"""Puts the values back in place of their aliases, in a text that may come in pieces of any size.

Called by the doors on decoded text, never on raw bytes, one restorer for each choice of an answer and for each tool
call's arguments. What it gives out does not depend on where the pieces were cut: it holds back only what is the
beginning of an alias it knows. An alias it does not know stays as it is and is counted.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from intramuros.privacy.redact.aliases import ALIAS

_LONGEST = 2 * 64  # an alias of the longest entity's name, with its brackets as \u escapes
_ESCAPED = re.compile(r"\\\\|\\u27[eE]6[A-Z][A-Z0-9_]{0,39}_[b-z2-9]{3,16}\\u27[eE]7|" + ALIAS.pattern)


class Restorer:
    """Restores one stream.

    `in_json` is for text that is the source of a JSON value, such as a tool call's arguments.
    """

    def __init__(self, values: Mapping[str, str], *, in_json: bool = False) -> None:
        self.restored = 0
        self.unknown = 0
        self._values = {alias: _escaped(value) if in_json else value for alias, value in values.items()}
        self._pattern = _ESCAPED if in_json else ALIAS
        self._starts = ("⟦", "\\") if in_json else ("⟦",)
        self._prefixes = {
            spelling[:n] for alias in values for spelling in _spellings(alias, in_json) for n in range(1, len(spelling))
        }
        self._held = ""
        self._cut = (
            ""  # the end of what was given out, where it may be the beginning of an unknown alias: for the count
        )

    def feed(self, piece: str) -> str:
        """What can be given out after this piece."""
        text = self._held + piece
        if not self._held and not self._cut and not any(start in text for start in self._starts):
            return text
        done: list[str] = []
        place = 0
        for match in self._pattern.finditer(text):
            done += (self._count(text[place : match.start()]), self._value(match.group()))
            place = match.end()
        rest = text[place:]
        hold = self._held_from(rest)
        self._held = rest[hold:]
        return "".join([*done, self._count(rest[:hold])])

    def close(self) -> str:
        """What was still held back, when the stream ends."""
        held, self._held = self._held, ""
        return held

    def _value(self, found: str) -> str:
        self._cut = ""
        if found == "\\\\":
            return found
        value = self._values.get(_plain(found))
        if value is None:
            self.unknown += 1
            return found
        self.restored += 1
        return value

    def _held_from(self, rest: str) -> int:
        """Where the part of the rest begins that may become a known alias."""
        for at in range(max(0, len(rest) - _LONGEST), len(rest)):
            if rest[at] in self._starts and rest[at:] in self._prefixes:
                return at
        return len(rest)

    def _count(self, given: str) -> str:
        """Counts aliases nobody knows that came in pieces; gives out what it was given."""
        if given and (self._cut or any(start in given for start in self._starts)):
            seen = self._cut + given
            last = None
            for last in self._pattern.finditer(seen):
                self.unknown += last.group() != "\\\\"
            seen = seen[last.end() :] if last else seen
            start = max(seen.rfind("⟦"), seen.rfind("\\u27") if len(self._starts) > 1 else -1)
            self._cut = seen[start:] if start >= 0 and len(seen) - start < _LONGEST else ""
        return given


def restore(text: str, values: Mapping[str, str]) -> str:
    """A whole text with its values back."""
    restorer = Restorer(values)
    return restorer.feed(text) + restorer.close()


def _escaped(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)[1:-1]


def _plain(found: str) -> str:
    if not found.startswith("\\u"):
        return found
    return "⟦" + found[6:-6] + "⟧"


def _spellings(alias: str, in_json: bool) -> list[str]:
    if not in_json:
        return [alias]
    inner = alias[1:-1]
    return [alias, *(f"\\u27{a}6{inner}\\u27{b}7" for a in "eE" for b in "eE")]
