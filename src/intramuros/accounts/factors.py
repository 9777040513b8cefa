"""Second factors of a person, as one: what they have, what they must have, setting up, checking, taking away.

Called by the pages and the command line. Of each kind knows its own module: `one_time_codes`, `recovery_codes`,
`passkeys`. Recovery codes alone are no factor: they stand in for one.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, insert, literal, select

from intramuros.accounts.one_time_codes import OneTimeCodes
from intramuros.accounts.passkeys import Passkey, Passkeys
from intramuros.accounts.protected import has_factor
from intramuros.accounts.recovery_codes import RecoveryCodes, is_recovery_code
from intramuros.accounts.steps import Steps
from intramuros.accounts.throttle import Limit, Throttle
from intramuros.accounts.users import User
from intramuros.errors import Conflict, NotFound
from intramuros.security.passkeys import Site
from intramuros.security.passwords import Passwords
from intramuros.storage.database import Database
from intramuros.storage.schema import enrolments_due, now, sessions, users

# Stricter than for passwords: only who knows the password gets here, so nobody can lock out somebody else.
CODES = Limit(free=10, longest_s=900, forget_s=86_400)


@dataclass(frozen=True, slots=True)
class Have:
    """What a person has. Units: `codes_since` in UTC seconds."""

    codes_since: float | None
    recovery_left: int
    passkeys: list[Passkey]

    @property
    def has_any(self) -> bool:
        """Whether there is a second factor."""
        return self.codes_since is not None or bool(self.passkeys)


class Factors:
    """The second factors of this installation. `required` are the roles whose people must have one."""

    def __init__(
        self,
        database: Database,
        *,
        key: bytes,
        steps: Steps,
        passwords: Passwords | None = None,
        throttle: Throttle | None = None,
        required: Collection[str] = (),
    ) -> None:
        self._database = database
        self._throttle = throttle or Throttle(account_limit=CODES)
        self._required = frozenset(required)
        self.codes = OneTimeCodes(database, key)
        self.recovery = RecoveryCodes(database, passwords or Passwords())
        self.passkeys = Passkeys(database, steps)

    def of(self, user_id: str) -> Have:
        """What this person has."""
        return Have(self.codes.since(user_id), self.recovery.left(user_id), self.passkeys.list(user_id))

    def has_any(self, user_id: str) -> bool:
        """Whether this person must show a second factor to sign in."""
        with self._database.read() as connection:
            return bool(connection.scalar(select(has_factor(literal(user_id)))))

    def protected(self) -> set[str]:
        """The ids of everybody who has a second factor."""
        with self._database.read() as connection:
            return set(connection.scalars(select(users.c.id).where(has_factor(users.c.id))))

    def is_required(self, user: User) -> bool:
        """Whether this person's role takes a second factor."""
        return user.role in self._required

    def check(self, user: User, code: str, *, address: str | None = None) -> str:
        """Takes a one-time code or a recovery code, and says which it was: `totp` or `recovery`.

        Raises: WrongCode, TooMany after repeated failures.
        """
        self._throttle.begin(user.id, address)
        if is_recovery_code(code):
            self.recovery.use(user.id, code)
            method = "recovery"
        else:
            self.codes.use(user.id, code)
            method = "totp"
        self._throttle.succeed(user.id, address)
        return method

    def confirm_codes(self, user: User, code: str, *, address: str | None = None) -> list[str]:
        """Puts the one-time codes that were begun in force; new recovery codes if the person has none.

        Raises: WrongCode, TooMany, Conflict if nothing was begun.
        """
        self._throttle.begin(user.id, address)
        first = self.codes.first(user.id, code)
        made = {} if self.recovery.left(user.id) else self.recovery.make()
        with self._database.write(durable=True) as connection:
            self.codes.confirm(connection, first)
            if made:
                self.recovery.store(connection, user.id, made)
            _enrolled(connection, user.id)
        self._throttle.succeed(user.id, address)
        return list(made)

    def add_passkey(self, user: User, answer: Mapping[str, Any], *, name: str, site: Site, holder: str) -> str:
        """Stores the passkey a browser has made, and returns its id.

        Raises: BadRequest, NotSignedIn for a challenge that is not good, Conflict.
        """
        row = self.passkeys.checked(answer, user_id=user.id, name=name, site=site, holder=holder)
        with self._database.write(durable=True) as connection:
            self.passkeys.add(connection, row)
            _enrolled(connection, user.id)
        return str(row["id"])

    def renew_recovery(self, user: User) -> list[str]:
        """Ten new recovery codes; the old ones are good for nothing. Raises: Conflict without a second factor."""
        made = self.recovery.make()
        with self._database.write(durable=True) as connection:
            if not connection.scalar(select(has_factor(literal(user.id)))):
                raise Conflict("There is no second factor to recover.", code="no_factor")
            self.recovery.store(connection, user.id, made)
        return list(made)

    def remove_codes(self, user: User) -> None:
        """Takes the one-time codes away. Raises: NotFound, Conflict if the role takes a factor and this is the last."""
        with self._database.write(durable=True) as connection:
            if not self.codes.remove(connection, user.id):
                raise NotFound("There are no one-time codes.")
            self._removed(connection, user)

    def remove_passkey(self, user: User, passkey_id: str) -> None:
        """Takes a passkey away. Raises: NotFound, Conflict if the role takes a factor and this is the last."""
        with self._database.write(durable=True) as connection:
            self.passkeys.remove(connection, user.id, passkey_id=passkey_id)
            self._removed(connection, user)

    def reset(self, user_id: str) -> None:
        """For whoever lost everything: takes all factors away, ends all sessions, and has them set up a new one first.

        The password still stands, so whoever holds only a session or a lost phone gets nothing by it.
        Raises: NotFound if there is no such person.
        """
        with self._database.write(durable=True) as connection:
            if connection.scalar(select(users.c.id).where(users.c.id == user_id)) is None:
                raise NotFound("There is no such person.")
            self.codes.remove(connection, user_id)
            self.passkeys.remove(connection, user_id)
            self.recovery.remove(connection, user_id)
            connection.execute(delete(sessions).where(sessions.c.user_id == user_id))
            connection.execute(delete(enrolments_due).where(enrolments_due.c.user_id == user_id))
            connection.execute(insert(enrolments_due).values(user_id=user_id, since=now()))

    def _removed(self, connection: Connection, user: User) -> None:
        if connection.scalar(select(has_factor(literal(user.id)))):
            return
        if self.is_required(user):
            raise Conflict(
                "Your role takes a second factor, and this is the last one.",
                hint="Set up another one first.",
                code="last_factor",
            )
        self.recovery.remove(connection, user.id)


def _enrolled(connection: Connection, user_id: str) -> None:
    connection.execute(delete(enrolments_due).where(enrolments_due.c.user_id == user_id))
