"""Lays the blocks of a page out on a sheet of A4 and gives every line its rectangle.

Called by the reader for what it read of formats that know no pages (Word, HTML, Markdown, text). One page stays one
sheet, so that page numbers stay what the format says: type gets smaller until it fits, and at last the sheet longer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from intramuros.documents.document import Block, Line, Page, Reading
from intramuros.documents.layout.faces import boxes, width
from intramuros.documents.layout.sheet import ASCENT, DESCENT, HEIGHT, MARGIN, WIDTH, face_of

LEADING = 1.36  # of the type size
_ROOM = WIDTH - 2 * MARGIN
_SIZES = {"heading": (17.0, 13.5, 11.5), "code": (9.0,)}
_BODY = 10.5
_BEFORE = {"heading": 11.0, "paragraph": 6.0, "item": 3.0, "row": 4.0, "code": 7.0}  # points above a block
_SCALES = (1.0, 0.95, 0.9, 0.85, 0.8, 0.75)
_LONG_SCALE = 0.85  # of a sheet that is longer than A4
_MAX_HEIGHT = 4 * HEIGHT
_MAX_CHARACTERS = 30_000  # of a sheet: no more fit on one of the greatest height
_MAX_BOXES = 0.05  # of a page's characters: a page with more of them is not worth drawing
_GUTTER = 12.0
_MAX_COLUMNS = 6
_MARK = re.compile(r"(?:[-*•◦▪‣–—·]|\(?(?:\d{1,3}(?:\.\d{1,3})*|[A-Za-z]{1,4})[.)]) ")
_WORD = re.compile(r"\S+")

Word = tuple[int, int, float]
"""Start, end, and width at type size 1."""


def laid_out(reading: Reading) -> Reading:
    """The same reading with sizes of sheets and places of lines. A page that can't be drawn well stays without."""
    return replace(reading, pages=tuple(_sheet(page) for page in reading.pages))


def _sheet(page: Page) -> Page:
    characters = sum(len(block.text) for block in page.blocks)
    if not page.has_text or characters > _MAX_CHARACTERS:
        return page
    if sum(boxes(block.text) for block in page.blocks) > _MAX_BOXES * characters:
        return page
    flow = _Flow(page.blocks)
    for scale in _SCALES:
        blocks, end = flow.placed(scale)
        if end + MARGIN <= HEIGHT:
            return replace(page, blocks=blocks, width=WIDTH, height=HEIGHT)
        if end > HEIGHT / _SCALES[-1] ** 3:  # wrapped text takes about the square
            break
    blocks, end = flow.placed(_LONG_SCALE)
    if end + MARGIN > _MAX_HEIGHT:
        return page
    return replace(page, blocks=blocks, width=WIDTH, height=max(HEIGHT, float(round(end + MARGIN))))


