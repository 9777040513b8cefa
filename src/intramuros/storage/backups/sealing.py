"""Takes the content out of a copy of the database and puts it back sealed, part by part, under its subject's key.

Called by the making of a backup, which so holds nothing that outlives an erasure (decision 0013), and by restore, which
opens what still has a key. What belongs to whom is told by `storage.belongings`. Questions and answers stay in their
rows, for they are sealed there already; so do aliases and stored replies.

A part is up to 500 rows of one table: JSON, deflated, sealed with its place as the context, so that parts can't be
exchanged. It is raw rows: a backup of an older version is opened as it was, then brought up like any older database.
"""

from __future__ import annotations

import base64
import itertools
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, RowMapping, literal_column, select, text

from intramuros.errors import NotFound
from intramuros.security.crypto import derive, open_sealed, seal
from intramuros.security.subject_keys import SubjectKeys
from intramuros.storage.belongings import Belonging, of_project, of_user
from intramuros.storage.schema import chunks, projects, users

ROWS = 500
SEALED_BY_ROW = frozenset({"conversations", "turns", "conversation_aliases", "stored_replies"})
_TABLE = "sealed_parts"
_INDEX = "passages"
_NAMED = {
    "project": "SELECT blob_id FROM documents WHERE project_id = :id",
    "user": "SELECT blob_id FROM files WHERE user_id = :id",
}

Subject = tuple[str, str]
"""Kind and id: `("project", …)` or `("user", …)`."""


@dataclass(slots=True)
class Opened:
    """What opening gave: how many subjects came back, and those whose key is gone."""

    subjects: int = 0
    gone: set[Subject] = field(default_factory=set)


def seal_content(connection: Connection, keys: SubjectKeys) -> dict[str, bytes]:
    """Seals the rows of every project and person. Returns the key of each stored file.

    One whose key is gone was erased while the copy was made: its rows are left out.
    """
    connection.execute(
        text(f"CREATE TABLE {_TABLE} (id INTEGER PRIMARY KEY, kind TEXT, subject TEXT, source TEXT, rows BLOB)")
    )
    files: dict[str, bytes] = {}
    connection.execute(text("DELETE FROM facts WHERE name LIKE 'audit_journal:%'"))  # of processes that run here now
    connection.execute(text(f"INSERT INTO {_INDEX} ({_INDEX}, rank) VALUES ('secure-delete', 0)"))
    for kind, subject in _subjects(connection):
        rows = _belongings(kind, subject)
        try:
            key = keys.create("user", subject) if kind == "user" else keys.get("project", subject)
        except NotFound:
            _delete(connection, rows)
            continue
        if kind == "project":
            _keep(connection, key, (kind, subject), _INDEX, _indexed(connection, subject))
        files |= dict.fromkeys(connection.scalars(text(_NAMED[kind]), {"id": subject}), key)
        for table, condition in rows:
            found = connection.execute(select(literal_column("*")).select_from(table).where(condition)).mappings()
            _keep(connection, key, (kind, subject), table.name, found)
        _delete(connection, rows)
    connection.execute(text(f"INSERT INTO {_INDEX} ({_INDEX}) VALUES ('optimize')"))
    connection.execute(text(f"INSERT INTO {_INDEX} ({_INDEX}, rank) VALUES ('secure-delete', 1)"))
    return files


def files_of(connection: Connection, keys: Mapping[Subject, bytes]) -> dict[str, bytes]:
    """The key of each stored file, by opening every part that has a key: so all of them are authenticated."""
    files: dict[str, bytes] = {}
    for subject, source, key, rows in _parts(connection, keys):
        opened = _opened(key, subject, source, rows)
        if source in {"documents", "files"}:
            files |= {row["blob_id"]: key for row in opened}
    return files


