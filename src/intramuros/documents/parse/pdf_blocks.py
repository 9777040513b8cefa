"""From the lines of all pages of a PDF to blocks: headings, paragraphs, items, table rows; running headers dropped.

What is a heading is judged over the whole document: larger type than the body's, or short and bold.
"""

from __future__ import annotations

import itertools
import re
import statistics
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from intramuros.documents.document import Block, Line
from intramuros.documents.parse import tables
from intramuros.documents.parse.joining import hyphenated_words, joint
from intramuros.documents.parse.pdf_layout import LIST_MARK, Sheet, lines
from intramuros.documents.parse.pdf_runs import Run, TextLine, union

_EDGE = 0.12  # of the page's height: where running headers and footers stand
_NUMBERED_EDGE = 0.08  # the same for lines that hold the page's number: chapters may be numbered like pages

_Key = tuple[str, int]
_MAX_HEADING = 150  # characters
_LARGER = 1.12  # times the body's type

_BULLET = re.compile(rf"^(?:{LIST_MARK.pattern})(?:\s+|$)")
_SYMBOL = re.compile(r"^[-–—•◦▪‣*●○■□➢✓·](?:\s+|$)")
_NUMBER = re.compile(r"^\d{1,2}(?:\.\d{1,2})*")
_PAGE_NUMBER = re.compile(
    r"^\W*(?:page|seite|pagina|pag|p)?\W*\d{1,4}\W*(?:(?:/|sur|of|von|di|de)\W*\d{1,4})?\W*$", re.IGNORECASE
)
_LEADERS = re.compile(r"\s*(?:\.\s?){5,}\s*|…{2,}")
_HYPHENS = ("-", "\u00ad", "\u2010")
_ENDS = (".", "!", "?", ":", ";", "…", "»", "”")


@dataclass(frozen=True, slots=True)
class Style:
    """What the document's text mostly looks like."""

    body_size: float
    bold_marks_headings: bool
    sizes: tuple[float, ...]  # of headings, largest first
    hyphenated: frozenset[str]


def blocks(sheets: Sequence[Sheet]) -> list[tuple[Block, ...]]:
    """The blocks of each page of a document."""
    _drop_running(sheets)
    pages = [lines(page) for page in sheets]
    style = _style([line for page in pages for line in page])
    return [tuple(_page_blocks(page, style)) for page in pages]


def _drop_running(sheets: Sequence[Sheet]) -> None:
    """Drops page numbers and what repeats at the same place of the edge; where it stands first, it goes last."""
    repeated = _repeated(sheets)
    seen: set[_Key] = set()
    for page in sheets:
        kept: list[Run] = []
        first: list[Run] = []
        for run in page.upright:
            key = next((key for key in _keys(run, page) if key in repeated), None)
            is_number = len(sheets) > 1 and _depth(run, page) < _EDGE and bool(_PAGE_NUMBER.match(run.text))
            if key is None and not is_number:
                kept.append(run)
            elif key and key not in seen and not is_number:
                first.append(run)
                seen.add(key)
        page.upright = kept
        page.turned += [first] if first else []


def _repeated(sheets: Sequence[Sheet]) -> set[_Key]:
    """What stands at the same place of the edge of many pages: the same words, or words with the page's number."""
    places: defaultdict[_Key, list[int]] = defaultdict(list)
    for index, page in enumerate(sheets):
        for run in page.upright:
            numbers = [int(number) for number in re.findall(r"\d{1,5}", run.text)]
            for key in _keys(run, page):
                offsets = {number - index for number in numbers} if "\0" in key[0] else {0}
                places[key] += offsets
    enough = max(3, round(0.3 * len(sheets)))
    return {key for key, offsets in places.items() if max(Counter(offsets).values(), default=0) >= enough}


