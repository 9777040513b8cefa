"""Things a question names by their number: article 12, contrat numéro 7, Rechnung Nr. 41.

Called by the quote mode, or "le contrat 127 dure 7 mois" would answer what is asked about contract 7. The word before
the number says what is counted; a number before a unit, a year or one with decimals names nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from intramuros.documents.analyse import terms
from intramuros.documents.language import LANGUAGES, STOP_WORDS
from intramuros.retrieval.analysed import Analysed

_MARK = r"(?:num[ée]ro|nummer|number|n[°ºo]\.?|nr\.?|num\.?|#)"
_MARKS = frozenset(["numero", "nummer", "numer", "number", "n", "no", "nr", "num"])
_UNIT = (
    r"(?:ann[ée]e|an|mois|semaine|jour|heure|minute|jahr|monat|woche|tag|stunde|ann[oi]|mes[ei]|settiman|giorn|or[ae]"
    r"|year|month|week|day|hour|chf|eur|usd|franc|frank|fr\.|km|kg|m2)"
)
_NAMED = re.compile(
    rf"(?P<head>[^\W\d_]{{2,}})\.?\s+(?P<mark>{_MARK}\s*)?(?P<number>\d{{1,9}})(?![\w'’]|[-./,:]\d|\s*[%€$]|\s+\d|\s*{_UNIT})",
    re.IGNORECASE,
)
_YEAR = re.compile(r"(?:19|20)\d\d")


@dataclass(frozen=True, slots=True)
class Numbered:
    """What a question names: the word before the number as it stands there, and the number's term."""

    head: str
    number: str

    def allowed(self, passage: Analysed) -> list[bool]:
        """For each sentence, whether it is about this one: the last one of its kind named until there is it."""
        heads = frozenset(terms(self.head, passage.passage.language)) - _MARKS or _MARKS
        now = frozenset(_numbers(passage.context, heads))
        found = []
        for stems in passage.stems:
            now = frozenset(_numbers(stems, heads)) or now
            found.append(self.number in now)
        return found


def named(question: str) -> list[Numbered]:
    """The numbered things a question speaks of."""
    found = []
    for match in _NAMED.finditer(question):
        head, number = match["head"].lower(), match["number"]
        is_mark = head in _MARKS or head == "numéro"
        if not is_mark and any(head in STOP_WORDS[language] for language in LANGUAGES):
            if not match["mark"]:
                continue
            head = "numéro"
        if is_mark or match["mark"] or not _YEAR.fullmatch(number):
            found.append(Numbered(head, number))
    return found


def about(question: str, found: Sequence[Analysed]) -> list[list[bool]]:
    """For each sentence of each passage, whether it may answer: all may where no passage has what is named."""
    kept = [[True] * len(passage.sentences) for passage in found]
    for thing in named(question):
        allowed = [thing.allowed(passage) for passage in found]
        both = [[a and b for a, b in zip(*pair, strict=True)] for pair in zip(kept, allowed, strict=True)]
        kept = both if any(any(row) for row in both) else kept
    return kept


def _numbers(stems: Sequence[str], heads: frozenset[str]) -> Iterator[str]:
    """The numbers that stand after one of these words, with or without "numéro" between."""
    for index, stem in enumerate(stems):
        before = index - 1
        if not stem.isdigit():
            continue
        if heads is not _MARKS:
            while before >= 0 and stems[before] in _MARKS:
                before -= 1
        if before >= 0 and stems[before] in heads:
            yield stem