@dataclass(slots=True)
class _Cell:
    """A stretch of a block that is wrapped in a column of its own."""

    start: int
    words: list[Word]
    natural: float  # width at type size 1, unwrapped


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a cell begins, and how wide it may be, in points."""

    x: float
    y: float
    room: float


class _Flow:
    """The blocks of one page: measured once, placed at one scale after another."""

    def __init__(self, blocks: Sequence[Block]) -> None:
        self._blocks = blocks
        self._cells = [list(_cells(block)) for block in blocks]

    def placed(self, scale: float) -> tuple[tuple[Block, ...], float]:
        """The blocks with their lines, and where the last one ends."""
        made: list[Block] = []
        y = MARGIN
        indexes = range(len(self._blocks))
        for _, group in groupby(
            indexes, key=lambda index: (self._blocks[index].kind == "row", len(self._cells[index]))
        ):
            rows = list(group)
            columns = self._columns(rows, scale)
            for index in rows:
                block, cells = self._blocks[index], self._cells[index]
                size = _size(block) * scale
                y += _BEFORE[block.kind] * scale if made else 0.0
                lines: list[Line] = []
                bottoms = []
                for cell, (x, room) in zip(cells, columns, strict=True):
                    more, bottom = _lines(block, cell, _Place(x, y, room), size)
                    lines.extend(more)
                    bottoms.append(bottom)
                y = max(bottoms)
                made.append(replace(block, lines=tuple(lines)))
        return tuple(made), y

    def _columns(self, rows: list[int], scale: float) -> list[tuple[float, float]]:
        """Where the columns of rows of a table begin, and how wide they are; one column for all else."""
        count = len(self._cells[rows[0]])
        if count == 1:
            return [(MARGIN, _ROOM)]
        size = _BODY * scale
        natural = [max(self._cells[row][column].natural for row in rows) * size + 1 for column in range(count)]
        room = _ROOM - _GUTTER * (count - 1)
        widths = [0.0] * count
        for place, column in enumerate(sorted(range(count), key=natural.__getitem__)):
            widths[column] = min(natural[column], room / (count - place))
            room -= widths[column]
        places, x = [], MARGIN
        for wide in widths:
            places.append((x, wide + room / count))  # what is left over is shared
            x += wide + room / count + _GUTTER
        return places


def _size(block: Block) -> float:
    sizes = _SIZES.get(block.kind, (_BODY,))
    if block.kind == "heading":
        return sizes[min(max(block.level, 1), len(sizes)) - 1]
    return sizes[0]


def _cells(block: Block) -> Iterator[_Cell]:
    """The columns of a table's row, the lines of code, or the whole block."""
    text, face = block.text, face_of(block.kind)
    if block.kind == "code":
        yield _Cell(0, [], 0.0)
        return
    parts = [match.span() for match in re.finditer(r".+?(?= \| |$)", text)] if block.kind == "row" else []
    parts = [(start + (3 if text.startswith(" | ", start) else 0), end) for start, end in parts]
    if not 1 < len(parts) <= _MAX_COLUMNS or any(start >= end for start, end in parts):
        parts = [(0, len(text))]
    for start, end in parts:
        found = _WORD.finditer(text, start, end)
        words = [(word.start(), word.end(), width(word[0], face) / 1000) for word in found]
        spaces = max(0, len(words) - 1) * width(" ", face) / 1000
        yield _Cell(start, words, sum(word[2] for word in words) + spaces)


def _lines(block: Block, cell: _Cell, place: _Place, size: float) -> tuple[list[Line], float]:
    """The lines of one cell, wrapped, and where they end; the words of a list item hang beside its mark."""
    face = face_of(block.kind)
    indent = 0.0
    if block.kind == "item" and (mark := _MARK.match(block.text)):
        indent = width(mark[0], face) / 1000 * size
    if block.kind == "code":
        wrapped = _wrapped_code(block.text, place.room / size)
    else:
        wrapped = _wrapped(block.text, cell.words, face, first=place.room / size, rest=(place.room - indent) / size)
    lines, y = [], place.y
    for number, (start, end, wide) in enumerate(wrapped):
        left = place.x + (indent if number else 0.0)
        baseline = y + size * (LEADING + ASCENT - DESCENT) / 2
        if start < end:
            rect = (left, baseline - ASCENT * size, left + wide * size, baseline + DESCENT * size)
            lines.append(Line(start, end, rect))
        y += size * LEADING
    return lines, y


def _wrapped(text: str, words: list[Word], face: str, *, first: float, rest: float) -> Iterator[Word]:
    """Words put together to lines of at most these widths; a word wider than a line is cut."""
    space = width(" ", face) / 1000
    line: Word | None = None
    room = first
    for start, end, wide in words:
        if line and line[2] + space + wide <= room:
            line = (line[0], end, line[2] + space + wide)
            continue
        if line:
            yield line
            room = rest
        line = (start, end, wide)
        if wide > room:
            *cut, line = _cut(text, start, end, face, rest)
            yield from cut
            room = rest if cut else room
    if line:
        yield line


def _wrapped_code(text: str, room: float) -> Iterator[Word]:
    start = 0
    for line in text.split("\n"):
        end = start + len(line)
        yield from _cut(text, start, end, "code", room) if line.strip() else [(start, start, 0.0)]
        start = end + 1


def _cut(text: str, start: int, end: int, face: str, room: float) -> list[Word]:
    """Characters put together to pieces of at most this width, each of one character at least."""
    pieces: list[Word] = []
    begin, wide = start, 0.0
    for place in range(start, end):
        more = width(text[place], face) / 1000
        if place > begin and wide + more > room:
            pieces.append((begin, place, wide))
            begin, wide = place, 0.0
        wide += more
    return [*pieces, (begin, end, wide)]
