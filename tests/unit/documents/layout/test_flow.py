"""Blocks on sheets: every line inside its page, and what is drawn there is what the line says."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Iterable
from pathlib import Path

import pypdfium2.raw as pdfium
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intramuros.documents.chunk import chunks
from intramuros.documents.document import Block, Page, Reading
from intramuros.documents.layout import draw, faces
from intramuros.documents.layout.flow import laid_out
from intramuros.documents.layout.sheet import HEIGHT, message, sheet
from intramuros.documents.parse import docx, html, markdown, text
from intramuros.documents.parse.limits import Limits
from intramuros.documents.parse.paging import paged

PARSERS = {".docx": docx, ".html": html, ".md": markdown, ".txt": text}
SAMPLES = [path for path in (Path(text.__file__).parents[1] / "samples").iterdir() if path.suffix in PARSERS]

_letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIÉÀÇéèêëàâçîïôöùûüäßœŒæ0123456789.,;:!?()'’«»“”€%§°–—…&@/-"
_words = st.text(_letters, min_size=1, max_size=14) | st.text(_letters + "→≤αβ✓①★", min_size=1, max_size=90)
_prose = st.lists(_words, min_size=1, max_size=40).map(" ".join)
_rows = st.lists(_prose, min_size=1, max_size=8).map(" | ".join)
_code = st.lists(st.text(_letters + " \t", max_size=120), min_size=1, max_size=8).map("\n".join).filter(str.strip)
_blocks = st.one_of(
    st.builds(Block, _prose, st.just("paragraph")),
    st.builds(Block, _prose, st.just("heading"), st.integers(1, 6)),
    st.builds(Block, _prose.map("- {}".format) | _prose.map("12. {}".format), st.just("item")),
    st.builds(Block, _rows, st.just("row")),
    st.builds(Block, _code, st.just("code")),
)


def page_of(*blocks: Block) -> Page:
    return laid_out(Reading((Page(1, blocks),))).pages[0]


def read_back(page: Page, rects: Iterable[tuple[float, float, float, float]]) -> list[str]:
    """What PDFium finds written in these rectangles of the drawn page."""
    assert page.width
    assert page.height
    found = []
    with draw.page(message(page.text, page.width, page.height, sheet(page) or [])) as (_, loaded):
        written = pdfium.FPDFText_LoadPage(loaded)
        for x0, y0, x1, y1 in rects:
            place = x0 - 0.5, page.height - y0 + 0.2, x1 + 0.5, page.height - y1 - 0.2
            length = pdfium.FPDFText_GetBoundedText(written, *place, None, 0)
            buffer = (ctypes.c_ushort * (length + 1))()
            pdfium.FPDFText_GetBoundedText(written, *place, buffer, length)
            found.append(bytes(buffer).decode("utf-16-le").rstrip("\0"))
        pdfium.FPDFText_ClosePage(written)
    return found


def bare(written: str) -> str:
    """Without spaces, marks of lists, and hyphens: PDFium drops those at the ends of lines."""
    return re.sub(r"[\s\ufffe\x02-]|^•", "", written)


def holds(reading: Reading) -> None:
    """Every line of every chunk lies inside its page, where its words are drawn, and no word is left out."""
    pages = {page.number: page for page in reading.pages if page.width}
    for page in pages.values():
        for block in page.blocks:
            kept = "".join(block.text[line.start : line.end] for line in block.lines)
            assert "".join(kept.replace("|", "").split()) == "".join(block.text.replace("|", "").split())
    for chunk in chunks(reading):
        if chunk.page not in pages:
            continue
        page = pages[chunk.page]
        assert page.width
        assert page.height
        for line in chunk.lines:
            x0, y0, x1, y1 = line.rect
            assert 0 <= x0 < x1 <= page.width
            assert 0 <= y0 < y1 <= page.height
        said = {line.rect: block.text[line.start : line.end] for block in page.blocks for line in block.lines}
        assert {line.rect for line in chunk.lines} <= said.keys()
        rects = [line.rect for line in chunk.lines if said[line.rect].strip()]
        for rect, written in zip(rects, read_back(page, rects), strict=True):
            assert bare(written) == bare(faces.drawn(said[rect]))


@given(st.lists(_blocks, min_size=1, max_size=25))
def test_lines_lie_where_their_words_are_drawn(blocks: list[Block]) -> None:
    holds(laid_out(Reading(paged(blocks, Limits()))))


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_every_sample(path: Path) -> None:
    reading = laid_out(PARSERS[path.suffix].read(path.read_bytes(), Limits()))
    assert all(page.height == HEIGHT for page in reading.pages)
    holds(reading)


def test_a_full_page_gets_smaller_type_then_a_longer_sheet() -> None:
    def last(count: int) -> tuple[float, float]:
        page = page_of(*[Block("Le délai est de trois mois. " * 6)] * count)
        assert page.height
        y0, y1 = page.blocks[-1].lines[-1].rect[1::2]
        return page.height, y1 - y0

    (height, plain), (same, smaller), (longer, small) = last(3), last(24), last(45)
    assert height == same == HEIGHT < longer
    assert small < plain
    assert smaller < plain


def test_a_page_of_another_script_or_without_end_has_no_sheet() -> None:
    assert page_of(Block("Договор аренды")).width is None
    assert page_of(Block("mot " * 10_000)).width is None
    assert page_of(*[Block("a", "item")] * 400).width is None
    assert page_of().width is None


def test_a_character_that_no_face_has_is_a_box() -> None:
    page = page_of(Block("Le contrat de M. Dvořák dure trois ans et se renouvelle."))
    assert page.width
    assert faces.boxes(page.text) == 1
    [written] = read_back(page, [page.blocks[0].lines[0].rect])
    assert "Dvo" in written
    assert "ák dure" in written


def test_columns_of_a_table_stand_below_each_other() -> None:
    page = page_of(Block("Pays: Suisse | Hôtel: 180 CHF", "row"), Block("Pays: France | Hôtel: 120 EUR", "row"))
    (first, second), (third, fourth) = (block.lines for block in page.blocks)
    assert first.rect[0] == third.rect[0] < second.rect[0] == fourth.rect[0]
    assert first.rect[1] == second.rect[1] < third.rect[1]
