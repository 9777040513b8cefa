"""Makes the server's backups when they are due, one after the other, with a record each.

Called by `app` for as long as a server runs. A backup that fails is tried again; what went wrong stands in the log, in
the audit, and with `tasks.backup_standing`, where administrators look.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from dataclasses import dataclass
from pathlib import Path

from intramuros.accounts.caller import LOCAL
from intramuros.audit.record import Audit
from intramuros.errors import IntramurosError
from intramuros.settings import Settings
from intramuros.tasks.backup import Backup
from intramuros.tasks.backup_standing import note_plan

log = logging.getLogger(__name__)

LOOK_EVERY_S = 60.0
AGAIN_AFTER_S = 900.0


@dataclass(frozen=True, slots=True)
class BackupSchedule:
    """The schedule of one server."""

    backup: Backup
    audit: Audit
    settings: Settings

    async def run(self, stop: asyncio.Event, *, look_every_s: float = LOOK_EVERY_S) -> None:
        """Until `stop`; at once ends if none is asked for."""
        await asyncio.to_thread(note_plan, self.backup, self.settings)
        if self.settings.backup_folder is None or not self.settings.backup_every_hours:
            return
        while not stop.is_set():
            wait_s = look_every_s
            if await asyncio.to_thread(self.is_due) and not await self._make():
                wait_s = AGAIN_AFTER_S
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await stop.wait()

    def is_due(self) -> bool:
        """Whether the last backup there is older than it may be."""
        folder = self.settings.backup_folder
        if folder is None:
            return False
        last = self.backup.known().get(str(folder.expanduser().absolute()), {"made_at": 0.0})["made_at"]
        return bool(time.time() - last >= self.settings.backup_every_hours * 3600)

    async def _make(self) -> bool:
        folder = self.settings.backup_folder
        assert folder is not None
        try:
            async with self.audit.entry("backup", by=LOCAL, via="cli") as entry:
                made = await asyncio.to_thread(self.backup.make, folder, keep=self.settings.backup_keep)
                entry.about(made.manifest.id)
                entry.note(size_bytes=made.manifest.size_bytes, results=made.copied, broken=len(made.manifest.damaged))
        except IntramurosError as error:
            log.warning("the backup was not made: %s", error.message)
            if error.code != "backup_running":
                await self._note(folder, error)
            return False
        except Exception:
            await self._note(folder, IntramurosError())
            raise
        if made.manifest.damaged:
            log.warning("the backup lacks %d damaged stored files", len(made.manifest.damaged))
        return True

    async def _note(self, folder: Path, error: IntramurosError) -> None:
        with contextlib.suppress(IntramurosError):  # on a full disk; the backup is overdue soon
            await asyncio.to_thread(self.backup.note_failure, folder, error)
