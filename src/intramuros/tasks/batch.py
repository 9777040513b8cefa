"""Batches: many requests sent as one file, answered behind everybody else's. Here they are made, shown and cancelled.

Called by the doors for programs and the command line; `tasks.batch_run` answers them. A batch belongs to whoever made
it: nobody else sees it, but the operator at the machine's own command line, who sees how far it is and nothing of what
is in it. One that is over goes when its output does.

    validating → in_progress → finalizing → completed | expired
         └→ failed      └→ cancelling → cancelled
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, delete, func, insert, select, true, update

from intramuros.accounts.caller import LOCAL, Caller
from intramuros.errors import BadRequest, Conflict, NotFound, TooMany
from intramuros.security.crypto import Readable
from intramuros.storage.database import Database
from intramuros.storage.schema import batch_lines, batches, new_id, now
from intramuros.tasks.files import BATCH_KEPT_S, Files, StoredFile

ACTIVE = ("validating", "in_progress", "finalizing", "cancelling")
WINDOW_S = 24 * 3600
"""What is not answered by then is given up, as the one completion window that there is says."""
MOST_ACTIVE = 50
"""Of one person at the same time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """A batch and how far it is. `times`: when it came into each state. `errors`: why the whole ended early."""

    id: str
    user_id: str
    credential: str
    endpoint: str
    state: str
    input_file: str
    output_file: str | None
    error_file: str | None
    output_keep_s: int | None
    metadata: Mapping[str, str] | None
    errors: Sequence[Mapping[str, Any]] | None
    times: Mapping[str, float]
    created_at: float
    expires_at: float
    total: int
    completed: int
    failed: int
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.state not in ACTIVE

    @property
    def kept_until(self) -> float:
        """When its output expires: once it is over, nothing of it is kept longer."""
        return self.times.get(self.state, self.expires_at) + (self.output_keep_s or BATCH_KEPT_S)


COLUMNS = [batches.c[name] for name in Batch.__dataclass_fields__]


def from_row(row: Any) -> Batch:
    """The batch of a row of `COLUMNS`."""
    return Batch(**row._mapping)


def find(database: Database, batch_id: str) -> Batch | None:
    """The batch as it is now, whoever's it is; for those who work on it."""
    with database.read() as connection:
        row = connection.execute(select(*COLUMNS).where(batches.c.id == batch_id)).first()
    return None if row is None else from_row(row)


