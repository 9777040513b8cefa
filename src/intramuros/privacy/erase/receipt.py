"""Receipts of erasures: what is said of one, stored, listed, and checked with nothing but the public key.

Made by `privacy.erase.erasure`; read by doors. A receipt has no content and no name: what kind of thing, its id, when,
how much, what was searched and that nothing was found, and where the audit stood.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypedDict

from sqlalchemy import Row, select

from intramuros.audit.statement import Statement, of_line, parsed
from intramuros.errors import BadRequest, NotFound
from intramuros.storage.database import Database
from intramuros.storage.schema import erasures

ERASURE = "erasure"


class ReceiptObject(TypedDict):
    """An erasure. `said`: what its receipt says; `receipt`: the signed line. Times: seconds since 1970."""

    id: str
    kind: str
    subject: str
    reason: str
    state: str
    actor: str
    begun_at: float
    finished_at: float | None
    said: dict[str, Any] | None
    receipt: str | None


@dataclass(frozen=True, slots=True)
class Receipt:
    """One erasure, finished when it has a statement."""

    id: str
    kind: str
    subject: str
    reason: str
    state: str
    actor: str
    begun_at: float
    finished_at: float | None
    statement: Statement | None

    def removed(self, what: str) -> int:
        """How many of these the receipt says were removed."""
        return int(self.statement.said["removed"].get(what, 0)) if self.statement else 0

    def to_json(self) -> ReceiptObject:
        """The erasure, with what its receipt says."""
        return {
            "id": self.id,
            "kind": self.kind,
            "subject": self.subject,
            "reason": self.reason,
            "state": self.state,
            "actor": self.actor,
            "begun_at": self.begun_at,
            "finished_at": self.finished_at,
            "said": self.statement.said if self.statement else None,
            "receipt": self.statement.line() if self.statement else None,
        }


def receipts(database: Database, *, limit: int = 100) -> list[Receipt]:
    """The newest erasures, those that still run too."""
    statement = select(erasures).order_by(erasures.c.begun_at.desc()).limit(limit)
    with database.read() as connection:
        return [_receipt(row) for row in connection.execute(statement)]


def receipt(database: Database, erasure_id: str) -> Receipt:
    """One erasure. Raises: NotFound."""
    with database.read() as connection:
        row = connection.execute(select(erasures).where(erasures.c.id == erasure_id)).first()
    if row is None:
        raise NotFound("There is no such receipt.", hint="List them with: intramuros erase receipts")
    return _receipt(row)


def verified(line: str, public: bytes) -> dict[str, Any]:
    """What a receipt says, if the holder of this key said it.

    Raises: BadRequest if it is not a receipt, was changed, or is another installation's.
    """
    try:
        statement = of_line(line)
    except ValueError as error:
        raise BadRequest("This is not a receipt.", code="not_a_receipt") from error
    if statement.kind != ERASURE:
        raise BadRequest("This is a signed statement, but not about an erasure.", code="not_a_receipt")
    if not statement.is_by(public):
        raise BadRequest(
            "The receipt was changed, or another installation signed it.",
            code="receipt_not_genuine",
            hint="Check that the public key is the one from: intramuros audit public-key",
        )
    return statement.said


def _receipt(row: Row[Any]) -> Receipt:
    values = {name: row._mapping[name] for name in Receipt.__dataclass_fields__ if name != "statement"}
    return Receipt(**values, statement=parsed(row.statement, row.signature) if row.statement else None)
