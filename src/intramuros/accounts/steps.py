"""What a browser has begun and must finish within minutes, once: a sign-in after its password, a passkey's challenge.

Called by the sign-in and account pages and by `accounts.passkeys`. A step is good for nothing but to be finished: it
is no session. Kept on the server, as a hash.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import delete, func, insert, select, update

from intramuros.errors import NotSignedIn
from intramuros.security.tokens import new_token, token_hash
from intramuros.storage.database import Database
from intramuros.storage.schema import now, steps

STEP_S = 300.0
MAX_TRIES = 10
_MAX_OPEN = 10_000
_MAX_OF_ADDRESS = 50


@dataclass(frozen=True, slots=True)
class Step:
    """Something begun, and by whom if that is known."""

    kind: str
    user_id: str | None


class Steps:
    """The steps that are open."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(
        self, kind: str, *, user_id: str | None = None, holder: str | None = None, address: str | None = None
    ) -> str:
        """A new step's token. `holder` is a secret of the browser that alone may finish it, besides the token.

        What one address has begun many times over, or all have together, pushes out the oldest.
        """
        token, at = new_token(), now()
        values = {
            "token_hash": token_hash(token),
            "kind": kind,
            "holder_hash": None if holder is None else token_hash(holder),
            "user_id": user_id,
            "address": address,
            "created_at": at,
            "expires_at": at + STEP_S,
            "tries": 0,
        }
        with self._database.write() as connection:
            connection.execute(delete(steps).where(steps.c.expires_at <= at))
            for where, most in ((steps.c.address == address, _MAX_OF_ADDRESS), (steps.c.kind != "", _MAX_OPEN)):
                if (connection.scalar(select(func.count()).select_from(steps).where(where)) or 0) >= most:
                    oldest = select(steps.c.token_hash).where(where).order_by(steps.c.created_at).limit(1)
                    connection.execute(delete(steps).where(steps.c.token_hash == oldest.scalar_subquery()))
            connection.execute(insert(steps).values(values))
        return token

    def look(self, kind: str, token: str) -> Step | None:
        """The step, left as it is; none if it is finished, expired or of another kind."""
        statement = select(steps).where(
            steps.c.token_hash == token_hash(token), steps.c.kind == kind, steps.c.expires_at > now()
        )
        with self._database.read() as connection:
            row = connection.execute(statement).first()
        return None if row is None else Step(row.kind, row.user_id)

    def take(self, kind: str, token: str, *, holder: str | None = None) -> Step:
        """The step, which is finished with this: whoever comes second finds nothing.

        Raises: NotSignedIn if it is finished already, expired, of another kind or of another browser.
        """
        statement = (
            delete(steps)
            .where(steps.c.token_hash == token_hash(token), steps.c.kind == kind, steps.c.expires_at > now())
            .where(steps.c.holder_hash.is_(None) if holder is None else steps.c.holder_hash == token_hash(holder))
            .returning(steps.c.kind, steps.c.user_id)
        )
        with self._database.write(durable=True) as connection:
            row = connection.execute(statement).first()
        if row is None:
            raise expired()
        return Step(row.kind, row.user_id)

    def failed(self, token: str) -> None:
        """Counts a wrong try; after a few the step is over and everything begins anew."""
        where = steps.c.token_hash == token_hash(token)
        with self._database.write() as connection:
            connection.execute(update(steps).where(where).values(tries=steps.c.tries + 1))
            connection.execute(delete(steps).where(where, steps.c.tries >= MAX_TRIES))


def expired() -> NotSignedIn:
    """What was begun is not there any more."""
    return NotSignedIn("This sign-in has taken too long.", hint="Begin again.", code="step_expired")
