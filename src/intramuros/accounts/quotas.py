"""How much people, groups, projects and keys may use, and how much weight they have in the queue: kept here.

Called by the command line, the administration, `accounts.keys` for a key's own limits, and whoever finds a caller.
What was used is counted in `accounts.usage`.

    user            this person: what is not set for them is taken from their role, then from everyone
    role, everyone  each person of that role, each person: their own amount, not one for all
    group           all its people together
    project         all that is asked about its documents
    key             this key
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields, replace
from typing import Any

from sqlalchemy import Connection, Row, and_, delete, or_, select
from sqlalchemy.dialects.sqlite import insert

from intramuros.accounts.rights import Limit, Quota, checked_quota
from intramuros.errors import BadRequest, NotFound
from intramuros.storage.database import Database
from intramuros.storage.schema import api_keys, group_members, groups, projects, quotas, users

KINDS = ("user", "group", "project", "key", "role", "everyone")
COUNTED = ("user", "group", "project", "key")
"""The kinds that have a usage of their own: a role's limits are each person's."""
ROLES = ("administrator", "auditor", "manager", "member", "service")
NAMES = tuple(field.name for field in fields(Quota))
COLUMNS = tuple(quotas.c[name] for name in NAMES)
_NOTHING = Quota()


class Quotas:
    """The limits of this installation."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, kind: str, name: str = "") -> Limit:
        """Whose limits: a person by e-mail, others by name, all by id; with what is set for them now.

        Raises: BadRequest for an unknown kind or role, NotFound.
        """
        if kind not in KINDS:
            raise BadRequest(f"Limits are set for one of {', '.join(KINDS)}.", code="bad_limit", param="kind")
        with self._database.read() as connection:
            subject, shown = _subject(connection, kind, name)
            return Limit(kind, subject, shown, stored(connection, kind, subject))

    def set(self, kind: str, subject: str, quota: Quota) -> None:
        """Sets all limits of one; they count from the next request on, in every process. Raises: BadRequest."""
        with self._database.write(durable=True) as connection:
            store(connection, kind, subject, checked_quota(quota))

    def remove(self, kind: str, subject: str) -> None:
        """Takes all limits of one away. Raises: NotFound if there are none."""
        with self._database.write(durable=True) as connection:
            if stored(connection, kind, subject) == _NOTHING:
                raise NotFound("No limits are set for them.", code="quota_not_found")
            store(connection, kind, subject, _NOTHING)

    def list(self) -> list[Limit]:
        """Everything that is set, by kind and name."""
        with self._database.read() as connection:
            rows = connection.execute(select(quotas)).all()
            names = _names(connection, rows)
        found = [Limit(row.kind, row.subject, names.get((row.kind, row.subject), row.subject), of(row)) for row in rows]
        return sorted(found, key=lambda limit: (KINDS.index(limit.kind), limit.name.casefold()))


def limits_of(
    connection: Connection, *, user_id: str, role: str, key: Limit | None = None
) -> tuple[tuple[Limit, ...], float]:
    """All that limits a caller, and their weight: the key's, else theirs, their groups' greatest, their role's."""
    own = select(quotas).where(
        or_(
            and_(quotas.c.kind == "user", quotas.c.subject == user_id),
            and_(quotas.c.kind == "role", quotas.c.subject == role),
            quotas.c.kind == "everyone",
        )
    )
    found = {row.kind: of(row) for row in connection.execute(own)}
    person = _NOTHING
    for kind in ("user", "role", "everyone"):
        person = _filled(person, found.get(kind, _NOTHING))
    theirs = [Limit("group", row.id, row.name, of(row)) for row in connection.execute(_groups_of(user_id))]
    weights = [
        key.quota.weight if key else None,
        found.get("user", _NOTHING).weight,
        max((group.quota.weight for group in theirs if group.quota.weight is not None), default=None),
        person.weight,
    ]
    limits = (*((key,) if key else ()), Limit("user", user_id, "", person), *theirs)
    return limits, next((weight for weight in weights if weight is not None), 1.0)


def store(connection: Connection, kind: str, subject: str, quota: Quota) -> None:
    """Writes the limits of one; a row without any is not kept."""
    where = and_(quotas.c.kind == kind, quotas.c.subject == subject)
    if quota == _NOTHING:
        connection.execute(delete(quotas).where(where))
        return
    values = {name: getattr(quota, name) for name in NAMES}
    statement = insert(quotas).values(kind=kind, subject=subject, **values)
    connection.execute(statement.on_conflict_do_update(index_elements=["kind", "subject"], set_=values))


def stored(connection: Connection, kind: str, subject: str) -> Quota:
    """The limits of one."""
    row = connection.execute(select(quotas).where(quotas.c.kind == kind, quotas.c.subject == subject)).first()
    return _NOTHING if row is None else of(row)


def of(row: Row[Any]) -> Quota:
    """The limits in a row that has their columns."""
    return Quota(**{name: getattr(row, name) for name in NAMES})


def _filled(quota: Quota, other: Quota) -> Quota:
    missing = {name: getattr(other, name) for name in NAMES if getattr(quota, name) is None}
    return replace(quota, **missing)


def _groups_of(user_id: str) -> Any:
    has_limits = and_(quotas.c.kind == "group", quotas.c.subject == groups.c.id)
    return (
        select(groups.c.id, groups.c.name, *COLUMNS)
        .join(group_members, group_members.c.group_id == groups.c.id)
        .outerjoin(quotas, has_limits)
        .where(group_members.c.user_id == user_id)
        .order_by(groups.c.name)
    )


def _subject(connection: Connection, kind: str, name: str) -> tuple[str, str]:
    if kind == "everyone":
        return "all", "everyone"
    if kind == "role":
        if name not in ROLES:
            raise BadRequest(f"The role must be one of {', '.join(ROLES)}.", code="bad_role")
        return name, name
    table, shown, word = _TABLES[kind]
    given = name.strip().lower() if kind == "user" else name
    statement = select(table.c.id, shown.label("shown")).where(or_(table.c.id == name, shown == given))
    row = connection.execute(statement.order_by((table.c.id == name).desc())).first()
    if row is None or (kind == "key" and row.id != name):
        raise NotFound(f"There is no such {word}.", code=f"{kind}_not_found")
    return row.id, row.shown


_TABLES: dict[str, tuple[Any, Any, str]] = {
    "user": (users, users.c.email, "person"),
    "group": (groups, groups.c.name, "group"),
    "project": (projects, projects.c.name, "project"),
    "key": (api_keys, api_keys.c.name, "key"),
}


def _names(connection: Connection, rows: Iterable[Row[Any]]) -> dict[tuple[str, str], str]:
    names = {("everyone", "all"): "everyone"}
    for kind, (table, shown, _) in _TABLES.items():
        ids = [row.subject for row in rows if row.kind == kind]
        found = connection.execute(select(table.c.id, shown.label("shown")).where(table.c.id.in_(ids)))
        names |= {(kind, row.id): row.shown for row in found}
    return names
