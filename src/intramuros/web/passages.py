"""Where a quoted passage is: the address that shows it, and what such an address says.

Called by the answers, which make the addresses, and by the viewer, which reads them. An address holds numbers only,
never words of a document: addresses end up in histories.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

MAX_RECTS = 60
MARGIN = 1.5
"""Points around a line, so that the highlight does not cut its letters."""


@dataclass(frozen=True, slots=True)
class Area:
    """A rectangle on a page, in points from the top left."""

    x: float
    y: float
    width: float
    height: float


def address(
    project: str,
    document: str,
    page: int,
    *,
    rects: Iterable[Sequence[float]] = (),
    at: tuple[int, int] | None = None,
    is_cited: bool = False,
    zoom: int | None = None,
) -> str:
    """The address of a page in the viewer, with the rectangles to highlight and the characters to mark.

    `is_cited`: somebody follows a source, and is told when its passage could not be located.
    """
    query: dict[str, str | int] = {"page": page}
    if text := ";".join(",".join(f"{value:.1f}" for value in rect) for rect in list(rects)[:MAX_RECTS]):
        query["rects"] = text
    if at is not None:
        query["at"] = f"{at[0]}-{at[1]}"
    if is_cited and len(query) == 1:
        query["cited"] = 1
    if zoom is not None:
        query["zoom"] = zoom
    return f"/projects/{project}/documents/{document}?{urlencode(query, safe=',;')}"


def areas(text: str, *, width: float, height: float) -> list[Area]:
    """The rectangles an address names, inside the page; what is no rectangle is left out."""
    found = []
    for part in text.split(";")[:MAX_RECTS]:
        try:
            x0, y0, x1, y1 = (float(value) for value in part.split(","))
        except ValueError:
            continue
        if not all(map(math.isfinite, (x0, y0, x1, y1))):
            continue
        left, top = max(0.0, x0 - MARGIN), max(0.0, y0 - MARGIN)
        right, bottom = min(width, x1 + MARGIN), min(height, y1 + MARGIN)
        if right > left and bottom > top:
            found.append(Area(round(left, 2), round(top, 2), round(right - left, 2), round(bottom - top, 2)))
    return found


def span(text: str, *, length: int) -> tuple[int, int] | None:
    """The characters an address names, if the page has them."""
    match = re.fullmatch(r"([0-9]{1,9})-([0-9]{1,9})", text)
    if match is None:
        return None
    start, end = int(match[1]), int(match[2])
    return (start, end) if start < end <= length else None


def located(quote: str, text: str) -> tuple[int, int] | None:
    """Where a quotation stands in a page's text, whatever its line breaks; None when that is not certain."""
    words = quote.split()
    if not words:
        return None
    places = list(re.finditer(r"\s+".join(map(re.escape, words)), text))
    return places[0].span() if len(places) == 1 else None
