"""Who sees what: where the data is, who belongs to a person's projects, and what is recorded of what they do.

Called by the router.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select
from starlette.responses import Response

from intramuros.storage.schema import audit, users
from intramuros.web.visit import Visit

RECORDS = 25
QUIET = (
    *("home", "project.show", "conversation.show", "page.show", "documents.watch", "models.watch", "privacy"),
    *("users.list", "user.show", "groups.list", "group.show", "members.list", "sharing.show", "break_glass.list"),
    *("masking.show", "batches.watch"),
    *("projects.list", "documents.list", "models.list", "models.show", "keys.list", "sign_in.show", "first.show"),
    *("account.show", "prove.show", "prove.begin", "sign_in.second.show", "sign_in.passkey.begin"),
    *("codes.begin", "passkey.begin"),
    "isolation.show",
    "erase.receipts",
)
"""Looking at pages is recorded as well, and would hide here what a person did."""


@dataclass(frozen=True, slots=True)
class Shared:
    """A project and who belongs to it."""

    id: str
    name: str
    role: str
    members: list[str]


@dataclass(frozen=True, slots=True)
class Action:
    """One record of the audit, in words."""

    at: float
    action: str
    outcome: str


@dataclass(frozen=True, slots=True)
class LookedAt:
    """Somebody looked at what this person can retrieve."""

    at: float
    name: str


def show(visit: Visit) -> Response:
    """The page, for whoever asks: it shows nothing of others but the members of shared projects."""
    projects = [
        Shared(
            project.id,
            project.name,
            project.role,
            [member.name for member in visit.app.projects.members(project.id, by=visit.caller)],
        )
        for project in visit.app.projects.list(visit.caller)
    ]
    folder = str(visit.app.settings.data)
    accesses = visit.app.break_glass.concerning(visit.caller.user_id)
    owned = {project.id for project in projects if project.role == "owner"}
    return visit.page(
        "privacy.html",
        section="privacy",
        projects=projects,
        records=_own_actions(visit),
        folder=folder,
        accesses=accesses[:RECORDS],
        endable={
            access.id for access in accesses if access.project_id in owned or access.subject_id == visit.caller.user_id
        },
        looks=_looks(visit),
    )


def _looks(visit: Visit) -> list[LookedAt]:
    """When others looked at what this person can retrieve."""
    statement = (
        select(audit.c.at, users.c.name)
        .join(users, users.c.id == audit.c.actor)
        .where(audit.c.object == visit.caller.user_id, audit.c.actor != visit.caller.user_id)
        .where(audit.c.action.in_(("view_as", "view_as.search")), audit.c.outcome == "ok")
        .order_by(audit.c.sequence.desc())
        .limit(RECORDS)
    )
    with visit.app.database.read() as connection:
        return [LookedAt(row.at, row.name) for row in connection.execute(statement)]


def _own_actions(visit: Visit) -> list[Action]:
    statement = (
        select(audit.c.at, audit.c.action, audit.c.outcome)
        .where(audit.c.actor == visit.caller.user_id, audit.c.action.not_in(QUIET))
        .order_by(audit.c.sequence.desc())
        .limit(RECORDS)
    )
    visit.app.audit.flush()
    with visit.app.database.read() as connection:
        rows = connection.execute(statement).all()
    return [Action(row.at, visit.words.or_else(f"action.{row.action}", row.action), row.outcome) for row in rows]
