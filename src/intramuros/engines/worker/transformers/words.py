"""From tokens to text while they come: whole characters only, and never past a text at which the answer ends.

Used by the worker alone; knows a tokenizer's `decode` and no requests.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

CUT_OFF = "�"
"""What stands for a character of which not all bytes have come."""
LONGEST_CHARACTER = 8
"""Tokens after which such a character is believed to be the model's own."""

Decode = Callable[[list[int]], str]


@dataclass(slots=True)
class Words:
    """The text of one answer. `stopped_by`: the text of `stops` that has ended it."""

    decode: Decode
    stops: Sequence[str] = ()
    stopped_by: str | None = None
    tokens: list[int] = field(default_factory=list)
    _start: int = 0
    _read: int = 0
    _held: str = ""

    def push(self, token: int) -> str:
        """Takes the next token; the text that can go out."""
        self.tokens.append(token)
        before = self.decode(self.tokens[self._start : self._read])
        now = self.decode(self.tokens[self._start :])
        if now.endswith(CUT_OFF) and len(self.tokens) - self._read < LONGEST_CHARACTER:
            return ""
        self._start, self._read = self._read, len(self.tokens)
        return self._passed(now[len(before) :])

    def rest(self) -> str:
        """What was held back, once the answer is over."""
        if self.stopped_by is not None:
            return ""
        before = self.decode(self.tokens[self._start : self._read])
        last = self.decode(self.tokens[self._start :])[len(before) :]
        self._read = len(self.tokens)
        text = self._passed(last)
        held, self._held = self._held, ""
        return text + (held if self.stopped_by is None else "")

    def _passed(self, text: str) -> str:
        """The text as far as no stop is in it, nor could begin at its end."""
        text = self._held + text
        found = [(place, stop) for stop in self.stops if (place := text.find(stop)) >= 0]
        if found:
            place, self.stopped_by = min(found)
            self._held = ""
            return text[:place]
        kept = max((_begun(text, stop) for stop in self.stops), default=0)
        self._held = text[len(text) - kept :]
        return text[: len(text) - kept]


def _begun(text: str, stop: str) -> int:
    """How many characters at the end of a text could be the beginning of a stop."""
    return next((size for size in range(min(len(text), len(stop) - 1), 0, -1) if text.endswith(stop[:size])), 0)
