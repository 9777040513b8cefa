"""Has the engines of every process end, because their caches may hold what was erased; the next question loads them.

Called by `privacy.erase` (`Forgetting.forget`), in whatever process, and by the server (`Forgetting.watch`), which runs
the engines. What passes between them is a number in the database that grows, and the notices of running engines.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from pathlib import Path

from intramuros.engines.pool import EnginePool
from intramuros.engines.published import Notices, began
from intramuros.errors import StorageError
from intramuros.storage import facts
from intramuros.storage.database import Database

FACT = "engines_to_forget"
WAIT_S = 60.0
_log = logging.getLogger(__name__)
_LOOK_S = 0.5
_POLL_S = 0.1


class Forgetting:
    """Both sides of it, for the engines whose notices are in `folder`."""

    def __init__(self, database: Database, folder: Path, *, wait_s: float = WAIT_S) -> None:
        self._database, self._folder, self._wait_s = database, folder, wait_s
        self._seen: int | None = None

    def forget(self) -> Mapping[str, int]:
        """Returns when every engine that ran has ended: how many, and how many still run after `wait_s`."""
        with self._database.write(durable=True, erasing=True) as connection:
            facts.put(connection, FACT, int(facts.get(connection, FACT, 0)) + 1)
        running = left = Notices(self._folder).running()
        until = time.monotonic() + self._wait_s
        while left and time.monotonic() < until:
            time.sleep(_POLL_S)
            left = {(pid, start) for pid, start in left if began(pid) == start}  # a notice goes before its worker
        return {"ended": len(running - left), "still_running": len(left)}

    async def watch(self, pool: EnginePool) -> None:
        """Renews the pool's engines whenever somebody asked for it, until cancelled."""
        if self._seen is None:  # else it failed, and something may have been asked for meanwhile
            self._seen = await asyncio.to_thread(self._asked)
        version = -1
        while True:
            await asyncio.sleep(_LOOK_S)
            now = self._database.data_version()
            if now == version:
                continue
            try:
                asked = await asyncio.to_thread(self._asked)
            except StorageError as error:
                _log.warning("whether engines are to forget can't be read: %s", error.message)
                continue
            version = now
            if asked != self._seen:
                _log.info("engines renewed, because something was erased: %s", await pool.renew())
                self._seen = asked  # only now: what failed is begun again

    def _asked(self) -> int:
        with self._database.read() as connection:
            return int(facts.get(connection, FACT, 0))
