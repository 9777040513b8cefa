"""Removes old audit records so that what is left can still be verified: a signed summary takes their place.

Called by `audit.record` for `intramuros audit purge`. Records go in segments that end at a checkpoint. A segment is
checked before it goes: what was tampered with stays, to be looked at.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from sqlalchemy import Connection, delete, func, select

from intramuros.audit.chain import Head
from intramuros.audit.statement import CHECKPOINT, SEGMENT, Signer, Statement, keep, kept
from intramuros.audit.verify import Checkpoints, Wrong, followed, record_of, segments_end
from intramuros.errors import StorageCorrupt
from intramuros.storage.database import Database
from intramuros.storage.schema import audit, audit_signed

SEGMENT_RECORDS = 20_000
"""About as many are removed in one transaction: requests wait for its end."""

MONTH_S = 365.25 / 12 * 86_400


@dataclass(frozen=True, slots=True)
class Purged:
    """What was removed: how many records, in how many segments, and the last one's number."""

    records: int = 0
    segments: int = 0
    last: int = 0


def purge(database: Database, signer: Signer, *, before: float) -> Purged:
    """Removes the records that were signed before that moment, as far as segments go.

    Units: seconds since 1970. The last record always stays, for the next one hangs on it.
    Raises: StorageCorrupt if the records to be removed are not as they were written.
    """
    done = Purged()
    while True:
        with database.read() as connection:
            try:
                segment = _next(connection, signer, before)
            except (Wrong, ValueError) as wrong:
                raise StorageCorrupt(
                    f"The audit does not hold, so nothing of it was removed: {wrong}.",
                    hint="See which record: intramuros audit verify",
                ) from wrong
        if segment is None:
            break
        with database.write(durable=True, erasing=True) as connection:
            if segments_end(kept(connection, SEGMENT), signer.public).sequence != segment.said["first"] - 1:
                continue  # another process was quicker
            keep(connection, segment)
            connection.execute(delete(audit).where(audit.c.sequence <= segment.sequence))
            connection.execute(
                delete(audit_signed).where(
                    audit_signed.c.kind == CHECKPOINT, audit_signed.c.sequence < segment.sequence
                )
            )
        done = Purged(done.records + segment.said["records"], done.segments + 1, segment.sequence)
    if done.segments:
        database.checkpoint()  # or they would still stand in the log
    return done


def _next(connection: Connection, signer: Signer, before: float) -> Statement | None:
    """The summary of the next segment that may go."""
    begin = segments_end(kept(connection, SEGMENT), signer.public)
    checkpoints = Checkpoints(signer.public)
    end = None
    last = connection.scalar(select(func.max(audit.c.sequence))) or 0
    for checkpoint in kept(connection, CHECKPOINT, after=begin.sequence, until=last - 1):
        checkpoints.add(checkpoint, "the database")
        is_enough = end is not None and checkpoint.sequence - begin.sequence > SEGMENT_RECORDS
        if checkpoint.said["at"] >= before or is_enough:
            break
        end = checkpoint
    return _summary(connection, signer, begin, end, checkpoints) if end else None


def _summary(
    connection: Connection, signer: Signer, begin: Head, end: Statement, checkpoints: Checkpoints
) -> Statement:
    """What is said of the records after `begin` up to `end`, once each was checked."""
    query = select(audit).where(audit.c.sequence > begin.sequence, audit.c.sequence <= end.sequence)
    head, outcomes, times = begin, Counter[str](), []
    for row in connection.execution_options(yield_per=1000).execute(query.order_by(audit.c.sequence)):
        head = followed(head, row.sequence, record_of(row), row.hash)
        checkpoints.compare(head)
        outcomes[row.outcome] += 1
        times.append(row.at)
    if head != end.head:
        raise Wrong(head.sequence + 1, "records are missing")
    return signer.sign(
        SEGMENT,
        head,
        first=begin.sequence + 1,
        before=begin.hash.hex(),
        records=len(times),
        **{"from": min(times), "to": max(times)},
        outcomes=dict(outcomes),
    )
