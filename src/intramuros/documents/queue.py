"""The durable queue: which process reads which document. It is the documents' own rows; nothing else has to agree.

A document is taken twice where there is an embedder: to be read, and once it is indexed, for its vectors.
A process takes a document under a lease in its name. The lease lasts as long as the process lives and renews it; one
whose holder is dead, or that ran out, is free. Called by `ingest`, inside transactions of the caller.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, select, update

from intramuros.documents.failures import words
from intramuros.documents.library import COLUMNS, Document, from_row
from intramuros.storage.schema import documents, now

LEASE_S = 60.0
MAX_ATTEMPTS = 3
PENDING = ("received", "reading")

_mine = documents.c.id == bindparam("document"), documents.c.lease_owner == bindparam("owner")


def waiting(
    connection: Connection, *, is_alive: Callable[[str], bool], limit: int = 20, states: Sequence[str] = PENDING
) -> list[str]:
    """Ids of documents that nobody works on, oldest first; those whose reading stopped a process before come last."""
    statement = (
        select(documents.c.id, documents.c.lease_owner, documents.c.lease_until)
        .where(documents.c.state.in_(states))
        .order_by(documents.c.attempts, documents.c.created_at)
    )
    found = []
    for row in connection.execute(statement):
        if _is_free(row, is_alive):
            found.append(row.id)
            if len(found) == limit:
                break
    return found


def take(connection: Connection, document_id: str, *, owner: str, is_alive: Callable[[str], bool]) -> Document | None:
    """Takes a document for reading; None when somebody else has it or there is nothing to do.

    A document whose reading stopped the process before, three times, fails instead.
    """
    row = connection.execute(
        select(*COLUMNS, documents.c.lease_owner, documents.c.lease_until).where(
            documents.c.id == document_id, documents.c.state.in_(PENDING)
        )
    ).first()
    if row is None or not _is_free(row, is_alive):
        return None
    if row.attempts >= MAX_ATTEMPTS:
        _set(connection, document_id, failed("stopped_repeatedly", limit=MAX_ATTEMPTS))
        return None
    time = now()
    values = {"state": "reading", "attempts": row.attempts + 1, "lease_owner": owner, "lease_until": time + LEASE_S}
    _set(connection, document_id, values | {"updated_at": time})
    return from_row(connection.execute(select(*COLUMNS).where(documents.c.id == document_id)).one())


def take_indexed(
    connection: Connection, document_id: str, *, owner: str, is_alive: Callable[[str], bool]
) -> Document | None:
    """Takes an indexed document, for its vectors; None when somebody else has it or there is nothing to do."""
    row = connection.execute(
        select(*COLUMNS, documents.c.lease_owner, documents.c.lease_until).where(
            documents.c.id == document_id, documents.c.state == "indexed"
        )
    ).first()
    if row is None or not _is_free(row, is_alive):
        return None
    _set(connection, document_id, {"lease_owner": owner, "lease_until": now() + LEASE_S})
    return from_row(connection.execute(select(*COLUMNS).where(documents.c.id == document_id)).one())


def reopen(connection: Connection, *, embedder: str) -> None:
    """Makes documents that are ready, but not with the vectors of this embedder, indexed: they are to be embedded."""
    stale = documents.c.state == "ready", documents.c.embedder.is_distinct_from(embedder)
    values = {"state": "indexed", "embedder": None, "updated_at": now()}
    connection.execute(update(documents).where(*stale).values(values))


def is_held(connection: Connection, document_id: str, *, owner: str) -> bool:
    """Whether this owner still has the document: not removed, not taken over."""
    statement = select(documents.c.id).where(*_mine)
    return connection.execute(statement, {"document": document_id, "owner": owner}).first() is not None


def renew(connection: Connection, *, owner: str, progress: Mapping[str, tuple[int, int]]) -> None:
    """Renews the leases of an owner and notes how many pages are read of which documents."""
    connection.execute(update(documents).where(documents.c.lease_owner == owner).values(lease_until=now() + LEASE_S))
    for document_id, (read, total) in progress.items():
        values = {"pages_read": read, "pages_total": total, "updated_at": now()}
        connection.execute(update(documents).where(*_mine).values(values), {"document": document_id, "owner": owner})


def finish(connection: Connection, document_id: str, *, owner: str, values: Mapping[str, Any]) -> None:
    """Ends the reading of a document with what came of it."""
    free = {"lease_owner": None, "lease_until": None, "updated_at": now()}
    statement = update(documents).where(*_mine).values({**values, **free})
    connection.execute(statement, {"document": document_id, "owner": owner})


def give_back(connection: Connection, document_id: str, *, owner: str, counts: bool) -> None:
    """Frees a document for anybody. `counts`: whether the attempt counts, because the document may be to blame."""
    attempts = documents.c.attempts - (0 if counts else 1)
    finish(connection, document_id, owner=owner, values={"state": "received", "attempts": attempts, "pages_read": 0})


def failed(code: str, **numbers: object) -> dict[str, Any]:
    """The values of a document that can't be read."""
    said = words(code, numbers=numbers)
    values: dict[str, Any] = {"state": "failed", "error_code": code, "error_message": f"{said.message} {said.hint}"}
    if isinstance(numbers.get("pages"), int):
        values["pages_total"] = numbers["pages"]
    return values


def states(connection: Connection, document_ids: Sequence[str]) -> dict[str, Document]:
    """The documents of these ids that there still are."""
    found: dict[str, Document] = {}
    for start in range(0, len(document_ids), 500):
        ids = document_ids[start : start + 500]
        rows = connection.execute(select(*COLUMNS).where(documents.c.id.in_(ids)))
        found |= {row.id: from_row(row) for row in rows}
    return found


def _is_free(row: Any, is_alive: Callable[[str], bool]) -> bool:
    return row.lease_owner is None or row.lease_until < now() or not is_alive(row.lease_owner)


def _set(connection: Connection, document_id: str, values: Mapping[str, Any]) -> None:
    connection.execute(update(documents).where(documents.c.id == document_id).values({**values}))
