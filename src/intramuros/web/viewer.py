"""A page of a document, the cited passage highlighted: on the page's image where there is one, else in its text.

Called by the router. Pages of a PDF are drawn of its original, decrypted in memory, all others of how they were laid
out when they were read; both by the confined reader process.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from intramuros.documents.layout import faces
from intramuros.documents.layout.sheet import message
from intramuros.documents.media import PDF
from intramuros.errors import NotFound
from intramuros.web import passages
from intramuros.web.documents import project_of
from intramuros.web.visit import Visit

DOCUMENT_ID = re.compile(r"[A-Za-z0-9_-]{16}")
ZOOMS = (50, 75, 100, 150, 200)
SHARP = 2.0
SHARPER = 3.0
"""Pixels for a point: enough for a dense screen at each zoom."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """The page that is shown: its text in three parts, the middle one marked."""

    number: int
    width: float
    height: float
    before: str
    marked: str
    after: str

    @property
    def has_image(self) -> bool:
        """Whether there is an image of it."""
        return self.width > 0

    @property
    def text(self) -> str:
        """All its text."""
        return (self.before + self.marked + self.after).strip()


def show(visit: Visit) -> Response:
    """The page that the address names, with its passage marked."""
    tried = _tried(visit)
    project = project_of(visit)
    document = visit.app.library.get(project, tried)
    query = visit.request.query_params
    number, zoom = _page(query.get("page", "1")), _zoom(query.get("zoom"))
    page = visit.app.library.page(document, number)
    pages = document.pages_total or 1
    width, height = page.width or 0.0, page.height or 0.0
    rects = passages.areas(query.get("rects", ""), width=width, height=height)
    at = passages.span(query.get("at", ""), length=len(page.text))
    link = functools.partial(passages.address, project.id, document.id)
    start, end = at or (len(page.text), len(page.text))
    leaf = Leaf(number, width, height, page.text[:start], page.text[start:end], page.text[end:])
    here = ZOOMS.index(zoom)
    return visit.page(
        "viewer.html",
        section="projects",
        project=project,
        document=document,
        page=leaf,
        pages=pages,
        rects=rects,
        zoom=zoom,
        notes=_notes(
            leaf,
            is_lost=bool({"rects", "at", "cited"} & query.keys()) and not (rects or at),
            is_laid_out=document.media_type != PDF,
        ),
        image=f"/projects/{project.id}/documents/{document.id}/pages/{number}.png?sharp={2 if zoom > 100 else 1}",
        smaller=ZOOMS[here - 1] if here > 0 else None,
        larger=ZOOMS[here + 1] if here + 1 < len(ZOOMS) else None,
        page_link=lambda other: link(other, zoom=zoom if zoom != 100 else None),
        zoom_link=lambda other: f"?{visit.request.url.include_query_params(zoom=other).query}",
    )


async def image(visit: Visit) -> Response:
    """The image of a page, drawn when it is asked for."""
    content, is_sheet = await run_in_threadpool(_drawable, visit)
    scale = SHARPER if visit.request.query_params.get("sharp") == "2" else SHARP
    if is_sheet:
        png = await visit.app.reader.draw(content, scale=scale)
    else:
        png = await visit.app.reader.render(content, page=_page(visit.path("page")), scale=scale)
    return Response(png, media_type="image/png")


def _drawable(visit: Visit) -> tuple[bytes, bool]:
    """What the page is drawn of: its sheet (True), or the original file."""
    tried = _tried(visit)
    project = project_of(visit)
    document = visit.app.library.get(project, tried)
    page = visit.app.library.page(document, _page(visit.path("page")))
    if not page.width or not page.height:
        raise NotFound("There is no image of this page.")
    if page.sheet is not None:
        return message(page.text, page.width, page.height, list(page.sheet)), True
    return visit.app.library.original(project, document), False


def _tried(visit: Visit) -> str:
    """The document of the address. The record is about it, also where it is refused, if it can be one's id at all."""
    document = visit.path("document")
    if DOCUMENT_ID.fullmatch(document):
        visit.entry.note(document=document)
        visit.entry.about(document)
    return document


def _page(text: str) -> int:
    """The number of a page, for 0 there is none."""
    return _number(text, 0)


def _number(text: str | None, fallback: int) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 9 else fallback


def _zoom(text: str | None) -> int:
    zoom = _number(text, 100)
    return zoom if zoom in ZOOMS else 100


def _notes(leaf: Leaf, *, is_lost: bool, is_laid_out: bool) -> list[str]:
    """What a reader of the page must know of it."""
    notes = ["not_located"] if is_lost else []
    if leaf.has_image:
        has_boxes = is_laid_out and faces.boxes(leaf.text) > 0
        return notes + (["boxes"] if has_boxes else ["laid_out"] if is_laid_out else [])
    return notes or ["letters" if faces.boxes(leaf.text) else "parts"]
