"""What reading a document yields: pages made of blocks, each with where its lines stand on the page.

Made by `documents.parse.*` inside the confined reader process, sent to the gateway as JSON, cut into chunks by
`documents.chunk`. Plain data: knows no storage and no format.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

Rect = tuple[float, float, float, float]
"""x0, y0, x1, y1 in points (1/72 inch) from the top left of the page as it is shown."""

KINDS = frozenset({"heading", "paragraph", "item", "row", "code"})


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

    @property
    def text(self) -> str:
        """The page's whole text: what the viewer shows and what a chunk's `start` counts in."""
        return "".join(gap + block.text for gap, block in _spaced(self.blocks))

    @property
    def starts(self) -> tuple[int, ...]:
        """Where each block's text begins in `text`."""
        starts, position = [], 0
        for gap, block in _spaced(self.blocks):
            starts.append(position + len(gap))
            position = starts[-1] + len(block.text)
        return tuple(starts)


@dataclass(frozen=True, slots=True)
class Reading:
    """A whole document as read. `warnings` are codes such as "encoding_guessed", never content."""

    pages: tuple[Page, ...]
    title: str = ""
    warnings: tuple[str, ...] = field(default=())


def _spaced(blocks: tuple[Block, ...]) -> Iterator[tuple[str, Block]]:
    """Each block with what separates it from the one before: items and rows stand close, the rest apart."""
    before: Block | None = None
    for block in blocks:
        close = before is not None and before.kind == block.kind and block.kind in {"item", "row"}
        yield "" if before is None else "\n" if close else "\n\n", block
        before = block
