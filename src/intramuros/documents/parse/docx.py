"""Word documents (.docx): headings by style, lists with their numbers, tables row by row, footnotes, text boxes.

Read from the XML itself: python-docx keeps every image in memory and knows neither page breaks nor numbers. Pages are
those Word last laid out (`w:lastRenderedPageBreak`); a document without them has pages at its explicit breaks and of
about 3,000 characters.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from lxml import etree

from intramuros.documents.document import Block, Page, Reading
from intramuros.documents.failures import failure
from intramuros.documents.parse import tables
from intramuros.documents.parse.docx_styles import VAL, Numbering, Style, Styles, W, is_on, value
from intramuros.documents.parse.joining import clean
from intramuros.documents.parse.limits import Limits
from intramuros.documents.parse.package import Package
from intramuros.documents.parse.paging import paged

_MAIN = "word/document.xml"
_RELATIONS = "{http://schemas.openxmlformats.org/package/2006/relationships}"
_FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
_MATH_TEXT = "{http://schemas.openxmlformats.org/officeDocument/2006/math}t"
_TITLE = "{http://purl.org/dc/elements/1.1/}title"
_SKIPPED = frozenset(
    {
        _FALLBACK,
        *(W + name for name in ("del", "moveFrom", "instrText", "delText", "pPr", "rPr", "sdtPr", "tblPr", "trPr")),
    }
)
_SPACES = frozenset(W + name for name in ("tab", "cr", "ptab"))
_NUMBER = re.compile(r"^\d+(?:\.\d+)*")
_MAX_HEADING = 100  # characters


def read(content: bytes, limits: Limits) -> Reading:
    """The document's pages.

    Raises: DocumentError `not_what_it_says`, `damaged`, `cut_off`, `password_protected`, `too_large_unpacked`.
    """
    package = Package(content, limits)
    main = _main_part(package, limits)
    folder = main.rpartition("/")[0]
    root = package.xml(main)
    body = None if root is None else root.find(f"{W}body")
    if body is None:
        raise failure("damaged")
    walk = _Walk(
        Styles(package.xml(f"{folder}/styles.xml")),
        Numbering(package.xml(f"{folder}/numbering.xml")),
        _notes(package, folder),
        limits,
    )
    walk.body(body)
    pages = walk.finished()
    if next(body.iter(f"{W}lastRenderedPageBreak"), None) is None:
        pages = [list(split.blocks) for page in pages for split in paged(page, limits)]
    limits.check_pages(len(pages))
    return Reading(
        tuple(Page(number, tuple(blocks)) for number, blocks in enumerate(pages, start=1)), _title(walk, package)
    )


def _main_part(package: Package, limits: Limits) -> str:
    relations = package.xml("_rels/.rels")
    targets = [
        str(relation.get("Target")).lstrip("/")
        for relation in ([] if relations is None else relations.iterfind(f"{_RELATIONS}Relationship"))
        if str(relation.get("Type")).endswith("/officeDocument")
    ]
    main = next((target for target in (*targets, _MAIN) if target in package), None)
    if main is None or not main.endswith(".xml") or not main.startswith("word/"):
        limits.check_unpacked(package.declared_bytes)
        raise failure("not_what_it_says")
    return main


def _notes(package: Package, folder: str) -> dict[tuple[str, str], str]:
    """Text of the foot- and endnotes by kind and id."""
    notes = {}
    for kind in ("footnote", "endnote"):
        root = package.xml(f"{folder}/{kind}s.xml")
        for note in [] if root is None else root.iterfind(f"{W}{kind}"):
            text = " ".join("".join(piece for piece in _pieces(note) if isinstance(piece, str)).split())
            if text and note.get(f"{W}type") is None:
                notes[kind, str(note.get(f"{W}id"))] = clean(text)
    return notes


def _title(walk: _Walk, package: Package) -> str:
    if walk.title:
        return walk.title
    first = next(
        (block.text for page in walk.pages for block in page if block.kind == "heading" and block.level == 1), ""
    )
    core = package.xml("docProps/core.xml")
    named = None if core is None else core.find(_TITLE)
    return first or (clean((named.text or "").strip()) if named is not None else "")


class _Walk:
    """One pass over the body, filling pages."""

    def __init__(self, styles: Styles, numbering: Numbering, notes: dict[tuple[str, str], str], limits: Limits) -> None:
        self.pages: list[list[Block]] = [[]]
        self.title = ""
        self._styles, self._numbering, self._notes, self._limits = styles, numbering, notes, limits
        self._notes_of_page: list[str] = []
        self._characters = 0
        self._maybe_headings: list[tuple[int, int]] = []
        self._has_headings = False

    def body(self, container: etree._Element) -> None:
        for element in container:
            if element.tag == f"{W}p":
                self._paragraph(element)
            elif element.tag == f"{W}tbl":
                self._table(element)
            elif element.tag not in _SKIPPED:
                self.body(element)  # w:sdt, w:sdtContent, w:customXml, w:ins, mc:AlternateContent …

    def finished(self) -> list[list[Block]]:
        """The pages; in a document without heading styles, short bold paragraphs are its headings."""
        self._end_page_notes()
        if not self._has_headings:
            for page, place in self._maybe_headings:
                block = self.pages[page][place]
                number = _NUMBER.match(block.text)
                self.pages[page][place] = Block(block.text, "heading", number[0].count(".") + 1 if number else 1)
        if len(self.pages) > 1 and not self.pages[-1]:
            self.pages.pop()
        return self.pages

    def _paragraph(self, element: etree._Element) -> None:
        style = self._styles.of(value(element, "pPr", "pStyle"))
        if style.breaks_before or is_on(element, "pPr", "pageBreakBefore"):
            self._break()
        mark = self._mark(element, style)
        boxes: list[etree._Element] = []
        parts: list[str] = []
        for piece in _pieces(element):
            if isinstance(piece, str):
                parts.append(piece)
            elif piece.tag == f"{W}txbxContent":
                boxes.append(piece)
            elif piece.tag.endswith("Reference"):
                self._note(piece)
            else:
                mark = self._text(parts, style, mark, element)
                parts = []
                self._break()
        self._text(parts, style, mark, element)
        for box in boxes:
            self.body(box)
        section = element.find(f"{W}pPr/{W}sectPr")
        if section is not None and value(section, "type") != "continuous":
            self._break()

    def _text(self, parts: list[str], style: Style, mark: str | None, element: etree._Element) -> str | None:
        """Adds what stood before a page break or the paragraph's end; gives back the mark if it isn't used yet."""
        text = clean(" ".join("".join(parts).split()))
        if not text:
            return mark
        self._characters += len(text)
        self._limits.check_characters(self._characters)
        outline = value(element, "pPr", "outlineLvl")
        level = int(outline) + 1 if outline and outline in "012345678" else style.level
        if level:
            self._has_headings = self._has_headings or not style.is_title
            if style.is_title and not self.title:
                self.title = text
            self.pages[-1].append(Block((mark if mark != "- " else "") + text if mark else text, "heading", level))
        else:
            if not mark and len(text) <= _MAX_HEADING and text[-1] not in ".;,:" and _is_bold(element):
                self._maybe_headings.append((len(self.pages) - 1, len(self.pages[-1])))
            self.pages[-1].append(Block((mark or "") + text, "item" if mark else "paragraph"))
        return None

    def _mark(self, element: etree._Element, style: Style) -> str | None:
        own = value(element, "pPr", "numPr", "numId")
        if own:
            list_level = value(element, "pPr", "numPr", "ilvl") or "0"
            return self._numbering.mark(own, int(list_level) if list_level.isdecimal() else 0)
        return self._numbering.mark(*style.number) if style.number else None

    def _note(self, reference: etree._Element) -> None:
        kind = "footnote" if reference.tag == f"{W}footnoteReference" else "endnote"
        if text := self._notes.get((kind, str(reference.get(f"{W}id")))):
            self._notes_of_page.append(text)

    def _end_page_notes(self) -> None:
        self.pages[-1].extend(Block(text) for text in self._notes_of_page)
        self._notes_of_page = []

    def _break(self) -> None:
        """A new page, unless this one is still empty: Word writes an explicit break and where it fell."""
        if self.pages[-1]:
            self._end_page_notes()
            self.pages.append([])
            self._limits.check_pages(len(self.pages))

    def _table(self, table: etree._Element) -> None:
        rows = [row for row in table.iter(f"{W}tr") if _owner(row) is table]
        cells = [[cell for cell in row.iter(f"{W}tc") if _owner(cell, f"{W}tr") is row] for row in rows]
        if max((len(row) for row in cells), default=0) <= 1:
            for row in cells:
                for cell in row:
                    self.body(cell)  # a frame around text
            return
        has_header = any(is_on(row, "trPr", "tblHeader") for row in rows[:1]) or all(
            _is_bold(paragraph) for cell in cells[0] for paragraph in cell.iterfind(f"{W}p")
        )
        for blocks, breaks in _by_page(_grid(cells), rows, has_header):
            if breaks:
                self._break()
            self._characters += sum(len(block.text) for block in blocks)
            self._limits.check_characters(self._characters)
            self.pages[-1].extend(blocks)


def _grid(cells: list[list[etree._Element]]) -> list[list[str]]:
    """Texts by row and column: a cell over several columns stands in the first, one over several rows in each."""
    grid: list[list[str]] = []
    for row in cells:
        texts: list[str] = []
        for cell in row:
            merged = cell.find(f"{W}tcPr/{W}vMerge")
            if merged is not None and merged.get(VAL) != "restart" and grid and len(texts) < len(grid[-1]):
                texts.append(grid[-1][len(texts)])
            else:
                texts.append(clean(" ".join("".join(_cell_pieces(cell)).split())))
            span = value(cell, "tcPr", "gridSpan") or "1"
            texts.extend([""] * (min(int(span), 64) - 1 if span.isdecimal() else 0))
        grid.append(texts)
    return grid


def _by_page(grid: list[list[str]], rows: list[etree._Element], has_header: bool) -> Iterator[tuple[list[Block], bool]]:
    """The blocks of each row, and whether a page begins before it."""
    kept = [(texts, row) for texts, row in zip(grid, rows, strict=True) if any(texts)]
    blocks = tables.rows([texts for texts, _ in kept], has_header=has_header or None)
    labelled = len(blocks) < len(kept)  # the header went into the rows
    for block, (_, row) in zip(blocks, kept[labelled:], strict=True):
        yield [block], next(row.iter(f"{W}lastRenderedPageBreak"), None) is not None


def _cell_pieces(cell: etree._Element) -> Iterator[str]:
    for paragraph in cell.iter(f"{W}p"):
        yield from (piece for piece in _pieces(paragraph) if isinstance(piece, str))
        yield " "


def _owner(element: etree._Element, tag: str = f"{W}tbl") -> etree._Element | None:
    return next(element.iterancestors(tag), None)


def _pieces(element: etree._Element) -> Iterator[str | etree._Element]:
    """What stands in a paragraph, in order: its text, and the elements that are page breaks, notes and text boxes."""
    for child in element:
        tag = child.tag
        if tag in (f"{W}t", _MATH_TEXT):
            yield child.text or ""
        elif tag in _SPACES or (tag == f"{W}br" and child.get(f"{W}type") != "page"):
            yield " "
        elif tag == f"{W}noBreakHyphen":
            yield "-"
        elif tag in (
            f"{W}br",
            f"{W}lastRenderedPageBreak",
            f"{W}footnoteReference",
            f"{W}endnoteReference",
            f"{W}txbxContent",
        ):
            yield child
        elif tag not in _SKIPPED:
            yield from _pieces(child)


def _is_bold(paragraph: etree._Element) -> bool:
    runs = [run for run in paragraph.iter(f"{W}r") if any((text.text or "").strip() for text in run.iterfind(f"{W}t"))]
    return bool(runs) and all(is_on(run, "rPr", "b") for run in runs)
