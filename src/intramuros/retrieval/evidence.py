"""What a text holds that can be checked: numbers, dates, times, names' words, references, stems.

Made by verification, once for each passage and each sentence of an answer. Knows nothing of answers or citations.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from intramuros.documents.analyse import fold as fold_word
from intramuros.documents.analyse import terms
from intramuros.retrieval import dates, names, numbers

_LETTERS = re.compile(r"[^\W\d_]+")


@dataclass(frozen=True, slots=True)
class Evidence:
    """What one passage, or several together, hold to check against."""

    languages: frozenset[str] = frozenset()
    quantities: tuple[numbers.Quantity, ...] = ()
    dates: tuple[tuple[dates.Date, ...], ...] = ()
    minutes: frozenset[int] = frozenset()
    weekdays: frozenset[int] = frozenset()
    references: frozenset[str] = frozenset()
    words: frozenset[str] = frozenset()
    stems: frozenset[str] = frozenset()
    texts: tuple[str, ...] = field(default=(), repr=False)

    def __or__(self, other: Evidence) -> Evidence:
        return Evidence(
            self.languages | other.languages,
            self.quantities + other.quantities,
            self.dates + other.dates,
            self.minutes | other.minutes,
            self.weekdays | other.weekdays,
            self.references | other.references,
            self.words | other.words,
            self.stems | other.stems,
            self.texts + other.texts,
        )


def said_in(sentence: str, language: str) -> Evidence:
    """All that a sentence of an answer says."""
    return _evidence(sentence, language, *_facts(sentence))


def held_in(passage: str, language: str) -> Evidence:
    """All that a passage holds: also the numbers within its references, for an answer that spells one in pieces."""
    times, references, quantities = _facts(passage)
    return _evidence(passage, language, times, references, quantities + _numbers_within(references))


def _evidence(
    text: str, language: str, times: dates.Times, references: Sequence[str], quantities: tuple[numbers.Quantity, ...]
) -> Evidence:
    return Evidence(
        languages=frozenset([language]),
        quantities=quantities,
        dates=times.dates,
        minutes=times.minutes,
        weekdays=frozenset(times.weekdays),
        references=frozenset(names.compact(reference) for reference in references),
        words=frozenset(fold_word(word.lower()) for word in _LETTERS.findall(text)),
        stems=frozenset(terms(text, language)),
        texts=(text,),
    )


def _facts(text: str) -> tuple[dates.Times, list[str], tuple[numbers.Quantity, ...]]:
    """Dates first, then references, then what numbers are left: each character counts once."""
    plain = numbers.plain(text)
    times = dates.times(plain.lower())
    plain = "".join(letter if rest != " " else " " for letter, rest in zip(plain, times.rest, strict=True))
    references = names.references(plain)
    rest = times.rest
    for reference in references:
        rest = rest[: reference.start()] + " " * len(reference.group()) + rest[reference.end() :]
    return times, [reference.group() for reference in references], tuple(numbers.quantities(rest))


def _numbers_within(references: Sequence[str]) -> tuple[numbers.Quantity, ...]:
    """The numbers that are parts of references; they count nothing."""
    found = (quantity for reference in references for quantity in numbers.quantities(reference.lower()))
    return tuple(replace(quantity, unit=None, is_bare=False) for quantity in found)
