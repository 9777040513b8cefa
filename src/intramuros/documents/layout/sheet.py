"""A sheet as it is stored with its page: kinds of blocks and the places of their lines, no words.

Made by ingestion of pages that `flow` laid out; the viewer hands it, with the page's text, to the reader to be drawn. A
picture is drawn of what was stored, so it fits its rectangles, whatever a later version would lay out differently.
"""

from __future__ import annotations

from typing import Any

import orjson

from intramuros.documents.document import Page

WIDTH, HEIGHT = 595.0, 842.0  # A4 in points
MARGIN = 54.0
ASCENT, DESCENT = 0.93, 0.25
"""How far a line's rectangle goes above and below its baseline, in type sizes: accents of capitals are inside."""


def face_of(kind: str) -> str:
    """The face that a kind of block is set in."""
    return {"heading": "bold", "code": "code"}.get(kind, "text")


def sheet(page: Page) -> list[Any] | None:
    """The sheet of a page: `[[kind, [[start, end, x0, y0, x1, y1], …]], …]`, counted in the page's text.

    None for a page without places.
    """
    if page.width is None:
        return None
    return [
        [block.kind, [[at + line.start, at + line.end, *line.rect] for line in block.lines]]
        for at, block in zip(page.starts, page.blocks, strict=True)
    ]


def message(text: str, width: float, height: float, blocks: list[Any]) -> bytes:
    """What the reader needs to draw a page."""
    return orjson.dumps({"text": text, "width": width, "height": height, "blocks": blocks})
