"""Takes batches and has them answered, in slots that people leave free.

`run` is the background of a server, `drain` waits for one batch at the command line; both may work at the same time, in
several processes, and a batch is worked on by whoever takes it first, for as long as that process lives.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterator, MutableMapping
from dataclasses import dataclass, field

from sqlalchemy import select, update

from intramuros.errors import IntramurosError, NotFound
from intramuros.security.subject_keys import SubjectKeys
from intramuros.storage.liveness import Holder
from intramuros.storage.schema import batches
from intramuros.tasks.batch import ACTIVE, Batch, find, no_batch
from intramuros.tasks.batch_door import LineDoor
from intramuros.tasks.batch_lines import LineStore
from intramuros.tasks.batch_work import LOOK_S, BatchWork, Parts, cancelled

AT_ONCE = 4
"""Batches that are worked on together, so that a short one need not wait for a long one."""
_WAITING = f"SELECT 1 FROM batches WHERE state IN ({', '.join(repr(state) for state in ACTIVE)}) LIMIT 1"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class BatchRunner:
    """Answers the batches of this installation. `doors` by endpoint, put there by whoever mounts them."""

    parts: Parts
    keys: SubjectKeys
    doors: MutableMapping[str, LineDoor] = field(default_factory=dict)

    async def run(self, stop: asyncio.Event) -> None:
        """Works on batches as they come, until `stop` is set; what is not answered then stays for later."""
        with self._shift() as holder:
            tasks: set[asyncio.Task[None]] = set()
            try:
                while not stop.is_set():
                    tasks = {task for task in tasks if not task.done()}
                    batch = await self._next(holder) if len(tasks) < AT_ONCE else None
                    if batch is not None:
                        tasks.add(asyncio.create_task(self._work(batch, holder, via="schedule"), name="batch"))
                        continue
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(stop.wait(), LOOK_S)
            finally:
                await cancelled(tasks)

    async def drain(
        self, batch_id: str, *, wait_s: float = 0.0, progress: Callable[[Batch], None] = lambda _: None
    ) -> Batch:
        """Waits for the end of one batch, and works on it where nobody else does after `wait_s`."""
        with self._shift() as holder:
            working: set[asyncio.Task[None]] = set()
            try:
                while True:
                    batch = await asyncio.to_thread(find, self.parts.database, batch_id)
                    if batch is None:
                        raise no_batch()
                    progress(batch)
                    if batch.is_over:
                        return batch
                    taken = None
                    if not working and wait_s <= 0:
                        taken = await asyncio.to_thread(self._take, batch_id, holder)
                    if taken is not None:
                        working.add(asyncio.create_task(self._work(taken, holder, via="cli"), name="batch"))
                    wait_s -= LOOK_S
                    if not working:
                        await asyncio.sleep(LOOK_S)
                        continue
                    done, working = await asyncio.wait(working, timeout=LOOK_S)
                    for task in done:
                        task.result()
            finally:
                await cancelled(working)

    async def _work(self, batch: Batch, holder: Holder, *, via: str) -> None:
        """Brings one batch as far as it goes; after trouble it is given back, and taken again later."""
        try:
            lines = await asyncio.to_thread(LineStore, self.parts.database, self.keys, batch, holder.name)
            await BatchWork(self.parts, batch, lines, self.doors[batch.endpoint], holder.name, via).run()
        except NotFound as gone:  # the person was erased while their batch ran
            _log.info("a batch ends: %s", gone.code)
        except IntramurosError as error:
            _log.warning("a batch is to be worked on again: %s", error.message)
            await asyncio.sleep(LOOK_S)
            if via == "cli":
                raise
        except Exception as error:  # its words may be a request's
            _log.error("a batch stopped, and is to be worked on again: %s", type(error).__name__)
            await asyncio.sleep(LOOK_S)
        finally:
            with contextlib.suppress(IntramurosError):
                await asyncio.shield(asyncio.to_thread(self._release, batch.id, holder))

    async def _next(self, holder: Holder) -> Batch | None:
        if not self.doors or self.parts.database.glance(_WAITING) is None:
            return None
        return await asyncio.to_thread(self._take_next, holder)

    def _take_next(self, holder: Holder) -> Batch | None:
        statement = select(batches.c.id, batches.c.worker).where(batches.c.state.in_(ACTIVE))
        with self.parts.database.read() as connection:
            rows = connection.execute(statement.order_by(batches.c.created_at)).all()
        for row in rows:
            if row.worker is None or not holder.is_alive(row.worker):
                return self._take(row.id, holder)
        return None

    def _take(self, batch_id: str, holder: Holder) -> Batch | None:
        """The batch, now this process's; None when another living one has it or there is nothing to do."""
        statement = select(batches.c.state, batches.c.endpoint, batches.c.worker).where(batches.c.id == batch_id)
        with self.parts.database.write() as connection:
            row = connection.execute(statement).first()
            if row is None or row.state not in ACTIVE or row.endpoint not in self.doors:
                return None
            if row.worker is not None and holder.is_alive(row.worker):
                return None
            connection.execute(update(batches).where(batches.c.id == batch_id).values(worker=holder.name))
        return find(self.parts.database, batch_id)

    def _release(self, batch_id: str, holder: Holder) -> None:
        mine = batches.c.id == batch_id, batches.c.worker == holder.name
        with self.parts.database.write() as connection:
            connection.execute(update(batches).where(*mine).values(worker=None))

    @contextlib.contextmanager
    def _shift(self) -> Iterator[Holder]:
        holder = Holder(self.parts.database.path.parent / "run")
        try:
            yield holder
        finally:
            holder.close()
