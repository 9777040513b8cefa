"""Whether what was found is about the question, without any model: the ground for saying "not in your documents".

Called by the answer task. A passage is as strong as the share of the question's words it has, rare words counting more.
Words that many passages have find something for any question, so the best passage must also stand out from the rest.
Knows no synonyms: a question in other words than the documents use may be refused, which is why the nearest passages
are shown then.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from intramuros.retrieval.analysed import Analysed
from intramuros.retrieval.query import Query

THRESHOLD = 0.6
"""Least score of a question that is answered.

The highest at which about 8 % of the answerable questions of one half of `benchmarks.retrieval` are refused: to
refuse costs less than to mislead, as the nearest passages are shown all the same.
"""
STANDING_OUT = 0.7
"""How much of the usual strength is taken off the best."""
COMPARED, USUAL = 12, 8
"""The best passage is compared with number `USUAL` of `COMPARED`; one that is not there has no strength."""
LEAST_USUAL = 0.35
"""What a usual passage has of most questions in a large collection; a small one has too few to tell."""
USUAL_TERMS = 180
"""Terms of a usual passage; longer ones have a word by chance."""

_SATURATION, _LENGTH = 1.2, 0.75  # k1 and b of BM25


@dataclass(frozen=True, slots=True)
class Relevance:
    """The strength of the best passage and of a usual one: 0 for no word of the question, about 1 for all of them."""

    best: float = 0.0
    usual: float = 0.0

    @property
    def score(self) -> float:
        """How much there is, less what any question would find."""
        return self.best - STANDING_OUT * self.usual

    @property
    def is_enough(self) -> bool:
        """Whether the passages may be taken as an answer."""
        return self.score >= THRESHOLD


def relevance(query: Query, found: Sequence[Analysed]) -> Relevance:
    """Measures what a search of at least `COMPARED` passages found."""
    if not query.words:
        return Relevance()
    strengths = sorted((strength(query, passage) for passage in found[:COMPARED]), reverse=True)
    strengths += [0.0] * (COMPARED - len(strengths))
    return Relevance(strengths[0], max(LEAST_USUAL, strengths[USUAL]))


def strength(query: Query, passage: Analysed) -> float:
    """BM25 of the passage as a share of the question's weight.

    Source: Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond".
    """
    stems = Counter(passage.all_stems)
    length = 1 - _LENGTH + _LENGTH * stems.total() / USUAL_TERMS
    score = 0.0
    for word in query.words:
        often = sum(stems[stem] for stem in word.stems)
        score += word.weight * often * (_SATURATION + 1) / (often + _SATURATION * length)
    return score / query.weight
