"""A question and its answer, streamed into the page while it is written; without scripts, all at once.

Called by the router.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, field

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from intramuros.accounts.projects import Project
from intramuros.errors import BadRequest, IntramurosError
from intramuros.tasks.answered import Answer, Done, Found, JudgedSentence, Loading, Queued, Text
from intramuros.tasks.answered import Event as AnswerEvent
from intramuros.web import project as project_page
from intramuros.web.documents import project_of
from intramuros.web.loading import loading_words
from intramuros.web.problems import problem
from intramuros.web.prose import Marks, Sentence, prose
from intramuros.web.stream import Event, EventStream
from intramuros.web.turns import turn_of
from intramuros.web.visit import Form, Visit, read_form, redirect

SHOW_EVERY_S = 0.08
MAX_CHARACTERS = 4000
MOST_SOURCES = 99


async def ask(visit: Visit) -> Response:
    """Answers the question of the form: as events for the page's script, else by the page of the conversation."""
    form = await read_form(visit.request)
    visit.check_token(form.get("csrf"))
    project = await run_in_threadpool(project_of, visit)
    asking = Asking(visit, project, form)
    if "text/event-stream" in visit.request.headers.get("accept", ""):
        return EventStream(asking.events())
    return await asking.at_once()


@dataclass(slots=True)
class Asking:
    """One question on its way to its answer."""

    visit: Visit
    project: Project
    form: Form
    conversation: str = ""
    text: str = ""
    is_written: bool = False
    told: str = ""
    sentences: list[Sentence] = field(default_factory=list)
    shown: list[str] = field(default_factory=list)

    async def events(self) -> AsyncIterator[Event]:
        """What the page's script gets: steps in words, blocks of text, the finished turn, or what went wrong."""
        shown_at = 0.0
        try:
            async with aclosing(await self._begun()) as stream:
                async for event in stream:
                    match event:
                        case Found(mode="write"):
                            self.is_written = True
                            yield "step", {"text": self.visit.words.count("ask.found", len(event.passages))}
                        case Queued():
                            yield "step", {"text": self._waiting(event)}
                        case Loading():
                            if step := self._loading(event):
                                yield "step", step
                        case Text():
                            self.text += event.text
                        case JudgedSentence():
                            self.sentences.append(Sentence(event.text, event.sources, event.supported))
                        case Done():
                            yield "done", await run_in_threadpool(self._done, event.answer)
                            return
                    if self.is_written and self.text and time.monotonic() - shown_at > SHOW_EVERY_S:
                        shown_at = time.monotonic()
                        yield "blocks", self._blocks()
        except IntramurosError as error:
            said = problem(error, self.visit.words)
            yield "problem", {"html": self.visit.look.part("notice", said)}
            raise

    async def at_once(self) -> Response:
        """The page of the conversation with the answer, or the project's page with what went wrong."""
        try:
            async with aclosing(await self._begun()) as stream:
                async for _ in stream:
                    pass
        except IntramurosError as error:
            self.visit.entry.note(error=error.code)
            said, status = problem(error, self.visit.words), error.status
            return await run_in_threadpool(
                lambda: project_page.page(
                    self.visit, self.project, said=said, asked=self.form.get("question", ""), status=status
                )
            )
        return redirect(self._address)

    async def _begun(self) -> AsyncGenerator[AnswerEvent]:
        """The answer task's events. Raises: BadRequest without a question."""
        question = self.form.get("question", "").strip()
        if not question or len(question) > MAX_CHARACTERS:
            raise BadRequest("Write a question.", code="no_question")
        visit, app = self.visit, self.visit.app
        self.conversation = self.form.get("conversation", "") or await run_in_threadpool(
            lambda: app.conversations.create(self.project, by=visit.caller)
        )
        return app.answer.stream(
            question,
            project=self.project,
            by=visit.caller,
            entry=visit.entry,
            conversation=self.conversation,
            mode="quote" if self.form.get("mode") == "quote" else None,
        )

    def _waiting(self, queued: Queued) -> str:
        seconds = self.visit.words.number(max(1, round(queued.expected_wait_s)))
        return self.visit.words.count("ask.queued", queued.position, seconds=seconds)

    def _loading(self, load: Loading) -> dict[str, object] | None:
        """The step of a load, if its words are others than before; read out where it begins and where it ends."""
        words = self.visit.words
        text = loading_words(load, words)
        is_first, is_new = not self.told, text != self.told
        self.told = text
        return {"text": text, "quiet": not is_first and load.progress is not None} if is_new else None

    @property
    def _address(self) -> str:
        return f"/projects/{self.project.id}/conversations/{self.conversation}"

    def _blocks(self) -> dict[str, object]:
        """The blocks that have changed since the last time, and where they begin."""
        words = self.visit.words
        labels = {number: words("answer.source", number=number) for number in range(1, MOST_SOURCES + 1)}
        blocks = [str(block) for block in prose(self.text, self.sentences, Marks("new", labels, words))]
        same = 0
        while same < min(len(blocks), len(self.shown)) and blocks[same] == self.shown[same]:
            same += 1
        self.shown = blocks
        return {"from": same, "blocks": blocks[same:]}

    def _done(self, answer: Answer) -> dict[str, object]:
        """The finished turn, as the page of the conversation shows it."""
        visit = self.visit
        there = {document.id: document for document in visit.app.library.list(self.project)}
        question, id = self.form.get("question", "").strip(), answer.turn or "new"
        turn = turn_of(visit, self.project, id=id, question=question, answer=answer.to_json(), there=there)
        said = "answer.absent" if turn.mode == "none" else ""
        return {
            "html": visit.part("turn.html", turn=turn),
            "talks": visit.part(
                "talks.html",
                project=self.project,
                talks=project_page.talks(visit, self.project),
                conversation=self.conversation,
            ),
            "conversation": {"id": self.conversation, "href": self._address},
            "announcement": visit.words(said) if said else visit.words.count("ask.done", len(turn.sources)),
        }