def _keys(run: Run, page: Sheet) -> list[_Key]:
    """As what a run at the edge may repeat: itself and, right at the edge, itself with other numbers."""
    depth = _depth(run, page)
    place = round(run.y0 / 8)
    keys = [(run.text, place)] if depth < _EDGE else []
    return (
        [*keys, (re.sub(r"\d+", "\0", run.text), place)]
        if depth < _NUMBERED_EDGE and re.search(r"\d", run.text)
        else keys
    )


def _depth(run: Run, page: Sheet) -> float:
    """How far from the upper or lower edge a run reaches, as a part of the page's height."""
    return min(run.y1, page.height - run.y0) / page.height


def _style(lines: list[TextLine]) -> Style:
    sizes: Counter[float] = Counter()
    bold = total = 0
    for line in lines:
        characters = len(line.text)
        sizes[round(line.size * 2) / 2] += characters
        total += characters
        bold += characters if line.is_bold else 0
    body = max(sizes, key=lambda size: sizes[size], default=10.0)
    larger = sorted((size for size in sizes if size >= body * _LARGER), reverse=True)
    ranks: list[float] = []
    for size in larger:
        if not ranks or ranks[-1] - size > 0.6:
            ranks.append(size)
    return Style(body, bold < 0.4 * total, tuple(ranks), hyphenated_words("\n".join(line.text for line in lines)))


def _page_blocks(lines: list[TextLine], style: Style) -> list[Block]:
    found: list[Block] = []
    group: list[TextLine] = []
    leading = _leading(lines)
    index = 0
    while index < len(lines):
        line = lines[index]
        if line.row is not None:
            found += _closed(group, style)
            group = []
            end = index
            while (
                end < len(lines)
                and lines[end].row is not None
                and lines[end].flow == line.flow
                and not (end > index and lines[end].row == 0 and lines[end - 1].row != 0)
            ):
                end += 1
            found += _table([first for first in lines[index:end] if first.cells], style)
            index = end
            continue
        if group and _breaks(group, line, style, leading):
            found += _closed(group, style)
            group = []
        group.append(line)
        index += 1
    return found + _closed(group, style)


def _leading(lines: list[TextLine]) -> float:
    """The usual distance from line to line, in type sizes."""
    steps = [
        (line.y1 - above.y1) / line.size
        for above, line in itertools.pairwise(lines)
        if above.flow == line.flow
        and 0.8 < (line.y1 - above.y1) / line.size < 2.2
        and abs(line.size - above.size) < 0.6
    ]
    return statistics.median_low(steps) if steps else 1.3


def _breaks(group: list[TextLine], line: TextLine, style: Style, leading: float) -> bool:
    """Whether a line begins a new block after the lines of `group`."""
    above = group[-1]
    if above.flow != line.flow or abs(above.size - line.size) > 0.08 * above.size or above.is_bold != line.is_bold:
        return True
    step = (line.y1 - above.y1) / line.size
    if step > leading * 1.3 or step < 0.3:
        return True
    if _BULLET.match(line.text) and not _is_continued_number(group, line):
        return True
    if above.text.endswith(_HYPHENS):
        return False
    is_item = bool(_BULLET.match(group[0].text))
    width = line.right - line.left
    if not is_item and line.x0 > above.x0 + 0.8 * line.size and above.text.endswith(_ENDS):
        return True
    if is_item and line.x0 < group[0].x0 - 0.5 * line.size:
        return True
    short = above.x1 < line.right - max(0.12 * width, 3 * line.size)
    next_word = line.runs[0].words[0]
    fits = above.x1 + 0.3 * line.size + (next_word.rect[2] - next_word.rect[0]) < line.right - 0.02 * width
    if short and above.text.endswith(_ENDS):
        return True
    return short and fits and (line.text[:1].isupper() or line.text[:1].isdigit())


def _is_continued_number(group: list[TextLine], line: TextLine) -> bool:
    """A number that a sentence wrapped to the start of a line ("… before / 12. March") is no list item."""
    above = group[-1]
    return not _SYMBOL.match(line.text) and not above.text.endswith(_ENDS) and above.x1 > line.right - 4 * line.size


