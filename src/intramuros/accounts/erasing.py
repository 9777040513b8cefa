"""Erases a person's or a project's own rows, after shutting everybody out of it. Called by `privacy.erase`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from sqlalchemy import delete, func, select, update

from intramuros.storage import belongings
from intramuros.storage.database import Database
from intramuros.storage.erasable import Sample, Subject, middle
from intramuros.storage.schema import (
    api_keys,
    break_glass,
    documents,
    group_grants,
    members,
    now,
    presets,
    projects,
    sessions,
    users,
)

MOST_SAMPLES = 20


class AccessEraser:
    """Comes first: from then on nobody sees the project, and the person can't sign in."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def count(self, subject: Subject) -> Mapping[str, int]:
        """Nothing of its own: `AccountsEraser` counts."""
        return {}

    def samples(self, subject: Subject) -> Iterator[Sample]:
        """None."""
        return iter(())

    def erase(self, subject: Subject) -> None:
        """Ends sessions, keys and memberships; the project's name goes at once, for it may tell a secret too."""
        with self._database.write(durable=True, erasing=True) as connection:
            if subject.kind == "project":
                for table in (members, group_grants, break_glass):
                    connection.execute(delete(table).where(table.c.project_id == subject.id))
                connection.execute(update(projects).where(projects.c.id == subject.id).values(name=subject.id))
            elif subject.kind == "user":
                suspended = {"suspended_at": func.coalesce(users.c.suspended_at, now())}
                connection.execute(update(users).where(users.c.id == subject.id).values(suspended))
                connection.execute(delete(sessions).where(sessions.c.user_id == subject.id))
                connection.execute(delete(api_keys).where(api_keys.c.user_id == subject.id))


class AccountsEraser:
    """Comes last: the row of the person or of the project, and what hangs on it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def count(self, subject: Subject) -> Mapping[str, int]:
        """Rows by table."""
        wanted = {"user": belongings.of_user, "project": belongings.of_project}.get(subject.kind)
        if wanted is None:
            return {}
        counted = (*belongings.SIGNING_IN, api_keys, presets, members, users)
        own = [item for item in wanted(subject.id) if item.table in counted]
        with self._database.read() as connection:
            return {
                item.table.name: connection.scalar(select(func.count()).select_from(item.table).where(item.condition))
                or 0
                for item in own
            }

    def samples(self, subject: Subject) -> Iterator[Sample]:
        """Names and addresses, and what a person's presets say."""
        columns = {"user": (users.c.email, users.c.name), "project": (projects.c.name,)}.get(subject.kind, ())
        with self._database.read() as connection:
            for column in columns:
                statement = select(column).where(column.table.c.id == subject.id)
                yield Sample("name", middle(connection.scalar(statement) or ""))
            if subject.kind == "user":
                own = select(presets.c.system).where(presets.c.owner_id == subject.id)
                for text in connection.scalars(own.limit(MOST_SAMPLES)):
                    yield Sample("preset", middle(text))

    def erase(self, subject: Subject) -> None:
        """Removes the rows. What a person added to a project is the project's and stays, without their name."""
        with self._database.write(durable=True, erasing=True) as connection:
            if subject.kind == "user":
                connection.execute(update(documents).where(documents.c.added_by == subject.id).values(added_by=None))
                connection.execute(delete(users).where(users.c.id == subject.id))
            elif subject.kind == "project":
                connection.execute(delete(projects).where(projects.c.id == subject.id))
