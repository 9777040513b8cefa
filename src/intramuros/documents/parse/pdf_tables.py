"""Finds the tables among the lines of a PDF page: by ruled lines, or by cells that stand below each other.

Pure geometry. Called by `pdf_layout` for each flow of lines; `pdf_blocks` turns the marked rows into text.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from intramuros.documents.parse.pdf_runs import Run, TextLine
from intramuros.documents.parse.pdf_words import Rule

_MAX_ROW = 260  # points: ruled lines further apart are no rows of one table


def mark_tables(found: list[TextLine], rules: Sequence[Rule]) -> None:
    """Finds tables, by ruled lines or by aligned cells, and marks which row each of their lines belongs to."""
    for top, bottom, cuts in _ruled(rules):
        inside = [line for line in found if top < (line.y0 + line.y1) / 2 < bottom and line.row is None]
        if sum(len(line.runs) > 1 for line in inside) >= 2:
            _mark_rows(inside, cuts)
    start = 0
    while start < len(found):
        end = start
        while end < len(found) and found[end].row is None and _continues(found, start, end):
            end += 1
        if sum(len(line.runs) > 1 for line in found[start:end]) >= 2:
            _mark_rows(found[start:end], [])
        start = max(end, start + 1)


def _ruled(rules: Sequence[Rule]) -> Iterator[tuple[float, float, list[float]]]:
    """Top, bottom and all heights of ruled lines that stand below each other with about the same extent."""
    heights: dict[float, tuple[float, float]] = {}
    for rule in rules:
        x0, x1 = heights.get(rule.y, (rule.x0, rule.x1))
        heights[rule.y] = min(x0, rule.x0), max(x1, rule.x1)
    group: list[float] = []
    for y in sorted(heights):
        if group:
            (a0, a1), (b0, b1) = heights[group[-1]], heights[y]
            same = min(a1, b1) - max(a0, b0) > 0.8 * max(a1 - a0, b1 - b0)
            if not same or y - group[-1] > _MAX_ROW:
                if len(group) >= 3:
                    yield group[0], group[-1], group
                group = []
        group.append(y)
    if len(group) >= 3:
        yield group[0], group[-1], group


def _continues(found: list[TextLine], start: int, end: int) -> bool:
    """Whether a line belongs to the table that began at `start`: it has cells, or hangs below one of them."""
    line = found[end]
    if end == start:
        return len(line.runs) > 1
    above = found[end - 1]
    if line.y0 - above.y1 > 2.5 * line.size:
        return False
    table = found[start:end]
    if len(line.runs) > 1:
        return len(_columns([*table, line])) >= min(len(_columns(table)), 2)
    return line.y0 - above.y1 < 0.6 * line.size and _hangs(table, line)


def _hangs(table: list[TextLine], line: TextLine) -> bool:
    """Whether a single run stands within one column of the table, not the first: a cell's second line."""
    columns = _columns(table)
    run = line.runs[0]
    inside = [
        index for index, (x0, x1) in enumerate(columns) if x0 - 3 <= run.x0 and run.x1 <= _limit(columns, index) + 3
    ]
    return len(columns) > 1 and len(inside) == 1 and inside[0] > 0


def _limit(columns: list[tuple[float, float]], index: int) -> float:
    """How far to the right a column may reach: to where the next begins."""
    return columns[index + 1][0] if index + 1 < len(columns) else columns[index][1] + 60


def _columns(table: list[TextLine]) -> list[tuple[float, float]]:
    """The columns of lines with cells: the x ranges that their runs cover together."""
    spans = sorted((run.x0, run.x1) for line in table if len(line.runs) > 1 for run in line.runs)
    columns: list[tuple[float, float]] = []
    for x0, x1 in spans:
        if columns and x0 < columns[-1][1] - 1:
            columns[-1] = columns[-1][0], max(columns[-1][1], x1)
        else:
            columns.append((x0, x1))
    return columns


def _mark_rows(table: list[TextLine], cuts: list[float]) -> None:
    """Numbers the rows, the first 0, and gives each row's first line the runs of all its cells."""
    columns = _columns(table)
    if len(columns) < 2:
        return
    row, first = 0, table[0]
    for index, line in enumerate(table):
        begins = index == 0 or _begins_row(line, table[index - 1], columns, cuts)
        if begins:
            row, first = (row + 1 if index else 0), line
            first.cells = [[] for _ in columns]
        line.row = row
        for run in line.runs:
            first.cells[_column(columns, run)].append(run)
    _release_spanning(table)


def _release_spanning(table: list[TextLine]) -> None:
    """A row of one cell that begins at the left is a line of text: a title between the rows, or above them."""
    alone = {line.row for line in table if line.cells and line.cells[0] and not any(line.cells[1:])}
    for line in table:
        if line.row in alone:
            line.row, line.cells = None, []


def _begins_row(line: TextLine, above: TextLine, columns: list[tuple[float, float]], cuts: list[float]) -> bool:
    if cuts:
        middle, middle_above = (line.y0 + line.y1) / 2, (above.y0 + above.y1) / 2
        return any(middle_above < cut < middle for cut in cuts) or line.y0 - above.y1 > 1.2 * line.size
    if _column(columns, line.runs[0]) == 0 and len(line.runs) > 1:
        return True
    return line.y0 - above.y1 > 0.6 * line.size


def _column(columns: list[tuple[float, float]], run: Run) -> int:
    def overlap(index: int) -> float:
        x0, x1 = columns[index]
        return min(x1, run.x1) - max(x0, run.x0)

    return max(range(len(columns)), key=overlap)
