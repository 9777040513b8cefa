"""A person is about to leave for good: what only they owned finds an owner, and they can't sign in any more.

Called by the task that erases people. Documents stay with their projects.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, func, update
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from intramuros.accounts.caller import LOCAL, Caller
from intramuros.accounts.projects import owned_worse, standing
from intramuros.accounts.users import User, has_administrator, last_administrator
from intramuros.errors import BadRequest, Conflict, NotAllowed, NotFound
from intramuros.storage.database import Database
from intramuros.storage.schema import members, now, users


def leave(database: Database, user: User, *, by: Caller, heir: User | None = None) -> int:
    """Suspends a person; `heir` becomes owner of what else nobody would own. Returns how many projects that were.

    All of it or nothing; done twice, it changes no more.
    Raises: Conflict for the last administrator, or without an heir where projects would have no owner; BadRequest for
    an heir who can't be one; NotAllowed if the heir is whoever asks: removing somebody must not open their projects.
    """
    if heir is not None and heir.id == by.user_id and by != LOCAL:
        raise NotAllowed(
            "Removing somebody can't give you their projects.", hint="Name somebody else.", code="self_grant"
        )
    if heir is not None and (heir.id == user.id or heir.is_suspended or heir.is_service):
        raise BadRequest("Who takes over must be somebody else, who can sign in.", code="bad_heir")
    with database.write(durable=True) as connection:
        before = standing(connection)
        _suspend(connection, user)
        left = owned_worse(before, standing(connection, without=user.id))
        _hand_over(connection, left, heir)
    return len(left)


def _suspend(connection: Connection, user: User) -> None:
    had_administrator = has_administrator(connection)
    which = (users.c.id == user.id) & (users.c.id != LOCAL.user_id)
    values = {"suspended_at": func.coalesce(users.c.suspended_at, now())}
    if connection.execute(update(users).where(which).values(values)).rowcount != 1:
        raise NotFound("There is no such person.", code="user_not_found")
    if had_administrator and not has_administrator(connection):
        raise last_administrator()


def _hand_over(connection: Connection, left: Sequence[str], heir: User | None) -> None:
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
