"""Whom work acts as that goes on after its request: looked up anew each time, so that what ends for them ends for it.

Called by batches, which remember who began them and with what credential.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select

from intramuros.accounts.caller import LOCAL, Caller
from intramuros.accounts.keys import ApiKeys
from intramuros.accounts.quotas import limits_of
from intramuros.storage.database import Database
from intramuros.storage.schema import users


@dataclass(frozen=True, slots=True)
class Acting:
    """Finds them."""

    database: Database
    keys: ApiKeys

    def now(self, user_id: str, credential: str) -> Caller | None:
        """Who it is, with the rights and limits of this moment.

        None once they are suspended or erased, or their key is revoked or expired. What a person began in a session
        goes on when the session ends.
        """
        if credential == LOCAL.credential and user_id == LOCAL.user_id:
            return LOCAL
        if credential.startswith("key:"):
            caller = self.keys.holder(credential.removeprefix("key:"))
            return caller if caller is not None and caller.user_id == user_id else None
        statement = select(users).where(users.c.id == user_id, users.c.suspended_at.is_(None))
        with self.database.read() as connection:
            row = connection.execute(statement).first()
            if row is None:
                return None
            held, weight = limits_of(connection, user_id=row.id, role=row.role)
        return Caller(row.id, row.name, row.role, "session", row.language, limits=held, weight=weight)
