"""How the backups stand that a server makes by itself: whether the last one is recent, and if not, why.

Called by every place where an administrator looks: the pages, health, metrics and the self-test; and by the schedule,
which notes its plan here, so that the command line knows of it too.
"""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NotRequired, TypedDict

from intramuros.errors import Conflict, IntramurosError
from intramuros.settings import Settings
from intramuros.storage import facts
from intramuros.tasks.backup import Backup

GRACE_S = 3600.0
"""So long after a backup is due it may be under way; then it is overdue."""
PLAN_FACT = "backup_plan"

State = Literal["off", "waiting", "good", "damaged", "overdue", "refused", "failed"]


class BackupsObject(TypedDict):
    """How scheduled backups stand, and what went wrong. Times: seconds since 1970."""

    ok: bool
    state: State
    last_made_at: float | None
    failed_at: float | None
    error: NotRequired[str]
    message: NotRequired[str]
    hint: NotRequired[str]
    damaged_files: NotRequired[int]


@dataclass(frozen=True, slots=True)
class Standing:
    """The state of scheduled backups, with when the last one was made (None: never) and what went wrong.

    off: none is scheduled. waiting: the first is about to be made. damaged: the last one lacks stored files that were
    damaged. overdue: it was not made in time. refused: the next one can't be made. failed: the last try was none.
    """

    state: State
    folder: Path | None = None
    last_at: float | None = None
    failed_at: float | None = None
    error: IntramurosError | None = None
    damaged: int = 0

    @property
    def is_well(self) -> bool:
        """Whether there is nothing that somebody should do."""
        return self.state in {"off", "waiting", "good"}

    def to_json(self) -> BackupsObject:
        """As `/health` tells it to administrators."""
        found: BackupsObject = {
            "ok": self.is_well,
            "state": self.state,
            "last_made_at": self.last_at,
            "failed_at": self.failed_at,
        }
        if self.error is not None:
            found["error"], found["message"], found["hint"] = self.error.code, self.error.message, self.error.hint
        if self.damaged:
            found["damaged_files"] = self.damaged
        return found


def note_plan(backup: Backup, settings: Settings) -> None:
    """Remembers what the server that starts now is to do; that it is to do nothing, too. Raises: StorageError."""
    plan = _plan(settings)
    with backup.database.write() as connection:
        before = facts.get(connection, PLAN_FACT, {})
        if plan is None:
            facts.remove(connection, PLAN_FACT)
        elif {**before, "since": 0} != {**plan, "since": 0}:
            facts.put(connection, PLAN_FACT, {**plan, "since": time.time()})


def standing(backup: Backup, settings: Settings) -> Standing:
    """How the scheduled backups stand, by the settings here, or else by what the server was last told.

    It looks into the backup folder, which may be on a slow disk: not for the event loop. Raises: StorageError.
    """
    with backup.database.read() as connection:
        noted = facts.get(connection, PLAN_FACT, {})
    plan = _plan(settings) or noted
    if not plan:
        return Standing("off")
    since = noted["since"] if noted.get("folder") == plan["folder"] else time.time()
    folder = Path(plan["folder"])
    last = backup.known().get(str(folder), {})
    last_at, damaged = last.get("made_at"), last.get("damaged", 0)
    if (failure := backup.failure(folder)) is not None:
        return Standing("failed", folder, last_at, failure.at, failure.error, damaged)
    if (refusal := _refusal(backup, folder)) is not None:
        return Standing("refused", folder, last_at, None, refusal, damaged)
    if time.time() - (last_at or since) > (plan["every_hours"] * 3600 if last_at else 0) + GRACE_S:
        return Standing("overdue", folder, last_at, damaged=damaged)
    if last_at is None:
        return Standing("waiting", folder)
    return Standing("damaged" if damaged else "good", folder, last_at, damaged=damaged)


def _plan(settings: Settings) -> dict[str, Any] | None:
    if settings.backup_folder is None or not settings.backup_every_hours:
        return None
    return {"folder": str(settings.backup_folder.expanduser().absolute()), "every_hours": settings.backup_every_hours}


def _refusal(backup: Backup, folder: Path) -> Conflict | None:
    """Why the next backup to this folder would be refused, which shows before it is due."""
    with contextlib.suppress(OSError):  # the try itself will tell
        try:
            backup.check_generation(folder)
        except Conflict as error:
            return error
    return None
