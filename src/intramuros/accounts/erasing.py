"""Erases a person's or a project's own rows, after shutting everybody out of it. Called by `privacy.erase`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from sqlalchemy import delete, func, select, update

from intramuros.accounts.caller import LOCAL
from intramuros.errors import Conflict, NotFound
from intramuros.storage import belongings
from intramuros.storage.database import Database
from intramuros.storage.erasable import Sample, Subject, middle
from intramuros.storage.schema import (
    api_keys,
    break_glass,
    documents,
    group_grants,
    group_members,
    members,
    now,
    projects,
    sessions,
    users,
)


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
        counted = (*belongings.SIGNING_IN, api_keys, members, users)
        own = [item for item in wanted(subject.id) if item.table in counted]
        with self._database.read() as connection:
            return {
                item.table.name: connection.scalar(select(func.count()).select_from(item.table).where(item.condition))
                or 0
                for item in own
            }

    def samples(self, subject: Subject) -> Iterator[Sample]:
        """Names and addresses."""
        columns = {"user": (users.c.email, users.c.name), "project": (projects.c.name,)}.get(subject.kind, ())
        with self._database.read() as connection:
            for column in columns:
                statement = select(column).where(column.table.c.id == subject.id)
                yield Sample("name", middle(connection.scalar(statement) or ""))

    def erase(self, subject: Subject) -> None:
        """Removes the rows. What a person added to a project is the project's and stays, without their name."""
        with self._database.write(durable=True, erasing=True) as connection:
            if subject.kind == "user":
                connection.execute(update(documents).where(documents.c.added_by == subject.id).values(added_by=None))
                connection.execute(delete(users).where(users.c.id == subject.id))
            elif subject.kind == "project":
                connection.execute(delete(projects).where(projects.c.id == subject.id))


def check_user(database: Database, user_id: str) -> None:
    """Whether a person may be erased.

    Raises: NotFound, Conflict for the last administrator and for the last owner of a project.
    """
    with database.read() as connection:
        row = connection.execute(select(users.c.role).where(users.c.id == user_id)).first()
        if row is None or user_id == LOCAL.user_id:
            raise NotFound("There is no such person.", hint="Give their e-mail address or id.")
        others = users.c.id.not_in([user_id, LOCAL.user_id]) & users.c.suspended_at.is_(None)
        rest = connection.scalar(select(users.c.id).where(users.c.role == "administrator", others).limit(1))
        if row.role == "administrator" and rest is None:
            raise Conflict("This is the last administrator.", hint="Make somebody else an administrator first.")
        owned = select(members.c.project_id).where(members.c.user_id == user_id, members.c.role == "owner")
        shared = select(members.c.project_id).where(
            members.c.user_id.not_in([user_id, LOCAL.user_id]), members.c.role == "owner"
        )
        through_groups = (
            select(group_grants.c.project_id)
            .join(group_members, group_members.c.group_id == group_grants.c.group_id)
            .where(group_grants.c.role == "owner", group_members.c.user_id != user_id)
        )
        others_own = members.c.project_id.in_(shared) | members.c.project_id.in_(through_groups)
        alone = list(connection.scalars(owned.where(~others_own)))
    if alone:
        raise Conflict(
            f"This person is the last owner of {len(alone)} project(s): {', '.join(alone[:5])}.",
            hint="Make somebody else an owner, or erase these projects first.",
            code="last_owner",
        )
