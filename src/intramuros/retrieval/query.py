"""A question as search sees it: its words, the stems each may have in the documents, and how rare each is there.

Made by `retrieval.search`; read by relevance and the quote mode, which weigh what a passage or a sentence has of it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from intramuros.documents.analyse import query_terms, terms
from intramuros.documents.language import LANGUAGES

SMALLEST = 300  # passages
_ASKING = re.compile(r"\b(?:combien|quant[oaie]|wie ?viele?|how (?:many|much))\b", re.IGNORECASE)  # says nothing


@dataclass(frozen=True, slots=True)
class Word:
    """One word of a question. `weight` is its inverse document frequency: the rarer, the more it says."""

    stems: frozenset[str]
    weight: float


@dataclass(frozen=True, slots=True)
class Query:
    """A question analysed for the projects it is asked in."""

    text: str
    words: tuple[Word, ...]

    @property
    def weight(self) -> float:
        """The weights of all words together."""
        return sum(word.weight for word in self.words)

    def coverage(self, stems: Collection[str]) -> float:
        """How much of the question, by weight, a text with these stems has: 0 to 1."""
        return self.found_weight(stems) / self.weight if self.words else 0.0

    def found_weight(self, stems: Collection[str]) -> float:
        """The weight of the words that a text with these stems has."""
        return sum(word.weight for word in self.words if not word.stems.isdisjoint(stems))


def stems_of(question: str, languages: Collection[str]) -> list[frozenset[str]]:
    """The content words of a question, each as the set of its stems in the given languages."""
    ordered = query_terms(_ASKING.sub(" ", question), languages)
    wanted = frozenset(ordered)
    groups: list[frozenset[str]] = []
    for token in question.split():
        stems = [frozenset(same) for same in zip(*(terms(token, language) for language in languages), strict=True)]
        if not _has_digit(token):
            stems = _without_fragments(token, stems, wanted)
        groups += [group & wanted for group in stems if group & wanted]
    left = wanted - frozenset().union(*groups)
    spaced = [frozenset([term]) for term in ordered if term in left and _has_digit(term)]  # joined over a space: 1 200
    return list(dict.fromkeys([*groups, *spaced]))


def missing_words(left: Query) -> list[str]:
    """The words of the question, as written there, that stand for the words this query is left with."""
    wanted = frozenset(stem for word in left.words for stem in word.stems)
    found = (re.sub(r"^\w{1,2}['’]", "", token.strip(' ?!.,;:«»"“”()')) for token in left.text.split())
    return [
        token
        for token in dict.fromkeys(found)
        if not wanted.isdisjoint(stem for language in LANGUAGES for stem in terms(token, language))
    ]


def _without_fragments(token: str, stems: list[frozenset[str]], wanted: Collection[str]) -> list[frozenset[str]]:
    """The stems of a word without single letters; of a compound, its joined form only beside its last real part.

    "e-mail" may stand as "email" in the documents, but "a-t-il" has no part that says anything.
    """
    kept = [group for group in stems if any(len(stem) > 1 and stem in wanted for stem in group)]
    if len(stems) == 1 or not re.search(r"\w[-/._–]\w", token):
        return kept
    joined = stems[-1]
    parts = [group for group in kept if group != joined]
    return [*parts[:-1], parts[-1] | joined] if parts else []


def _has_digit(text: str) -> bool:
    return any(character.isdigit() for character in text)


def weighed(groups: Iterable[frozenset[str]], *, frequency: Mapping[str, int], passages: int) -> tuple[Word, ...]:
    """The words with their weights, from how many of the passages have each stem.

    A small collection counts as part of a larger one, or the words that its few documents share would weigh nothing.

    Source: the inverse document frequency of BM25 (Robertson and Zaragoza), never negative.
    """
    words = []
    passages = max(passages, SMALLEST)
    for stems in groups:
        having = min(passages, max((frequency.get(stem, 0) for stem in stems), default=0))
        weight = math.log(1 + (passages - having + 0.5) / (having + 0.5))
        words.append(Word(stems, weight))
    return tuple(words)
