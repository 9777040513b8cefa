"""People: who they are, their passwords, and the one-time links that invite them.

Called by the sign-in page, the administration and the command line. It knows no sessions, keys or projects, but
for one rule: the first administrator takes over what was made at the command line before them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, Select, func, insert, literal, select, update
from sqlalchemy.exc import IntegrityError

from intramuros.accounts.caller import LOCAL, Caller
from intramuros.accounts.protected import has_factor
from intramuros.accounts.throttle import Throttle
from intramuros.errors import BadRequest, Conflict, NotAllowed, NotFound, NotSignedIn, SettingsError
from intramuros.security.passwords import Passwords, check_strength
from intramuros.security.tokens import new_token, token_hash
from intramuros.storage.database import Database
from intramuros.storage.schema import invitations, members, new_id, now, sessions, steps, users

ROLES = ("administrator", "auditor", "manager", "member", "service")
"""What somebody may do in the installation. A service is no person: it has keys and can't sign in."""

LANGUAGES = ("fr", "de", "it", "en")

_DECEIVING = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""Control characters, and those that turn the direction of what follows: one name would look like another."""
_EMAIL = re.compile(r"[^@\s<>\"]{1,64}@[^@\s<>\"]{1,190}")


@dataclass(frozen=True, slots=True)
class User:
    """A person who may sign in unless suspended, or a service, which never may."""

    id: str
    email: str
    name: str
    role: str
    language: str
    created_at: float
    is_suspended: bool

    @property
    def is_administrator(self) -> bool:
        """Whether they may manage the installation."""
        return self.role == "administrator"

    @property
    def is_service(self) -> bool:
        """Whether it is a program's account, with keys only."""
        return self.role == "service"