def open_content(connection: Connection, keys: Mapping[Subject, bytes]) -> Opened:
    """Puts the rows back where they were, but for those whose subject has no key any more."""
    result, seen = Opened(), set[Subject]()
    for row in connection.execute(text(f"SELECT DISTINCT kind, subject FROM {_TABLE}")):
        (seen if (row.kind, row.subject) in keys else result.gone).add((row.kind, row.subject))
    result.subjects = len(seen)
    for subject, source, key, sealed in _parts(connection, keys):
        rows = _opened(key, subject, source, sealed)
        names = list(rows[0])
        columns, places = ", ".join(f'"{name}"' for name in names), ", ".join(f":v{n}" for n in range(len(names)))
        connection.execute(
            text(f'INSERT INTO "{source}" ({columns}) VALUES ({places})'),
            [{f"v{number}": row[name] for number, name in enumerate(names)} for row in rows],
        )
    connection.execute(text(f"DROP TABLE {_TABLE}"))
    _drop_what_points_nowhere(connection)
    return result


def _subjects(connection: Connection) -> list[Subject]:
    found = [("project", str(one)) for one in connection.scalars(select(projects.c.id))]
    return found + [("user", str(one)) for one in connection.scalars(select(users.c.id))]


def _belongings(kind: str, subject: str) -> list[Belonging]:
    """What belongs to both, such as a membership, goes with the project, which comes first."""
    found = of_project(subject) if kind == "project" else of_user(subject)
    return [one for one in found if one.table.name not in SEALED_BY_ROW]


def _delete(connection: Connection, rows: list[Belonging]) -> None:
    """Nothing else goes with them: the database's own rules are off in a copy that is being made."""
    for table, condition in rows:
        connection.execute(table.delete().where(condition))


def _indexed(connection: Connection, project: str) -> Iterable[RowMapping]:
    statement = text(
        f"SELECT rowid, * FROM {_INDEX} WHERE rowid IN (SELECT id FROM {chunks.name} WHERE project_id = :id)"
    )
    return connection.execute(statement, {"id": project}).mappings()


def _keep(connection: Connection, key: bytes, subject: Subject, source: str, rows: Iterable[RowMapping]) -> None:
    waiting = iter(rows)
    while batch := list(itertools.islice(waiting, ROWS)):
        body = json.dumps([{name: _plain(value) for name, value in row.items()} for row in batch])
        sealed = seal(derive(key, "backup"), zlib.compress(body.encode(), 1), context=_context(subject, source))
        connection.execute(
            text(f"INSERT INTO {_TABLE} (kind, subject, source, rows) VALUES (:kind, :subject, :source, :rows)"),
            {"kind": subject[0], "subject": subject[1], "source": source, "rows": sealed},
        )


def _parts(connection: Connection, keys: Mapping[Subject, bytes]) -> Iterator[tuple[Subject, str, bytes, bytes]]:
    ids = connection.scalars(text(f"SELECT id FROM {_TABLE} ORDER BY id DESC")).all()  # owners before what they own
    for number in ids:
        row = connection.execute(text(f"SELECT * FROM {_TABLE} WHERE id = :id"), {"id": number}).one()
        subject = (row.kind, row.subject)
        if subject in keys:
            yield subject, row.source, keys[subject], row.rows


def _opened(key: bytes, subject: Subject, source: str, sealed: bytes) -> list[dict[str, Any]]:
    body = zlib.decompress(open_sealed(derive(key, "backup"), sealed, context=_context(subject, source)))
    return [{name: _stored(value) for name, value in row.items()} for row in json.loads(body)]


def _plain(value: Any) -> Any:
    return [base64.b64encode(value).decode()] if isinstance(value, bytes) else value


def _stored(value: Any) -> Any:
    return base64.b64decode(value[0]) if isinstance(value, list) else value


def _context(subject: Subject, source: str) -> bytes:
    return "\0".join((*subject, source)).encode()


def _drop_what_points_nowhere(connection: Connection) -> None:
    """Rows of those that did not come back: memberships, sessions, and conversations with their turns."""
    while broken := connection.execute(text("PRAGMA foreign_key_check")).all():
        for row in broken:
            connection.execute(text(f'DELETE FROM "{row[0]}" WHERE rowid = :row'), {"row": row[1]})
