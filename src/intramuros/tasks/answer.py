"""The answer task: a question to an answer with the pages it stands on, from the documents of one project.

    search → is anything relevant? → quote, or wait for a turn and let the model write → verify → cite

Called by the command line, the API and the pages, which have resolved the caller and the project before. A model
trusted with quotes only is not asked: its answer is made of sentences of the documents, word for word.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import dataclass, field, replace
from typing import Protocol

from intramuros.accounts.caller import Caller
from intramuros.accounts.projects import Project
from intramuros.audit.entry import Entry
from intramuros.documents.language import LANGUAGES, detect
from intramuros.engines.asked import about
from intramuros.engines.engine import INSIDE, Engine
from intramuros.engines.loading import Coming
from intramuros.errors import BadRequest, ModelNotFound
from intramuros.observability.metrics import Metrics
from intramuros.retrieval import prompt
from intramuros.retrieval.prompt import Earlier, Given
from intramuros.retrieval.search import Search
from intramuros.tasks.admission import CHARACTERS_PER_TOKEN, Admission, Ticket
from intramuros.tasks.answered import Answer, Done, Event, Found, JudgedSentence, Loading, Mode, Queued, Source, Text
from intramuros.tasks.asking import Asked, checked, quoted, refused
from intramuros.tasks.conversation import Conversations
from intramuros.tasks.fitting import fitted
from intramuros.tasks.writing import Writing, sentence_of

MOST_PROMPT_TOKENS = 3000
"""What an answer's passages are taken to be at most, before they are fitted into what the model reads."""

__all__ = ["Answer", "AnswerTask", "Done", "Event", "Found", "JudgedSentence", "Loading", "Queued", "Source", "Text"]


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


@dataclass(frozen=True, slots=True)
class AnswerTask:
    """Answers questions from the documents of a project."""

    search: Search
    pool: Pool
    models: Models
    conversations: Conversations
    metrics: Metrics | None = None
    admission: Admission = field(default_factory=Admission)
    loading: Callable[[str], AsyncGenerator[Coming] | None] = lambda _name: None
    """How far a model that is asked for is on its way to memory; None if it is there."""
    admit: Callable[[Project], None] = lambda _project: None
    """Lets a question in that will cost its project something. Raises: TooMany, QuotaReached."""

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
        Raises: BadRequest, NotFound for a conversation that is not the caller's, ModelNotFound, NotAllowed for a model
        the caller's key may not use, ContextOverflow, EngineError.
        """
        entry.note(route=INSIDE)
        about(project_id=project.id, conversation_id=conversation)
        asked = Asked(
            question=checked(question),
            language=detect(question, default=by.language if by.language in LANGUAGES else LANGUAGES[0]),
            project=project,
            by=by,
            conversation=conversation,
        )
        model = self._model(mode)
        if model is not None:
            by.rights.check_model(model.name)
        wanted: Mode = "quote" if mode == "quote" or model is None else "write"
        is_found = await self._look(asked)
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
            answer = await asyncio.to_thread(quoted if wanted == "quote" else refused, asked)
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

    async def _look(self, asked: Asked) -> bool:
        if asked.conversation is not None:
            turns = self.conversations.turns
            asked.earlier = await asyncio.to_thread(turns, asked.conversation, project=asked.project, by=asked.by)
        return await asked.look(self.search)

    async def _write(self, asked: Asked, model: Model, entry: Entry) -> AsyncGenerator[Event]:
        entry.note(project_id=asked.project.id)
        await asyncio.to_thread(self.admit, asked.project)
        characters = sum(len(item.passage.text) for item in asked.passages)
        about = min(characters // CHARACTERS_PER_TOKEN, MOST_PROMPT_TOKENS)
        with self.admission.ticket(model.name, by=asked.by, prompt_tokens=about) as ticket:
            async for ahead in ticket.waiting(entry):
                yield Queued(ahead.position, ahead.expected_wait_s)
            async with aclosing(self._loaded(model)) as loads:
                async for load in loads:
                    yield load
            async with aclosing(self._written_by(model, ticket, asked, entry)) as events:
                async for event in events:
                    yield event

    async def _loaded(self, model: Model) -> AsyncGenerator[Loading]:
        """Waits until its model is loaded, if that takes long enough to be told of."""
        last: Coming | None = None
        if (coming := self.loading(model.name)) is not None:
            async with aclosing(coming) as moments:
                async for last in moments:
                    yield Loading(last.model, last.title, last.progress)
        if last is not None:
            yield Loading(last.model, last.title)

    async def _written_by(self, model: Model, ticket: Ticket, asked: Asked, entry: Entry) -> AsyncGenerator[Event]:
        async with self.pool.engine(model.name) as engine:
            await ticket.runs_on(engine)
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
                self._meter(writing, entry, ticket, outcome)
        answer = refused(asked) if prompt.is_not_found(writing.text) else _written(writing)
        yield await self._done(asked, replace(answer, model=engine.model, read=fit.given), entry)

    def _earlier(self, asked: Asked) -> list[Earlier]:
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

    def _meter(self, writing: Writing, entry: Entry, ticket: Ticket, outcome: str) -> None:
        usage = writing.usage
        if writing.reported:
            ticket.pays(usage)
        else:
            ticket.was_cut(usage.completion_tokens)
        entry.note(
            prompt_tokens=usage.prompt_tokens if writing.reported else None,
            completion_tokens=usage.completion_tokens if writing.reported or writing.pieces else None,
            cached_tokens=usage.cached_tokens if writing.reported else None,
            finish_reason=writing.finish_reason or None,
        )
        if self.metrics is not None:
            first_token_s = writing.first_token_s
            self.metrics.generation(
                model=writing.engine.model, outcome=outcome, usage=usage, first_token_s=first_token_s
            )

    async def _done(self, asked: Asked, answer: Answer, entry: Entry) -> Done:
        """Completes the answer with its times and keeps it in its conversation."""
        asked.tick("total_ms")
        whole = replace(
            answer,
            language=asked.language,
            timings=asked.timings,
            conversation=asked.conversation,
            lexical_only=asked.lexical_only,
        )
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
            lexical_only=whole.lexical_only or None,
            first_token_ms=asked.timings.get("first_token_ms"),
        )
        return Done(whole)


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
