"""Sessions of people signed in with the browser. Called by the web pages and `accounts.identity`.

A session is a random token in a cookie; the database has only its hash. Each has a CSRF token that only its holder
can know, derived from it, so that nothing more is stored. The token is made new whenever the session may do more than
before. A session ends at a fixed time, and earlier when nothing was asked with it for a while.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import delete, insert, or_, select, update

from intramuros.accounts.caller import Caller
from intramuros.accounts.protected import has_factor, is_enrolment_due
from intramuros.accounts.quotas import limits_of
from intramuros.accounts.users import User
from intramuros.errors import NotFound, NotSignedIn
from intramuros.security.tokens import bound_token, new_token, same, token_hash
from intramuros.storage.database import Database
from intramuros.storage.schema import new_id, now, sessions, steps, users

MOST_AT_ONCE = 10
"""How many sessions a person may have: one more ends the one that was used longest ago."""

PROOF_S = 600.0
"""How long after showing a password or passkey a person may change how they sign in."""


class Known(NamedTuple):
    """A caller, the time (UTC, seconds) from which this credential is no longer good, and when it was last seen."""

    caller: Caller
    expires_at: float
    seen_at: float = float("inf")


@dataclass(frozen=True, slots=True)
class Session:
    """One place where a person is signed in, as shown to them."""

    id: str
    created_at: float
    seen_at: float
    method: str
    device: str
    is_this: bool


class Sessions:
    """The open sessions; each ends `hours` after signing in, or after `idle_minutes` without a request.

    `required` are the roles whose people may do nothing before they have a second factor.
    """

    def __init__(
        self, database: Database, hours: float, *, idle_minutes: float = 120, required: Collection[str] = ()
    ) -> None:
        self._database = database
        self._hours = hours
        self.idle_s = idle_minutes * 60
        self._required = frozenset(required)

    def open(self, user: User, *, method: str = "password", is_strong: bool = False, device: str = "") -> str:
        """Begins a session and returns its token, which is stored nowhere.

        A session that is not strong is good for nothing where the person has a second factor: ask for it first.
        Raises: NotSignedIn for a service.
        """
        if user.is_service:
            raise NotSignedIn("A service can't sign in.", hint="Use one of its keys.", code="service_sign_in")
        token, at = new_token(), now()
        values = {
            "token_hash": token_hash(token),
            "id": new_id(),
            "user_id": user.id,
            "created_at": at,
            "expires_at": at + self._hours * 3600,
            "seen_at": at,
            "proven_at": at,
            "is_strong": is_strong,
            "method": method,
            "device": device[:100],
        }
        with self._database.write() as connection:
            ended = or_(sessions.c.expires_at <= at, sessions.c.seen_at <= at - self.idle_s)
            connection.execute(delete(sessions).where(ended))
            own = select(sessions.c.id).where(sessions.c.user_id == user.id)
            newest = own.order_by(sessions.c.seen_at.desc(), sessions.c.id).limit(MOST_AT_ONCE - 1)
            connection.execute(delete(sessions).where(sessions.c.user_id == user.id, sessions.c.id.not_in(newest)))
            connection.execute(insert(sessions).values(values))
        return token

    def caller(self, token: str) -> Caller | None:
        """Whose session it is; none if it has ended or the person is suspended."""
        known = self.known(token)
        return known.caller if known else None

    def known(self, token: str) -> Known | None:
        """The same, with the time it ends and when it was last seen."""
        at = now()
        statement = (
            select(sessions, users, is_enrolment_due(users.c.id).label("is_due"))
            .join(users, users.c.id == sessions.c.user_id)
            .where(sessions.c.token_hash == token_hash(token))
            .where(sessions.c.expires_at > at, sessions.c.seen_at > at - self.idle_s)
            .where(users.c.suspended_at.is_(None), users.c.role != "service")
            .where(or_(sessions.c.is_strong, ~has_factor(users.c.id)))
        )
        with self._database.read() as connection:
            row = connection.execute(statement).first()
            if row is None:
                return None
            limits, weight = limits_of(connection, user_id=row.user_id, role=row.role)
        must_enrol = bool(row.is_due) or (row.role in self._required and not row.is_strong)
        caller = Caller(
            row.user_id,
            row.name,
            row.role,
            "session",
            row.language,
            must_enrol,
            row.proven_at,
            limits=limits,
            weight=weight,
        )
        return Known(caller, row.expires_at, row.seen_at)

    def renew(self, token: str, *, is_strong: bool = False) -> str:
        """The session's new token, after its person has proved themselves again; the old one is good for nothing.

        Raises: NotSignedIn if the session has ended meanwhile.
        """
        fresh = new_token()
        values: dict[str, object] = {"token_hash": token_hash(fresh), "proven_at": now()}
        if is_strong:
            values["is_strong"] = True
        statement = update(sessions).where(sessions.c.token_hash == token_hash(token)).values(values)
        with self._database.write(durable=True) as connection:
            if connection.execute(statement).rowcount != 1:
                raise NotSignedIn("The session has ended.")
        return fresh

    def list(self, user_id: str, *, token: str = "") -> list[Session]:
        """Where a person is signed in, the last used first; `token` says which of them is asking."""
        at, own = now(), token_hash(token)
        statement = (
            select(sessions)
            .where(sessions.c.user_id == user_id, sessions.c.expires_at > at, sessions.c.seen_at > at - self.idle_s)
            .order_by(sessions.c.seen_at.desc(), sessions.c.id)
        )
        with self._database.read() as connection:
            rows = connection.execute(statement).all()
        return [
            Session(row.id, row.created_at, row.seen_at, row.method, row.device, row.token_hash == own) for row in rows
        ]

    def end(self, session_id: str, *, user_id: str) -> None:
        """Ends one session of a person. Raises: NotFound, also if it is somebody else's."""
        statement = delete(sessions).where(sessions.c.id == session_id, sessions.c.user_id == user_id)
        with self._database.write(durable=True) as connection:
            if connection.execute(statement).rowcount != 1:
                raise NotFound("There is no such session.")

    def close(self, token: str) -> None:
        """Ends a session, here and in every other process."""
        with self._database.write(durable=True) as connection:
            connection.execute(delete(sessions).where(sessions.c.token_hash == token_hash(token)))

    def close_all(self, user_id: str, *, but: str | None = None) -> None:
        """Ends all sessions of a person, `but` the one with this token; without one, sign-ins half done end too."""
        statement = delete(sessions).where(sessions.c.user_id == user_id)
        if but is not None:
            statement = statement.where(sessions.c.token_hash != token_hash(but))
        with self._database.write(durable=True) as connection:
            connection.execute(statement)
            if but is None:
                connection.execute(delete(steps).where(steps.c.user_id == user_id))

    def seen(self, times: Mapping[bytes, float]) -> None:
        """Remembers when sessions were last used, many at once, by the hash of their token."""
        if not times:
            return
        with self._database.write() as connection:
            for digest, at in times.items():
                connection.execute(update(sessions).where(sessions.c.token_hash == digest).values(seen_at=at))


def csrf(token: str) -> str:
    """What forms of this session carry, so that another site can't send them."""
    return bound_token(token, "csrf")


def check_csrf(token: str, sent: str) -> bool:
    """Whether a form came from this session's own pages."""
    return same(csrf(token), sent)
