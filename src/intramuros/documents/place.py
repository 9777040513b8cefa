"""Where a piece of text stands on its page: the rectangles to highlight.

Called by retrieval and web for a quotation within a chunk; works on the lines kept with the chunk.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from intramuros.documents.document import Line, Rect

# Widths in thousandths of the type size, as in Helvetica's metrics (Adobe AFM): the proportions hold in most fonts.
_NARROW, _WIDE, _USUAL = 250, 780, 530
_WIDTHS = dict.fromkeys("iljI.,;:!|'’`·ítfr()[]/ ", _NARROW) | dict.fromkeys("mwMWŒœ@%—…ÆæQOGDCHNU", _WIDE)


def rects_for(lines: Iterable[Line | Sequence[float]], start: int, end: int, *, text: str = "") -> list[Rect]:
    """The rectangles of characters `start` to `end` of a chunk's text: one a line, cut to what is meant.

    `lines` as kept with the chunk (`[[start, end, x0, y0, x1, y1], …]` or Line). With `text` the cut goes by the width
    of its characters, else by their number. Lines closely below each other with the same edges become one.
    """
    found: list[Rect] = []
    for line in lines:
        a, b, (x0, y0, x1, y1) = _parts(line)
        low, high = max(a, start), min(b, end)
        if low >= high:
            continue
        whole = _width(text, a, b)
        left = x0 + (x1 - x0) * _width(text, a, low) / whole
        right = x0 + (x1 - x0) * _width(text, a, high) / whole
        found.append((round(left, 2), round(y0, 2), round(right, 2), round(y1, 2)))
    return _stacked(found)


def _parts(line: Line | Sequence[float]) -> tuple[int, int, Rect]:
    if isinstance(line, Line):
        return line.start, line.end, line.rect
    a, b, x0, y0, x1, y1 = line
    return int(a), int(b), (x0, y0, x1, y1)


def _width(text: str, start: int, end: int) -> float:
    if end > len(text):
        return float(end - start)
    return float(sum(_WIDTHS.get(character, _USUAL) for character in text[start:end]))


def _stacked(rects: list[Rect]) -> list[Rect]:
    """Full lines of one paragraph as one rectangle: fewer shapes, no stripes between the lines."""
    joined: list[Rect] = []
    for rect in rects:
        if joined:
            x0, y0, x1, y1 = joined[-1]
            height = rect[3] - rect[1]
            if abs(rect[0] - x0) < 1 and abs(rect[2] - x1) < 1 and -0.3 * height < rect[1] - y1 < 0.8 * height:
                joined[-1] = (min(x0, rect[0]), y0, max(x1, rect[2]), rect[3])
                continue
        joined.append(rect)
    return joined
