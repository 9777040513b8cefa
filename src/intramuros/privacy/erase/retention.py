"""How long each project keeps conversations and documents; what is older is erased, with a receipt.

Called by the schedule of a server and by `intramuros retention`. Who may change it is decided by the doors, which ask
`accounts.projects`.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select, update

from intramuros.errors import BadRequest
from intramuros.privacy.erase.erasure import Erasure
from intramuros.privacy.erase.receipt import Receipt
from intramuros.privacy.erase.unused import DAY_S, Unused
from intramuros.storage.database import Database
from intramuros.storage.erasable import Subject
from intramuros.storage.schema import conversations, documents, now, projects

LONGEST_DAYS = 36_500
MOST_AT_ONCE = 500
"""Of each kind in one run; the rest goes in the next."""
REASON = "retention"


@dataclass(frozen=True, slots=True)
class Kept:
    """Days a project keeps things, from a conversation's last turn or a document's arrival; None: for ever.

    `unused_days`: days without any use of the project, after which its documents go.
    """

    conversations_days: int | None = None
    documents_days: int | None = None
    unused_days: int | None = None


@dataclass(frozen=True, slots=True)
class Retention:
    """The times to keep of all projects."""

    database: Database
    erasure: Erasure

    def get(self, project_id: str) -> Kept:
        """How long this project keeps things."""
        statement = select(projects.c.keep_conversations_days, projects.c.keep_documents_days, projects.c.unused_days)
        with self.database.read() as connection:
            return Kept(*connection.execute(statement.where(projects.c.id == project_id)).one())

    def set(self, project_id: str, kept: Kept) -> None:
        """Changes it; what is too old by then goes with the next run. Raises: BadRequest for less than a day."""
        for days in (kept.conversations_days, kept.documents_days, kept.unused_days):
            if days is not None and not 1 <= days <= LONGEST_DAYS:
                raise BadRequest(
                    f"The time to keep must be 1 to {LONGEST_DAYS} days, or none for ever.", code="bad_retention"
                )
        values = {
            "keep_conversations_days": kept.conversations_days,
            "keep_documents_days": kept.documents_days,
            "unused_days": kept.unused_days,
            "last_used_at": None if kept.unused_days is None else now(),  # who says so uses it
        }
        with self.database.write(durable=True) as connection:
            connection.execute(update(projects).where(projects.c.id == project_id).values(values))

    def due(self) -> list[Subject]:
        """What is older than its project keeps it."""
        old_talks = (
            select(conversations.c.id)
            .join(projects)
            .where(conversations.c.updated_at < now() - projects.c.keep_conversations_days * DAY_S)
            .limit(MOST_AT_ONCE)
        )
        old_documents = (
            select(documents.c.id)
            .join(projects)
            .where(documents.c.created_at < now() - projects.c.keep_documents_days * DAY_S)
            .limit(MOST_AT_ONCE)
        )
        with self.database.read() as connection:
            talks = [Subject("conversation", id) for id in connection.scalars(old_talks)]
            old = list(connection.scalars(old_documents))
        return talks + [
            Subject("document", id) for id in dict.fromkeys([*old, *Unused(self.database).due(MOST_AT_ONCE)])
        ]

    def run(self, *, by: str) -> list[Receipt]:
        """Erases what is due. Raises: as `Erasure.resume`; what was removed is finished later then."""
        begun = {self.erasure.remove(subject, by=by, reason=REASON) for subject in self.due()}
        return [receipt for receipt in self.erasure.resume() if receipt.id in begun] if begun else []
