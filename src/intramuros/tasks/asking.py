"""One question on its way through the answer task: what is searched for it, and the answers that need no model.

Called by `tasks.answer` only.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from intramuros.accounts.caller import Caller
from intramuros.accounts.projects import Project
from intramuros.documents.language import LANGUAGES
from intramuros.engines.embedder import QuestionVector
from intramuros.errors import BadRequest
from intramuros.retrieval.analysed import Analysed, analysed
from intramuros.retrieval.query import Query, missing_words, stems_of
from intramuros.retrieval.quote import Quote, quotes, uncovered
from intramuros.retrieval.relevance import COMPARED, THRESHOLD, relevance
from intramuros.retrieval.search import Search
from intramuros.tasks.answered import Answer, JudgedSentence, Source
from intramuros.tasks.conversation import Turn
from intramuros.tasks.phrases import half_covered, no_answer

SHORT_QUESTION = 2
"""Words, stop words aside, up to which a question of a conversation may go on with the one before it."""
_GOES_ON = re.compile(r"(?:et|mais|ou|und|aber|oder|e|ma|o|and|but|or)\b", re.IGNORECASE)


@dataclass(slots=True)
class Asked:
    """A question, who asks it where, and what was found for it so far."""

    question: str
    language: str
    project: Project
    by: Caller
    conversation: str | None
    started: float = field(default_factory=time.perf_counter)
    earlier: Sequence[Turn] = ()
    query: Query | None = None
    passages: Sequence[Analysed] = ()
    lexical_only: bool = False
    timings: dict[str, float] = field(default_factory=dict)

    def tick(self, name: str) -> None:
        """Notes how many milliseconds it took until now, once."""
        self.timings.setdefault(name, round((time.perf_counter() - self.started) * 1000, 2))

    async def look(self, search: Search) -> bool:
        """Searches, and says whether what was found is about the question."""
        for words in searches(self.question, [turn.question for turn in self.earlier]):
            vector = await search.vector(words)
            if await asyncio.to_thread(self._look, search, words, vector):
                return True
        return False

    def _look(self, search: Search, words: str, vector: QuestionVector | None) -> bool:
        """One search. What vectors bring to it can be quoted, but it is by words that its relevance was measured."""
        found = search.look(words, projects=[self.project.id], limit=COMPARED, vector=vector)
        passages = analysed(found.passages)
        by_words = passages if found.by_words == found.passages else analysed(found.by_words)
        is_enough = relevance(found.query, by_words).is_enough
        self.lexical_only |= found.lexical_only
        if is_enough or self.query is None:
            self.query, self.passages = replace(found.query, text=self.question), passages
        return is_enough

    def best(self) -> list[Quote]:
        """The sentences found that answer best."""
        return quotes(self.query, self.passages) if self.query else []


def checked(question: str) -> str:
    """The question without white space around it. Raises: BadRequest when nothing is left."""
    question = question.strip()
    if not question:
        raise BadRequest("The question is empty.", hint="Ask in your own words.", param="question")
    return question


def searches(question: str, earlier: Sequence[str]) -> list[str]:
    """The words to search for, in turn until something is found.

    A question of a conversation that says so ("Et en Suisse ?") goes on with the one before; a short one that does not
    may as well begin a new subject, and is looked for by itself first.
    """
    if not earlier:
        return [question]
    with_context = f"{earlier[-1]} {question}"
    if _GOES_ON.match(question):
        return [with_context, question]
    is_short = len(stems_of(question, LANGUAGES)) <= SHORT_QUESTION
    return [question, with_context] if is_short else [question]


def quoted(asked: Asked) -> Answer:
    """The best sentences of the documents, word for word, each with its source, and whether they cover the question."""
    best = asked.best()
    sources = tuple(
        Source.of(quote.passage, quote.start, quote.end, number=number) for number, quote in enumerate(best, 1)
    )
    lines = [f"« {source.quote} » [{source.number}]" for source in sources]
    doubt = _doubt(asked, best)
    sentences = tuple(JudgedSentence(line, (number,), doubt is None, doubt) for number, line in enumerate(lines, 1))
    text = "\n\n".join(lines)
    return Answer(text, sources, supported=doubt is None, mode="quote", language=asked.language, sentences=sentences)


def _doubt(asked: Asked, shown: Sequence[Quote]) -> str | None:
    """Why these quotations may not answer: they have too little of the question, by the threshold of relevance."""
    if asked.query is None or not asked.query.words:
        return None
    left = uncovered(asked.query, shown)
    if 1 - left.weight / asked.query.weight >= THRESHOLD:
        return None
    return half_covered(missing_words(left), asked.language)


def refused(asked: Asked) -> Answer:
    """That there is no answer, with the nearest passages."""
    nearest = tuple(Source.of(quote.passage, quote.start, quote.end) for quote in asked.best())
    text = no_answer(asked.language, has_nearest=bool(nearest))
    return Answer(text, (), supported=False, mode="none", language=asked.language, nearest=nearest)
