"""What reading a document yields: pages made of blocks, each with where its lines stand on the page.

Made by `documents.parse.*` inside the confined reader process, sent to the gateway as JSON, cut into chunks by
`documents.chunk`. Plain data: knows no storage and no format.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

Rect = tuple[float, float, float, float]
"""x0, y0, x1, y1 in points (1/72 inch) from the top left of the page."""


@dataclass(frozen=True, slots=True)
class Line:
    """Characters `start` to `end` of a block's text, and the rectangle they cover."""

    start: int
    end: int
    rect: Rect


@dataclass(frozen=True, slots=True)
class Block:
    """A heading, paragraph, list item, table row or code block, in reading order."""

    text: str
    kind: str = "paragraph"  # heading | paragraph | item | row | code
    level: int = 0  # of a heading: 1 is the outermost
    lines: tuple[Line, ...] = ()


@dataclass(frozen=True, slots=True)
class Page:
    """One page, from number 1. `width` and `height` in points, None when the format has no page image."""

    number: int
    blocks: tuple[Block, ...]
    width: float | None = None
    height: float | None = None

    @property
    def has_text(self) -> bool:
        """Whether anything could be read on it."""
        return any(block.text.strip() for block in self.blocks)


@dataclass(frozen=True, slots=True)
class Reading:
    """A whole document as read. `warnings` are codes such as "truncated_file", never content."""

    pages: tuple[Page, ...]
    title: str = ""
    warnings: tuple[str, ...] = field(default=())

    def to_json(self) -> dict[str, Any]:
        """Plain lists and dicts for the pipe between reader and gateway."""
        return asdict(self)
