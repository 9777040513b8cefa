"""What a server does by itself: finish erasures that were cut short or begun on a page, and erase what is too old.

Called by `app`. Each run that finds something to do is a record in the audit.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sized
from typing import Protocol

from intramuros.accounts.caller import LOCAL
from intramuros.audit.record import Audit
from intramuros.errors import IntramurosError
from intramuros.privacy.erase.erasure import Erasure
from intramuros.privacy.erase.retention import Retention

LOOK_S = 1.0
LATER_S = 60.0
"""After something could not be finished."""
RETENTION_S = 3600.0

_log = logging.getLogger(__name__)


class Expiring(Protocol):
    """What is kept for a fixed time only."""

    def expired(self) -> Sized:
        """What is too old."""
        ...

    def purge(self) -> int:
        """Removes it, and says how much it was."""
        ...


class Schedule:
    """Runs as long as its task. `expiring` goes with nobody's receipt: that it does was known when it came."""

    def __init__(self, erasure: Erasure, retention: Retention, audit: Audit, *expiring: Expiring) -> None:
        self._erasure, self._retention, self._audit, self._expiring = erasure, retention, audit, expiring

    async def run(self) -> None:
        """Until cancelled. A failure is in the log and in the audit, and tried again."""
        due, version = 0.0, -1
        while True:
            pause = LOOK_S
            try:
                is_due = time.monotonic() >= due
                now = self._erasure.database.data_version()
                if is_due or now != version:
                    version = now
                    await asyncio.to_thread(self._finish)
                if is_due:
                    await asyncio.to_thread(self._keep)
                    due = time.monotonic() + RETENTION_S
            except IntramurosError as error:
                _log.warning("erasing is to be tried again: %s", error.message)
                pause, version = LATER_S, -1
            await asyncio.sleep(pause)

    def _finish(self) -> None:
        if self._erasure.unfinished():
            with self._audit.entry_sync("erase.resume", by=LOCAL, via="schedule") as entry:
                entry.note(records=len(self._erasure.resume()))

    def _keep(self) -> None:
        if self._retention.due():
            with self._audit.entry_sync("retention.run", by=LOCAL, via="schedule") as entry:
                entry.note(records=len(self._retention.run(by=LOCAL.user_id)))
        for one in self._expiring:
            if one.expired():
                with self._audit.entry_sync("retention.expire", by=LOCAL, via="schedule") as entry:
                    entry.note(records=one.purge())
