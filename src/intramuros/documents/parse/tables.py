"""Tables as text, row by row: each row says what its values are, so that one row alone answers a question.

"Destination: Zurich | Hotel: 180 CHF" instead of "Zurich | 180 CHF" with the header a page away.
"""

from __future__ import annotations

from collections.abc import Sequence

from intramuros.documents.document import Block

_MAX_LABEL = 40  # characters: a longer cell is a sentence, not the name of a column


def rows(table: Sequence[Sequence[str]], *, has_header: bool | None = None) -> list[Block]:
    """The rows of a table as blocks, labelled by its header row.

    `has_header`: what the format says; None where it doesn't: then the first row is one when it looks like one.
    """
    cells = [[" ".join(cell.split()) for cell in row] for row in table]
    cells = [row for row in cells if any(row)]
    if not cells:
        return []
    header = cells[0]
    if (
        has_header is False
        or len(cells) < 2
        or not could_be_header(header)
        or (has_header is None and not _differs(cells))
    ):
        return [Block(plain_row(row), "row") for row in cells]
    return [Block(labelled_row(header, row), "row") for row in cells[1:]]


def could_be_header(row: Sequence[str]) -> bool:
    """Whether each cell (the first may be empty) is short enough to name a column."""
    return len(row) > 1 and all(row[1:]) and all(len(cell) <= _MAX_LABEL for cell in row) and len(set(row)) == len(row)


def labelled_row(header: Sequence[str], row: Sequence[str]) -> str:
    """One row's cells, each after its column's name."""
    cells = zip((*header, *[""] * len(row)), row, strict=False)
    return " | ".join(f"{name.rstrip(' :')}: {cell}" if name else cell for name, cell in cells if cell)


def plain_row(row: Sequence[str]) -> str:
    """One row's cells."""
    return " | ".join(cell for cell in row if cell)


def _differs(cells: Sequence[Sequence[str]]) -> bool:
    """Whether the first row looks like names and the others like values: no digit in it, some digit below."""
    has_digit = [any(character.isdigit() for cell in row for character in cell) for row in cells]
    return not has_digit[0] and (any(has_digit[1:]) or len(cells) > 2)
