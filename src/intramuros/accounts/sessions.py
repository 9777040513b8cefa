"""Sessions of people signed in with the browser. Called by the web pages and `accounts.identity`.

A session is a random token in a cookie; the database has only its hash. Each has a CSRF token that only its holder
can know, derived from it, so that nothing more is stored.
"""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import delete, insert, select

from intramuros.accounts.caller import Caller
from intramuros.accounts.users import User
from intramuros.security.tokens import bound_token, new_token, same, token_hash
from intramuros.storage.database import Database
from intramuros.storage.schema import now, sessions, users


class Known(NamedTuple):
    """A caller, and the time (UTC, seconds) from which this credential is no longer good."""

    caller: Caller
    expires_at: float


class Sessions:
    """The open sessions; each ends `hours` after signing in."""

    def __init__(self, database: Database, hours: float) -> None:
        self._database = database
        self._hours = hours

    def open(self, user: User) -> str:
        """Begins a session and returns its token, which is stored nowhere."""
        token, at = new_token(), now()
        values = {
            "token_hash": token_hash(token),
            "user_id": user.id,
            "created_at": at,
            "expires_at": at + self._hours * 3600,
        }
        with self._database.write() as connection:
            connection.execute(delete(sessions).where(sessions.c.expires_at <= at))
            connection.execute(insert(sessions).values(values))
        return token

    def caller(self, token: str) -> Caller | None:
        """Whose session it is; none if it has ended or the person is suspended."""
        known = self.known(token)
        return known.caller if known else None

    def known(self, token: str) -> Known | None:
        """The same, with the time it ends."""
        statement = (
            select(sessions.c.expires_at, users.c.id, users.c.name, users.c.role, users.c.language)
            .join(users, users.c.id == sessions.c.user_id)
            .where(sessions.c.token_hash == token_hash(token), sessions.c.expires_at > now())
            .where(users.c.suspended_at.is_(None))
        )
        with self._database.read() as connection:
            row = connection.execute(statement).first()
        if row is None:
            return None
        return Known(Caller(row.id, row.name, row.role, "session", row.language), row.expires_at)

    def close(self, token: str) -> None:
        """Ends a session, here and in every other process."""
        with self._database.write(durable=True) as connection:
            connection.execute(delete(sessions).where(sessions.c.token_hash == token_hash(token)))

    def close_all(self, user_id: str) -> None:
        """Ends all sessions of a person."""
        with self._database.write(durable=True) as connection:
            connection.execute(delete(sessions).where(sessions.c.user_id == user_id))


def csrf(token: str) -> str:
    """What forms of this session carry, so that another site can't send them."""
    return bound_token(token, "csrf")


def check_csrf(token: str, sent: str) -> bool:
    """Whether a form came from this session's own pages."""
    return same(csrf(token), sent)
