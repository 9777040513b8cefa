"""Puts wrapped lines together again: spaces, hyphens at line ends, characters that are no text.

Used by the parsers of formats that know lines but not paragraphs (PDF, plain text).
"""

from __future__ import annotations

import re

SOFT_HYPHEN = "\u00ad"
_HYPHENS = frozenset(("-", "\u2010", SOFT_HYPHEN))
_BREAK = re.compile(r"([^\W\d_]+)[-\u00ad\u2010]$")
_NEXT = re.compile(r"([^\W\d_]+)")
_KEEPS_HYPHEN = frozenset({
    "ce", "ci", "elle", "elles", "en", "il", "ils", "je", "la", "là", "le", "les", "leur", "lui", "même", "mêmes",
    "moi", "nous", "on", "toi", "tu", "un", "vous", "y", "être",
})  # fmt: skip
_SUSPENDED = frozenset(("und", "oder", "bzw", "sowie", "et", "ou", "e", "o", "ed", "and", "or"))
_LIGATURES = {
    "\ufb00": "ff", "\ufb01": "fi", "\ufb02": "fl", "\ufb03": "ffi", "\ufb04": "ffl", "\ufb05": "st", "\ufb06": "st",
}  # fmt: skip
_ODD = str.maketrans(
    {chr(code): "" for code in (*range(9), *range(14, 32), 127, 0xAD, 0xFEFF, 0x200B, 0x2060, 0xFFFE, 0xFFFF)}
    | _LIGATURES
)


def clean(text: str) -> str:
    """Without control characters, lone surrogates, ligatures and soft hyphens, but for one that ends the text."""
    if text.isascii() and text.isprintable():
        return text
    inner, last = (text[:-1], SOFT_HYPHEN) if text.endswith(SOFT_HYPHEN) else (text, "")
    return inner.encode("utf-8", "replace").decode("utf-8").translate(_ODD) + last


def joint(left: str, right: str, known: frozenset[str] = frozenset()) -> tuple[str, str]:
    """How the end of a line and the next line meet: the left text without its hyphen if it goes, and what goes between.

    `known` holds the words the document writes with a hyphen inside a line (peut-être): those keep it.
    """
    if left[-1:] not in _HYPHENS:
        return left, " "
    before = _BREAK.search(left[-60:])
    after = _NEXT.match(right)
    if not before or not after:
        return (left[:-1], "") if left.endswith(SOFT_HYPHEN) else (left, " ")
    start, end = before[1].lower(), after[1].lower()
    if end in _SUSPENDED and left.endswith("-"):
        return left, " "  # Vor- / und Nachteile
    if left.endswith(SOFT_HYPHEN):
        return left[:-1], ""
    if (
        not right[0].islower()
        or f"{start}-{end}" in known
        or (end in _KEEPS_HYPHEN and right[len(end) : len(end) + 1] != "-")
    ):
        return left[:-1] + "-", ""  # Jean-Pierre, IT-Abteilung, peut-être, est-ce
    return left[:-1], ""


def hyphenated_words(text: str) -> frozenset[str]:
    """The words written with a hyphen inside a line."""
    return frozenset(word.lower() for word in re.findall(r"[^\W\d_]+-[^\W\d_]+", text))
