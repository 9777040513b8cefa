"""The lines of a batch in the database: requests and replies, sealed under their person's key.

Called by `tasks.batch_work`, in a thread. A line is answered once: its reply is stored, and counted, in one transaction
that does nothing if it has one already or if the batch is somebody else's work by now.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import delete, func, insert, select, update

from intramuros.security.crypto import derive, open_sealed, seal
from intramuros.security.subject_keys import SubjectKeys
from intramuros.storage.database import Database
from intramuros.storage.schema import batch_lines, batches
from intramuros.tasks.batch import Batch

AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Line:
    """One request of a batch; `reply` is None until it has one. `number` counts the file's lines, from 1."""

    number: int
    request: dict[str, Any] | None
    reply: dict[str, Any] | None = None
    attempts: int = 0


@dataclass(frozen=True, slots=True)
class Spent:
    """Tokens of one answer."""

    prompt: int = 0
    cached: int = 0
    completion: int = 0


class LineStore:
    """The lines of one batch, for the worker that has it."""

    def __init__(self, database: Database, keys: SubjectKeys, batch: Batch, worker: str) -> None:
        self._database, self._batch, self._worker = database, batch, worker
        # Never made anew: where it is gone, the person was erased.
        self._key = derive(keys.get("user", batch.user_id), "batches")

    def add(self, lines: Sequence[Line]) -> None:
        """Stores lines as they were read: those with a reply already can't be answered."""
        rows = [
            {
                "batch_id": self._batch.id,
                "number": line.number,
                "state": "waiting" if line.reply is None else "failed",
                "attempts": 0,
                "request": b"" if line.request is None else self._sealed(line.number, line.request),
                "reply": None if line.reply is None else self._sealed(line.number, line.reply),
            }
            for line in lines
        ]
        if rows:
            with self._database.write() as connection:
                connection.execute(insert(batch_lines), rows)

    def clear(self) -> None:
        """Removes them all, some at a time."""
        removed = True
        while removed:
            some = select(batch_lines.c.number).where(self._mine).limit(AT_ONCE)
            with self._database.write() as connection:
                numbers = list(connection.scalars(some))
                connection.execute(delete(batch_lines).where(self._mine, batch_lines.c.number.in_(numbers)))
            removed = len(numbers) == AT_ONCE

    def counts(self) -> dict[str, int]:
        """How many there are in each state."""
        statement = select(batch_lines.c.state, func.count()).where(self._mine).group_by(batch_lines.c.state)
        with self._database.read() as connection:
            return {row[0]: row[1] for row in connection.execute(statement)}

    def waiting(self, after: int, limit: int) -> list[int]:
        """Numbers of lines that nobody has begun, in order."""
        fresh = self._mine, batch_lines.c.state == "waiting", batch_lines.c.attempts == 0, batch_lines.c.number > after
        statement = select(batch_lines.c.number).where(*fresh).order_by(batch_lines.c.number).limit(limit)
        with self._database.read() as connection:
            return list(connection.scalars(statement))

    def suspect(self) -> list[int]:
        """The next line that was under way when a process died: to be answered alone, for it may be to blame."""
        begun = self._mine, batch_lines.c.state == "waiting", batch_lines.c.attempts > 0
        statement = select(batch_lines.c.number).where(*begun).order_by(batch_lines.c.attempts, batch_lines.c.number)
        with self._database.read() as connection:
            return list(connection.scalars(statement.limit(1)))

    def begin(self, number: int) -> Line | None:
        """The request of a line, which counts as tried from now on; None where it has a reply."""
        mine = self._mine, batch_lines.c.number == number, batch_lines.c.state == "waiting"
        with self._database.write() as connection:
            connection.execute(update(batch_lines).where(*mine).values(attempts=batch_lines.c.attempts + 1))
            row = connection.execute(select(batch_lines).where(*mine)).first()
        return None if row is None else Line(number, self._opened(number, row.request), None, row.attempts)

    def give_back(self, number: int) -> None:
        """The line was not to blame for what ended its try."""
        mine = self._mine, batch_lines.c.number == number, batch_lines.c.attempts > 0
        with self._database.write() as connection:
            connection.execute(update(batch_lines).where(*mine).values(attempts=batch_lines.c.attempts - 1))

    def settle(self, line: Line, *, is_ok: bool, spent: Spent) -> None:
        """Stores the reply of a line and counts it, unless it has one, or the batch is another's work."""
        assert line.reply is not None
        state = "completed" if is_ok else "failed"
        values = {"state": state, "reply": self._sealed(line.number, line.reply), "request": b""}
        mine = self._mine, batch_lines.c.number == line.number, batch_lines.c.state == "waiting"
        held = batches.c.id == self._batch.id, batches.c.worker == self._worker
        counted = {
            state: batches.c[state] + 1,
            "prompt_tokens": batches.c.prompt_tokens + spent.prompt,
            "cached_tokens": batches.c.cached_tokens + spent.cached,
            "completion_tokens": batches.c.completion_tokens + spent.completion,
        }
        with self._database.write() as connection:
            if connection.scalar(select(batches.c.id).where(*held)) is None:
                return
            if connection.execute(update(batch_lines).where(*mine).values(values)).rowcount == 1:
                connection.execute(update(batches).where(*held).values(counted))

    def replies(self, state: str, *, skip: int = 0) -> Iterator[dict[str, Any]]:
        """The replies of all lines in this state, in order, but for the first `skip`."""
        after = 0
        columns = (batch_lines.c.number, batch_lines.c.reply, batch_lines.c.request)
        while True:
            mine = self._mine, batch_lines.c.state == state, batch_lines.c.number > after
            with self._database.read() as connection:
                wanted = select(*columns).where(*mine).order_by(batch_lines.c.number)
                rows = connection.execute(wanted.limit(AT_ONCE).offset(skip)).all()
            for row in rows:
                yield self._opened(row.number, row.reply or row.request)
            if len(rows) < AT_ONCE:
                return
            after, skip = rows[-1].number, 0

    def all(self) -> Iterator[Line]:
        """Every line with what is stored of it, in order."""
        after = 0
        while True:
            mine = self._mine, batch_lines.c.number > after
            with self._database.read() as connection:
                rows = connection.execute(
                    select(batch_lines).where(*mine).order_by(batch_lines.c.number).limit(AT_ONCE)
                ).all()
            for row in rows:
                asked, said = (self._opened(row.number, part) if part else None for part in (row.request, row.reply))
                yield Line(row.number, asked, said, row.attempts)
            if len(rows) < AT_ONCE:
                return
            after = rows[-1].number

    @property
    def _mine(self) -> Any:
        return batch_lines.c.batch_id == self._batch.id

    def _sealed(self, number: int, value: Any) -> bytes:
        return seal(self._key, orjson.dumps(value), context=self._context(number))

    def _opened(self, number: int, sealed: bytes) -> Any:
        return orjson.loads(open_sealed(self._key, sealed, context=self._context(number)))

    def _context(self, number: int) -> bytes:
        return f"{self._batch.id}/{number}".encode()
