"""HTML: what a reader of the page would read; no scripts, styles, menus or forms."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator

from selectolax.lexbor import LexborHTMLParser, LexborNode, SelectolaxError

from intramuros.documents.document import Block, Reading
from intramuros.documents.failures import failure
from intramuros.documents.parse import tables
from intramuros.documents.parse.joining import clean
from intramuros.documents.parse.limits import Limits
from intramuros.documents.parse.paging import paged
from intramuros.documents.parse.text import decode

_SKIPPED = [
    "script", "style", "noscript", "template", "svg", "math", "nav", "menu", "iframe", "object", "embed", "canvas",
    "audio", "video", "map", "button", "select", "datalist", "textarea", "input", "dialog",
]  # fmt: skip
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_BLOCKS = frozenset({*_HEADINGS,
    "address", "article", "aside", "blockquote", "body", "caption", "center", "dd", "details", "div", "dl", "dt",
    "fieldset", "figcaption", "figure", "footer", "form", "header", "hr", "html", "legend", "li", "main", "ol", "p",
    "section", "summary", "td", "th", "tr", "ul",
})  # fmt: skip
_META = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([\w:.-]{2,40})", re.IGNORECASE)
_XML = re.compile(rb"\A\s*<\?xml[^>]{0,200}?encoding\s*=\s*[\"']([\w:.-]{2,40})", re.IGNORECASE)
_BARE_MARK = re.compile(r"-|\d+\.")
_MAX_DEPTH = 2_000


def read(content: bytes, limits: Limits) -> Reading:
    """The page's headings, paragraphs, lists and tables in their order.

    Raises: DocumentError `damaged` for markup nested deeper than any page.
    """
    text, warnings = _decoded(content)
    limits.check_characters(len(text))
    try:
        tree = LexborHTMLParser(text)
    except SelectolaxError as error:
        raise MemoryError from error  # HTML knows no syntax errors: all this parser can run out of is memory
    named = tree.css_first("head title")
    title = clean(" ".join(named.text().split())) if named else ""
    tree.strip_tags(["title", *_SKIPPED], recursive=True)
    blocks = list(_Walk().blocks(tree.body or tree.root))
    heading = next((block.text for block in blocks if block.kind == "heading" and block.level == 1), "")
    return Reading(paged(blocks, limits), title=heading or title, warnings=warnings)


def _decoded(content: bytes) -> tuple[str, tuple[str, ...]]:
    """Text as UTF-8 if it is that, whatever the page says of itself; else by what it says; else as plain text is."""
    try:
        return content.decode("utf-8-sig"), ()
    except UnicodeDecodeError:
        pass
    said = _META.search(content[:4096]) or _XML.match(content[:4096])
    name = said[1].decode("ascii").lower() if said else ""
    if name and not name.startswith("utf") and not content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        try:  # browsers read Latin-1 as Windows-1252 (WHATWG Encoding Standard, section 4.2)
            return content.decode("cp1252" if name in {"iso-8859-1", "latin1", "us-ascii"} else name, "replace"), ()
        except LookupError:
            pass
    return decode(content)


class _Walk:
    """One pass over the tree without recursion, so that deep nesting can't exhaust the stack."""

    def __init__(self) -> None:
        self._text: list[str] = []
        self._kind = "paragraph"
        self._level = 0
        self._lists: list[int] = []  # next numbers of the open lists; 0 for bullets

    def blocks(self, root: LexborNode | None) -> Iterator[Block]:
        node, depth = root, 0
        while node is not None:
            inside = None
            if node.is_text_node:
                self._text.append(node.text_content or "")
            elif node.is_element_node and not _is_hidden(node):
                if node.tag == "pre" or (node.tag == "table" and not _is_layout(node)):
                    yield from self._finished()
                    yield from _code(node) if node.tag == "pre" else _table(node)
                else:
                    yield from self._entered(node)
                    inside = node.child
                    if inside is None:
                        yield from self._left(node)
            if inside is not None:
                node, depth = inside, depth + 1
                if depth > _MAX_DEPTH:
                    raise failure("damaged")
                continue
            while node is not None and depth > 0 and node.next is None:
                node, depth = node.parent, depth - 1
                if node is not None:
                    yield from self._left(node)
            node = node.next if node is not None and depth > 0 else None
        yield from self._finished()

    def _entered(self, node: LexborNode) -> Iterator[Block]:
        tag = node.tag
        if tag == "br":
            self._text.append(" ")
        if tag not in _BLOCKS:
            return
        yield from self._finished()
        if tag in _HEADINGS:
            self._kind, self._level = "heading", _HEADINGS[tag]
        elif tag == "li":
            number = self._lists[-1] if self._lists else 0
            self._kind = "item"
            self._text.append(f"{number}. " if number else "- ")
            if number:
                self._lists[-1] += 1
        elif tag in {"ul", "ol"}:
            start = node.attributes.get("start") or "1"
            self._lists.append((int(start) if start.isdecimal() else 1) if tag == "ol" else 0)

    def _left(self, node: LexborNode) -> Iterator[Block]:
        if node.tag in _BLOCKS:
            yield from self._finished(at_end=node.tag == "li")
        if node.tag in {"ul", "ol"} and self._lists:
            self._lists.pop()

    def _finished(self, *, at_end: bool = False) -> Iterator[Block]:
        text = clean(" ".join("".join(self._text).split()))
        if self._kind == "item" and _BARE_MARK.fullmatch(text) and not at_end:
            return  # <li><p>: the mark waits for the words
        if text and not (self._kind == "item" and _BARE_MARK.fullmatch(text)):
            yield Block(text, self._kind, self._level)
        self._text.clear()
        self._kind, self._level = "paragraph", 0


def _is_hidden(node: LexborNode) -> bool:
    if node.tag == "head":
        return True
    attributes = node.attributes
    return bool(attributes) and (
        "hidden" in attributes
        or attributes.get("aria-hidden") == "true"
        or attributes.get("role") in {"navigation", "search", "menu", "menubar"}
        or "display:none" in (attributes.get("style") or "").replace(" ", "").lower()
    )


def _code(node: LexborNode) -> Iterator[Block]:
    text = clean(node.text()).strip("\n").rstrip()
    if text.strip():
        yield Block(text, "code")


def _is_layout(table: LexborNode) -> bool:
    """Whether a table only arranges the page: it holds another table, or never two cells side by side."""
    if len(table.css("table")) > 1:  # itself is the first
        return True
    return all(len(row.css("td, th")) < 2 for row in table.css("tr"))


def _table(node: LexborNode) -> Iterator[Block]:
    caption = node.css_first("caption")
    if caption and (said := clean(" ".join(caption.text().split()))):
        yield Block(said)
    table: list[list[str]] = []
    has_header = None
    for row in node.css("tr"):
        cells = [cell for cell in row.iter() if cell.tag in {"td", "th"}]
        if not table and cells and all(cell.tag == "th" for cell in cells):
            has_header = True
        table.append([clean(" ".join(cell.text(separator=" ").split())) for cell in cells])
    yield from tables.rows(table, has_header=has_header)
