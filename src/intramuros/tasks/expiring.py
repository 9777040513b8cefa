"""Removes files whose time is over, now and then. Called by `app`; when there are some it is a record in the audit."""

from __future__ import annotations

import asyncio
import logging

from intramuros.accounts.caller import LOCAL
from intramuros.audit.record import Audit
from intramuros.errors import IntramurosError
from intramuros.tasks.files import Files

EVERY_S = 600.0

_log = logging.getLogger(__name__)


async def remove_expired(files: Files, audit: Audit, *, every_s: float = EVERY_S) -> None:
    """Until cancelled. What can't be removed now is tried again the next time; nobody sees it meanwhile."""
    while True:
        try:
            await asyncio.to_thread(_remove, files, audit)
        except IntramurosError as error:
            _log.warning("expired files are to be removed again: %s", error.message)
        await asyncio.sleep(every_s)


def _remove(files: Files, audit: Audit) -> None:
    found = files.expired()
    if found:
        with audit.entry_sync("files.expire", by=LOCAL, via="schedule") as entry:
            for file in found:
                files.remove(file)
            entry.note(records=len(found))
