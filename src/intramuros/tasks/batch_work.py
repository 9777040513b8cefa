"""The work on one batch: its file is read in, its lines are answered, its output is written.

    validating → (lines stored) → in_progress → (replies stored) → finalizing → (files written) → the end

Called by `tasks.batch_run`, which has taken the batch for this process. Killed at any point, the next one goes on with
what is not stored. What a line says and how a reply looks is the business of its door.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

from sqlalchemy import delete, update

from intramuros.accounts.acting import Acting
from intramuros.accounts.caller import Caller
from intramuros.accounts.prices import PriceOf
from intramuros.accounts.usage import Usage
from intramuros.audit.entry import Entry
from intramuros.audit.record import Audit
from intramuros.errors import AuditUnavailable, IntramurosError, NotFound, StorageError, TooMany
from intramuros.storage.database import Database
from intramuros.storage.schema import batches, files, now
from intramuros.tasks.batch import Batch, find
from intramuros.tasks.batch_door import BadLine, LineDoor, Result, Unasked
from intramuros.tasks.batch_lines import Line, LineStore, Spent
from intramuros.tasks.batch_output import Reading, as_line, trouble
from intramuros.tasks.files import Files, StoredFile

LOOK_S = 0.5
LINES_AT_ONCE = 4
"""Lines of one batch that wait or run: more would only fill the queue."""
MOST_LINES = 50_000
MOST_ERRORS = 20
STORED_TOGETHER = 500
TRIES = 3
"""Of a line whose engine fails, whose finished reply can't be stored, or that ended the process."""
LONGEST_REST_S = 30.0
WAITED_FOR = (TooMany, AuditUnavailable, StorageError)
"""No fault of a line: it is tried until the batch's time is over, unless each try costs a whole reply."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the work needs of the installation. `step` is told what is about to be done; tests end the process there."""

    database: Database
    files: Files
    audit: Audit
    usage: Usage
    price_of: PriceOf
    acting: Acting
    step: Callable[[str], None] = lambda _: None


