"""The words of a PDF page with their places, as PDFium reads them; the only module that calls PDFium's text functions.

Coordinates are those of the page as it is shown: after its rotation and crop box, points from the top left. PDFium is
not thread-safe: each document is read in a process of its own.
"""

from __future__ import annotations

import ctypes
import math
import re
from dataclasses import dataclass

import pypdfium2.raw as pdfium

from intramuros.documents.document import Rect
from intramuros.documents.parse.joining import clean

_LINE_HYPHEN = "\ufffe"  # for any hyphen at the end of a line; PDFium drops the line's end behind it
_WORD = re.compile(rf"[^\s\u00a0\u2007\u202f{_LINE_HYPHEN}]+{_LINE_HYPHEN}?")
_UNMAPPED = re.compile(r"[\ue000-\uf8ff\ufffd]")
_BULLETS = str.maketrans({"\uf0b7": "•", "\uf0a7": "•", "\uf0d8": "•", "\uf02d": "-", "\uf0fc": "•"})
_FORCE_BOLD = 1 << 18  # ISO 32000-1, table 123
_BOLD_NAME = re.compile(rb"bold|black|heavy|semibold|demi", re.IGNORECASE)
_PRECISION = 64  # device units a point: FPDF_PageToDevice gives whole numbers
_MAX_OBJECTS = 4_000  # drawings of a page looked at for ruled lines


@dataclass(frozen=True, slots=True)
class Word:
    """Characters between spaces. `turns`: quarter turns clockwise its text is rotated by, as shown."""

    text: str
    rect: Rect
    size: float  # of the type, points
    is_bold: bool
    turns: int = 0


@dataclass(frozen=True, slots=True)
class Rule:
    """A horizontal line drawn on the page."""

    y: float
    x0: float
    x1: float


@dataclass(frozen=True, slots=True)
class Shown:
    """One page as it is shown."""

    width: float
    height: float
    words: tuple[Word, ...] = ()
    rules: tuple[Rule, ...] = ()


@dataclass(frozen=True, slots=True)
class _Place:
    """From the PDF's own coordinates to the shown page: x' = a·x + c·y + e, y' = b·x + d·y + f."""

    a: float
    b: float
    c: float
    d: float
    e: float
    f: float

    def rect(self, left: float, bottom: float, right: float, top: float) -> Rect:
        xs = sorted((self.a * left + self.c * bottom + self.e, self.a * right + self.c * top + self.e))
        ys = sorted((self.b * left + self.d * bottom + self.f, self.b * right + self.d * top + self.f))
        return xs[0], ys[0], xs[1], ys[1]

    @property
    def turns(self) -> int:
        """Quarter turns clockwise that the page is shown rotated by."""
        return round(math.degrees(math.atan2(self.b, self.a)) / 90) % 4


def shown(document: pdfium.FPDF_DOCUMENT, index: int) -> Shown | None:
    """The words and ruled lines of a page; None when the page can't be loaded."""
    page = pdfium.FPDF_LoadPage(document, index)
    if not page:
        return None
    try:
        if _has_fields(page) and pdfium.FPDFPage_Flatten(page, pdfium.FLAT_NORMALDISPLAY) == pdfium.FLATTEN_SUCCESS:
            pdfium.FPDF_ClosePage(page)  # what was filled into a form is text of the page from here on
            page = pdfium.FPDF_LoadPage(document, index)
            if not page:
                return None
        width, height = pdfium.FPDF_GetPageWidthF(page), pdfium.FPDF_GetPageHeightF(page)
        place = _place(page, width, height)
        text_page = pdfium.FPDFText_LoadPage(page)
        if not text_page:
            return Shown(width, height)
        try:
            words = _words(text_page, place, width, height)
        finally:
            pdfium.FPDFText_ClosePage(text_page)
        return Shown(width, height, words, _rules(page, place) if words else ())
    finally:
        if page:
            pdfium.FPDF_ClosePage(page)


def _has_fields(page: pdfium.FPDF_PAGE) -> bool:
    for index in range(min(pdfium.FPDFPage_GetAnnotCount(page), 200)):
        annotation = pdfium.FPDFPage_GetAnnot(page, index)
        kind = pdfium.FPDFAnnot_GetSubtype(annotation)
        pdfium.FPDFPage_CloseAnnot(annotation)
        if kind in (pdfium.FPDF_ANNOT_WIDGET, pdfium.FPDF_ANNOT_FREETEXT):
            return True
    return False


def _place(page: pdfium.FPDF_PAGE, width: float, height: float) -> _Place:
    """PDFium's own mapping, taken from three points, so that it can't differ from the picture of the page."""
    wide, high = round(width * _PRECISION), round(height * _PRECISION)
    x, y = ctypes.c_int(), ctypes.c_int()

    def device(at_x: float, at_y: float) -> tuple[float, float]:
        pdfium.FPDF_PageToDevice(page, 0, 0, wide, high, 0, at_x, at_y, x, y)
        return x.value / _PRECISION, y.value / _PRECISION

    far = 1000.0
    (e, f), (ax, bx), (cy, dy) = device(0, 0), device(far, 0), device(0, far)
    return _Place((ax - e) / far, (bx - f) / far, (cy - e) / far, (dy - f) / far, e, f)


