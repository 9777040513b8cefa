"""Checks an answer against the passages it cites, sentence by sentence, without any model.

Every number with its unit, date, time, weekday, name, reference and literal quotation of a sentence must stand in the
passages it cites, and most of its words too. A sentence that cites nothing is held against each passage; the one that
carries it becomes its source. Called by the answer task for text a model wrote. It proves that the facts of a sentence
stand in the source, not that the sentence puts them together rightly.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from intramuros.documents.analyse import fold as fold_word
from intramuros.documents.analyse import terms
from intramuros.documents.language import STOP_WORDS
from intramuros.retrieval import dates, names, numbers
from intramuros.retrieval.evidence import Evidence, held_in, said_in
from intramuros.retrieval.passage import Passage
from intramuros.retrieval.sentences import Sentence, split

CITED_WORDS = 0.4
"""Share of a sentence's words (stop words aside) that must occur in the passages it cites."""
FOUND_WORDS = 0.6
"""The same for a sentence that cites nothing: more is needed to say which passage carries it."""

_CITATION = re.compile(r"\[\s*(\d{1,3}(?:\s*[,;–-]\s*\d{1,3})*)\s*\]")
_MARKUP = re.compile(r"^\s*(?:#{1,6}\s+|[-*•–]\s+|\(?\d{1,2}[.)]\s+|[a-z]\)\s+)+|\*\*|__|`")
_LETTERS = re.compile(r"[^\W\d_]+")


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing a sentence says that its sources do not.

    `kind` is number, date, time, name, reference, quotation, wording, no_source or unknown_source; `said` the words.
    """

    kind: str
    said: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A sentence, the sources it stands on and what they do not say; `is_claim` is False when it asserts nothing."""

    sentence: Sentence
    sources: tuple[int, ...]
    problems: tuple[Problem, ...] = ()
    is_claim: bool = True

    @property
    def supported(self) -> bool:
        """Whether nothing it says is missing in its sources."""
        return not self.problems


class Verifier:
    """Judges the sentences of one answer in `language` against its numbered passages."""

    def __init__(self, passages: Mapping[int, Passage], language: str) -> None:
        self._language = language
        self._evidence = {
            number: held_in(f"{passage.context}\n{passage.text}", passage.language)
            for number, passage in passages.items()
        }

    def verify(self, text: str) -> list[Verdict]:
        """A verdict for each sentence of an answer."""
        return [self.judge(sentence) for sentence in split(text)]

    def judge(self, sentence: Sentence) -> Verdict:
        """Holds one sentence against what it cites, or against every passage when it cites nothing."""
        cited = tuple(dict.fromkeys(_cited(sentence.text)))
        said = _MARKUP.sub("", _CITATION.sub(" ", sentence.text)).strip()
        claim = _Claim.of(said, self._language)
        known = tuple(number for number in cited if number in self._evidence)
        unknown = tuple(Problem("unknown_source", f"[{number}]") for number in cited if number not in self._evidence)
        if not claim.asserts_anything:
            return Verdict(sentence, known, unknown, is_claim=False)
        if known:
            together = Evidence()
            for number in known:
                together |= self._evidence[number]
            return Verdict(sentence, known, unknown + claim.problems(together, words=CITED_WORDS))
        return self._matched(sentence, claim, unknown)

    def _matched(self, sentence: Sentence, claim: _Claim, unknown: tuple[Problem, ...]) -> Verdict:
        """Finds the passage that carries a sentence without a citation."""
        ranked = sorted(self._evidence.items(), key=lambda item: (-claim.coverage(item[1]), item[0]))
        for number, held in ranked:
            if claim.shares_language(held) and not claim.problems(held, words=FOUND_WORDS):
                return Verdict(sentence, (number,), unknown)
        return Verdict(sentence, (), unknown or (Problem("no_source"),))


