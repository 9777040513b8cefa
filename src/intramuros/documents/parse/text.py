"""Plain text: encoding, paragraphs out of wrapped lines, headings where they are plain to see."""

from __future__ import annotations

import codecs
import itertools
import re
from collections.abc import Iterator

from intramuros.documents.document import Block, Page, Reading
from intramuros.documents.parse.joining import clean, joint
from intramuros.documents.parse.limits import Limits
from intramuros.documents.parse.paging import paged

_BULLET = re.compile(r"^\s*(?:[-*•◦▪‣–—·]|\(?(?:\d{1,2}|[a-z])[.)])\s+(?=\S)")
_NUMBERED = re.compile(r"^(\d{1,2}(?:\.\d{1,2}){0,4})[.)]?\s+[^\W\d_]")
_ROMAN = re.compile(r"^[IVX]{1,5}[.)]\s+[^\W\d_]")
_NAMED = re.compile(
    r"^(?:article|chapitre|titre|section|annexe|partie|artikel|kapitel|abschnitt|anhang|teil|articolo|capitolo|sezione|"
    r"allegato|chapter|appendix|part)\s+(?:\d+|[ivx]+|[a-z]|premier)\b",
    re.IGNORECASE,
)
_FIELD = re.compile(r"^\s*[^\s:][^:.]{1,28}:\s+\S")
_UNDERLINE = re.compile(r"^\s*(=|-|~|\*|_)\1{2,}\s*$")
_MAX_HEADING = 80  # characters


def read(content: bytes, limits: Limits) -> Reading:
    """The text with its paragraphs. Form feeds are page breaks."""
    text, warnings = decode(content)
    limits.check_characters(len(text))
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    parts = [list(blocks(part)) for part in text.split("\f")] if "\f" in text else [list(blocks(text))]
    if len(parts) == 1:
        pages = paged(parts[0], limits)
    else:
        limits.check_pages(len(parts))
        pages = tuple(Page(number, tuple(part)) for number, part in enumerate(parts, start=1))
    first = next((block for part in parts for block in part), None)
    return Reading(pages, title=first.text if first is not None and first.kind == "heading" else "", warnings=warnings)


def decode(content: bytes) -> tuple[str, tuple[str, ...]]:
    """Text of bytes: a byte order mark decides, else UTF-8 if it is valid, else Windows-1252."""
    for mark, encoding in (
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
    ):
        if content.startswith(mark):
            return content[len(mark) :].decode(encoding, "replace"), ()
    try:
        return content.decode("utf-8"), ()
    except UnicodeDecodeError as error:
        if error.start >= len(content) - 4 and error.reason == "unexpected end of data":
            return content[: error.start].decode("utf-8"), ("cut_off",)
    return content.decode("cp1252", "replace"), ("encoding_guessed",)


def blocks(text: str) -> Iterator[Block]:
    """The blocks of a text whose lines end in newlines."""
    lines = [clean(line.rstrip()) for line in text.split("\n")]
    width = _wrap_width(lines)
    group: list[str] = []
    index, after_blank = 0, True
    while index < len(lines):
        line, following = lines[index], lines[index + 1] if index + 1 < len(lines) else ""
        level = _underlined(line, following) or (_heading_level(line, following) if after_blank else 0)
        if not line.strip() or level or _UNDERLINE.match(line):
            yield from _paragraphs(group, width)
            group = []
        elif not level:
            group.append(line)
        if level:
            yield Block(" ".join(line.split()), "heading", level)
            index += bool(_underlined(line, following))
        after_blank = not line.strip() or bool(level)
        index += 1
    yield from _paragraphs(group, width)


def _wrap_width(lines: list[str]) -> int:
    """The column at which the text was wrapped; 0 when each line is a paragraph.

    Wrapped text: lines that are followed by another one mostly reach near the same width of at most 120.
    """
    inner = [len(line) for line, after in itertools.pairwise(lines) if line.strip() and after.strip()]
    if len(inner) < 3:
        return 0
    width = sorted(inner)[int(len(inner) * 0.9)]
    near = sum(width * 0.75 <= length <= width * 1.1 for length in inner)
    return width if 40 <= width <= 120 and near >= 0.6 * len(inner) else 0


def _paragraphs(group: list[str], width: int) -> Iterator[Block]:
    """Paragraphs and list items of lines without a blank line between them."""
    text, kind, last = "", "paragraph", 0
    for line in group:
        bullet = _BULLET.match(line)
        is_next_field = bool(_FIELD.match(text) and _FIELD.match(line))
        hangs = kind == "item" and line.startswith(("  ", "\t"))
        if text and not bullet and not is_next_field and (hangs or (width and last >= width * 0.6)):
            left, between = joint(text, line.strip())
            text = left + between + " ".join(line.split())
        else:
            if text:
                yield Block(text, kind)
            text, kind = " ".join(line.split()), "item" if bullet else "paragraph"
        last = len(line)
    if text:
        yield Block(text, kind)


def _underlined(line: str, following: str) -> int:
    """1 or 2 when the next line is a rule about as long as this one."""
    rule = _UNDERLINE.match(following)
    length = len(line.strip())
    if not rule or not 2 <= length <= _MAX_HEADING or abs(len(following.strip()) - length) > max(3, length // 3):
        return 0
    return 1 if rule[1] == "=" else 2


def _heading_level(line: str, following: str) -> int:
    """Level of a line after a blank one that is numbered, named (Article 3) or in capitals; 0 when it is no heading."""
    text = line.strip()
    if not 3 <= len(text) <= _MAX_HEADING or text[-1] in ".;,:!?…" or line.startswith((" " * 8, "\t\t")):
        return 0
    letters = [character for character in text if character.isalpha()]
    if len(letters) >= 4 and all(letter.isupper() for letter in letters) and len(text.split()) <= 12:
        return 1
    stands_alone = not following.strip()
    if stands_alone and (number := _NUMBERED.match(text)):
        return min(6, number[1].count(".") + 1)
    named = _NAMED.match(text) and (stands_alone or len(text) <= 60)
    return 2 if named or (stands_alone and _ROMAN.match(text)) else 0