@dataclass(frozen=True, slots=True)
class BatchWork:
    """One batch in the hands of one worker. `via` is where its records come from: schedule, or cli."""

    parts: Parts
    batch: Batch
    lines: LineStore
    door: LineDoor
    worker: str
    via: str

    async def run(self) -> None:
        """As far as it goes. Raises: StorageError and others; then it is to be worked on again."""
        if self.batch.state == "validating" or (self._is_unread and self.door.in_one_file):
            await asyncio.to_thread(self.read_in)
        await self.answer()
        await asyncio.to_thread(self.finish)

    def read_in(self) -> None:
        """Stores the lines of its file; one that is no request has failed already. Cut short, it begins again."""
        self.lines.clear()
        try:
            content = self.parts.files.content(self.parts.files.of_person(self.batch.input_file, self.batch.user_id))
        except NotFound:
            self._fail([trouble("input_file_missing", "The input file was removed or has expired.")])
            return
        total = bad = 0
        errors: list[dict[str, Any]] = []
        waiting: list[Line] = []
        for line in self._read(content, errors):
            total += 1
            bad += line.reply is not None
            waiting.append(line)
            if len(waiting) == STORED_TOGETHER:
                self.lines.add(waiting)
                waiting.clear()
        if not total:
            errors = [trouble("empty_file", "The file has no line.")]
        if errors:
            self.lines.clear()
            self._fail(errors[:MOST_ERRORS])
            return
        self.lines.add(waiting)
        self.parts.step("read in")
        if self.batch.state == "validating":
            self._turn(self.batch, "in_progress", total=total, failed=bad)

    async def answer(self) -> None:
        """Until every line has a reply, or the batch is cancelled or expired, or nobody may any more."""
        tasks: set[asyncio.Task[None]] = set()
        last = 0
        try:
            while (seen := await asyncio.to_thread(self._look)) is not None:
                if seen.state != "in_progress" or now() >= seen.expires_at:
                    return
                if await asyncio.to_thread(self._acting) is None:
                    said = "Whoever made the batch may not any more: the person is suspended, or the key has ended."
                    await asyncio.to_thread(self._turn, seen, "cancelling", errors=[trouble("access_ended", said)])
                    return
                free = LINES_AT_ONCE - len(tasks)
                numbers = await asyncio.to_thread(self.lines.waiting, last, free) if free else []
                last = numbers[-1] if numbers else last
                if not numbers and not tasks:
                    numbers = await asyncio.to_thread(self.lines.suspect)
                for number in numbers:
                    tasks.add(asyncio.create_task(self._answer_line(number), name="batch line"))
                if not tasks:
                    return
                done, tasks = await asyncio.wait(tasks, timeout=LOOK_S, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
        finally:
            await cancelled(tasks)

    def finish(self) -> None:
        """Writes the output files and ends the batch. Cut short, it writes them again, in the place of the first."""
        batch = self._look()
        if batch is None or batch.is_over or batch.state == "validating":
            return
        counts = self.lines.counts()
        left = counts.get("waiting", 0)
        if batch.state == "in_progress":
            if left and now() < batch.expires_at:
                return  # more is to be answered
            self._turn(batch, "finalizing")
            batch = self._look() or batch
        why: Unasked = "cancelled" if batch.state == "cancelling" else "expired"
        end = why if batch.state == "cancelling" or left else "completed"
        self.parts.step("write output")
        errors = None
        if self.door.in_one_file:
            output = self._written(batch, "results", self._results(why))
        else:
            output = self._written(batch, "output", map(as_line, self.lines.replies("completed")))
            errors = self._written(batch, "errors", self._errors(why))
        self.parts.step("end")
        if counts:  # one that was cancelled while it was read in has not counted them
            done = {name: counts.get(name, 0) for name in ("completed", "failed")}
            counts = {"total": sum(counts.values()), **done}
        self._end(batch, end, output_file=output, error_file=errors, **counts)

    def _read(self, content: bytes, errors: list[dict[str, Any]]) -> Iterator[Line]:
        """The lines of a file; what makes the whole file no batch goes into `errors`."""
        seen: dict[str, int] = {}
        number = lines = 0
        for number, raw in enumerate(content.split(b"\n"), 1):
            if not raw.strip():
                continue
            lines += 1
            if lines > MOST_LINES:
                errors[:] = [trouble("too_many_lines", f"The file has more than {MOST_LINES} lines.", line=number)]
                return
            line, custom_id = self._read_line(number, raw)
            if custom_id is not None and seen.setdefault(custom_id, number) != number:
                said = f"Line {number} has the custom_id of line {seen[custom_id]}: each must have its own."
                errors.append(trouble("duplicate_custom_id", said, line=number))
            yield line

    def _read_line(self, number: int, raw: bytes) -> tuple[Line, str | None]:
        try:
            custom_id, request = self.door.read(raw)
        except BadLine as error:
            return Line(number, None, self.door.refused(error, number=number)), error.custom_id
        return Line(number, {"custom_id": custom_id, "body": request}), custom_id

    async def _answer_line(self, number: int) -> None:
        """Answers one line, however long it has to wait. A reply that was stored is never asked for again."""
        line = await asyncio.to_thread(self.lines.begin, number)
        if line is None or line.request is None:
            return
        try:
            said, spent = await self._reply(line, line.request["custom_id"], line.request["body"])
        except asyncio.CancelledError:
            with contextlib.suppress(IntramurosError):
                await asyncio.shield(asyncio.to_thread(self.lines.give_back, number))
            raise
        self.parts.step("answered")
        is_ok, spent = spent is not None, spent or Spent()
        await asyncio.to_thread(self.lines.settle, replace(line, reply=said), is_ok=is_ok, spent=spent)
        self.parts.step("settled")

    async def _reply(self, line: Line, custom_id: str, request: Mapping[str, Any]) -> tuple[Result, Spent | None]:
        """The result of a line, and what a good one took. What is no fault of the line is waited for."""
        name, lost = f"{self.batch.id}_{line.number}", 0
        for tries in count(1):
            entry: Entry | None = None
            try:
                if line.attempts > TRIES:
                    raise _stopped_repeatedly()
                by = await self._admitted()
                async with self.parts.audit.entry("batch.line", by=by, object=self.batch.id, via=self.via) as entry:
                    entry.note(line=line.number)
                    try:
                        answered = await self.door.answer(request, by=by, entry=entry, line=name)
                    finally:
                        self._count(by, entry)
                    return self.door.answered(custom_id, answered, line=name, record=entry.id), _spent(entry)
            except IntramurosError as error:
                lost += entry is not None and "completion_tokens" in entry.facts
                is_waited_for = isinstance(error, WAITED_FOR) and lost < TRIES
                if not is_waited_for and not (error.retry and tries < TRIES):
                    record = entry.id if entry else ""
                    return self.door.failed(custom_id, error, line=name, record=record), None
                await asyncio.sleep(_rest_s(error, tries))
        raise AssertionError("it is tried until it has a reply")

    async def _admitted(self) -> Caller:
        """Who the line acts as, once their limits let it in: that of a day may last until the batch's time is over.

        Raises: NotAllowed where the key has lost the scope.
        """
        while True:
            by = await asyncio.to_thread(self._acting)
            if by is None:  # `answer` sees it too, and ends the batch
                await asyncio.sleep(LONGEST_REST_S)
                continue
            if by.key_id is not None:
                by.rights.check_scope(self.door.scope)
            refusal = self.parts.usage.admit(by.limits, spends=True).refusal if by.limits else None
            if refusal is None:
                return by
            await asyncio.sleep(_rest_s(refusal, 1))

    def _count(self, by: Caller, entry: Entry) -> None:
        if "model" in entry.facts:
            prompt, completion = entry.facts.get("prompt_tokens", 0), entry.facts.get("completion_tokens", 0)
            euros = self.parts.price_of(entry.facts).of(prompt, completion)
            self.parts.usage.spend([limit.subject for limit in by.limits], prompt + completion, euros)

    def _results(self, why: Unasked) -> Iterator[bytes]:
        """The result of every line, in order."""
        for line in self.lines.all():
            said = line.reply
            if said is None and line.request is not None:
                said = self.door.unasked(line.request["custom_id"], why)
            if said is not None:
                yield as_line(said)

    def _errors(self, why: Unasked) -> Iterator[bytes]:
        """Those of the lines that have no good reply."""
        yield from map(as_line, self.lines.replies("failed"))
        for request in self.lines.replies("waiting"):
            if (said := self.door.unasked(request["custom_id"], why)) is not None:
                yield as_line(said)

    def _written(self, batch: Batch, what: str, pieces: Iterator[bytes]) -> str | None:
        """The id of the file; None where there is nothing to write."""
        first = next(pieces, None)
        if first is None:
            return None
        source = Reading(piece for some in ((first,), pieces) for piece in some)
        name, file_id, keep_s = f"{batch.id}_{what}.jsonl", f"{batch.id}-{what}", batch.output_keep_s
        return self.parts.files.write(name, source, user_id=batch.user_id, keep_s=keep_s, file_id=file_id).id

    def _fail(self, errors: Sequence[Mapping[str, Any]]) -> None:
        self._end(self.batch, "failed", errors=list(errors))

    def _end(self, seen: Batch, state: str, **values: Any) -> None:
        """Ends the batch, and removes what it needs no more; an input that is not its own is left to its person.

        Its own goes with its end in one transaction, and what a death leaves of the rest is found by `Batches.purge`
        and by the sweep of files that no row knows.
        """
        own: StoredFile | None = None
        if self.door.in_one_file:
            with contextlib.suppress(NotFound):
                own = self.parts.files.of_person(seen.input_file, seen.user_id)
        if self._turn(seen, state, own=own, **values):
            self.parts.step("ended")
            self.lines.clear()
            if own is not None:
                self.parts.files.remove(own)

    @property
    def _is_unread(self) -> bool:
        """Whether it was cancelled before its lines were stored."""
        return self.batch.state == "cancelling" and "in_progress" not in self.batch.times

    def _turn(self, seen: Batch, state: str, *, own: StoredFile | None = None, **values: Any) -> bool:
        """Brings the batch into another state, if it is ours and still in the one it was seen in. `own` goes then."""
        mine = batches.c.id == seen.id, batches.c.worker == self.worker, batches.c.state == seen.state
        times = {**seen.times, state: now()}
        with self.parts.database.write(durable=True, erasing=own is not None) as connection:
            statement = update(batches).where(*mine).values(state=state, times=times, **values)
            turned = connection.execute(statement).rowcount == 1
            if turned and own is not None:
                connection.execute(delete(files).where(files.c.id == own.id))
        return turned

    def _look(self) -> Batch | None:
        return find(self.parts.database, self.batch.id)

    def _acting(self) -> Caller | None:
        return self.parts.acting.now(self.batch.user_id, self.batch.credential)


def _spent(entry: Entry) -> Spent:
    facts = entry.facts
    return Spent(facts.get("prompt_tokens", 0), facts.get("cached_tokens", 0), facts.get("completion_tokens", 0))


def _rest_s(error: IntramurosError, tries: int) -> float:
    after = error.details.get("retry_after_s")
    return min(float(after) if isinstance(after, int | float) else float(tries), LONGEST_REST_S)


def _stopped_repeatedly() -> IntramurosError:
    return IntramurosError(
        f"The server stopped {TRIES} times while it answered this request.", code="stopped_repeatedly"
    )


async def cancelled(tasks: set[asyncio.Task[None]]) -> None:
    """Cancels tasks and waits for their end."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
