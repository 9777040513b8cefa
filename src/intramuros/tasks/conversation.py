"""Conversations: the questions one person asked in one project, each with its answer as it was given.

Called by the answer task, which adds turns, and by the pages that show them. A conversation belongs to whoever began
it: nobody else sees it, administrators included.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update

from intramuros.accounts.caller import Caller
from intramuros.accounts.projects import Project
from intramuros.errors import NotFound
from intramuros.storage.database import Database
from intramuros.storage.schema import conversations, new_id, now, turns


@dataclass(frozen=True, slots=True)
class Conversation:
    """One conversation in a list; its title is its first question."""

    id: str
    title: str
    updated_at: float


@dataclass(frozen=True, slots=True)
class Turn:
    """One question and its answer, in the form of `Answer.to_json`."""

    id: str
    question: str
    answer: dict[str, Any]
    created_at: float


class Conversations:
    """The stored conversations. Raises: NotFound from every use of one that is not the caller's own in this project."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, project: Project, *, by: Caller) -> str:
        """Begins a conversation and returns its id."""
        values = {"id": new_id(), "project_id": project.id, "user_id": by.user_id, "created_at": now()}
        with self._database.write() as connection:
            connection.execute(insert(conversations).values(**values, updated_at=values["created_at"]))
        return str(values["id"])

    def turns(self, conversation: str, *, project: Project, by: Caller) -> list[Turn]:
        """The turns of a conversation, in order."""
        with self._database.read() as connection:
            _own(connection, conversation, project, by)
            rows = connection.execute(
                select(turns).where(turns.c.conversation_id == conversation).order_by(turns.c.ordinal)
            )
            return [Turn(row.id, row.question, row.answer, row.created_at) for row in rows]

    def append(self, conversation: str, *, project: Project, by: Caller, question: str, answer: dict[str, Any]) -> str:
        """Adds a turn and returns its id."""
        turn = new_id()
        with self._database.write() as connection:
            _own(connection, conversation, project, by)
            mine = turns.c.conversation_id == conversation
            ordinal = connection.scalar(select(func.count()).select_from(turns).where(mine))
            connection.execute(
                insert(turns).values(
                    id=turn,
                    conversation_id=conversation,
                    ordinal=ordinal,
                    question=question,
                    answer=answer,
                    created_at=now(),
                )
            )
            connection.execute(update(conversations).where(conversations.c.id == conversation).values(updated_at=now()))
        return turn

    def remove(self, conversation: str, *, project: Project, by: Caller) -> None:
        """Deletes a conversation with all its turns."""
        with self._database.write() as connection:
            _own(connection, conversation, project, by)
            connection.execute(delete(conversations).where(conversations.c.id == conversation))

    def list(self, project: Project, *, by: Caller) -> list[Conversation]:
        """The caller's own conversations that have a question, latest first."""
        first = turns.c.ordinal == 0
        statement = (
            select(conversations.c.id, turns.c.question, conversations.c.updated_at)
            .join(turns, (turns.c.conversation_id == conversations.c.id) & first)
            .where(conversations.c.project_id == project.id, conversations.c.user_id == by.user_id)
            .order_by(conversations.c.updated_at.desc())
        )
        with self._database.read() as connection:
            return [Conversation(row.id, row.question, row.updated_at) for row in connection.execute(statement)]


def _own(connection: Connection, conversation: str, project: Project, by: Caller) -> None:
    statement = select(conversations.c.id).where(
        conversations.c.id == conversation,
        conversations.c.project_id == project.id,
        conversations.c.user_id == by.user_id,
    )
    if connection.scalar(statement) is None:
        raise NotFound(
            "There is no such conversation, or it is not yours.",
            hint="Begin a new one with the conversation 'new'.",
            code="conversation_not_found",
        )
