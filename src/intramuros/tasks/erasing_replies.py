"""Erases stored replies: of a person, and those made from a project's passages. Called by `privacy.erase`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping

from sqlalchemy import ColumnElement, delete, func, select

from intramuros.errors import IntramurosError
from intramuros.security.subject_keys import SubjectKeys
from intramuros.storage.belongings import made_from
from intramuros.storage.database import Database
from intramuros.storage.erasable import SAMPLE_BYTES, Sample, Subject, middle
from intramuros.storage.schema import stored_replies
from intramuros.tasks.stored_replies import key_of, opened

BATCH = 200
_REPLIES = 5


class RepliesEraser:
    """What programs had stored, sealed in its rows."""

    def __init__(self, database: Database, keys: SubjectKeys) -> None:
        self._database, self._keys = database, keys

    def count(self, subject: Subject) -> Mapping[str, int]:
        """Replies."""
        which = _which(subject)
        if which is None:
            return {}
        with self._database.read() as connection:
            return {"stored_replies": connection.scalar(select(func.count()).where(which)) or 0}

    def samples(self, subject: Subject) -> Iterator[Sample]:
        """Pieces of replies, plain and as they are sealed."""
        which = _which(subject)
        if which is None:
            return
        statement = select(stored_replies).where(which).order_by(func.random()).limit(_REPLIES)
        with self._database.read() as connection:
            rows = connection.execute(statement).all()
        for row in rows:
            yield Sample("reply", bytes(row.sealed[-SAMPLE_BYTES:]))
            with contextlib.suppress(IntramurosError):  # its key may be gone already
                body = opened(key_of(self._keys, row.user_id, row.projects), row.sealed, row.id)
                yield Sample("question", middle(str(body.get("asked") or "")))

    def erase(self, subject: Subject) -> None:
        """Removes them, some at a time."""
        which = _which(subject)
        while which is not None:
            with self._database.write(durable=True, erasing=True) as connection:
                ids = list(connection.scalars(select(stored_replies.c.id).where(which).limit(BATCH)))
                connection.execute(delete(stored_replies).where(stored_replies.c.id.in_(ids)))
            if len(ids) < BATCH:
                return


def _which(subject: Subject) -> ColumnElement[bool] | None:
    if subject.kind == "project":
        return made_from(subject.id)
    return stored_replies.c.user_id == subject.id if subject.kind == "user" else None
