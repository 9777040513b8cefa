"""Who sees what: where the data is, who belongs to a person's projects, and what is recorded of what they do.

Called by the router.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select
from starlette.responses import Response

from intramuros.storage.schema import audit
from intramuros.web.visit import Visit

RECORDS = 25
QUIET = (
    *("home", "project.show", "conversation.show", "page.show", "documents.watch", "models.watch", "privacy"),
    *("projects.list", "documents.list", "models.list", "models.show", "keys.list", "sign_in.show", "first.show"),
    *("account.show", "prove.show", "prove.begin", "sign_in.second.show", "sign_in.passkey.begin"),
    *("codes.begin", "passkey.begin"),
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
    return visit.page("privacy.html", section="privacy", projects=projects, records=_own_actions(visit), folder=folder)


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
