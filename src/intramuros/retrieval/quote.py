"""Quote mode: the sentences of the documents that best answer a question, word for word.

Called by the answer task when the model is too small to be trusted with words of its own. A quotation is a sentence
with the neighbours it needs, and is judged with what stands around it up to `LENGTH`. It counts by how much of the
question it has (rare words more, and most those that few sentences of its document have), by its passage's rank, by
whether it has what is asked for (a duration, an amount, a yes), and by its place: a question about a whole document is
mostly answered where the document begins. What a question names by its number is the only thing it may be about. The
weights were fitted on the questions of `benchmarks.retrieval` and rounded.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from intramuros.documents.analyse import terms
from intramuros.documents.document import Rect
from intramuros.retrieval.analysed import Analysed
from intramuros.retrieval.asked import MEASURES, Kind, answers, asked
from intramuros.retrieval.numbered import about
from intramuros.retrieval.passage import Passage
from intramuros.retrieval.query import Query, Word

QUOTES = 3
"""Quotations shown unless more are wanted."""
LENGTH = 400
"""Characters around a sentence that are weighed with it; a quotation is longer only where one sentence is."""
TRIMMED = 320
"""Characters up to which a quotation goes on with a sentence only because it has the question's words, too."""
GROWN = 380
"""Characters up to which it goes on with a sentence that the one before needs."""
NEAR = 0.25
"""Share of the question, by weight, that such a sentence has."""
OPENING = 10  # terms at the beginning of a sentence, where its subject stands
SHARE = 0.72
"""Least share of the best quotation's score with which another one is shown."""

_REFERS_BACK = re.compile(
    r"(?:il|ils|elle|elles|on|ce|cet|cette|ces|celui|celle|ceux|celles|cela|ça|c['’]est|y|en|leur|dans ce cas|toutefois"
    r"|cependant|ainsi|sinon|er|sie|es|dies\w*|jene\w*|dabei|dazu|dafür|allerdings|esso|essa|ess[ie]|quest\w+|ciò|tal[ei]"
    r"|tuttavia|it|they|this|that|these|those|he|she|however|otherwise)(?!\w)",
    re.IGNORECASE,
)
_KIND_WEIGHT = {Kind.YES_OR_NO: 1.0, Kind.DEFINITION: 0.5, Kind.PROCEDURE: 0.7}


@dataclass(frozen=True, slots=True)
class Quote:
    """Characters `start` to `end` of a passage's text, and how well they answer."""

    passage: Passage
    start: int
    end: int
    score: float

    @property
    def text(self) -> str:
        """The words, exactly as they stand in the document."""
        return self.passage.text[self.start : self.end]

    @property
    def rects(self) -> tuple[Rect, ...]:
        """Where they stand on the page."""
        return self.passage.rects_of(self.start, self.end)


def quotes(query: Query, found: Sequence[Analysed], *, limit: int = QUOTES) -> list[Quote]:
    """The best quotations, best first, none overlapping another."""
    if not found or not query.words:
        return []
    candidates = sorted(_candidates(query, found), key=lambda quote: -quote.score)
    if not candidates:
        return []
    chosen: list[Quote] = []
    for quote in candidates:
        if len(chosen) == limit or quote.score < SHARE * candidates[0].score:
            break
        if not any(_overlap(quote, other) or quote.text == other.text for other in chosen):
            chosen.append(quote)
    return chosen


def uncovered(query: Query, shown: Sequence[Quote]) -> Query:
    """What of the question these quotations and the headings above them do not have: its words, with their weights."""
    stems = {
        stem
        for quote in shown
        for text in (quote.text, quote.passage.context)
        for stem in terms(text, quote.passage.language)
    }
    return Query(query.text, tuple(word for word in query.words if word.stems.isdisjoint(stems)))


def _overlap(one: Quote, other: Quote) -> bool:
    first, second = one.passage, other.passage
    if (first.document_id, first.page) != (second.document_id, second.page):
        return False
    # Counted in the page: a program may have had its chunks cut so that they overlap.
    return first.start + one.start < second.start + other.end and second.start + other.start < first.start + one.end


def _candidates(query: Query, found: Sequence[Analysed]) -> Iterator[Quote]:
    """Every sentence with what follows it, scored."""
    kind = asked(query.text)
    best = found[0].passage
    local = _local_weights(query, found)
    for passage, allowed in zip(found, about(query.text, found), strict=True):
        words = local[passage.passage.document_id]
        base = 0.9 * query.coverage(passage.all_stems)
        base += 1.2 * (passage.passage.score / best.score if best.score > 0 else 0.0)
        base += 1.5 * (passage.passage.document_id == best.document_id)
        for index in range(len(passage.sentences)):
            if not allowed[index]:
                continue
            first, last = _extended(passage, index)
            around = passage.window(first, last + 1 - first)
            first, last = _trimmed(query, passage, index, kind, allowed)
            start, end = passage.sentences[first].start, passage.sentences[last].end
            own = passage.window(first, last + 1 - first)
            score = base + _sentence_score(query, words, passage, index)
            score += (_window_score(query, words, around) + _window_score(query, words, own)) / 2
            if kind is not None:
                score += _answer_score(kind, passage.sentences[index].text, passage.passage.text[start:end])
            if kind not in MEASURES and passage.passage.ordinal == 0:
                score += 3.2 / (1 + index) * query.coverage(passage.window(0, 2))
            yield Quote(passage.passage, start, end, score)


