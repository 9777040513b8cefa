"""What can be erased, and what each part that stores something offers for it.

Known to every eraser and to `privacy.erase`, which calls them. It knows no part.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

Kind = Literal["user", "project", "document", "conversation"]
KINDS: tuple[Kind, ...] = ("user", "project", "document", "conversation")

SAMPLE_BYTES = 32
SHORTEST_SAMPLE = 8
"""Bytes; what is shorter stands in other texts by chance."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What is to be erased."""

    kind: Kind
    id: str


class Sample(NamedTuple):
    """Some bytes of what goes, exactly as they stand on a page, and what they are: text, terms, vector, turn, name."""

    what: str
    content: bytes


class Eraser(Protocol):
    """What a part that stores something offers."""

    def count(self, subject: Subject) -> Mapping[str, int]:
        """What there is of a subject, by name: rows, files, bytes."""
        ...

    def samples(self, subject: Subject) -> Iterator[Sample]:
        """A few pieces of it, spread over all of it, to be searched for when it is gone."""
        ...

    def erase(self, subject: Subject) -> None:
        """Removes it, in transactions small enough for a full disk; killed at any point, it can be run again."""
        ...


def middle(text: str) -> bytes:
    """A piece from the middle of a text, of whole characters; empty if the text is too short to tell from others."""
    raw = text.encode()
    begin = max(0, (len(raw) - SAMPLE_BYTES) // 2)
    piece = raw[begin : begin + SAMPLE_BYTES]
    return piece if len(piece) >= SHORTEST_SAMPLE else b""
