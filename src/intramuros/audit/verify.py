"""Checks that no audit record was changed, removed, reordered or cut off. Called by the command line and self-tests.

It shows every change made without the audit's key. What it can't show: that the whole database was put back to
an earlier state; for that, compare the number of records with one noted elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, select

from intramuros.audit.chain import HEAD_FACT, Head, Record, link, unsealed
from intramuros.errors import StorageCorrupt
from intramuros.storage import facts
from intramuros.storage.schema import audit


@dataclass(frozen=True, slots=True)
class Verification:
    """Whether the audit holds, and if not, the first record that is wrong and why. `head` is worth noting elsewhere."""

    ok: bool
    records: int
    first_bad: int | None = None
    reason: str = ""
    head: str = ""


def verify(connection: Connection, *, key: bytes) -> Verification:
    """Reads all records in order and compares them with their hashes and with the sealed end."""
    head = Head()
    rows = connection.execution_options(yield_per=1000).execute(select(audit).order_by(audit.c.sequence))
    for row in rows:
        number = head.sequence + 1
        if row.sequence != number:
            return Verification(False, head.sequence, number, "a record is missing")
        head = link(
            head,
            Record(row.id, row.at, row.actor, row.credential, row.action, row.object, row.outcome, row.facts),
        )
        if head.hash != row.hash:
            return Verification(False, number, number, "the record, or one before it, was changed")
    return _compared(connection, head, key)


def _compared(connection: Connection, head: Head, key: bytes) -> Verification:
    try:
        expected = unsealed(facts.get(connection, HEAD_FACT), key)
    except StorageCorrupt:
        return Verification(False, head.sequence, None, "the seal on the last record was changed")
    if head.sequence < expected.sequence:
        return Verification(False, head.sequence, head.sequence + 1, "the last records were removed")
    if head.sequence > expected.sequence:
        return Verification(False, head.sequence, expected.sequence + 1, "records were added from outside")
    if head != expected:
        return Verification(False, head.sequence, head.sequence, "the records were rewritten")
    return Verification(True, head.sequence, head=head.hash.hex())
