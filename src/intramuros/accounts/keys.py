"""API keys of programs: made once, shown once, stored as hashes. Called by the key page, the command line and
`accounts.identity`. A key acts as the person it belongs to, within its own rights (`accounts.rights`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, and_, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from intramuros.accounts import quotas as limits
from intramuros.accounts.caller import Caller
from intramuros.accounts.rights import DEFAULT_SCOPES, Limit, Rights, checked
from intramuros.accounts.sessions import Known
from intramuros.errors import BadRequest, NotFound
from intramuros.security.tokens import is_api_key, new_api_key, token_hash
from intramuros.storage.database import Database
from intramuros.storage.schema import api_keys, new_id, now, quotas, users

_NEVER = float("inf")


@dataclass(frozen=True, slots=True)
class ApiKey:
    """What is known of a key; `hint` is its last four characters."""

    id: str
    name: str
    hint: str
    user_id: str
    created_at: float
    expires_at: float | None
    revoked_at: float | None
    last_used_at: float | None
    rights: Rights = Rights()

    def state(self, at: float) -> str:
        """Whether it works at that time: works | expired | revoked."""
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expires_at is not None and self.expires_at <= at else "works"


class ApiKeys:
    """The API keys of this installation."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(
        self, name: str, user_id: str, *, expires: float | None = None, rights: Rights | None = None
    ) -> tuple[str, ApiKey]:
        """A new key, and what is kept of it; the key itself can't be shown again.

        Units: `expires` is a time, in UTC seconds.
        Raises: BadRequest for a bad name, bad rights or a time that is past, NotFound if there is no such person.
        """
        name = " ".join(name.split())
        if not 1 <= len(name) <= 100:
            raise BadRequest("The name of a key must have 1 to 100 characters.", code="bad_name")
        if expires is not None and expires <= now():
            raise BadRequest("The key would have expired already.", code="bad_expiry")
        key = new_api_key()
        rights = checked(rights or Rights())
        record = ApiKey(new_id(), name, key[-4:], user_id, now(), expires, None, None, rights)
        values = (
            {field: getattr(record, field) for field in _STORED} | _columns(rights) | {"token_hash": token_hash(key)}
        )
        try:
            with self._database.write(durable=True) as connection:
                connection.execute(insert(api_keys).values(values))
                limits.store(connection, "key", record.id, rights.quota)
        except IntegrityError as error:
            raise NotFound("There is no such person.") from error
        return key, record

    def list(self, user_id: str | None = None) -> list[ApiKey]:
        """The keys of a person, or of everybody, newest first; revoked ones too."""
        statement = _keys().order_by(api_keys.c.created_at.desc(), api_keys.c.id)
        if user_id is not None:
            statement = statement.where(api_keys.c.user_id == user_id)
        with self._database.read() as connection:
            return [_record(row) for row in connection.execute(statement)]

    def get(self, key_id: str) -> ApiKey:
        """One key. Raises: NotFound."""
        with self._database.read() as connection:
            row = connection.execute(_keys().where(api_keys.c.id == key_id)).first()
        if row is None:
            raise _no_key()
        return _record(row)

    def limit(self, key_id: str, rights: Rights) -> ApiKey:
        """Gives a key other rights; they count from the next request on, in every process.

        Raises: NotFound, BadRequest.
        """
        statement = update(api_keys).where(api_keys.c.id == key_id, api_keys.c.revoked_at.is_(None))
        with self._database.write(durable=True) as connection:
            if connection.execute(statement.values(_columns(checked(rights)))).rowcount != 1:
                raise _no_key()
            limits.store(connection, "key", key_id, rights.quota)
        return self.get(key_id)

    def revoke(self, key_id: str, *, user_id: str | None = None) -> None:
        """Ends a key at once, in every process.

        Raises: NotFound, also if `user_id` is given and the key is somebody else's.
        """
        statement = update(api_keys).where(api_keys.c.id == key_id, api_keys.c.revoked_at.is_(None))
        if user_id is not None:
            statement = statement.where(api_keys.c.user_id == user_id)
        with self._database.write(durable=True) as connection:
            if connection.execute(statement.values(revoked_at=now())).rowcount != 1:
                raise _no_key()

    def caller(self, key: str) -> Caller | None:
        """Who a key acts as; none if it is unknown, revoked or expired, or its person is suspended."""
        known = self.known(key)
        return known.caller if known else None

    def known(self, key: str) -> Known | None:
        """The same, with the time it expires. A mistyped key doesn't reach the database."""
        return self._known(api_keys.c.token_hash == token_hash(key)) if is_api_key(key) else None

    def holder(self, key_id: str) -> Caller | None:
        """Who the key of this id acts as now, for work that goes on after its request; none as for `caller`."""
        known = self._known(api_keys.c.id == key_id)
        return known.caller if known else None

    def _known(self, which: ColumnElement[bool]) -> Known | None:
        statement = (
            _keys(users.c.name.label("user_name"), users.c.role, users.c.language)
            .join(users, users.c.id == api_keys.c.user_id)
            .where(which, api_keys.c.revoked_at.is_(None))
            .where(or_(api_keys.c.expires_at.is_(None), api_keys.c.expires_at > now()))
            .where(users.c.suspended_at.is_(None))
        )
        with self._database.read() as connection:
            row = connection.execute(statement).first()
            if row is None:
                return None
            rights = _rights(row)
            own = Limit("key", row.id, row.name, rights.quota)
            held, weight = limits.limits_of(connection, user_id=row.user_id, role=row.role, key=own)
        caller = Caller(
            row.user_id,
            row.user_name,
            row.role,
            f"key:{row.id}",
            row.language,
            rights=rights,
            limits=held,
            weight=weight,
        )
        return Known(caller, _NEVER if row.expires_at is None else row.expires_at)

    def used(self, times: Mapping[str, float]) -> None:
        """Remembers when keys were last used, many at once."""
        if not times:
            return
        with self._database.write() as connection:
            for key_id, at in times.items():
                connection.execute(update(api_keys).where(api_keys.c.id == key_id).values(last_used_at=at))


_STORED = tuple(field for field in ApiKey.__slots__ if field != "rights")
_LISTS = ("models", "projects")


def _keys(*more: Any) -> Select[Any]:
    """Keys with their limits."""
    own = and_(quotas.c.kind == "key", quotas.c.subject == api_keys.c.id)
    return select(api_keys, *limits.COLUMNS, *more).outerjoin(quotas, own)


def _record(row: Row[Any]) -> ApiKey:
    return ApiKey(**{field: getattr(row, field) for field in _STORED}, rights=_rights(row))


def _rights(row: Row[Any]) -> Rights:
    lists = {name: None if getattr(row, name) is None else frozenset(getattr(row, name)) for name in _LISTS}
    scopes = frozenset(DEFAULT_SCOPES if row.scopes is None else row.scopes)
    return Rights(scopes, quota=limits.of(row), **lists)


def _columns(rights: Rights) -> dict[str, object]:
    lists = {name: sorted(value) if (value := getattr(rights, name)) is not None else None for name in _LISTS}
    return {"scopes": sorted(rights.scopes), **lists}


def _no_key() -> NotFound:
    return NotFound("There is no such key.", hint="See them with: intramuros keys list", code="key_not_found")
