"""Backups as a page: how old the last one is, start one, and what to do on the day it is needed. Called by the router.

The folder comes from the settings alone: a page must not choose where data goes.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass, field
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from intramuros.accounts.caller import Caller
from intramuros.background import begin
from intramuros.errors import BadRequest, IntramurosError
from intramuros.security.keys import recovery_facts
from intramuros.tasks.backup_standing import Standing, standing
from intramuros.web.problems import Problem, problem
from intramuros.web.visit import Visit, read_form, redirect
from intramuros.web.words import Words

OLD_S = 8 * 86_400.0


def reason(stands: Standing, words: Words) -> Problem | None:
    """Why scheduled backups are not well, and what to do; None if they are."""
    if stands.is_well:
        return None
    said = words(f"backups.is.{stands.state}")
    if stands.error is None:
        return Problem(stands.state, said, words(f"backups.do.{stands.state}", number=stands.damaged))
    why = problem(stands.error, words)
    return Problem(why.code, f"{said} {why.message}", why.hint, why.reference)


@dataclass(slots=True)
class BackupsPage:
    """The page and the backup it has started."""

    _task: asyncio.Task[None] | None = None
    _error: IntramurosError | None = None
    _is_running: bool = field(default=False)

    def show(self, visit: Visit) -> Response:
        """The state of the backups."""
        app = visit.app
        known = app.backup.known()
        stands = standing(app.backup, app.settings)
        last = max(known.values(), key=lambda one: one["made_at"], default=None)
        folder = app.settings.backup_folder
        listed = app.backup.list(folder) if folder and folder.is_dir() else []
        return visit.page(
            "backups.html",
            section="administration",
            last=last,
            stands=stands,
            why=reason(stands, visit.words),
            is_old=last is not None and time.time() - last["made_at"] > OLD_S,
            folder=folder,
            hours=app.settings.backup_every_hours,
            keep=app.settings.backup_keep,
            listed=listed[:30],
            recovery=recovery_facts(app.settings.data),
            is_running=self._is_running,
            trouble=problem(self._error, visit.words) if self._error else None,
        )

    async def make(self, visit: Visit) -> Response:
        """Starts a backup to the folder of the settings. Raises: BadRequest without one."""
        form = await read_form(visit.request)
        visit.check_token(form.get("csrf"))
        folder = visit.app.settings.backup_folder
        if folder is None:
            raise BadRequest(
                "No backup folder is set.", hint="Set INTRAMUROS_BACKUP_FOLDER and start the server again."
            )
        if not self._is_running:
            self._is_running, self._error = True, None
            self._task = begin(self._make(visit, folder, visit.caller), name="backup for a page")
        return redirect("/administration/backups")

    async def _make(self, visit: Visit, folder: Path, by: Caller) -> None:
        app = visit.app
        try:
            async with app.audit.entry("backup", by=by, via="web") as entry:
                made = await run_in_threadpool(app.backup.make, folder, keep=app.settings.backup_keep)
                entry.about(made.manifest.id)
                entry.note(size_bytes=made.manifest.size_bytes, results=made.copied, broken=len(made.manifest.damaged))
        except IntramurosError as error:
            self._error = error
            if error.code != "backup_running":
                with contextlib.suppress(IntramurosError):
                    await run_in_threadpool(app.backup.note_failure, folder, error)
        except Exception:
            self._error = IntramurosError()
            raise
        finally:
            self._is_running = False
