"""Erases conversations: of a project, of a person, or one. Called by `privacy.erase`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping

from sqlalchemy import ColumnElement, delete, func, select

from intramuros.errors import IntramurosError
from intramuros.security.subject_keys import SubjectKeys
from intramuros.storage.database import Database
from intramuros.storage.erasable import SAMPLE_BYTES, Sample, Subject, middle
from intramuros.storage.schema import conversations, turns
from intramuros.tasks.conversation import opened

BATCH = 200
_TURNS = 5


class ConversationsEraser:
    """Questions and answers, sealed in their rows."""

    def __init__(self, database: Database, keys: SubjectKeys) -> None:
        self._database, self._keys = database, keys

    def count(self, subject: Subject) -> Mapping[str, int]:
        """Conversations and turns."""
        which = _which(subject)
        if which is None:
            return {}
        with self._database.read() as connection:
            talks = connection.scalar(select(func.count()).select_from(conversations).where(which))
            said = connection.scalar(select(func.count()).select_from(turns.join(conversations)).where(which))
        return {"conversations": talks or 0, "turns": said or 0}

    def samples(self, subject: Subject) -> Iterator[Sample]:
        """Pieces of questions, plain and as they are sealed."""
        which = _which(subject)
        if which is None:
            return
        statement = (
            select(turns.c.id, turns.c.question, conversations.c.project_id, conversations.c.user_id)
            .join(conversations)
            .where(which)
            .order_by(func.random())
            .limit(_TURNS)
        )
        with self._database.read() as connection:
            rows = connection.execute(statement).all()
        for row in rows:
            yield Sample("turn", bytes(row.question[-SAMPLE_BYTES:]))
            with contextlib.suppress(IntramurosError):  # its key may be gone already
                key = self._keys.shared(row.project_id, row.user_id)
                yield Sample("question", middle(str(opened(key, row.question, row.id))))

    def erase(self, subject: Subject) -> None:
        """Removes them, some at a time."""
        which = _which(subject)
        while which is not None:
            with self._database.write(durable=True, erasing=True) as connection:
                ids = list(connection.scalars(select(conversations.c.id).where(which).limit(BATCH)))
                connection.execute(delete(turns).where(turns.c.conversation_id.in_(ids)))
                connection.execute(delete(conversations).where(conversations.c.id.in_(ids)))
            if len(ids) < BATCH:
                return


def _which(subject: Subject) -> ColumnElement[bool] | None:
    column = {
        "project": conversations.c.project_id,
        "user": conversations.c.user_id,
        "conversation": conversations.c.id,
    }.get(subject.kind)
    return None if column is None else column == subject.id