@dataclass(frozen=True, slots=True)
class _Claim:
    """What one sentence says that can be checked."""

    text: str
    language: str
    held: Evidence
    names: tuple[str, ...]
    quotations: tuple[list[str], ...]
    stems: frozenset[str]

    @classmethod
    def of(cls, text: str, language: str) -> _Claim:
        words = _LETTERS.findall(text.replace("'", "' ").replace("’", "’ "))
        content = " ".join(w for w in words if len(w) > 1 and w.lower() not in STOP_WORDS[language])
        stems = frozenset(terms(content, language))
        found = tuple(names.names(text, language))
        return cls(text, language, said_in(text, language), found, tuple(names.quotations(text)), stems)

    @property
    def asserts_anything(self) -> bool:
        """Whether there is something to check: not in a question, a heading or a bare yes."""
        if self.text.endswith("?"):
            return False
        held = self.held
        if held.quantities or held.dates or held.minutes or held.references or self.names or self.quotations:
            return True
        return len(self.stems) > 2 and not self.text.endswith(":")

    def shares_language(self, source: Evidence) -> bool:
        return self.language in source.languages

    def coverage(self, source: Evidence) -> float:
        """Share of the sentence's words that the source has, in the same language."""
        return len(self.stems & source.stems) / len(self.stems) if self.stems else 1.0

    def problems(self, source: Evidence, *, words: float) -> tuple[Problem, ...]:
        """All that the sentence says and the source does not."""
        missing = [*self._times(source), *self._numbers(source), *self._names(source), *self._quotations(source)]
        if not missing and self.shares_language(source) and self.coverage(source) < words:
            missing.append(Problem("wording"))
        return tuple(missing)

    def _times(self, source: Evidence) -> Iterable[Problem]:
        folded = numbers.fold(self.text)
        held = [date for readings in source.dates for date in readings]
        for readings in self.held.dates:
            if not any(date.says(reading) for reading in readings for date in held):
                yield Problem("date", folded[readings[0].start : readings[0].end].strip())
        for minutes in sorted(self.held.minutes - source.minutes):
            yield Problem("time", f"{minutes // 60}:{minutes % 60:02}")
        for weekday in sorted(self.held.weekdays - source.weekdays):
            yield Problem("date", dates.times(folded).weekdays[weekday])

    def _numbers(self, source: Evidence) -> Iterable[Problem]:
        folded = numbers.fold(self.text)
        held = [*source.quantities, *(quantity for readings in source.dates for quantity in _as_quantities(readings))]
        for claimed in self.held.quantities:
            if not numbers.holds(held, claimed):
                said = folded[claimed.start : claimed.end].strip()
                yield Problem("number", f"{said} {claimed.unit}" if claimed.unit else said)

    def _names(self, source: Evidence) -> Iterable[Problem]:
        for reference in self.held.references - source.references:
            if not any(reference in names.compact(text) for text in source.texts):
                yield Problem("reference", reference)
        for name in self.names:
            if not all(self._is_known(part, source) for part in _LETTERS.findall(name)):
                yield Problem("name", name)

    def _is_known(self, name: str, source: Evidence) -> bool:
        if fold_word(name.lower()) in source.words:
            return True
        return name.isupper() is False and bool(set(terms(name, self.language)) & source.stems)

    def _quotations(self, source: Evidence) -> Iterable[Problem]:
        for pieces in self.quotations:
            if not any(names.quotes_literally(text, pieces) for text in source.texts):
                yield Problem("quotation", " … ".join(pieces))


def _as_quantities(readings: Sequence[dates.Date]) -> Iterable[numbers.Quantity]:
    """The year and the day of a date, for a sentence that names them alone."""
    for date in readings:
        for part in (date.year, date.day):
            if part is not None:
                yield numbers.counted(part, at=date.start)


def _cited(text: str) -> Iterable[int]:
    for match in _CITATION.finditer(text):
        for part in re.split(r"\s*[,;]\s*", match.group(1)):
            ends = [int(number) for number in re.findall(r"\d+", part)]
            yield from range(ends[0], min(ends[-1], ends[0] + 20) + 1)
