"""Cuts text into sentences and keeps where each one stands; French, German, Italian and English alike.

Called by the quote mode (which shows whole sentences, word for word) and by verification (which judges an answer
sentence by sentence, also while it is still being written). Knows no documents and no language detection: the rules
of the four languages live side by side because documents mix them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Abbreviations that never end a sentence: something always follows them.
_BINDING = _words(
    "m mm mme mmes mlle dr pr prof mr mrs ms st ste sr jr cf vgl éd réf env ca abs ziff bst nr hrsg jh str evtl ggf "
    "ggfs bzw inkl exkl zzgl abzgl sog sig sigg sigra dott ing avv cpv lett pagg nn rif z.b d.h u.a u.u z.t i.d.r "
    "i.e e.g p.ex par.ex c.-à-d c.à.d n.b p.es d.lgs bspw janv févr avr juil nov déc jan feb apr aug okt dez giu lug"
)
# Those that are also words, or may end a sentence: they bind only to a number or a reference such as "L. 1234-5".
_BINDING_TO_NUMBER = _words(
    "n no p pp s es al lit rn cap art vol fig tab chap ch sect sept oct mar max min tel tél fax cod prot pag bd bde "
    "gen mag ago ott dic"
)
_REFERENCE = re.compile(r"[(+]?\d|[A-Z]\.?(?:[\d*-]|$)")
_MONTHS = _words("januar jänner februar märz april mai juni juli august september oktober november dezember")

_END = re.compile(r"[.!?…]+[\"'»”’“)\]]*(?:\s?[»”])?(?:[ \t]*\[\d+(?:\s*,\s*\d+)*\])*(?=\s|$)|\n+")
_LAST_WORD = re.compile(r"[^\s(\[«\"“„'’]+$")
_NEXT = re.compile(r"\s*[\"'«“„(\[]*\s*(\S+)")
_BULLET = re.compile(r"[-–—•*·▪●◦]\s|\d{1,2}[.)]\s|[a-z]\)\s")
_ENUMERATION = re.compile(r"(?:[-–—•*·▪●◦]\s*)?(?:\d{1,2}|[a-zA-Z]|[ivxIVX]{1,5})[.)]")
_EDGE = " \t\r\n\u00a0\u202f"


@dataclass(frozen=True, slots=True)
class Sentence:
    """Characters `start` to `end` of the text it was cut from; `text` is exactly those characters."""

    start: int
    end: int
    text: str


def split(text: str) -> list[Sentence]:
    """Cuts a text into its sentences, in order and without the white space between them.

    Shape: every character that is not white space belongs to exactly one sentence. A citation marker such as `[2]`
    after the full stop belongs to the sentence before it; a line break ends a sentence unless the next line goes on
    with a small letter.
    """
    found: list[Sentence] = []
    start = 0
    for match in _END.finditer(text):
        if _ends_here(text, start, match):
            _append(found, text, start, match.end())
            start = match.end()
    _append(found, text, start, len(text))
    return found


def _append(found: list[Sentence], text: str, start: int, end: int) -> None:
    while start < end and text[start] in _EDGE:
        start += 1
    while end > start and text[end - 1] in _EDGE:
        end -= 1
    if start < end:
        found.append(Sentence(start, end, text[start:end]))


def _ends_here(text: str, start: int, match: re.Match[str]) -> bool:
    following = _NEXT.match(text, match.end())
    if following is None:
        return True
    if match.group()[0] == "\n":
        return not _wrapped(text, start, match, following.group(1))
    word = following.group(1)
    if text[max(0, match.start() - 1)] in "[(" and match.group()[0] in ".…":
        return False  # […]
    if "\n" in text[match.end() : following.start(1)]:
        return not _is_bare_enumeration(text[start : match.end()])
    if word[0].islower():
        return False
    if match.group() == ".":
        return not _abbreviates(text[start : match.start()], word)
    return True


def _wrapped(text: str, start: int, match: re.Match[str], word: str) -> bool:
    """Whether a line break stands inside a sentence, as in text laid out in lines."""
    if len(match.group()) > 1 or not word[0].islower() or _BULLET.match(text, match.end()):
        return False
    before = text[start : match.start()].rstrip(_EDGE)
    return bool(before) and before[-1] not in ".:;,!?»…" and not _BULLET.match(before.lstrip(_EDGE))


def _is_bare_enumeration(before: str) -> bool:
    return _ENUMERATION.fullmatch(before.strip(_EDGE)) is not None


def _abbreviates(before: str, following: str) -> bool:
    """Whether the full stop after `before` belongs to an abbreviation, an initial, an ordinal or a list number."""
    if _is_bare_enumeration(before + "."):
        return True
    last = _LAST_WORD.search(before)
    if last is None:
        return False
    word = last.group()
    if word.isdigit():
        return len(word) <= 2 and (following[0].isdigit() or following.rstrip(".,;").lower() in _MONTHS)
    lowered = word.lower()
    if lowered in _BINDING_TO_NUMBER:
        return _REFERENCE.match(following) is not None
    is_initials = re.fullmatch(r"[A-ZÀ-Þ](?:\.-?[A-ZÀ-Þ])*", word) is not None
    return is_initials or lowered in _BINDING
