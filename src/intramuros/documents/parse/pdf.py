"""PDF: pages of blocks with the rectangles of their lines, and the picture of a page."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pypdfium2.raw as pdfium

from intramuros.documents.document import Page, Reading
from intramuros.documents.failures import failure
from intramuros.documents.parse.joining import clean
from intramuros.documents.parse.limits import Limits
from intramuros.documents.parse.pdf_blocks import blocks
from intramuros.documents.parse.pdf_layout import Sheet, sheet
from intramuros.documents.parse.pdf_words import Shown, shown

_MAX_PIXELS = 16_000_000
_MAX_SIDE = 8_000
_NO_TITLE = re.compile(
    r"^(?:untitled|sans[ -]titre|document\d*|microsoft word.*|.*\.(?:docx?|odt|pdf|indd|tex|rtf|xlsx?|pptx?))$", re.I
)


def read(content: bytes, limits: Limits, progress: Callable[[int, int], None] = lambda read, total: None) -> Reading:
    """The document's pages. A page that holds no text, or can't be loaded, is an empty one.

    Raises: DocumentError `password_protected`, `too_many_pages`, `cut_off`, `damaged`.
    """
    with _opened(content) as document:
        total = pdfium.FPDF_GetPageCount(document)
        limits.check_pages(total)
        pages: list[Shown] = []
        sheets: list[Sheet] = []
        characters = lost = 0
        for index in range(total):
            page = shown(document, index)
            lost += page is None
            page = page or Shown(595.0, 842.0)
            characters += sum(len(word.text) + 1 for word in page.words)
            limits.check_characters(characters)
            pages.append(Shown(page.width, page.height))
            sheets.append(sheet(page))
            progress(index + 1, total)
        if lost > total / 2 or not total:
            raise failure("damaged")
        title = _named(document)
    made = tuple(
        Page(number, page_blocks, page.width, page.height)
        for number, (page, page_blocks) in enumerate(zip(pages, blocks(sheets), strict=True), start=1)
    )
    return Reading(made, title=_first_heading(made) or title, warnings=("pages_damaged",) if lost else ())


def render(content: bytes, page: int, scale: float) -> bytes:
    """The picture of one page (from 1) as PNG, `scale` pixels a point, at most 16 million pixels.

    Raises: DocumentError `damaged` when the page can't be drawn.
    """
    with _opened(content) as document:
        if not 1 <= page <= pdfium.FPDF_GetPageCount(document):
            raise failure("damaged")
        loaded = pdfium.FPDF_LoadPage(document, page - 1)
        if not loaded:
            raise failure("damaged")
        try:
            return picture(loaded, scale)
        finally:
            pdfium.FPDF_ClosePage(loaded)


def picture(loaded: pdfium.FPDF_PAGE, scale: float) -> bytes:
    """The picture of a loaded page as PNG, `scale` pixels a point, at most 16 million pixels."""
    from PIL import Image

    width, height = pdfium.FPDF_GetPageWidthF(loaded), pdfium.FPDF_GetPageHeightF(loaded)
    scale = min(scale, (_MAX_PIXELS / max(1.0, width * height)) ** 0.5, _MAX_SIDE / max(1.0, width, height))
    wide, high = max(1, round(width * scale)), max(1, round(height * scale))
    bitmap = pdfium.FPDFBitmap_CreateEx(wide, high, pdfium.FPDFBitmap_BGRx, None, 0)
    if not bitmap:
        raise failure("too_much_memory")
    try:
        pdfium.FPDFBitmap_FillRect(bitmap, 0, 0, wide, high, 0xFFFFFFFF)
        pdfium.FPDF_RenderPageBitmap(bitmap, loaded, 0, 0, wide, high, 0, pdfium.FPDF_ANNOT)
        stride = pdfium.FPDFBitmap_GetStride(bitmap)
        pixels = (pdfium.c_ubyte * (stride * high)).from_address(_address(pdfium.FPDFBitmap_GetBuffer(bitmap)))
        image = Image.frombuffer("RGB", (wide, high), bytes(pixels), "raw", "BGRX", stride, 1)
    finally:
        pdfium.FPDFBitmap_Destroy(bitmap)
    written = io.BytesIO()
    image.save(written, "PNG", compress_level=4)
    return written.getvalue()


def _address(pointer: object) -> int:
    import ctypes

    return ctypes.cast(pointer, ctypes.c_void_p).value or 0  # type: ignore[arg-type]


@contextmanager
def _opened(content: bytes) -> Iterator[pdfium.FPDF_DOCUMENT]:
    pdfium.FPDF_InitLibrary()
    document = pdfium.FPDF_LoadMemDocument64(content, len(content), None)
    if not document:
        error = pdfium.FPDF_GetLastError()
        if error in (pdfium.FPDF_ERR_PASSWORD, pdfium.FPDF_ERR_SECURITY):
            raise failure("password_protected")
        raise failure("cut_off" if is_cut_off(content) else "damaged")
    try:
        if is_cut_off(content):
            raise failure("cut_off")
        yield document
    finally:
        pdfium.FPDF_CloseDocument(document)


def is_cut_off(content: bytes) -> bool:
    """Whether the end of the file is missing: no end mark, or objects begun after the last one.

    PDFium rebuilds what is left of such a file, and pages would be missing without a word.
    """
    end = content.rfind(b"%%EOF")
    if end < 0:
        return b"startxref" not in content[-1024:]
    return re.search(rb"\d+ \d+ obj\b", content[end:]) is not None and b"startxref" not in content[end:]


def _named(document: pdfium.FPDF_DOCUMENT) -> str:
    """The title the file says it has, unless it is a file name or a program's default."""
    length = pdfium.FPDF_GetMetaText(document, b"Title", None, 0)
    if not 4 <= length <= 2_000:
        return ""
    buffer = bytearray(length)
    pdfium.FPDF_GetMetaText(document, b"Title", (pdfium.c_char * length).from_buffer(buffer), length)
    title = " ".join(clean(bytes(buffer).decode("utf-16-le", "replace").rstrip("\0")).split())
    return "" if _NO_TITLE.match(title) else title


def _first_heading(pages: tuple[Page, ...]) -> str:
    """The highest heading of the first page that has any."""
    for page in pages[:2]:
        headings = [block for block in page.blocks if block.kind == "heading"]
        if headings:
            return min(headings, key=lambda block: block.level).text
    return ""
