"""Groups of people, for projects to be shared with.

Called by the administration, the command line, and by sign-ins that know a person's groups elsewhere. What a group
opens is decided in `accounts.projects`. Nobody lets themselves into a project by joining a group that has it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, Select, delete, func, insert, or_, select, update
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.exc import IntegrityError

from intramuros.accounts.caller import LOCAL, Caller
from intramuros.accounts.projects import clean_name, keeping_owners, opens_more
from intramuros.errors import BadRequest, Conflict, NotAllowed, NotFound
from intramuros.storage.database import Database
from intramuros.storage.schema import group_members, groups, new_id, now, users

LONGEST_EXTERNAL = 400


@dataclass(frozen=True, slots=True)
class Group:
    """A named set of people. `external_name` is what a directory calls it, if that decides who belongs to it."""

    id: str
    name: str
    external_name: str | None
    people: int
    created_at: float


@dataclass(frozen=True, slots=True)
class GroupMember:
    """A person in a group; `is_external` if a directory put them there."""

    user_id: str
    name: str
    email: str
    is_external: bool


class Groups:
    """The groups of this installation."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, name: str, *, external_name: str | None = None) -> Group:
        """A new, empty group. Raises: BadRequest for a bad name, Conflict if it is taken."""
        values = {
            "id": new_id(),
            "name": clean_name(name, of="group"),
            "external_name": _external(external_name),
            "created_at": now(),
        }
        with self._changing() as connection:
            connection.execute(insert(groups).values(values))
            return _one(connection, str(values["id"]))

    def change(self, group: str, *, name: str | None = None, external_name: str | None = None) -> Group:
        """Renames a group, or changes its name in the directory (empty: none). Raises: as `create`, NotFound."""
        values: dict[str, Any] = {}
        if name is not None:
            values["name"] = clean_name(name, of="group")
        if external_name is not None:
            values["external_name"] = _external(external_name)
        with self._changing() as connection:
            found = _one(connection, group)
            if values:
                connection.execute(update(groups).where(groups.c.id == found.id).values(values))
            return _one(connection, found.id)

    def remove(self, group: str) -> Group:
        """Removes a group, and what was shared with it. Raises: NotFound, Conflict if a project would have no owner."""
        with keeping_owners(self._database) as connection:
            found = _one(connection, group)
            connection.execute(delete(groups).where(groups.c.id == found.id))
            return found

    def get(self, group: str) -> Group:
        """The group of this name or id. Raises: NotFound."""
        with self._database.read() as connection:
            return _one(connection, group)

    def nameable(self, group: str, *, by: Caller) -> Group:
        """A group that the caller may name: any for who oversees people, else their own. Raises: NotFound."""
        found = self.get(group)
        if by.oversees or found.id in {mine.id for mine in self.list(of=by.user_id)}:
            return found
        raise _no_group()

    def list(self, *, of: str | None = None) -> list[Group]:
        """All groups, or those of one person, by name."""
        statement = _counted().order_by(func.lower(groups.c.name))
        if of is not None:
            mine = select(group_members.c.group_id).where(group_members.c.user_id == of)
            statement = statement.where(groups.c.id.in_(mine))
        with self._database.read() as connection:
            return [_group(row) for row in connection.execute(statement)]

    def members(self, group: str) -> Sequence[GroupMember]:
        """Who belongs to a group, by name. Raises: NotFound."""
        with self._database.read() as connection:
            found = _one(connection, group)
            rows = connection.execute(
                select(users.c.id, users.c.name, users.c.email, group_members.c.is_external)
                .join(group_members, group_members.c.user_id == users.c.id)
                .where(group_members.c.group_id == found.id)
                .order_by(func.lower(users.c.name))
            )
            return [GroupMember(row.id, row.name, row.email, bool(row.is_external)) for row in rows]

    def add(self, group: str, *, user_id: str, by: Caller) -> Group:
        """Puts a person into a group.

        Raises: NotFound; NotAllowed if they add themselves and it would show them what they may not see.
        """
        with self._database.write(durable=True) as connection:
            found = _one(connection, group)
            if connection.scalar(select(users.c.id).where(users.c.id == user_id, users.c.id != LOCAL.user_id)) is None:
                raise NotFound("There is no such person.")
            if user_id == by.user_id and by != LOCAL and opens_more(connection, found.id, by):
                raise NotAllowed(
                    "Nobody adds themselves to a group that opens a project to them.",
                    hint="Ask somebody else who manages groups.",
                    code="self_grant",
                )
            statement = sqlite_insert(group_members).values(group_id=found.id, user_id=user_id, is_external=False)
            connection.execute(statement.on_conflict_do_nothing())
            return _one(connection, found.id)

    def leave(self, group: str, *, user_id: str) -> Group:
        """Takes a person out of a group. Raises: NotFound, Conflict if a project would have no owner."""
        with keeping_owners(self._database) as connection:
            found = _one(connection, group)
            statement = delete(group_members).where(
                group_members.c.group_id == found.id, group_members.c.user_id == user_id
            )
            if connection.execute(statement).rowcount != 1:
                raise NotFound("This person does not belong to the group.", code="not_a_member")
            return _one(connection, found.id)

    def set_external(self, user_id: str, names: Iterable[str]) -> Sequence[str]:
        """Makes a person's groups match what a directory says; returns the ids of those they are in by that.

        Only groups with an external name count, whatever its case. Whom people here put into a group stays in it.
        """
        wanted = {name.strip().casefold() for name in names}
        with self._database.write(durable=True) as connection:
            mapped = connection.execute(select(groups).where(groups.c.external_name.is_not(None))).all()
            ids = [row.id for row in mapped if row.external_name.casefold() in wanted]
            connection.execute(
                delete(group_members).where(
                    group_members.c.user_id == user_id,
                    group_members.c.is_external,
                    group_members.c.group_id.not_in(ids),
                )
            )
            for group_id in ids:
                statement = sqlite_insert(group_members).values(group_id=group_id, user_id=user_id, is_external=True)
                connection.execute(statement.on_conflict_do_nothing())
        return ids

    @contextmanager
    def _changing(self) -> Iterator[Connection]:
        with self._database.write(durable=True) as connection:
            try:
                yield connection
            except IntegrityError as error:
                raise Conflict("There is a group of this name already.", code="group_exists") from error


def _one(connection: Connection, group: str) -> Group:
    statement = _counted().where(or_(groups.c.id == group, groups.c.name == group))
    row = connection.execute(statement.order_by((groups.c.id == group).desc())).first()
    if row is None:
        raise _no_group()
    return _group(row)


def _no_group() -> NotFound:
    return NotFound("There is no such group.", hint="See them with: intramuros groups list", code="group_not_found")


def _counted() -> Select[Any]:
    people = select(func.count()).where(group_members.c.group_id == groups.c.id).scalar_subquery()
    return select(groups, people.label("people"))


def _group(row: Row[Any]) -> Group:
    return Group(row.id, row.name, row.external_name, row.people, row.created_at)


def _external(name: str | None) -> str | None:
    name = " ".join((name or "").split())
    if len(name) > LONGEST_EXTERNAL:
        raise BadRequest(f"The external name must have at most {LONGEST_EXTERNAL} characters.", code="bad_name")
    return name or None
