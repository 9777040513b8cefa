"""A person leaves for good: their account, sessions, keys and conversations go; what only they owned finds an owner.

Called by the administration and the command line. Documents stay with their projects.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, delete, select
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from intramuros.accounts.caller import LOCAL, Caller
from intramuros.accounts.projects import ownerless
from intramuros.accounts.users import User, has_administrator
from intramuros.errors import BadRequest, Conflict, NotAllowed, NotFound
from intramuros.security.subject_keys import SubjectKeys
from intramuros.storage.database import Database
from intramuros.storage.schema import members, users


@dataclass(frozen=True, slots=True)
class Leaving:
    """Removes people."""

    database: Database
    keys: SubjectKeys

    def remove(self, user: User, *, by: Caller, heir: User | None = None) -> int:
        """Removes a person; `heir` becomes owner of what else nobody would own. Returns how many projects that were.

        Raises: Conflict for the last administrator, or without an heir where projects would have no owner;
        NotAllowed if the heir is whoever asks: removing somebody must not open their projects.
        """
        if heir is not None and heir.id == by.user_id and by != LOCAL:
            raise NotAllowed(
                "Removing somebody can't give you their projects.", hint="Name somebody else.", code="self_grant"
            )
        if heir is not None and heir.id == user.id:
            raise BadRequest("Who leaves can't take over.", code="bad_heir")
        with self.database.write(durable=True) as connection:
            inherited = _removed(connection, user, heir)
        self.keys.destroy("user", user.id)
        self.database.checkpoint()
        return inherited


def _removed(connection: Connection, user: User, heir: User | None) -> int:
    had_administrator, before = has_administrator(connection), ownerless(connection)
    found = select(users.c.id).where(users.c.id == user.id, users.c.id != LOCAL.user_id)
    if connection.scalar(found) is None:
        raise NotFound("There is no such person.")
    connection.execute(delete(users).where(users.c.id == user.id))
    if had_administrator and not has_administrator(connection):
        raise Conflict("This is the last administrator.", hint="Make somebody else an administrator first.")
    left = ownerless(connection) - before
    if left and heir is None:
        raise Conflict(
            f"{len(left)} project(s) would have no owner.",
            hint="Say who takes them over: intramuros users remove PERSON --heir E-MAIL",
            code="needs_heir",
            projects=len(left),
        )
    for project_id in left:
        assert heir is not None
        statement = sqlite_insert(members).values(project_id=project_id, user_id=heir.id, role="owner")
        connection.execute(
            statement.on_conflict_do_update(index_elements=["project_id", "user_id"], set_={"role": "owner"})
        )
    return len(left)
