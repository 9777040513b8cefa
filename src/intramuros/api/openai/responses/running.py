"""Carries responses out: while their client waits, event by event, or in the background, and keeps them.

Called by the routes. A response that is to be stored is on the disk before its last event is sent. One in the
background goes on when its client leaves; who asks for its stream later hears everything from the beginning. It ends
with its caller's access, as a request does that is running, and with the server.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import logging
import zlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from intramuros.accounts.caller import Caller
from intramuros.accounts.prices import PriceOf
from intramuros.accounts.usage import Usage
from intramuros.api.faults import access_ended, cut, known
from intramuros.api.openai.responses.request import ResponseCall
from intramuros.api.openai.responses.writing import Event, Writing
from intramuros.audit.entry import Entry
from intramuros.audit.record import Audit
from intramuros.background import begin, begin_always
from intramuros.engines.asked import Asked as Request
from intramuros.engines.asked import asked_now, asking
from intramuros.errors import IntramurosError, NotFound
from intramuros.tasks.admission import OnWait
from intramuros.tasks.compactions import Compactions
from intramuros.tasks.respond import Asked, Looked, RespondTask, Turn
from intramuros.tasks.stored_conversations import Added, StoredConversations
from intramuros.tasks.stored_replies import UNFINISHED, StoredReplies, StoredReply

log = logging.getLogger("intramuros.server")

LOOK_EVERY_S = 1.0
"""How often it is asked whether whoever began a background response may still have it."""

Sink = Callable[[Event], Awaitable[None]]
CallerNow = Callable[[], Caller | None]


@dataclass(slots=True)
class Job:
    """One response: what was asked, and what is written. `turn` gets its sources when they are found."""

    call: ResponseCall
    asked: Asked
    writing: Writing
    by: Caller
    turn: Turn
    events: list[Event] = field(default_factory=list)
    is_told: bool = False
    """Whether somebody has heard of it: then it is kept however it ends."""
    may_be_again: bool = False
    """Whether it may have been stored by a try that was cut short."""
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None

    def stored(self) -> StoredReply:
        """What is kept of it."""
        response = self.writing.response()
        response["output"] = [
            {**item, "results": None} if item["type"] == "file_search_call" else item for item in response["output"]
        ]
        body: dict[str, Any] = {
            "asked": self.asked.looks.query if self.asked.looks else _words(self.turn),
            "said": self.writing.text,
            "metadata": response["metadata"],
            "previous": self.call.previous,
            "response": response,
            "items": list(self.call.items),
            "turn": _kept(self.turn),
            "hits": self._hits(),
            "events": packed(self.events),
        }
        state = self.writing.status
        return StoredReply(
            self.writing.id, "response", self.writing.model, state, body, self.asked.projects, self.writing.created_at
        )

    def added(self) -> Added:
        """What it adds to its conversation: what was sent, with its sources, and what was answered."""
        output = self.stored().body["response"]["output"]
        asking = [item["id"] for item in self.call.items if item.get("role") == "user"]
        looked = [item["id"] for item in output if item["type"] == "file_search_call"]
        return Added(
            [*self.call.items, *output],
            self.asked.projects,
            is_answered=True,
            turns={asking[-1]: _kept(self.turn)} if asking and self.turn.hits is not None else {},
            hits=dict.fromkeys(looked, self._hits()),
        )

    def _hits(self) -> list[list[Any]]:
        return [[hit.number, hit.passage.chunk_id, hit.score] for hit in self.writing.hits]


class Running:
    """The responses that are being written in this process."""

    def __init__(
        self, task: RespondTask, replies: StoredReplies, audit: Audit, *, compactions: Compactions, usage: Usage,
        price_of: PriceOf, tasks: set[asyncio.Task[None]],
    ) -> None:  # fmt: skip
        self.task, self.replies, self.audit, self.usage, self.price_of = task, replies, audit, usage, price_of
        self.conversations, self.compactions = StoredConversations(replies), compactions
        self._jobs: dict[str, Job] = {}
        self._tasks = tasks

    def find(self, id: str, by: Caller) -> Job | None:
        """A background response of this person's that is not at its end."""
        job = self._jobs.get(id)
        return job if job is not None and job.by.user_id == by.user_id else None

    async def now(
        self, job: Job, entry: Entry, sink: Sink | None = None, on_wait: OnWait | None = None, *, is_batch: bool = False
    ) -> None:
        """Writes one for a client that waits, for its events or for the whole, or for the line of a batch.

        Raises: as `RespondTask.stream`, after an event that says so.
        """

        async def send(event: Event) -> None:
            if sink is not None:
                job.is_told = True
                await sink(event)

        job.may_be_again = is_batch
        await self._write(job, entry, send, on_wait, is_batch=is_batch)

    async def in_background(self, job: Job, caller_now: CallerNow) -> None:
        """Stores it as waiting, and begins to write it."""
        job.events += job.writing.queued()
        await asyncio.to_thread(self.replies.add, job.stored(), by=job.by)
        job.is_told = True
        self._jobs[job.writing.id] = job
        request = asked_now()
        agrees = request is not None and request.agrees
        job.task = begin(self._alone(job, caller_now, agrees=agrees), name="background response")
        self._tasks.add(job.task)
        job.task.add_done_callback(self._tasks.discard)

    async def cancel(self, reply: StoredReply, by: Caller) -> None:
        """Ends a background response; one that has ended stays as it is."""
        job = self.find(reply.id, by)
        if job is not None and job.task is not None:
            job.writing.cancel()
            job.task.cancel()
            await asyncio.wait({job.task})

    def forget(self, id: str, by: Caller) -> None:
        """Ends a background response whose row is gone."""
        job = self.find(id, by)
        if job is not None and job.task is not None:
            job.task.cancel()

    async def follow(self, job: Job, *, after: int) -> AsyncGenerator[Event]:
        """Its events from one on, until it has ended."""
        place = after + 1
        while True:
            job.changed.clear()
            while place < len(job.events):
                yield job.events[place]
                place += 1
            if job.task is None or job.task.done():
                return
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(job.changed.wait(), LOOK_EVERY_S)

    async def _alone(self, job: Job, caller_now: CallerNow, *, agrees: bool) -> None:
        """One in the background, with a record of its own and its tokens counted.

        The request that began it may end long before: what goes outside is noted in the job's own record.
        """
        task = asyncio.current_task()
        watch = begin_always(lambda: self._watch(job, task, caller_now), name="watch a background response")

        async def keep(_event: Event) -> None:
            job.changed.set()

        try:
            async with self.audit.entry("respond.background", by=job.by, object=job.writing.id) as entry:
                try:
                    with asking(Request(job.by, entry, agrees=agrees)):
                        await self._write(job, entry, keep, None)
                finally:
                    self._count(job, entry)
        except Exception as raised:
            error = known(raised)
            log.info("A background response failed: %s", error.code)
            if job.writing.status in UNFINISHED:  # it was never begun, as where no record could be written
                await self._failed(job, keep, error)
        finally:
            watch.cancel()
            self._jobs.pop(job.writing.id, None)
            job.changed.set()

    async def _write(
        self, job: Job, entry: Entry, sink: Sink, on_wait: OnWait | None, *, is_batch: bool = False
    ) -> None:
        writing = job.writing
        who: dict[str, Any] = {"by": job.by, "entry": entry}

        async def tell(events: Any) -> None:
            for event in events:
                job.events.append(event)
                await sink(event)

        try:
            begun = False
            # Closed by name: a generator that is left to the garbage collector frees its slot some time later.
            async with aclosing(self.task.stream(job.asked, **who, on_wait=on_wait, is_batch=is_batch)) as steps:
                async for step in steps:
                    if not begun:
                        begun = True
                        await tell(writing.work() if writing.background else writing.begin())
                    if isinstance(step, Looked):
                        job.turn = step.turn
                    await tell(writing.take(step))
            ending = list(writing.end())
            job.events += ending
            await self._keep(job)
            for event in ending:
                await sink(event)
        except asyncio.CancelledError as cancelled:
            await self._left(job, sink, cancelled)
            raise
        except Exception as raised:
            error = known(raised)
            await self._failed(job, sink, error)
            raise error from raised

    async def _failed(self, job: Job, sink: Sink, error: IntramurosError) -> None:
        if job.is_told:
            ending = list(job.writing.fail(error))
            job.events += ending
            await self._keep_anyway(job)
            for event in ending:
                await sink(event)

    async def _left(self, job: Job, sink: Sink, cancelled: asyncio.CancelledError) -> None:
        """The client left, somebody cancelled it, its caller's access ended, or the server stops."""
        if not job.is_told:
            return
        writing = job.writing
        ending: list[Event] = []
        if cancelled.args or (writing.background and writing.status != "cancelled"):
            job.events += (ending := list(writing.fail(cut(cancelled))))
        else:
            writing.cancel()
        await asyncio.shield(self._keep_anyway(job))
        if not writing.background and not ending:
            ending = list(writing.fail(cut(cancelled)))  # to whoever still listens
        for event in ending:
            await sink(event)

    async def _keep(self, job: Job) -> None:
        """Stores it as it has ended. Raises: what the store raises; then it has failed."""
        if job.call.conversation and job.writing.status in {"completed", "incomplete"}:
            await asyncio.to_thread(self.conversations.add, job.call.conversation, job.added(), by=job.by)
        if not job.call.store:
            return
        if job.writing.background:
            await asyncio.to_thread(self.replies.change, job.stored(), by=job.by)
        else:
            await asyncio.to_thread(self.replies.add, job.stored(), by=job.by, again=job.may_be_again)

    async def _keep_anyway(self, job: Job) -> None:
        try:
            await self._keep(job)
        except IntramurosError as error:
            log.warning("A response that failed can't be stored: %s", error.code)

    async def _watch(self, job: Job, task: asyncio.Task[Any] | None, caller_now: CallerNow) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            if not await asyncio.to_thread(self._may, job, caller_now) and task is not None:
                task.cancel(access_ended())
                return

    def _may(self, job: Job, caller_now: CallerNow) -> bool:
        try:
            caller = caller_now()
            if caller is None or caller.user_id != job.by.user_id:
                return False
            if caller.key_id is not None:
                caller.rights.check_scope("chat")
            for project in job.asked.projects:
                self.task.projects.get(project, by=caller)
            self.replies.get(job.writing.id, kind="response", by=caller)
        except NotFound:
            return False
        except IntramurosError as error:
            return error.status not in {401, 403}
        return True

    def _count(self, job: Job, entry: Entry) -> None:
        """Counts its tokens and what they cost, as the guard does for a request."""
        facts = entry.facts
        if "model" not in facts:
            return
        prompt, completion = facts.get("prompt_tokens", 0), facts.get("completion_tokens", 0)
        subjects = [limit.subject for limit in job.by.limits]
        if "project_id" in facts:
            subjects.append(("project", facts["project_id"]))
        self.usage.spend(subjects, prompt + completion, self.price_of(facts).of(prompt, completion))


def packed(events: list[Event]) -> str:
    """Events as a stored response keeps them."""
    return base64.b64encode(zlib.compress(orjson.dumps(events))).decode()


def unpacked(stored: str) -> list[Event]:
    """What `packed` made."""
    found: list[Event] = orjson.loads(zlib.decompress(base64.b64decode(stored)))
    return found


def _kept(turn: Turn) -> dict[str, Any]:
    """What is kept of the sources of a turn."""
    return {"given": list(turn.given), "hits": turn.hits, "language": turn.language}


def with_sources(turn: Turn, kept: dict[str, Any]) -> Turn:
    """A turn with the sources it had."""
    return replace(
        turn, given=[(number, chunk) for number, chunk in kept["given"]], hits=kept["hits"], language=kept["language"]
    )


def _words(turn: Turn) -> str:
    """The text of what was asked last."""
    for message in reversed(turn.messages):
        if message["role"] == "user":
            content = message["content"]
            return content if isinstance(content, str) else "\n".join(part.get("text", "") for part in content)
    return ""
