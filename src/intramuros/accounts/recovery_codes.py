"""Recovery codes: ten for the day the phone is gone, shown once, each good once. Called by `accounts.factors`.

A code is `ABCD-EFGH-JKLM`, 60 random bits. Its first four characters say which hash to compare, so that a try costs
one Argon2 hash; the whole code is hashed as passwords are.

Source: OWASP ASVS 5.0, 6.5.2 (lookup secrets of less than 112 bits are hashed as passwords).
"""

from __future__ import annotations

import secrets

from sqlalchemy import Connection, delete, func, insert, select, update

from intramuros.errors import WrongCode
from intramuros.security.passwords import Passwords
from intramuros.storage.database import Database
from intramuros.storage.schema import now, recovery_codes

HOW_MANY = 10
_ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"  # without I, O, 0 and 1, which are mistaken for each other
_LOOKUP_CHARACTERS = 4
_CHARACTERS = 12
_R = recovery_codes.c


class RecoveryCodes:
    """The recovery codes of this installation."""

    def __init__(self, database: Database, passwords: Passwords) -> None:
        self._database = database
        self._passwords = passwords

    def make(self) -> dict[str, tuple[str, str]]:
        """Ten new codes, as shown, each with its lookup and hash to be stored. Takes a second: hashing is dear."""
        found: dict[str, tuple[str, str]] = {}
        while len(found) < HOW_MANY:
            text = "".join(secrets.choice(_ALPHABET) for _ in range(_CHARACTERS))
            if all(text[:_LOOKUP_CHARACTERS] != lookup for lookup, _ in found.values()):
                shown = "-".join(text[at : at + 4] for at in range(0, _CHARACTERS, 4))
                found[shown] = (text[:_LOOKUP_CHARACTERS], self._passwords.hash(text))
        return found

    @staticmethod
    def store(connection: Connection, user_id: str, made: dict[str, tuple[str, str]]) -> None:
        """Puts new codes in the place of all that a person had."""
        RecoveryCodes.remove(connection, user_id)
        rows = [{"user_id": user_id, "lookup": lookup, "code_hash": value} for lookup, value in made.values()]
        connection.execute(insert(recovery_codes), rows)

    @staticmethod
    def remove(connection: Connection, user_id: str) -> None:
        """Forgets a person's codes."""
        connection.execute(delete(recovery_codes).where(_R.user_id == user_id))

    def left(self, user_id: str) -> int:
        """How many codes are still good."""
        with self._database.read() as connection:
            statement = select(func.count()).select_from(recovery_codes)
            return connection.scalar(statement.where(_R.user_id == user_id, _R.used_at.is_(None))) or 0

    def use(self, user_id: str, code: str) -> None:
        """Takes a code. It takes as long for one that does not exist. Raises: WrongCode."""
        text = "".join(c for c in code.upper() if c.isalnum())
        mine = (_R.user_id == user_id, _R.lookup == text[:_LOOKUP_CHARACTERS], _R.used_at.is_(None))
        with self._database.read() as connection:
            stored = connection.scalar(select(_R.code_hash).where(*mine))
        if not self._passwords.verify(stored, text):
            raise WrongCode
        with self._database.write(durable=True) as connection:
            done = connection.execute(update(recovery_codes).where(*mine, _R.code_hash == stored).values(used_at=now()))
            if done.rowcount != 1:
                raise WrongCode


def is_recovery_code(text: str) -> bool:
    """Whether a text has the form of a recovery code rather than of a one-time code."""
    return len("".join(c for c in text if c.isalnum())) == _CHARACTERS