def _words(text_page: pdfium.FPDF_TEXTPAGE, place: _Place, width: float, height: float) -> tuple[Word, ...]:
    count = pdfium.FPDFText_CountChars(text_page)
    if count <= 0:
        return ()
    buffer = (ctypes.c_ushort * (count * 2 + 2))()
    written = pdfium.FPDFText_GetText(text_page, 0, count, buffer)
    units = bytes(buffer)[: max(0, written - 1) * 2].decode("utf-16-le", "surrogatepass")
    text = re.sub(r"[\U00010000-\U0010ffff]", lambda pair: pair[0] + " ", units)  # one place a UTF-16 unit
    measure = _Measure(text_page, place)
    words = []
    for match in _WORD.finditer(text):
        shown_text = match[0]
        if not (shown_text.isascii() and shown_text.isprintable()):
            broken = shown_text.replace(_LINE_HYPHEN, "-").translate(_BULLETS)
            shown_text = clean(_UNMAPPED.sub("", broken))
        if not shown_text:
            continue
        word = measure.word(shown_text, match.start(), match.end() - 1)
        if word and word.rect[0] < width and word.rect[1] < height and word.rect[2] > 0 and word.rect[3] > 0:
            words.append(word)
    return tuple(words)


class _Measure:
    """Places and type of characters, one PDFium call each; buffers are reused."""

    def __init__(self, text_page: pdfium.FPDF_TEXTPAGE, place: _Place) -> None:
        self._text_page, self._place = text_page, place
        self._box, self._matrix = pdfium.FS_RECTF(), pdfium.FS_MATRIX()
        self._name, self._flags = ctypes.create_string_buffer(128), ctypes.c_int()
        self._page_turns = place.turns

    def word(self, text: str, first: int, last: int) -> Word | None:
        start = pdfium.FPDFText_GetCharIndexFromTextIndex(self._text_page, first)
        end = pdfium.FPDFText_GetCharIndexFromTextIndex(self._text_page, last)
        if start < 0 or end < start:
            return None
        boxes = [box for index in {start, end} if (box := self._char_box(index))]
        if not boxes:
            return None
        size = self._size(start)
        angle = math.degrees(pdfium.FPDFText_GetCharAngle(self._text_page, start))
        turned = (round(angle / 90) + self._page_turns) % 4
        left, bottom = min(box[0] for box in boxes), min(box[1] for box in boxes)
        right, top = max(box[2] for box in boxes), max(box[3] for box in boxes)
        rect = _plausible(self._place.rect(left, bottom, right, top), size, turned)
        return Word(text, rect, size, self._is_bold(start), turned)

    def _char_box(self, index: int) -> tuple[float, float, float, float] | None:
        if not pdfium.FPDFText_GetLooseCharBox(self._text_page, index, self._box):
            return None
        box = self._box
        return min(box.left, box.right), min(box.bottom, box.top), max(box.left, box.right), max(box.bottom, box.top)

    def _size(self, index: int) -> float:
        size = float(pdfium.FPDFText_GetFontSize(self._text_page, index))
        if pdfium.FPDFText_GetMatrix(self._text_page, index, self._matrix):
            size *= math.hypot(self._matrix.c, self._matrix.d)
        return size if 0.5 < size < 2000 else 10.0

    def _is_bold(self, index: int) -> bool:
        if pdfium.FPDFText_GetFontWeight(self._text_page, index) >= 600:
            return True
        length = pdfium.FPDFText_GetFontInfo(self._text_page, index, self._name, 128, self._flags)
        return bool(self._flags.value & _FORCE_BOLD) or bool(0 < length <= 128 and _BOLD_NAME.search(self._name.value))


def _plausible(rect: Rect, size: float, turns: int) -> Rect:
    """Some fonts claim heights of several lines or none: then a line is as high as its type."""
    x0, y0, x1, y1 = rect
    across = (y1 - y0) if turns % 2 == 0 else (x1 - x0)
    if 0.6 * size <= across <= 1.8 * size:
        return rect
    if turns % 2 == 0:
        middle = (y0 + y1) / 2
        return x0, middle - 0.55 * size, x1, middle + 0.55 * size
    middle = (x0 + x1) / 2
    return middle - 0.55 * size, y0, middle + 0.55 * size, y1


def _rules(page: pdfium.FPDF_PAGE, place: _Place) -> tuple[Rule, ...]:
    """Horizontal lines and the upper and lower edges of boxes: what separates the rows of a table."""
    left, bottom, right, top = (ctypes.c_float() for _ in range(4))
    found: set[tuple[float, float, float]] = set()
    for index in range(min(pdfium.FPDFPage_CountObjects(page), _MAX_OBJECTS)):
        drawing = pdfium.FPDFPage_GetObject(page, index)
        if pdfium.FPDFPageObj_GetType(drawing) != pdfium.FPDF_PAGEOBJ_PATH:
            continue
        if not pdfium.FPDFPageObj_GetBounds(drawing, left, bottom, right, top):
            continue
        x0, y0, x1, y1 = place.rect(left.value, bottom.value, right.value, top.value)
        if x1 - x0 < 15:
            continue
        edges = ((y0 + y1) / 2,) if y1 - y0 < 3 else (y0, y1)
        found.update((round(y), round(x0), round(x1)) for y in edges)
    return tuple(Rule(*rule) for rule in sorted(found))