def _closed(group: list[TextLine], style: Style) -> list[Block]:
    if not group:
        return []
    text, lines = _text(group, style)
    if not text:
        return []
    level = _heading_level(group, text, style)
    if level:
        return [Block(text, "heading", level, lines)]
    return [Block(text, "item" if _BULLET.match(text) and not _NUMBER.fullmatch(text) else "paragraph", 0, lines)]


def _text(group: list[TextLine], style: Style) -> tuple[str, tuple[Line, ...]]:
    """The lines as one text, with where each stands in it."""
    text = ""
    spans: list[Line] = []
    for line in group:
        piece = " ".join(_LEADERS.sub(" … ", line.text).split())
        if not piece:
            continue
        if text:
            text, between = joint(text, piece, style.hyphenated)
            last = spans[-1]
            spans[-1] = Line(last.start, min(last.end, len(text)), last.rect)
            text += between
        spans.append(Line(len(text), len(text) + len(piece), line.rect))
        text += piece
    return text, tuple(spans)


def _heading_level(group: list[TextLine], text: str, style: Style) -> int:
    if len(group) > 3 or not 3 <= len(text) <= _MAX_HEADING or _SYMBOL.match(text):
        return 0
    if not any(character.isalpha() for character in text) or " | " in text:
        return 0
    if text.endswith((".", ";", ",")) and not _NUMBER.fullmatch(text.rstrip(".")):
        return 0
    size = max(line.size for line in group)
    number = _NUMBER.match(text)
    depth = number[0].count(".") if number else 0
    if size >= style.body_size * _LARGER:
        rank = next((index for index, known in enumerate(style.sizes) if size >= known - 0.6), len(style.sizes) - 1)
        return min(6, rank + 1)
    if size < style.body_size * 0.95:
        return 0
    is_capitals = text.isupper() and sum(character.isalpha() for character in text) >= 4
    if (style.bold_marks_headings and all(line.is_bold for line in group) and not text.endswith(":")) or (
        is_capitals and len(group) == 1
    ):
        return min(6, len(style.sizes) + 1 + depth)
    return 0


def _table(rows: list[TextLine], style: Style) -> list[Block]:
    """The rows of a table, labelled by its header where it has one."""
    cells = [[_cell(runs, style) for runs in row.cells] for row in rows]
    header = _header(rows, cells)
    made = []
    for row, texts in list(zip(rows, cells, strict=True))[bool(header) :]:
        text, lines = "", []
        for place, (cell, runs) in enumerate(zip(texts, row.cells, strict=True)):
            if not cell:
                continue
            text += "" if not text else " " if text.endswith(":") else " | "
            start = len(text)
            text += f"{header[place].rstrip(' :')}: {cell}" if header and header[place] else cell
            lines.append(Line(start, len(text), union(run.rect for run in runs)))
        if text:
            made.append(Block(text, "row", 0, tuple(lines)))
    return made


def _cell(runs: list[Run], style: Style) -> str:
    text = ""
    for run in sorted(runs, key=lambda run: (round(run.y1), run.x0)):
        piece = " ".join(_LEADERS.sub(" … ", run.text).split())
        if text:
            text, between = joint(text, piece, style.hyphenated)
            text += between
        text += piece
    return text


def _header(rows: list[TextLine], cells: list[list[str]]) -> list[str]:
    """The first row when it names the columns: bold above rows that are not, or words above numbers; else nothing."""
    if len(rows) < 2 or not tables.could_be_header(cells[0]):
        return []
    bold = [all(run.is_bold for runs in row.cells for run in runs) for row in rows]
    has_digit = [any(character.isdigit() for cell in row for character in cell) for row in cells]
    if (bold[0] and not bold[1]) or (len(rows) > 2 and not has_digit[0] and all(has_digit[1:])):
        return cells[0]
    return []
