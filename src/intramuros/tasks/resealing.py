"""Seals anew what rows hold under the keys of projects, persons and erasures, when these keys are replaced.

Called by the deep change of keys, on its copy of the database. What seals something new under a subject's key gets a
function here; `tests/unit/security/test_uses_of_subject_keys.py` knows them. A row whose key is gone stays as it is:
nothing opens it, before and after.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache, partial
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, select, tuple_, update

from intramuros.errors import NotFound
from intramuros.security.crypto import derive, open_sealed, seal
from intramuros.security.subject_keys import SubjectKeys
from intramuros.storage.schema import (
    batch_lines,
    batches,
    conversation_aliases,
    conversations,
    erasures,
    stored_replies,
    turns,
)
from intramuros.tasks.conversation import PLAIN
from intramuros.tasks.stored_replies import key_of

ROWS = 200
"""Read at once."""

Keys = tuple[bytes, bytes]
"""The former key and the new one."""


def reseal(connection: Connection, former: SubjectKeys, new: SubjectKeys) -> None:
    """Seals every row anew. Raises: StorageCorrupt for one that was changed."""
    for each in (_turns, _aliases, _replies, _lines, _erasures):
        each(connection, former, new)


def _turns(connection: Connection, former: SubjectKeys, new: SubjectKeys) -> None:
    owners = conversations.c.project_id, conversations.c.user_id
    rows = select(turns, *owners).join(conversations, conversations.c.id == turns.c.conversation_id)
    keys = _shared(former, new)
    for row in _all(connection, rows, turns.c.id):
        if found := keys(row.project_id, row.user_id):
            context = row.id.encode()
            values = {name: _moved(found, getattr(row, name), context) for name in ("question", "answer")}
            connection.execute(update(turns).where(turns.c.id == row.id).values(values))


def _aliases(connection: Connection, former: SubjectKeys, new: SubjectKeys) -> None:
    owners = conversations.c.project_id, conversations.c.user_id
    rows = select(conversation_aliases, *owners).join(conversations)
    keys, mine = _shared(former, new), conversation_aliases.c.conversation_id
    for row in _all(connection, rows, mine):
        if found := keys(row.project_id, row.user_id):
            sealed = _moved(found, row.sealed, b"aliases\0" + row.conversation_id.encode())
            statement = update(conversation_aliases).where(mine == row.conversation_id)
            connection.execute(statement.values(sealed=sealed))


def _replies(connection: Connection, former: SubjectKeys, new: SubjectKeys) -> None:
    @lru_cache(maxsize=ROWS)
    def keys(user: str, projects: tuple[str, ...]) -> Keys | None:
        return _both(former, new, lambda ledger: key_of(ledger, user, projects, is_known=True))

    for row in _all(connection, select(stored_replies), stored_replies.c.id):
        if found := keys(row.user_id, tuple(row.projects)):
            sealed = _moved(found, row.sealed, row.id.encode())
            connection.execute(update(stored_replies).where(stored_replies.c.id == row.id).values(sealed=sealed))


def _lines(connection: Connection, former: SubjectKeys, new: SubjectKeys) -> None:
    @lru_cache(maxsize=ROWS)
    def keys(user: str) -> Keys | None:
        return _both(former, new, lambda ledger: derive(ledger.get("user", user), "batches"))

    rows = select(batch_lines, batches.c.user_id).join(batches)
    for row in _all(connection, rows, batch_lines.c.batch_id, batch_lines.c.number):
        if found := keys(row.user_id):
            context = f"{row.batch_id}/{row.number}".encode()
            parts = {"request": row.request, "reply": row.reply}
            values = {name: _moved(found, part, context) for name, part in parts.items() if part}
            mine = batch_lines.c.batch_id == row.batch_id, batch_lines.c.number == row.number
            if values:
                connection.execute(update(batch_lines).where(*mine).values(values))


def _erasures(connection: Connection, former: SubjectKeys, new: SubjectKeys) -> None:
    """The samples of erasures that a stop has interrupted."""
    rows = select(erasures).where(erasures.c.samples.is_not(None))
    for row in _all(connection, rows, erasures.c.id):
        if found := _both(former, new, partial(_erasure_key, row.id)):
            samples = _moved(found, row.samples, row.id.encode())
            connection.execute(update(erasures).where(erasures.c.id == row.id).values(samples=samples))


def _erasure_key(erasure: str, ledger: SubjectKeys) -> bytes:
    return ledger.get("erasure", erasure)


def _shared(former: SubjectKeys, new: SubjectKeys) -> Callable[[str, str], Keys | None]:
    @lru_cache(maxsize=ROWS)
    def keys(project: str, user: str) -> Keys | None:
        return _both(former, new, lambda ledger: ledger.known_shared(project, user))

    return keys


def _both(former: SubjectKeys, new: SubjectKeys, of: Callable[[SubjectKeys], bytes]) -> Keys | None:
    try:
        return of(former), of(new)
    except NotFound:
        return None


def _moved(keys: Keys, sealed: bytes, context: bytes) -> bytes:
    is_plain = sealed[:1] == PLAIN  # of an older version
    plain = sealed[1:] if is_plain else open_sealed(keys[0], sealed, context=context)
    return seal(keys[1], plain, context=context)


def _all(connection: Connection, rows: Select[Any], *key: ColumnElement[Any]) -> Iterator[Any]:
    """All rows, some at a time, in the order of their key."""
    last: Sequence[Any] | None = None
    while True:
        some = rows if last is None else rows.where(tuple_(*key) > tuple_(*last))
        found = connection.execute(some.order_by(*key).limit(ROWS)).all()
        yield from found
        if len(found) < ROWS:
            return
        names = [column.name for column in key]
        last = [getattr(found[-1], name) for name in names]
