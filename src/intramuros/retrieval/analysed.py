"""Found passages cut into sentences, each with its stems: what relevance and the quote mode weigh.

Made once for each question by `analysed`, so that no text is stemmed twice.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from intramuros.documents.analyse import terms
from intramuros.retrieval.passage import Passage
from intramuros.retrieval.sentences import Sentence, split


@dataclass(frozen=True, slots=True)
class Analysed:
    """A passage with its sentences; `stems[i]` are those of sentence i, `context` those of what stands above it."""

    passage: Passage
    sentences: tuple[Sentence, ...]
    stems: tuple[tuple[str, ...], ...]
    context: tuple[str, ...]

    @property
    def all_stems(self) -> tuple[str, ...]:
        """The stems of the whole passage with what stands above it, in order."""
        return (*self.context, *(stem for stems in self.stems for stem in stems))

    def window(self, index: int, size: int) -> frozenset[str]:
        """The stems of `size` sentences from this one on."""
        return frozenset(stem for stems in self.stems[max(0, index) : index + size] for stem in stems)


def analysed(passages: Iterable[Passage]) -> list[Analysed]:
    """Cuts and stems each passage in its document's language."""
    found = []
    for passage in passages:
        sentences = tuple(split(passage.text))
        stems = tuple(tuple(terms(sentence.text, passage.language)) for sentence in sentences)
        found.append(Analysed(passage, sentences, stems, tuple(terms(passage.context, passage.language))))
    return found
