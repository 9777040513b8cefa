"""A passage: a chunk as found for a question, with what is needed to quote it, cite it and highlight it.

Made by `retrieval.search`, read by everything after it. Plain data.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from intramuros.documents.document import Rect
from intramuros.documents.place import rects_for


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """One chunk of one document. `score` is higher for a better match and has no fixed scale.

    `start` is where the text begins in its page's text; each of `lines` is [start, end, x0, y0, x1, y1]: characters
    of `text` and the rectangle they cover, in points from the top left of the page; empty when pages have no image.
    """

    chunk_id: int
    document_id: str
    document: str
    title: str
    language: str
    page: int
    ordinal: int
    headings: tuple[str, ...]
    text: str
    start: int
    lines: tuple[tuple[float, ...], ...]
    score: float
    project_id: str = ""

    @property
    def rects(self) -> tuple[Rect, ...]:
        """Where the whole passage stands on its page."""
        return self.rects_of(0, len(self.text))

    def rects_of(self, start: int, end: int) -> tuple[Rect, ...]:
        """Where characters `start` to `end` of the text stand on the page: one rectangle a line or paragraph."""
        return tuple(rects_for(self.lines, start, end, text=self.text))

    @property
    def context(self) -> str:
        """What stands around the text: the document's name and title and the headings above it."""
        return "\n".join(dict.fromkeys(part for part in (self.document, self.title, *self.headings) if part))


def in_reading_order(passages: Sequence[Passage]) -> list[Passage]:
    """The passages by document and place in it: an order that does not depend on scores."""
    return sorted(passages, key=lambda passage: (passage.document_id, passage.ordinal))
