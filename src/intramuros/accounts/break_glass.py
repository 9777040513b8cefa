"""Breaking the glass: an administrator's look at what is not theirs, for a while, told to those concerned.

Called by the administration and by the page "Who sees what". What it opens is decided in `accounts.projects` (a
project, as a reader) and in `tasks.conversation` (one person's conversations). The reason is kept here, encrypted with
everything else, and never in the audit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, insert, or_, select, update

from intramuros.accounts.caller import LOCAL, Caller
from intramuros.accounts.projects import belong_to
from intramuros.errors import BadRequest, Conflict, NotAllowed, NotFound
from intramuros.storage.database import Database
from intramuros.storage.schema import break_glass, new_id, now, projects, users

LONGEST_H = 4.0
SHORTEST_REASON, LONGEST_REASON = 10, 1000


@dataclass(frozen=True, slots=True)
class Opening:
    """One such access: to a project or to a person's conversations."""

    id: str
    user_id: str | None
    user_name: str
    project_id: str | None
    project_name: str | None
    subject_id: str | None
    subject_name: str | None
    reason: str
    created_at: float
    expires_at: float
    ended_at: float | None

    @property
    def until(self) -> float:
        """When it ends, or ended."""
        return min(self.expires_at, self.ended_at or self.expires_at)

    @property
    def is_open(self) -> bool:
        """Whether it still opens anything."""
        return now() < self.until


class BreakGlass:
    """The accesses of this installation, open and ended: none is ever removed but with what it was to."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(
        self, *, by: Caller, reason: str, hours: float, project: str | None = None, subject: str | None = None
    ) -> Opening:
        """Opens a project (by its name or id), or a person's conversations, to an administrator.

        Raises: NotAllowed for anybody else, NotFound, BadRequest without a reason or for more than four hours,
        Conflict where they have it already.
        """
        reason = " ".join(reason.split())
        if not by.is_administrator or by.key_id is not None or by.user_id == LOCAL.user_id:
            raise NotAllowed("Only administrators who sign in may break the glass.")
        if not SHORTEST_REASON <= len(reason) <= LONGEST_REASON:
            raise BadRequest(
                f"Write why, in {SHORTEST_REASON} to {LONGEST_REASON} characters: those concerned will read it.",
                code="no_reason",
            )
        if not 0 < hours <= LONGEST_H:
            raise BadRequest(f"The time must be more than 0 and at most {LONGEST_H:g} hours.", code="bad_hours")
        if (project is None) == (subject is None):
            raise BadRequest("Name either a project or a person.", code="bad_request")
        with self._database.write(durable=True) as connection:
            project = None if project is None else _project_id(connection, project)
            _check_target(connection, project, subject, by)
            at = now()
            values = {
                "id": new_id(), "user_id": by.user_id, "user_name": by.name, "project_id": project,
                "subject_id": subject, "reason": reason, "created_at": at, "expires_at": at + hours * 3600,
            }  # fmt: skip
            connection.execute(insert(break_glass).values(values))
            return _one(connection, str(values["id"]))

    def end(self, opening: str, *, by: Caller) -> Opening:
        """Ends an access early; any administrator may, and whom it concerns.

        Raises: NotFound, also for whoever may not see it; Conflict if it has ended.
        """
        with self._database.write(durable=True) as connection:
            found = _one(connection, opening)
            is_concerned = found.subject_id == by.user_id or (
                found.project_id is not None and belong_to(connection, found.project_id, by.user_id, owner=True)
            )
            if not by.is_administrator and not is_concerned:
                raise _no_opening()
            if not found.is_open:
                raise Conflict("This access has ended already.", code="has_ended")
            connection.execute(update(break_glass).where(break_glass.c.id == found.id).values(ended_at=now()))
            return _one(connection, found.id)

    def list(self) -> Sequence[Opening]:
        """All of them, newest first, for administrators and auditors."""
        return self._found()

    def concerning(self, user_id: str) -> Sequence[Opening]:
        """Those to a person's conversations, and to projects they belong to; newest first."""
        mine = belong_to(None, break_glass.c.project_id, user_id)
        return self._found(or_(break_glass.c.subject_id == user_id, mine))

    def get(self, opening: str, *, by: Caller) -> Opening:
        """An access of the caller's own that is still open. Raises: NotFound."""
        with self._database.read() as connection:
            found = _one(connection, opening)
        if found.user_id != by.user_id or not by.is_administrator or not found.is_open:
            raise _no_opening()
        return found

    def _found(self, *conditions: Any) -> Sequence[Opening]:
        statement = _with_names().where(*conditions).order_by(break_glass.c.created_at.desc())
        with self._database.read() as connection:
            return [_opening(row) for row in connection.execute(statement)]


def _project_id(connection: Connection, project: str) -> str:
    is_it = or_(projects.c.id == project, projects.c.name == project)
    found = connection.scalar(select(projects.c.id).where(is_it).order_by((projects.c.id == project).desc()))
    if found is None:
        raise NotFound("There is no such project.", code="project_not_found")
    return str(found)


def _check_target(connection: Connection, project: str | None, subject: str | None, by: Caller) -> None:
    is_person = select(users.c.id).where(users.c.id == subject, users.c.id != LOCAL.user_id)
    if subject is not None and (subject == by.user_id or connection.scalar(is_person) is None):
        raise NotFound("There is no such other person.", code="user_not_found")
    if project is not None and belong_to(connection, project, by.user_id):
        raise Conflict("You belong to this project already.", code="is_member")
    same = select(break_glass.c.id).where(
        break_glass.c.user_id == by.user_id,
        break_glass.c.project_id == project if project else break_glass.c.subject_id == subject,
        break_glass.c.ended_at.is_(None),
        break_glass.c.expires_at > now(),
    )
    if connection.scalar(same.limit(1)) is not None:
        raise Conflict("You have this access already, until it ends.", code="is_open")


def _one(connection: Connection, opening: str) -> Opening:
    row = connection.execute(_with_names().where(break_glass.c.id == opening)).first()
    if row is None:
        raise _no_opening()
    return _opening(row)


def _with_names() -> Any:
    subjects = users.alias("subjects")
    return (
        select(break_glass, projects.c.name.label("project_name"), subjects.c.name.label("subject_name"))
        .outerjoin(projects, projects.c.id == break_glass.c.project_id)
        .outerjoin(subjects, subjects.c.id == break_glass.c.subject_id)
    )


def _opening(row: Row[Any]) -> Opening:
    return Opening(**{name: getattr(row, name) for name in Opening.__slots__})


def _no_opening() -> NotFound:
    return NotFound("There is no such access, or it has ended.", code="no_such_access")
