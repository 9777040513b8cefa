"""From the words of a PDF page to its lines in reading order: columns, table rows, running text.

Pure geometry on what `pdf_words` found; knows no PDFium. Works in a frame in which the text is horizontal; rectangles
are always those of the page as shown. `pdf_runs` has the data, `pdf_tables` finds the rows of tables.
"""

from __future__ import annotations

import itertools
import re
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from intramuros.documents.document import Rect
from intramuros.documents.parse.pdf_runs import Run, TextLine
from intramuros.documents.parse.pdf_tables import mark_tables
from intramuros.documents.parse.pdf_words import Rule, Shown, Word

LIST_MARK = re.compile(r"[-–—•◦▪‣*●○■□➢✓·]|\(?(?:\d{1,2}|[a-zA-Z])[.)]|\d{1,2}(?:\.\d{1,2}){1,3}\.?")

_SPACE = 1.1  # of the type size: a wider gap parts table cells or columns
_MARK_SPACE = 4.0  # the same after the mark of a list item
_MIN_SIDE = 0.15  # of the text's width: the narrowest column
_PROSE_CHARACTERS = 18  # a column's lines have at least this many on average, a table's cells fewer


@dataclass(slots=True)
class Sheet:
    """The runs of one page: upright ones, and those of each turned direction."""

    height: float
    upright: list[Run]
    turned: list[list[Run]]
    rules: Sequence[Rule] = ()


def sheet(page: Shown) -> Sheet:
    """Gathers the words of a page into runs."""
    upright, *turned = (
        _merged(_runs([word for word in page.words if word.turns == turns], turns, page)) for turns in (0, 1, 3, 2)
    )
    return Sheet(page.height, upright, [runs for runs in turned if runs], page.rules)


def lines(page: Sheet) -> list[TextLine]:
    """All lines of a page in reading order: upright text first, then text that is turned."""
    found: list[TextLine] = []
    for runs, rules in ((page.upright, page.rules), *((turned, ()) for turned in page.turned)):
        for flow in _flows(runs, rules):
            flow_lines = _lines(flow, number=found[-1].flow + 1 if found else 0)
            mark_tables(flow_lines, rules)
            found.extend(flow_lines)
    return found


def _framed(rect: Rect, turns: int, page: Shown) -> Rect:
    """A rectangle in the frame in which text turned by so many quarters is horizontal."""
    x0, y0, x1, y1 = rect
    match turns:
        case 1:
            return y0, page.width - x1, y1, page.width - x0
        case 2:
            return page.width - x1, page.height - y1, page.width - x0, page.height - y0
        case 3:
            return page.height - y1, x0, page.height - y0, x1
    return rect


def _runs(words: Sequence[Word], turns: int, page: Shown) -> list[Run]:
    """Words that follow each other in the file, on one line and close together."""
    runs: list[Run] = []
    for word in words:
        x0, y0, x1, y1 = _framed(word.rect, turns, page)
        last = runs[-1] if runs else None
        size = max(word.size, last.words[-1].size) if last else 0
        if last and _same_line(last, y0, y1) and -0.3 * word.size <= x0 - last.x1 <= _allowed_gap(last) * size:
            last.words.append(word)
            last.x1, last.y0, last.y1 = max(last.x1, x1), min(last.y0, y0), max(last.y1, y1)
        else:
            runs.append(Run([word], x0, y0, x1, y1))
    return runs


def _allowed_gap(run: Run) -> float:
    """In type sizes: after the mark of a list item the words may stand further off."""
    return _MARK_SPACE if len(run.words) == 1 and LIST_MARK.fullmatch(run.words[0].text) else _SPACE


def _same_line(run: Run, y0: float, y1: float) -> bool:
    overlap = min(run.y1, y1) - max(run.y0, y0)
    return overlap > 0.55 * min(run.y1 - run.y0, y1 - y0)


def _merged(runs: list[Run]) -> list[Run]:
    """Runs that the file writes apart although they stand side by side with a word's space between."""
    merged: list[Run] = []
    for run in sorted(runs, key=lambda run: (round(run.y1), run.x0)):
        size = run.words[0].size
        for other in reversed(merged[-12:]):
            gap = run.x0 - other.x1
            allowed = 0.5 if _allowed_gap(other) == _SPACE else _MARK_SPACE
            close = -0.3 * size <= gap <= allowed * size and abs(run.y1 - other.y1) < 0.25 * size
            if close and _same_line(other, run.y0, run.y1):
                other.words.extend(run.words)
                other.x1, other.y0, other.y1 = max(other.x1, run.x1), min(other.y0, run.y0), max(other.y1, run.y1)
                break
        else:
            merged.append(run)
    for run in merged:
        run.settle()
    return merged


