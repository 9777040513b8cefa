"""Conversations: the questions one person asked in one project, each with its answer as it was given.

Called by the answer task, which adds turns, and by the pages that show them. A conversation belongs to whoever began
it: nobody else sees it, but an administrator for as long as they broke the glass for it (`accounts.break_glass`). What
was asked and answered is sealed in its row, under a key that takes both the person's and the project's: when either is
erased, no copy of the database gives it back.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from intramuros.accounts.break_glass import Opening
from intramuros.accounts.caller import Caller
from intramuros.accounts.projects import Project
from intramuros.errors import NotFound
from intramuros.security.crypto import open_sealed, seal
from intramuros.security.subject_keys import SubjectKeys
from intramuros.storage.database import Database
from intramuros.storage.schema import conversations, new_id, now, projects, turns

MOST_SEEN = 100

PLAIN = b"\0"
"""How a value begins that a version before keys of subjects kept; a sealed one begins otherwise."""


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


@dataclass(frozen=True, slots=True)
class Seen:
    """A conversation as somebody else sees it who broke the glass."""

    id: str
    project_id: str
    project_name: str
    updated_at: float
    turns: tuple[Turn, ...]


class Conversations:
    """The stored conversations. Raises: NotFound from every use of one that is not the caller's own in this project."""

    def __init__(self, database: Database, keys: SubjectKeys) -> None:
        self._database, self._keys = database, keys

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
        return self.read(conversation, project_id=project.id, user_id=by.user_id)

    def append(
        self, conversation: str, *, project: Project, by: Caller, question: str, answer: Mapping[str, Any]
    ) -> str:
        """Adds a turn and returns its id."""
        turn, key = new_id(), self._keys.shared(project.id, by.user_id)
        with self._database.write() as connection:
            _own(connection, conversation, project, by)
            mine = turns.c.conversation_id == conversation
            ordinal = connection.scalar(select(func.count()).select_from(turns).where(mine))
            connection.execute(
                insert(turns).values(
                    id=turn,
                    conversation_id=conversation,
                    ordinal=ordinal,
                    question=sealed(key, question, turn),
                    answer=sealed(key, answer, turn),
                    created_at=now(),
                )
            )
            connection.execute(update(conversations).where(conversations.c.id == conversation).values(updated_at=now()))
        return turn

    def check(self, conversation: str, *, project: Project, by: Caller) -> None:
        """Whether it is the caller's own."""
        with self._database.read() as connection:
            _own(connection, conversation, project, by)

    def read(self, conversation: str, *, project_id: str, user_id: str) -> list[Turn]:
        """The turns of a conversation that is known to be this person's, in this project."""
        query = select(turns).where(turns.c.conversation_id == conversation).order_by(turns.c.ordinal)
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        key = self._keys.shared(project_id, user_id) if rows else b""
        return [
            Turn(row.id, opened(key, row.question, row.id), opened(key, row.answer, row.id), row.created_at)
            for row in rows
        ]

    def list(self, project: Project, *, by: Caller) -> list[Conversation]:
        """The caller's own conversations that have a question, latest first."""
        first = turns.c.ordinal == 0
        statement = (
            select(conversations.c.id, turns.c.question, turns.c.id.label("turn"), conversations.c.updated_at)
            .join(turns, (turns.c.conversation_id == conversations.c.id) & first)
            .where(conversations.c.project_id == project.id, conversations.c.user_id == by.user_id)
            .order_by(conversations.c.updated_at.desc())
        )
        with self._database.read() as connection:
            rows = connection.execute(statement).all()
        key = self._keys.shared(project.id, by.user_id) if rows else b""
        return [Conversation(row.id, opened(key, row.question, row.turn), row.updated_at) for row in rows]

    def of_person(self, opening: Opening) -> Sequence[Seen]:
        """A person's conversations with their turns, latest first, to whoever broke the glass for them.

        Raises: NotFound when the access has ended.
        """
        if not opening.is_open or opening.subject_id is None:
            raise NotFound("There is no such access, or it has ended.", code="no_such_access")
        statement = (
            select(conversations, projects.c.name)
            .join(projects, projects.c.id == conversations.c.project_id)
            .where(conversations.c.user_id == opening.subject_id)
            .order_by(conversations.c.updated_at.desc())
            .limit(MOST_SEEN)
        )
        with self._database.read() as connection:
            rows = connection.execute(statement).all()
            return [
                Seen(row.id, row.project_id, row.name, row.updated_at, self._turns_seen(connection, row))
                for row in rows
            ]

    def _turns_seen(self, connection: Connection, row: Any) -> tuple[Turn, ...]:
        key = self._keys.shared(row.project_id, row.user_id)
        found = connection.execute(select(turns).where(turns.c.conversation_id == row.id).order_by(turns.c.ordinal))
        return tuple(
            Turn(one.id, opened(key, one.question, one.id), opened(key, one.answer, one.id), one.created_at)
            for one in found
        )

    def seal_plain(self) -> int:
        """Seals turns that an older version kept plain; returns how many."""
        statement = (
            select(turns, conversations.c.project_id, conversations.c.user_id)
            .join(conversations, conversations.c.id == turns.c.conversation_id)
            .where(func.substr(turns.c.question, 1, 1) == PLAIN)
        )
        with self._database.read() as connection:
            rows = connection.execute(statement).all()
        for row in rows:
            key = self._keys.shared(row.project_id, row.user_id)
            values = {
                name: sealed(key, opened(key, value, row.id), row.id)
                for name, value in (("question", row.question), ("answer", row.answer))
            }
            with self._database.write() as connection:
                connection.execute(update(turns).where(turns.c.id == row.id).values(values))
        return len(rows)


def sealed(key: bytes, value: Any, turn: str) -> bytes:
    """A question or an answer as its row holds it."""
    return seal(key, json.dumps(value, ensure_ascii=False).encode(), context=turn.encode())


def opened(key: bytes, stored: bytes, turn: str) -> Any:
    """What `sealed` made. Raises: StorageCorrupt."""
    is_plain = stored[:1] == PLAIN
    return json.loads(stored[1:] if is_plain else open_sealed(key, stored, context=turn.encode()))


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
