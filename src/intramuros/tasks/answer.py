"""The answer task: a question to an answer with the pages it stands on, from the documents of one project.

    search → is anything relevant? → quote, or let the model write → verify → cite

Called by the command line, the API and the pages, which have resolved the caller and the project before. A model
trusted with quotes only is not asked: its answer is made of sentences of the documents, word for word.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import dataclass, field, replace
from typing import Protocol

from intramuros.accounts.caller import Caller
from intramuros.accounts.projects import Project
from intramuros.audit.entry import Entry
from intramuros.documents.language import LANGUAGES, detect
from intramuros.engines.engine import Engine
from intramuros.errors import BadRequest, ModelNotFound
from intramuros.observability.metrics import Metrics
from intramuros.retrieval import prompt, search
from intramuros.retrieval.analysed import Analysed, analysed
from intramuros.retrieval.prompt import Earlier, Given
from intramuros.retrieval.query import stems_of
from intramuros.retrieval.quote import Quote, quotes
from intramuros.retrieval.relevance import COMPARED, relevance
from intramuros.retrieval.search import Search
from intramuros.tasks.answered import Answer, Done, Event, Found, JudgedSentence, Mode, Source, Text
from intramuros.tasks.conversation import Conversations, Turn
from intramuros.tasks.fitting import fitted
from intramuros.tasks.phrases import no_answer
from intramuros.tasks.writing import Writing, sentence_of

__all__ = ["Answer", "AnswerTask", "Done", "Event", "Found", "JudgedSentence", "Source", "Text"]

SHORT_QUESTION = 2
"""Words, stop words aside, up to which a question of a conversation is taken to go on with the one before it."""


_GOES_ON = re.compile(r"(?:et|mais|ou|und|aber|oder|e|ma|o|and|but|or)\b", re.IGNORECASE)


class Model(Protocol):
    """What the task needs to know of an installed model."""

    @property
    def name(self) -> str:
        """Its name."""
        ...

    @property
    def trust(self) -> str:
        """What it may be trusted with: quotes, drafts or answers."""
        ...


class Models(Protocol):
    """The installed models."""

    def get(self, name: str) -> Model:
        """The model of this name. Raises: ModelNotFound."""
        ...


class Pool(Protocol):
    """Where engines come from."""

    def engine(self, name: str) -> AbstractAsyncContextManager[Engine]:
        """The engine that runs this model, loaded if need be."""
        ...


@dataclass(slots=True)
class _Asked:
    """One question on its way through the task."""

    question: str
    language: str
    project: Project
    by: Caller
    conversation: str | None
    started: float
    earlier: Sequence[Turn] = ()
    found: search.Found | None = None
    passages: Sequence[Analysed] = ()
    timings: dict[str, float] = field(default_factory=dict)

    def tick(self, name: str) -> None:
        """Notes how many milliseconds it took until now, once."""
        self.timings.setdefault(name, round((time.perf_counter() - self.started) * 1000, 2))


@dataclass(frozen=True, slots=True)
class AnswerTask:
    """Answers questions from the documents of a project."""

    search: Search
    pool: Pool
    models: Models
    conversations: Conversations
    metrics: Metrics | None = None

    async def run(
        self,
        question: str,
        *,
        project: Project,
        by: Caller,
        entry: Entry,
        conversation: str | None = None,
        mode: str | None = None,
    ) -> Answer:
        """The whole answer. Raises: as `stream`."""
        stream = self.stream(question, project=project, by=by, entry=entry, conversation=conversation, mode=mode)
        async for event in stream:
            if isinstance(event, Done):
                return event.answer
        raise AssertionError("a stream of an answer ends with Done")

    async def stream(
        self,
        question: str,
        *,
        project: Project,
        by: Caller,
        entry: Entry,
        conversation: str | None = None,
        mode: str | None = None,
    ) -> AsyncGenerator[Event]:
        """The answer as it comes: found, text and verdicts, done. Closing it stops the model.

        `mode` is quote or write; None leaves it to what the default model is trusted with.
        Raises: BadRequest, NotFound for a conversation that is not the caller's, ModelNotFound, ContextOverflow,
        EngineError.
        """
        asked = _Asked(
            question=_checked(question),
            language=detect(question, default=by.language if by.language in LANGUAGES else LANGUAGES[0]),
            project=project,
            by=by,
            conversation=conversation,
            started=time.perf_counter(),
        )
        model = self._model(mode)
        wanted: Mode = "quote" if mode == "quote" or model is None else "write"
        is_found = await asyncio.to_thread(self._look, asked)
        asked.tick("search_ms")
        wanted = wanted if is_found else "none"
        entry.note(mode=wanted, sources=len(asked.passages), language=asked.language)
        yield Found(wanted, tuple(item.passage for item in asked.passages), asked.timings["search_ms"])
        if model is not None and wanted == "write":
            # Closed by name: a generator that is left to the garbage collector frees its slot some time later.
            async with aclosing(self._write(asked, model, entry)) as events:
                async for event in events:
                    yield event
        else:
            answer = await asyncio.to_thread(_quoted if wanted == "quote" else _none, asked)
            asked.tick("first_token_ms")
            yield Text(answer.answer)
            for sentence in answer.sentences:
                yield sentence
            yield await self._done(asked, answer, entry)

    def _model(self, mode: str | None) -> Model | None:
        """The model that writes; None for quote mode, which needs none."""
        if mode not in {None, "quote", "write"}:
            raise BadRequest("'mode' must be quote or write.", param="mode")
        if mode == "quote":
            return None
        try:
            model = self.models.get("default")
        except ModelNotFound:
            if mode == "write":
                raise
            return None
        return model if mode == "write" or model.trust != "quotes" else None

    def _look(self, asked: _Asked) -> bool:
        """Searches, and says whether what was found is about the question."""
        if asked.conversation is not None:
            asked.earlier = self.conversations.turns(asked.conversation, project=asked.project, by=asked.by)
        for words in _searches(asked.question, asked.earlier):
            found = self.search.look(words, projects=[asked.project.id], limit=COMPARED)
            passages = analysed(found.passages)
            is_enough = relevance(found.query, passages).is_enough
            if is_enough or asked.found is None:
                asked.found = replace(found, query=replace(found.query, text=asked.question))
                asked.passages = passages
            if is_enough:
                return True
        return False

    async def _write(self, asked: _Asked, model: Model, entry: Entry) -> AsyncGenerator[Event]:
        async with self.pool.engine(model.name) as engine:
            earlier = await asyncio.to_thread(self._earlier, asked)
            passages = [item.passage for item in asked.passages]
            fit = await fitted(engine, asked.question, passages=passages, earlier=earlier, language=asked.language)
            writing = Writing(engine, fit, asked.language)
            outcome = "cancelled"
            entry.note(model=engine.model)
            try:
                async with aclosing(writing.events()) as events:
                    async for event in events:
                        asked.tick("first_token_ms")
                        yield event
                outcome = "ok"
            except Exception:
                outcome = "failed"
                raise
            finally:
                self._meter(writing, entry, outcome)
        answer = _none(asked) if prompt.is_not_found(writing.text) else _written(writing)
        yield await self._done(asked, replace(answer, model=engine.model, read=fit.given), entry)

    def _earlier(self, asked: _Asked) -> list[Earlier]:
        """The turns a model wrote in this conversation, with the sources it had that are still there."""
        places = [
            (turn, {int(place["chunk_id"]): int(place["number"]) for place in turn.answer.get("read", ())})
            for turn in asked.earlier
            if turn.answer.get("mode") == "write"
        ]
        wanted = {chunk_id for _, numbers in places for chunk_id in numbers}
        there = {p.chunk_id: p for p in self.search.passages(wanted, projects=[asked.project.id])}
        return [
            Earlier(
                turn.question,
                str(turn.answer["answer"]),
                tuple(Given(number, there[chunk]) for chunk, number in numbers.items() if chunk in there),
                str(turn.answer["language"]),
            )
            for turn, numbers in places
        ]

    def _meter(self, writing: Writing, entry: Entry, outcome: str) -> None:
        usage = writing.usage
        entry.note(
            prompt_tokens=usage.prompt_tokens,
            completion_tokens=usage.completion_tokens,
            cached_tokens=usage.cached_tokens,
            finish_reason=writing.finish_reason or None,
        )
        if self.metrics is not None:
            first_token_s = writing.first_token_s
            self.metrics.generation(
                model=writing.engine.model, outcome=outcome, usage=usage, first_token_s=first_token_s
            )

    async def _done(self, asked: _Asked, answer: Answer, entry: Entry) -> Done:
        """Completes the answer with its times and keeps it in its conversation."""
        asked.tick("total_ms")
        whole = replace(answer, language=asked.language, timings=asked.timings, conversation=asked.conversation)
        if asked.conversation is not None:
            turn = await asyncio.to_thread(
                self.conversations.append,
                asked.conversation,
                project=asked.project,
                by=asked.by,
                question=asked.question,
                answer=whole.to_json(),
            )
            whole = replace(whole, turn=turn)
        entry.note(
            mode=whole.mode,
            sources=len(whole.sources),
            sentences=len(whole.sentences),
            supported=whole.supported,
            first_token_ms=asked.timings.get("first_token_ms"),
        )
        return Done(whole)


def _checked(question: str) -> str:
    question = question.strip()
    if not question:
        raise BadRequest("The question is empty.", hint="Ask in your own words.", param="question")
    return question


def _searches(question: str, earlier: Sequence[Turn]) -> list[str]:
    """The words to search for, in turn until something is found.

    A question of a conversation that says so ("Et en Suisse ?") goes on with the one before; a short one that does not
    may as well begin a new subject, and is looked for by itself first.
    """
    if not earlier:
        return [question]
    with_context = f"{earlier[-1].question} {question}"
    if _GOES_ON.match(question):
        return [with_context, question]
    is_short = len(stems_of(question, LANGUAGES)) <= SHORT_QUESTION
    return [question, with_context] if is_short else [question]


def _quoted(asked: _Asked) -> Answer:
    """The best sentences of the documents, word for word, each with its source."""
    best = _best(asked)
    sources = tuple(
        Source.of(quote.passage, quote.start, quote.end, number=number) for number, quote in enumerate(best, 1)
    )
    lines = [f"« {source.quote} » [{source.number}]" for source in sources]
    sentences = tuple(JudgedSentence(line, (number,), supported=True) for number, line in enumerate(lines, 1))
    text = "\n\n".join(lines)
    return Answer(text, sources, supported=True, mode="quote", language=asked.language, sentences=sentences)


def _none(asked: _Asked) -> Answer:
    """That there is no answer, with the nearest passages."""
    nearest = tuple(Source.of(quote.passage, quote.start, quote.end) for quote in _best(asked))
    text = no_answer(asked.language, has_nearest=bool(nearest))
    return Answer(text, (), supported=False, mode="none", language=asked.language, nearest=nearest)


def _best(asked: _Asked) -> list[Quote]:
    return quotes(asked.found.query, asked.passages) if asked.found else []


def _written(writing: Writing) -> Answer:
    """What the model wrote, with the verdicts and the sources it stands on."""
    return Answer(
        writing.text.strip(),
        tuple(writing.cited()),
        supported=writing.is_supported,
        mode="write",
        language=writing.language,
        sentences=tuple(sentence_of(verdict, writing.language) for verdict in writing.verdicts),
        left_out=writing.fitted.left_out,
        turns_left_out=writing.fitted.turns_left_out,
        is_cut=writing.finish_reason in {"length", "repetition"},
    )
