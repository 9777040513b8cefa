"""The aliases of conversations, kept as long as these: sealed in the database, gone with the person or the project.

Called by whatever sends a conversation outside. A map is sealed under the key that its conversation's turns are sealed
under, so that no copy gives it back once the person or the project is erased. Nothing is held in memory longer than a
request: whoever adds an alias does so in the one writing transaction, on what others added before, in any process.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, delete, func, select
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from intramuros.errors import NotFound
from intramuros.privacy.redact.aliases import Aliases
from intramuros.security.subject_keys import SubjectKeys
from intramuros.storage.database import Database
from intramuros.storage.erasable import SAMPLE_BYTES, Sample, Subject
from intramuros.storage.schema import conversation_aliases, conversations, documents, new_id

_SAMPLES = 5


class StoredAliases(Aliases):
    """The aliases of one stored conversation, for one request. Threads may share it.

    Raises, from each use: NotFound when the conversation is gone, StorageCorrupt when its map can't be opened.
    """

    def __init__(self, database: Database, keys: SubjectKeys, conversation: str, *, project: str, user: str) -> None:
        super().__init__()
        self._database, self._keys = database, keys
        self._conversation, self._project, self._user = conversation, project, user
        self._stamp: str | None = None
        self._turn = threading.RLock()

    def refresh(self) -> None:
        """Takes over what others added meanwhile; everything anew where an erasure removed the map."""
        with self._turn, self._database.read() as connection:
            self._load(connection)

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Nobody else adds an alias to any conversation within it, so keep it short."""
        with self._turn, self._database.write() as connection:
            self._load(connection)
            before = self._known()
            yield
            if self._known() != before:
                self._store(connection)

    def _known(self) -> tuple[int, Mapping[str, str]]:
        return len(self._by_value), dict(self._values)

    def _load(self, connection: Connection) -> None:
        row = connection.execute(
            select(conversation_aliases.c.stamp, conversation_aliases.c.sealed)
            .select_from(conversations.outerjoin(conversation_aliases))
            .where(
                conversations.c.id == self._conversation,
                conversations.c.project_id == self._project,
                conversations.c.user_id == self._user,
            )
        ).first()
        if row is None:
            raise NotFound("There is no such conversation any more.", code="conversation_not_found")
        if row.stamp == self._stamp:
            return
        self.take(Aliases.opened(self._key(), row.sealed, context=self._context()) if row.sealed else Aliases())
        self._stamp = row.stamp

    def _store(self, connection: Connection) -> None:
        stamp = new_id()
        values = {"stamp": stamp, "sealed": self.sealed(self._key(), context=self._context())}
        statement = sqlite_insert(conversation_aliases).values(conversation_id=self._conversation, **values)
        connection.execute(statement.on_conflict_do_update(index_elements=["conversation_id"], set_=values))
        self._stamp = stamp

    def _key(self) -> bytes:
        return self._keys.shared(self._project, self._user)

    def _context(self) -> bytes:
        return b"aliases\0" + self._conversation.encode()


class KeptAliases:
    """The maps of this installation. It is the eraser of what it keeps."""

    def __init__(self, database: Database, keys: SubjectKeys) -> None:
        self._database, self._keys = database, keys

    def of(self, conversation: str, *, project_id: str, user_id: str) -> StoredAliases:
        """The aliases of a person's conversation in a project. Raises: NotFound, StorageCorrupt."""
        aliases = StoredAliases(self._database, self._keys, conversation, project=project_id, user=user_id)
        aliases.refresh()
        return aliases

    def count(self, subject: Subject) -> Mapping[str, int]:
        """How many conversations of a subject have aliases."""
        statement = select(func.count()).select_from(_maps(subject).subquery())
        with self._database.read() as connection:
            found = connection.scalar(statement)
        return {"alias_maps": found} if found else {}

    def samples(self, subject: Subject) -> Iterator[Sample]:
        """Pieces of the maps as they are sealed: nothing else of them is on the disk."""
        with self._database.read() as connection:
            rows = connection.scalars(_maps(subject).order_by(func.random()).limit(_SAMPLES)).all()
        yield from (Sample("aliases", bytes(sealed[-SAMPLE_BYTES:])) for sealed in rows)

    def erase(self, subject: Subject) -> None:
        """Removes the maps. A document may have been in any conversation of its project, so it takes all of these."""
        ids = select(conversations.c.id).where(_which(subject))
        with self._database.write(durable=True, erasing=True) as connection:
            connection.execute(delete(conversation_aliases).where(conversation_aliases.c.conversation_id.in_(ids)))


def _maps(subject: Subject) -> Select[Any]:
    return select(conversation_aliases.c.sealed).join(conversations).where(_which(subject))


def _which(subject: Subject) -> ColumnElement[bool]:
    match subject.kind:
        case "conversation":
            return conversations.c.id == subject.id
        case "user":
            return conversations.c.user_id == subject.id
        case "project":
            return conversations.c.project_id == subject.id
        case "document":
            read = select(documents.c.project_id).where(documents.c.id == subject.id)
            return conversations.c.project_id.in_(read)