class Users:
    """The people of this installation."""

    def __init__(
        self, database: Database, *, passwords: Passwords | None = None, throttle: Throttle | None = None
    ) -> None:
        self._database = database
        self._passwords = passwords or Passwords()
        self._throttle = throttle or Throttle()
        self.elsewhere: Callable[[str, str], User | None] | None = None
        """Where passwords are asked for that are not good here: an organisation's directory."""

    def create(self, email: str, name: str, *, role: str, password: str | None = None, language: str = "fr") -> User:
        """Adds a person with a password, or a service, which has none.

        Raises: BadRequest for a bad address, role, language or a weak password; Conflict if the address is taken.
        """
        values = self._new(email, name=name, role=role, password=password, language=language)
        with self._database.write(durable=True) as connection:
            return _insert(connection, values)

    def create_external(self, email: str, name: str, *, role: str) -> User:
        """Adds a person who signs in elsewhere, and has no password here. Raises: as `create`."""
        values = self._checked(email, name=name[:200], role=role, language="fr") | {"password_hash": None}
        if role == "service":
            raise BadRequest("A service signs in nowhere.", code="service_password")
        with self._database.write(durable=True) as connection:
            return _insert(connection, values)

    def has_any(self) -> bool:
        """Whether anybody can sign in yet."""
        with self._database.read() as connection:
            return connection.scalar(select(users.c.id).where(users.c.password_hash.is_not(None)).limit(1)) is not None

    def has_protected_administrator(self) -> bool:
        """Whether some administrator who is not suspended has a second factor: one-time codes or a passkey."""
        statement = select(users.c.id).where(
            users.c.role == "administrator", users.c.suspended_at.is_(None), has_factor(users.c.id)
        )
        with self._database.read() as connection:
            return connection.scalar(statement.limit(1)) is not None

    def get(self, user_id: str) -> User:
        """The person with this id. Raises: NotFound."""
        with self._database.read() as connection:
            row = connection.execute(select(users).where(users.c.id == user_id)).first()
        if row is None:
            raise _no_person()
        return _user(row)

    def by_email(self, email: str) -> User | None:
        """The person with this address, or none."""
        with self._database.read() as connection:
            row = connection.execute(select(users).where(users.c.email == _address(email))).first()
        return None if row is None or row.id == LOCAL.user_id else _user(row)

    def find(self, person: str) -> User:
        """The person with this address or id. Raises: NotFound."""
        found = self.by_email(person)
        if found is not None:
            return found
        if person == LOCAL.user_id:
            raise _no_person()
        return self.get(person)

    def list(self) -> list[User]:
        """Everybody, by name."""
        statement = select(users).where(users.c.id != LOCAL.user_id).order_by(func.lower(users.c.name), users.c.id)
        with self._database.read() as connection:
            return [_user(row) for row in connection.execute(statement)]

    def authenticate(self, email: str, password: str, *, address: str | None = None) -> User:
        """The person these belong to. It takes as long for an account that does not exist.

        Raises: NotSignedIn (the same words whatever was wrong), TooMany after repeated failures.
        """
        email = _address(email)
        self._throttle.begin(email, address)
        with self._database.read() as connection:
            row = connection.execute(select(users).where(users.c.email == email)).first()
        stored = row.password_hash if row else None
        is_good = self._passwords.verify(stored, password)
        if not is_good and self.elsewhere is not None and (found := self.elsewhere(email, password)) is not None:
            self._throttle.succeed(email, address)
            return found
        if not is_good or row is None or row.suspended_at is not None or row.role == "service":
            raise NotSignedIn("The address or the password is wrong.", hint="Check both and try again.")
        self._throttle.succeed(email, address)
        if stored is not None and self._passwords.is_outdated(stored):
            self._store_password(row.id, self._passwords.hash(password), ends_sessions=False)
        return _user(row)

    def set_password(self, user_id: str, password: str) -> None:
        """Gives a person a new password and ends all their sessions.

        Raises: NotFound, BadRequest for a weak one or for a service.
        """
        user = self.get(user_id)
        if user.is_service:
            raise BadRequest("A service has no password.", code="service_password")
        check_strength(password, about=(user.email, user.name))
        self._store_password(user_id, self._passwords.hash(password), ends_sessions=True)

    def change_password(
        self, user: User, current: str, password: str, *, token: str = "", address: str | None = None
    ) -> None:
        """Gives a person the new password they chose, and ends their sessions but the one with this token.

        Raises: NotSignedIn if the current one is wrong, TooMany after repeated failures, BadRequest for a weak one.
        """
        self.authenticate(user.email, current, address=address)
        if password == current:
            raise BadRequest("This is the password you have already.", code="same_password")
        check_strength(password, about=(user.email, user.name))
        self._store_password(user.id, self._passwords.hash(password), ends_sessions=True, but=token)

    def suspend(self, user_id: str) -> None:
        """Locks a person out: sessions end, API keys stop working.

        Raises: NotFound, Conflict for the last administrator.
        """
        self._set(user_id, suspended_at=now())

    def resume(self, user_id: str) -> None:
        """Lets a suspended person in again. Raises: NotFound."""
        self._set(user_id, suspended_at=None)

    def set_role(self, user_id: str, role: str) -> None:
        """Gives a person another role. A service stays one, and nobody becomes one.

        Raises: NotFound, BadRequest, Conflict for the last administrator.
        """
        _check_role(role)
        if (role == "service") != self.get(user_id).is_service:
            raise BadRequest(
                "A person can't become a service, nor a service a person.",
                hint="Add another account with that role.",
                code="bad_role",
            )
        self._set(user_id, role=role)

    def invite(self, role: str, *, hours: float = 72) -> str:
        """A token for a one-time link with which somebody adds themselves; shown once, stored hashed."""
        _check_role(role)
        if role == "service":
            raise BadRequest(
                "A service can't be invited: nobody signs in as one.",
                hint="Add it, then make a key for it: intramuros users add, intramuros keys create",
                code="bad_role",
            )
        token, at = new_token(), now()
        values = {"token_hash": token_hash(token), "role": role, "created_at": at, "expires_at": at + hours * 3600}
        with self._database.write(durable=True) as connection:
            connection.execute(insert(invitations).values(values))
        return token

    def invited_role(self, token: str) -> str | None:
        """The role a link gives, if it can still be used."""
        with self._database.read() as connection:
            row = connection.execute(_open_invitation(token)).first()
        return None if row is None else str(row.role)

    def redeem(self, token: str, email: str, *, name: str, password: str, language: str = "fr") -> User:
        """Adds the person who holds this link; it works once.

        Raises: NotSignedIn if the link is used, expired or none; what `create` raises, and then it still works.
        """
        role = self.invited_role(token)
        if role is None:
            raise _no_invitation()
        values = self._new(email, name=name, role=role, password=password, language=language)
        with self._database.write(durable=True) as connection:
            used = connection.execute(
                update(invitations)
                .where(invitations.c.token_hash == token_hash(token))
                .where(invitations.c.used_at.is_(None), invitations.c.expires_at > now())
                .values(used_at=now())
            )
            if used.rowcount != 1:
                raise _no_invitation()
            return _insert(connection, values)

    def _new(self, email: str, *, name: str, role: str, password: str | None, language: str) -> dict[str, object]:
        values = self._checked(email, name=name, role=role, language=language)
        if (password is None) != (role == "service"):
            raise BadRequest(
                "A person needs a password; a service must have none.",
                code="service_password",
            )
        if password is not None:
            check_strength(password, about=(str(values["email"]), str(values["name"])))
        return values | {"password_hash": None if password is None else self._passwords.hash(password)}

    @staticmethod
    def _checked(email: str, *, name: str, role: str, language: str) -> dict[str, object]:
        email, name = _address(email), " ".join(name.split())
        if not _EMAIL.fullmatch(email):
            raise BadRequest(
                "This is not an e-mail address.", code="bad_email", hint="Write it like name@company.example."
            )
        if not 1 <= len(name) <= 200:
            raise BadRequest("The name must have 1 to 200 characters.", code="bad_name")
        if _DECEIVING.search(name):
            raise BadRequest("The name has characters that can't be seen.", code="odd_name", hint="Type it anew.")
        if language not in LANGUAGES:
            raise BadRequest(f"The language must be one of {', '.join(LANGUAGES)}.", code="bad_language")
        _check_role(role)
        return {
            "id": new_id(),
            "email": email,
            "name": name,
            "role": role,
            "language": language,
            "created_at": now(),
        }

    def _store_password(self, user_id: str, password_hash: str, *, ends_sessions: bool, but: str = "") -> None:
        with self._database.write(durable=True) as connection:
            connection.execute(update(users).where(users.c.id == user_id).values(password_hash=password_hash))
            if ends_sessions:
                others = (sessions.c.user_id == user_id, sessions.c.token_hash != token_hash(but))
                connection.execute(sessions.delete().where(*others))
                connection.execute(steps.delete().where(steps.c.user_id == user_id))

    def _set(self, user_id: str, **values: object) -> None:
        with self._database.write(durable=True) as connection:
            had_administrator = has_administrator(connection)
            if connection.execute(update(users).where(users.c.id == user_id).values(**values)).rowcount != 1:
                raise NotFound("There is no such person.")
            if had_administrator and not has_administrator(connection):
                raise last_administrator()
            if values.get("suspended_at") is not None:
                connection.execute(sessions.delete().where(sessions.c.user_id == user_id))


