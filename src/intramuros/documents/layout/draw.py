"""Draws a sheet with the fonts inside PDFium. Runs inside the confined reader process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import orjson
import pypdfium2.raw as pdfium

from intramuros.documents.failures import failure
from intramuros.documents.layout.faces import BOX, BOX_WIDTH, FONTS, runs
from intramuros.documents.layout.sheet import ASCENT, DESCENT, MARGIN, face_of
from intramuros.documents.parse.pdf import picture

_INK, _FAINT = (28, 30, 34, 255), (190, 194, 200, 255)
_RULE = 0.5  # points


def draw(message: bytes, scale: float) -> bytes:
    """The picture of a sheet as PNG, `scale` pixels a point.

    Raises: DocumentError `damaged` when the sheet is none.
    """
    with page(message) as (_, loaded):
        return picture(loaded, scale)


@contextmanager
def page(message: bytes) -> Iterator[tuple[pdfium.FPDF_DOCUMENT, pdfium.FPDF_PAGE]]:
    """A document of one page, the sheet drawn on it."""
    told = orjson.loads(message)
    pdfium.FPDF_InitLibrary()
    document = pdfium.FPDF_CreateNewDocument()
    try:
        loaded = pdfium.FPDFPage_New(document, 0, told["width"], told["height"])
        if not loaded:
            raise failure("damaged")
        try:
            _Pen(document, loaded, told).blocks(told["blocks"])
            pdfium.FPDFPage_GenerateContent(loaded)
            yield document, loaded
        finally:
            pdfium.FPDF_ClosePage(loaded)
    finally:
        pdfium.FPDF_CloseDocument(document)


class _Pen:
    """Writes on one page."""

    def __init__(self, document: pdfium.FPDF_DOCUMENT, loaded: pdfium.FPDF_PAGE, told: dict[str, Any]) -> None:
        self._document, self._page, self._text = document, loaded, told["text"]
        self._width, self._height = told["width"], told["height"]
        self._fonts: dict[str, Any] = {}

    def blocks(self, blocks: Sequence[Any]) -> None:
        for (kind, lines), (following, _) in zip(blocks, [*blocks[1:], ("", ())], strict=False):
            for number, line in enumerate(lines):
                self._line(kind, line, is_first=number == 0)
            if kind == following == "row" and lines:
                self._box(MARGIN, max(line[5] for line in lines) + 1.5, self._width - 2 * MARGIN, 0.0, _FAINT)

    def _line(self, kind: str, line: Sequence[Any], *, is_first: bool) -> None:
        start, end, x, top, _, bottom = line
        text = self._text[start:end]
        if kind == "item" and is_first and text.startswith("- "):
            text = "•" + text[1:]
        size = (bottom - top) / (ASCENT + DESCENT)
        baseline = bottom - DESCENT * size
        for face, characters, wide in runs(text, face_of(kind)):
            if face == BOX:
                self._boxes(len(characters), x, baseline, size)
            elif not characters.isspace():
                self._write(face, characters, x, baseline, size)
            x += wide / 1000 * size

    def _write(self, face: str, text: str, x: float, baseline: float, size: float) -> None:
        written = pdfium.FPDFPageObj_CreateTextObj(self._document, self._font(face), size)
        data = (text + "\0").encode("utf-16-le")
        pdfium.FPDFText_SetText(written, (pdfium.c_ushort * (len(data) // 2)).from_buffer_copy(data))
        pdfium.FPDFPageObj_SetFillColor(written, *_INK)
        pdfium.FPDFPageObj_Transform(written, 1, 0, 0, 1, x, self._height - baseline)
        pdfium.FPDFPage_InsertObject(self._page, written)

    def _boxes(self, count: int, x: float, baseline: float, size: float) -> None:
        for number in range(count):
            left = x + (number * BOX_WIDTH + 60) / 1000 * size
            self._box(left, baseline - 0.7 * size, 0.48 * size, 0.7 * size, _INK)

    def _box(self, x: float, y: float, width: float, height: float, colour: tuple[int, int, int, int]) -> None:
        """A frame of thin lines; without height a line."""
        framed = pdfium.FPDFPageObj_CreateNewRect(x, self._height - y - height, width, height)
        pdfium.FPDFPageObj_SetStrokeColor(framed, *colour)
        pdfium.FPDFPageObj_SetStrokeWidth(framed, _RULE)
        pdfium.FPDFPath_SetDrawMode(framed, 0, True)
        pdfium.FPDFPage_InsertObject(self._page, framed)

    def _font(self, face: str) -> Any:
        if face not in self._fonts:
            self._fonts[face] = pdfium.FPDFText_LoadStandardFont(self._document, FONTS[face].encode())
        return self._fonts[face]