@dataclass(frozen=True, slots=True)
class Batches:
    """The batches of this installation. `of`: the endpoints whose batches are seen, as each protocol has its own."""

    database: Database
    files: Files
    of: frozenset[str] | None = None

    def create(
        self,
        input_file: str,
        endpoint: str,
        *,
        by: Caller,
        metadata: Mapping[str, str] | None = None,
        output_keep_s: int | None = None,
    ) -> Batch:
        """A new batch of the caller's own file; when this returns, it will be answered, whatever happens.

        Raises: NotFound, BadRequest for a file of another purpose, TooMany.
        """
        file = self.files.get(input_file, by=by)
        if file.purpose != "batch":
            raise BadRequest("The file was not sent with the purpose 'batch'.", param="input_file_id")
        begun = {"metadata": dict(metadata) if metadata else None, "output_keep_s": output_keep_s}
        with self.database.write(durable=True) as connection:
            id = self._begin(connection, file, endpoint, by, **begun)
        return self.get(id, by=by)

    def send(self, name: str, source: Readable, endpoint: str, *, by: Caller, total: int = 0) -> Batch:
        """A new batch of a file that comes with it: both are stored, or neither, also if the process dies meanwhile.

        `total`: how many lines it has, where that is known before it is read in.

        Raises: TooMany, and as `Files.add`.
        """
        ids: list[str] = []

        def begin(connection: Connection, file: StoredFile) -> None:
            ids.append(self._begin(connection, file, endpoint, by, total=total))

        self.files.add(name, "batch", source, by=by, along=begin)
        return self.get(ids[0], by=by)

    def _begin(self, connection: Connection, file: StoredFile, endpoint: str, by: Caller, **more: Any) -> str:
        """Writes a new batch of this file; its id."""
        mine = batches.c.user_id == by.user_id, batches.c.state.in_(ACTIVE)
        if (connection.scalar(select(func.count()).where(*mine)) or 0) >= MOST_ACTIVE:
            raise TooMany(
                f"{MOST_ACTIVE} of your batches are not over yet.",
                hint="Wait until one is, or cancel one.",
                code="too_many_batches",
                retry_after_s=60,
            )
        id, time = new_id(), now()
        values = {
            "id": id, "user_id": by.user_id, "credential": by.credential, "endpoint": endpoint, "state": "validating",
            "input_file": file.id, "times": {}, "created_at": time, "expires_at": time + WINDOW_S, **more,
        }  # fmt: skip
        connection.execute(insert(batches).values(values))
        return id

    def list(self, *, by: Caller) -> Sequence[Batch]:
        """The caller's batches, oldest first."""
        statement = select(*COLUMNS).where(self._seen(by)).order_by(batches.c.created_at, batches.c.id)
        with self.database.read() as connection:
            return [from_row(row) for row in connection.execute(statement)]

    def get(self, batch_id: str, *, by: Caller) -> Batch:
        """One of the caller's batches. Raises: NotFound."""
        with self.database.read() as connection:
            return self._get(connection, batch_id, by)

    def cancel(self, batch_id: str, *, by: Caller) -> Batch:
        """Has it end: what is being answered is stopped, what was answered is kept. Raises: NotFound, Conflict."""
        with self.database.write(durable=True) as connection:
            batch = self._get(connection, batch_id, by)
            if batch.state == "cancelling":
                return batch
            if batch.state not in ("validating", "in_progress"):
                raise Conflict(f"The batch is {batch.state}: it can't be cancelled.", code="batch_over")
            times = {**batch.times, "cancelling": now()}
            connection.execute(update(batches).where(batches.c.id == batch_id).values(state="cancelling", times=times))
            return self._get(connection, batch_id, by)

    def remove(self, batch_id: str, *, by: Caller) -> None:
        """Removes one that is over, with the files it wrote. Raises: NotFound, Conflict."""
        batch = self.get(batch_id, by=by)
        if not batch.is_over:
            raise Conflict("The batch is not over yet.", hint="Cancel it first.", code="batch_not_over")
        for id in (batch.output_file, batch.error_file):
            with contextlib.suppress(NotFound):
                self.files.remove(self.files.of_person(id or "", batch.user_id))
        self._removed(batch.id)

    def expired(self) -> Sequence[str]:
        """Which are over, and to be removed as their output's time is too; and those with lines that a death left."""
        return [*self._past(), *self._left()]

    def purge(self) -> int:
        """Removes them, or those lines; returns of how many. Their files expire by themselves."""
        past, left = self._past(), self._left()
        for id in past:
            self._removed(id)
        for id in left:
            with self.database.write(durable=True, erasing=True) as connection:
                connection.execute(delete(batch_lines).where(batch_lines.c.batch_id == id))
        return len({*past, *left})

    def _past(self) -> Sequence[str]:
        ended = select(*COLUMNS).where(batches.c.state.not_in(ACTIVE))
        with self.database.read() as connection:
            return [batch.id for row in connection.execute(ended) if (batch := from_row(row)).kept_until < now()]

    def _left(self) -> Sequence[str]:
        ended = select(batches.c.id).where(batches.c.state.not_in(ACTIVE))
        left = select(batch_lines.c.batch_id).distinct().where(batch_lines.c.batch_id.in_(ended))
        with self.database.read() as connection:
            return connection.scalars(left).all()

    def _removed(self, id: str) -> None:
        with self.database.write(durable=True, erasing=True) as connection:
            connection.execute(delete(batch_lines).where(batch_lines.c.batch_id == id))
            connection.execute(delete(batches).where(batches.c.id == id))

    def _get(self, connection: Connection, batch_id: str, by: Caller) -> Batch:
        row = connection.execute(select(*COLUMNS).where(batches.c.id == batch_id, self._seen(by))).first()
        if row is None:
            raise no_batch()
        return from_row(row)

    def _seen(self, by: Caller) -> ColumnElement[bool]:
        seen = true() if by == LOCAL else batches.c.user_id == by.user_id
        return seen if self.of is None else and_(seen, batches.c.endpoint.in_(self.of))


def no_batch() -> NotFound:
    """There is none, or it is somebody else's."""
    return NotFound(
        "There is no such batch, or it is not yours.",
        hint="List yours: each protocol has its own.",
        code="batch_not_found",
    )
