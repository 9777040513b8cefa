"""One-time codes of people: set up with an app, confirmed by a first code, each taken once.

Called by `accounts.factors`. The secret is sealed for its person; the newest step that was used is in the database,
so that a code that was seen is refused by every process, also after a restart.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, delete, select, update
from sqlalchemy.dialects.sqlite import insert

from intramuros.accounts.users import User
from intramuros.errors import Conflict, WrongCode
from intramuros.security.crypto import open_sealed, seal
from intramuros.security.one_time_codes import DIGITS, address, new_secret, step_of
from intramuros.storage.database import Database
from intramuros.storage.schema import now, one_time_codes

_T = one_time_codes.c


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What a person puts into their app: as text, or as the address in a QR code."""

    secret: str = field(repr=False)
    address: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Confirmation:
    """That a person's app shows the codes of what was begun."""

    user_id: str
    sealed_secret: bytes
    step: int


class OneTimeCodes:
    """The one-time codes of this installation; `key` seals their secrets."""

    def __init__(self, database: Database, key: bytes) -> None:
        self._database = database
        self._key = key

    def begin(self, user: User) -> Enrolment:
        """A new secret, which counts for nothing until `confirm`; one begun before is forgotten.

        Raises: Conflict if the person has codes in force.
        """
        secret = new_secret()
        values = {
            "sealed_secret": seal(self._key, secret.encode(), context=_context(user.id)),
            "created_at": now(),
            "last_step": 0,
        }
        statement = insert(one_time_codes).values(user_id=user.id, **values)
        statement = statement.on_conflict_do_update(
            index_elements=["user_id"], set_=values, where=_T.confirmed_at.is_(None)
        )
        with self._database.write(durable=True) as connection:
            if connection.execute(statement).rowcount != 1:
                raise Conflict("One-time codes are set up already.", code="codes_set_up")
        return Enrolment(secret, address(secret, account=user.email))

    def begun(self, user: User) -> Enrolment | None:
        """What was begun and not confirmed yet, to be shown again."""
        row = self._row(user.id, _T.confirmed_at.is_(None))
        if row is None:
            return None
        secret = self._secret(row)
        return Enrolment(secret, address(secret, account=user.email))

    def first(self, user_id: str, code: str) -> Confirmation:
        """The first code the app shows, looked at; `confirm` puts the codes in force.

        Raises: WrongCode, Conflict if nothing was begun.
        """
        row = self._row(user_id, _T.confirmed_at.is_(None))
        if row is None:
            raise Conflict("There are no codes to confirm.", hint="Begin again.", code="codes_not_begun")
        return Confirmation(user_id, row.sealed_secret, self._step(row, code))

    @staticmethod
    def confirm(connection: Connection, first: Confirmation) -> None:
        """Puts the codes in force. Raises: WrongCode if they were confirmed or begun anew meanwhile."""
        mine = (_T.user_id == first.user_id, _T.confirmed_at.is_(None), _T.sealed_secret == first.sealed_secret)
        values = {"confirmed_at": now(), "last_step": first.step}
        if connection.execute(update(one_time_codes).where(*mine).values(values)).rowcount != 1:
            raise WrongCode

    def use(self, user_id: str, code: str) -> None:
        """Takes a code. Raises: WrongCode if it is none, too old, or was taken before, here or in another process."""
        row = self._row(user_id, _T.confirmed_at.is_not(None))
        if row is None:
            raise WrongCode
        step = self._step(row, code)
        with self._database.write(durable=True) as connection:
            mine = (_T.user_id == user_id, _T.last_step < step)
            if connection.execute(update(one_time_codes).where(*mine).values(last_step=step)).rowcount != 1:
                raise WrongCode

    def since(self, user_id: str) -> float | None:
        """When the codes in force were set up; none without."""
        row = self._row(user_id, _T.confirmed_at.is_not(None))
        return None if row is None else float(row.confirmed_at)

    @staticmethod
    def remove(connection: Connection, user_id: str) -> bool:
        """Forgets a person's codes; whether there were any in force."""
        had = connection.scalar(select(_T.confirmed_at).where(_T.user_id == user_id)) is not None
        connection.execute(delete(one_time_codes).where(_T.user_id == user_id))
        return had

    def _row(self, user_id: str, condition: ColumnElement[bool]) -> Row[Any] | None:
        with self._database.read() as connection:
            return connection.execute(select(one_time_codes).where(_T.user_id == user_id, condition)).first()

    def _step(self, row: Row[Any], code: str) -> int:
        digits = "".join(code.split())
        if len(digits) != DIGITS or not (digits.isascii() and digits.isdecimal()):
            raise WrongCode
        step = step_of(self._secret(row), digits, at=now(), after=row.last_step)
        if step is None:
            raise WrongCode
        return step

    def _secret(self, row: Row[Any]) -> str:
        return open_sealed(self._key, row.sealed_secret, context=_context(row.user_id)).decode()


def reseal(connection: Connection, *, old: bytes, new: bytes) -> None:
    """Seals every secret under another key. Raises: StorageCorrupt."""
    for row in connection.execute(select(one_time_codes.c.user_id, one_time_codes.c.sealed_secret)).all():
        context = _context(row.user_id)
        sealed = seal(new, open_sealed(old, row.sealed_secret, context=context), context=context)
        connection.execute(
            update(one_time_codes).where(one_time_codes.c.user_id == row.user_id).values(sealed_secret=sealed)
        )


def _context(user_id: str) -> bytes:
    return b"one-time-codes:" + user_id.encode()