def _flows(runs: list[Run], rules: Sequence[Rule], depth: int = 0) -> list[list[Run]]:
    """Parts of the page in reading order: what spans the columns, then each column from left to right."""
    gutter = _gutter(runs, rules) if depth < 4 else None
    if gutter is None:
        return [runs] if runs else []
    flows: list[list[Run]] = []
    band: list[Run] = []
    spanning: list[Run] = []
    for run in sorted(runs, key=lambda run: (run.y0 + run.y1) / 2):
        if run.x0 < gutter < run.x1:
            flows += _sides(band, gutter, rules, depth)
            band = []
            spanning.append(run)
        else:
            if spanning:
                flows.append(spanning)
                spanning = []
            band.append(run)
    flows += _sides(band, gutter, rules, depth)
    if spanning:
        flows.append(spanning)
    return flows


def _sides(band: list[Run], gutter: float, rules: Sequence[Rule], depth: int) -> list[list[Run]]:
    left = [run for run in band if run.x1 <= gutter]
    right = [run for run in band if run.x0 >= gutter]
    return _flows(left, rules, depth + 1) + _flows(right, rules, depth + 1)


def _gutter(runs: list[Run], rules: Sequence[Rule]) -> float | None:
    """Where a white strip parts two columns of prose; None when the text is one column or a table.

    A few lines may cross it (titles, footers); each side must hold lines of prose that fill most of its width.
    """
    if len(runs) < 8:
        return None
    left, right = min(run.x0 for run in runs), max(run.x1 for run in runs)
    width = right - left
    size = statistics.median(run.size for run in runs)
    best: tuple[float, float] | None = None
    edges = sorted({round(run.x1) for run in runs})
    for edge in edges:
        place = edge + 1.0
        if not left + _MIN_SIDE * width < place < right - _MIN_SIDE * width:
            continue
        crossing = sum(run.x0 < place < run.x1 for run in runs)
        if crossing > 0.2 * len(runs):
            continue
        beyond = [run.x0 for run in runs if run.x0 >= place]
        strip = min(beyond) - edge if beyond else 0
        if strip < 0.6 * size:
            continue
        score = strip - crossing * size
        if best is None or score > best[0]:
            best = (score, edge + strip / 2)
    if best is None:
        return None
    place = best[1]
    if sum(rule.x0 < place < rule.x1 for rule in rules) >= 3:
        return None  # ruled lines from side to side: the rows of a table
    sides = [run for run in runs if run.x1 <= place], [run for run in runs if run.x0 >= place]
    return place if all(_is_prose(side) for side in sides) else None


def _is_prose(side: list[Run]) -> bool:
    if len(side) < 4:
        return False
    width = max(run.x1 for run in side) - min(run.x0 for run in side)
    filled = statistics.median((run.x1 - run.x0) / width for run in side) if width else 0
    return filled > 0.55 and statistics.mean(len(run.text) for run in side) >= _PROSE_CHARACTERS


def _lines(flow: list[Run], *, number: int) -> list[TextLine]:
    """The runs of one flow as lines from top to bottom."""
    found: list[TextLine] = []
    for run in sorted(flow, key=lambda run: (run.y0 + run.y1) / 2):
        last = found[-1] if found else None
        if last and any(_same_line(other, run.y0, run.y1) for other in last.runs) and not _overlaps(last.runs, run):
            last.runs.append(run)
        else:
            found.append(TextLine([run], number))
    left, right = min(run.x0 for run in flow), max(run.x1 for run in flow)
    for line in found:
        line.runs.sort(key=lambda run: run.x0)
        line.left, line.right = left, right
        if len(line.runs) > 2 and _is_justified(line):
            line.runs[0].words = [word for run in line.runs for word in run.words]
            line.runs[0].x1 = line.x1
            line.runs[0].settle()
            line.runs = line.runs[:1]
    return found


def _is_justified(line: TextLine) -> bool:
    """Whether few words were stretched to the column's width: all gaps alike, nothing left at the edges."""
    if line.x0 - line.left > line.size or line.right - line.x1 > line.size / 2:
        return False
    words = [word for run in line.runs for word in run.words]
    gaps = [after.rect[0] - word.rect[2] for word, after in itertools.pairwise(words)]
    return max(gaps) - min(gaps) < 0.15 * max(gaps)


def _overlaps(runs: list[Run], new: Run) -> bool:
    return any(min(run.x1, new.x1) - max(run.x0, new.x0) > 0.3 * new.size for run in runs)
