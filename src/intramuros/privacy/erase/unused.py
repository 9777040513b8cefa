"""Projects whose documents go once nobody has used them for some days: when each was used last, and what is due.

A search is a use, whoever makes it and through whichever door, and so is a document that comes or is read. `note` is
called at every search; `due` by `privacy.erase.retention`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, func, select, update

from intramuros.errors import StorageError
from intramuros.storage.database import Database
from intramuros.storage.schema import documents, now, projects

DAY_S = 86_400
STEP_S = 60.0
"""A use is written down this much after the last one: not every search is to write."""


@dataclass(frozen=True, slots=True)
class LastUse:
    """When a project was used last, and how many days its documents stay after that; None: for ever."""

    at: float
    days: int | None

    @property
    def ends_at(self) -> float | None:
        """When they go, if nobody uses it. Units: seconds since 1970."""
        return None if self.days is None else self.at + self.days * DAY_S


@dataclass(frozen=True, slots=True)
class Unused:
    """The last uses of all projects."""

    database: Database

    def of(self, project_ids: Sequence[str]) -> dict[str, LastUse]:
        """The last use of each of these."""
        statement = select(projects.c.id, used_at(), projects.c.unused_days).where(projects.c.id.in_(project_ids))
        with self.database.read() as connection:
            return {id: LastUse(at, days) for id, at, days in connection.execute(statement)}

    def note(self, project_ids: Sequence[str]) -> None:
        """Notes that these projects are used, where anything hangs on it."""
        late = projects.c.id.in_(project_ids), projects.c.unused_days.is_not(None), used_at() < now() - STEP_S
        with self.database.read() as connection:
            ids = list(connection.scalars(select(projects.c.id).where(*late)))
        if ids:
            with contextlib.suppress(StorageError), self.database.write() as connection:  # a full disk stops no search
                connection.execute(update(projects).where(projects.c.id.in_(ids)).values(last_used_at=now()))

    def due(self, limit: int) -> list[str]:
        """Documents of projects that were not used for as long as they may."""
        over = projects.c.id == documents.c.project_id, used_at() < now() - projects.c.unused_days * DAY_S
        with self.database.read() as connection:
            return list(connection.scalars(select(documents.c.id).join(projects).where(*over).limit(limit)))


def used_at() -> ColumnElement[float]:
    """When a project of a query was used last. Units: seconds since 1970."""
    newest = select(func.max(documents.c.updated_at)).where(documents.c.project_id == projects.c.id)
    own = func.coalesce(projects.c.last_used_at, projects.c.created_at)
    return func.max(own, func.coalesce(newest.correlate(projects).scalar_subquery(), 0))
