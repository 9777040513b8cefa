"""What a Word paragraph is: heading level by its style in any language, list marks and numbers as Word shows them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from lxml import etree

W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
VAL = f"{W}val"

_HEADING_NAME = re.compile(r"^(?:heading|titre|überschrift|ueberschrift|titolo|kop|título)\s*([1-9])$", re.IGNORECASE)
_TITLE_NAMES = frozenset({"title", "titre", "titel", "titolo"})
_ROMAN = (
    (100, "c"), (90, "xc"), (50, "l"), (40, "xl"), (10, "x"), (9, "ix"), (5, "v"), (4, "iv"), (1, "i"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Style:
    """What a paragraph style says, after its ancestors."""

    level: int = 0  # of a heading; 0 for text
    is_title: bool = False
    number: tuple[str, int] | None = None  # numbering id and list level
    breaks_before: bool = False


class Styles:
    """The paragraph styles of a document."""

    def __init__(self, root: etree._Element | None) -> None:
        self._elements = (
            {} if root is None else {str(style.get(f"{W}styleId")): style for style in root.iterfind(f"{W}style")}
        )
        self._known: dict[str, Style] = {}

    def of(self, style_id: str | None) -> Style:
        """The style of this id; plain text when it is unknown."""
        if not style_id:
            return Style()
        if style_id not in self._known:
            self._known[style_id] = self._resolved(style_id)
        return self._known[style_id]

    def _resolved(self, style_id: str) -> Style:
        level, is_title, breaks = 0, False, False
        number_id: str | None = None
        list_level: int | None = None
        seen: set[str] = set()
        current: str | None = style_id
        while current and current not in seen and (element := self._elements.get(current)) is not None:
            seen.add(current)
            name = value(element, "name") or current
            is_title = is_title or name.strip().lower() in _TITLE_NAMES
            named = _HEADING_NAME.match(name.strip()) or _HEADING_NAME.match(current)
            outline = value(element, "pPr", "outlineLvl")
            level = level or (int(named[1]) if named else int(outline) + 1 if outline and outline in "012345678" else 0)
            number_id = number_id or value(element, "pPr", "numPr", "numId")
            own_level = value(element, "pPr", "numPr", "ilvl")
            list_level = (
                list_level
                if list_level is not None
                else int(own_level)
                if own_level and own_level.isdecimal()
                else None
            )
            breaks = breaks or is_on(element, "pPr", "pageBreakBefore")
            current = value(element, "basedOn")
        if is_title:
            level = 1
        if number_id and list_level is None:
            list_level = max(0, level - 1)
        return Style(level, is_title, (number_id, list_level or 0) if number_id else None, breaks)


@dataclass(slots=True)
class Numbering:
    """Counts the numbered paragraphs as they come."""

    root: etree._Element | None
    _levels: dict[tuple[str, int], tuple[str, str, int]] = field(default_factory=dict)
    _counts: dict[str, list[int | None]] = field(default_factory=dict)
    _abstract: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.root is None:
            return
        for number in self.root.iterfind(f"{W}num"):
            self._abstract[str(number.get(f"{W}numId"))] = value(number, "abstractNumId") or ""
        for abstract in self.root.iterfind(f"{W}abstractNum"):
            for level in abstract.iterfind(f"{W}lvl"):
                start = value(level, "start") or "1"
                key = (str(abstract.get(f"{W}abstractNumId")), int(level.get(f"{W}ilvl") or 0))
                self._levels[key] = (
                    value(level, "numFmt") or "decimal",
                    value(level, "lvlText") or "",
                    int(start) if start.isdecimal() else 1,
                )

    def mark(self, number_id: str, list_level: int) -> str | None:
        """What stands before the paragraph ("- ", "3.1 "); None when this numbering shows nothing."""
        abstract = self._abstract.get(number_id)
        known = self._levels.get((abstract or "", list_level))
        if number_id == "0" or list_level > 8:
            return None
        if abstract is None or known is None:
            return "- "
        kind, pattern, start = known
        counts = self._counts.setdefault(abstract, [None] * 9)
        counts[list_level] = start if counts[list_level] is None else (counts[list_level] or 0) + 1
        counts[list_level + 1 :] = [None] * (8 - list_level)
        if kind in {"bullet", "none"} or not pattern:
            return "- " if kind == "bullet" else None
        return re.sub(r"%([1-9])", lambda place: self._shown(abstract, int(place[1]) - 1, counts), pattern) + " "

    def _shown(self, abstract: str, list_level: int, counts: list[int | None]) -> str:
        kind, _, start = self._levels.get((abstract, list_level), ("decimal", "", 1))
        count = counts[list_level]
        if count is None:
            count = counts[list_level] = start
        if kind in {"lowerLetter", "upperLetter"}:
            letter = chr(ord("a") + (count - 1) % 26)
            return letter.upper() if kind == "upperLetter" else letter
        if kind in {"lowerRoman", "upperRoman"}:
            roman = _roman(count)
            return roman.upper() if kind == "upperRoman" else roman
        return str(count)


def value(element: etree._Element, *path: str) -> str | None:
    """The `w:val` of a descendant by its path of names; None when it isn't there."""
    found = element.find("/".join(W + name for name in path))
    return None if found is None else found.get(VAL)


def is_on(element: etree._Element, *path: str) -> bool:
    """Whether an on/off property is there and not switched off."""
    found = element.find("/".join(W + name for name in path))
    return found is not None and found.get(VAL) not in {"0", "false", "off"}


def _roman(number: int) -> str:
    text = ""
    for amount, letters in _ROMAN:
        while number >= amount and len(text) < 20:
            text += letters
            number -= amount
    return text