def _insert(connection: Connection, values: dict[str, object]) -> User:
    is_first = values["role"] == "administrator" and not has_administrator(connection)
    try:
        connection.execute(insert(users).values(values))
    except IntegrityError as error:
        raise Conflict("This e-mail address has an account already.", code="email_taken") from error
    if is_first:
        made_locally = select(members.c.project_id, literal(values["id"]), members.c.role).where(
            members.c.user_id == LOCAL.user_id
        )
        connection.execute(insert(members).from_select(["project_id", "user_id", "role"], made_locally))
    return _user(connection.execute(select(users).where(users.c.id == values["id"])).one())


def has_administrator(connection: Connection) -> bool:
    """Whether somebody can administer the installation."""
    statement = select(users.c.id).where(
        users.c.role == "administrator", users.c.password_hash.is_not(None), users.c.suspended_at.is_(None)
    )
    return connection.scalar(statement.limit(1)) is not None


def _open_invitation(token: str) -> Select[Any]:
    return select(invitations).where(
        invitations.c.token_hash == token_hash(token),
        invitations.c.used_at.is_(None),
        invitations.c.expires_at > now(),
    )


def last_administrator() -> Conflict:
    """Why somebody can't be suspended, demoted or removed."""
    return Conflict(
        "This is the last administrator.", hint="Make somebody else an administrator first.", code="last_administrator"
    )


def _no_person() -> NotFound:
    return NotFound("There is no such person.", hint="See them with: intramuros users list", code="user_not_found")


def _no_invitation() -> NotSignedIn:
    return NotSignedIn(
        "This link has been used, or is too old.", hint="Ask an administrator for a new one.", code="invitation_invalid"
    )


def check_may_invite(by: Caller, role: str) -> None:
    """Managers invite members only. Raises: NotAllowed."""
    if not by.is_administrator and not (by.is_manager and role == "member"):
        raise NotAllowed("Only administrators may invite others than members.")


def _check_role(role: str) -> None:
    if role not in ROLES:
        raise BadRequest(f"The role must be one of {', '.join(ROLES)}.", code="bad_role")


def check_required(roles: Iterable[str]) -> None:
    """Refuses a setting that would require a second factor of a role that nobody has. Raises: SettingsError."""
    if unknown := sorted(set(roles) - set(ROLES)):
        raise SettingsError(
            f"INTRAMUROS_SECOND_FACTOR_REQUIRED names roles that do not exist: {', '.join(unknown)}.",
            hint=f"The roles are {', '.join(ROLES)}.",
        )


def _address(email: str) -> str:
    return email.strip().lower()


def _user(row: Row[Any]) -> User:
    return User(
        id=row.id,
        email=row.email,
        name=row.name,
        role=row.role,
        language=row.language,
        created_at=row.created_at,
        is_suspended=row.suspended_at is not None,
    )