def _sentence_score(query: Query, local: Sequence[Word], passage: Analysed, index: int) -> float:
    stems, text = passage.stems[index], passage.sentences[index].text
    words = 0.9 * query.coverage(stems) + 0.6 * _coverage(local, stems) + 0.9 * query.coverage(stems[:OPENING])
    return words - 1.1 * (text[-1] not in ".!?…") - 0.75 * text[0].islower() - 0.3 * (len(text.split()) < 6)


def _window_score(query: Query, local: Sequence[Word], stems: frozenset[str]) -> float:
    return 1.6 * query.coverage(stems) + 0.9 * _coverage(local, stems)


def _answer_score(kind: Kind, sentence: str, quotation: str) -> float:
    own = answers(sentence, kind)
    if kind in MEASURES:
        return 0.3 * own + 1.8 * answers(quotation, kind)
    return _KIND_WEIGHT[kind] * own


def _local_weights(query: Query, found: Sequence[Analysed]) -> dict[str, list[Word]]:
    """The question's words weighed anew for each document: a word in every sentence does not tell them apart."""
    sentences: dict[str, list[frozenset[str]]] = defaultdict(list)
    for passage in found:
        sentences[passage.passage.document_id].extend(map(frozenset, passage.stems))
    return {
        document: [Word(word.stems, word.weight * _rarity(word, among)) for word in query.words]
        for document, among in sentences.items()
    }


def _rarity(word: Word, sentences: Sequence[frozenset[str]]) -> float:
    having = sum(not word.stems.isdisjoint(stems) for stems in sentences)
    return math.log(1 + len(sentences) / having) / math.log(1 + len(sentences)) if having else 0.0


def _coverage(words: Sequence[Word], stems: Collection[str]) -> float:
    whole = sum(word.weight for word in words)
    return sum(word.weight for word in words if not word.stems.isdisjoint(stems)) / whole if whole else 0.0


def _extended(passage: Analysed, index: int) -> tuple[int, int]:
    """First and last sentence of a quotation: from the introduction of a list to what follows, up to `LENGTH`."""
    sentences = passage.sentences
    first, last = _introduction(passage, index), index
    while last + 1 < len(sentences) and sentences[last + 1].end - sentences[first].start <= LENGTH:
        last += 1
    while last > index and _is_heading(sentences[last].text, after=sentences[last - 1].text):
        last -= 1
    return first, last


def _trimmed(
    query: Query, passage: Analysed, index: int, kind: Kind | None, allowed: Sequence[bool]
) -> tuple[int, int]:
    """First and last sentence to be shown: the one that answers, with the neighbours that it needs."""
    sentences = passage.sentences
    first, end = _extended(passage, index)
    if first == index and index and allowed[index - 1] and _REFERS_BACK.match(sentences[index].text):
        first -= sentences[index].end - sentences[index - 1].start <= LENGTH
    last = index
    while last < end and allowed[last + 1] and _goes_on(query, passage, first, last):
        last += 1
    if kind in MEASURES and not any(answers(sentence.text, kind) for sentence in sentences[first : last + 1]):
        having = (at for at in range(last + 1, end + 1) if allowed[at] and answers(sentences[at].text, kind))
        last = next(having, last)
    return first, last if sentences[last].end - sentences[first].start <= LENGTH else index


def _goes_on(query: Query, passage: Analysed, first: int, last: int) -> bool:
    """Whether what comes after a sentence belongs to it: announced by it, referring to it, or as near the question."""
    text, after = passage.sentences[last].text, passage.sentences[last + 1]
    if text[-1] in ":?" or text[-1].isalnum() or _REFERS_BACK.match(after.text):
        return after.end - passage.sentences[first].start <= GROWN
    return after.end - passage.sentences[first].start <= TRIMMED and query.coverage(passage.stems[last + 1]) >= NEAR


def _introduction(passage: Analysed, index: int) -> int:
    """The sentence that introduces the list this one is an item of, if it is near; else this one."""
    sentences = passage.sentences
    for before in range(index - 1, -1, -1):
        is_far = sentences[index].end - sentences[before].start > LENGTH
        if is_far or sentences[before].text[-1] in ".!?…":
            return index
        if sentences[before].text.endswith(":"):
            return before
    return index


def _is_heading(text: str, *, after: str) -> bool:
    """Whether a last line belongs to what comes next: it ends with no mark and stands after a whole sentence."""
    return text[-1].isalnum() and after[-1] in ".!?…" and len(text) < 80


def confirming(passage: Analysed, stems: Collection[str]) -> tuple[int, int]:
    """The one or two sentences of a passage that have most of these stems: characters from and to."""
    wanted = frozenset(stems)

    def having(index: int, size: int) -> int:
        return len(wanted & passage.window(index, size))

    best = max(range(len(passage.sentences)), key=lambda index: (having(index, 2), having(index, 1)))
    if having(best, 1) >= 0.8 * having(best, 2):
        return passage.sentences[best].start, passage.sentences[best].end
    if best + 1 < len(passage.sentences) and having(best + 1, 1) >= 0.8 * having(best, 2):
        return passage.sentences[best + 1].start, passage.sentences[best + 1].end
    return passage.sentences[best].start, passage.sentences[min(best + 1, len(passage.sentences) - 1)].end
