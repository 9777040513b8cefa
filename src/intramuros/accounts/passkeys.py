"""Passkeys of people: made, named, shown to sign in, removed. Called by the pages and `accounts.factors`.

Each challenge is a step (`accounts.steps`): kept here, of one browser, good once and for minutes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from intramuros.accounts.steps import Steps
from intramuros.accounts.users import User
from intramuros.errors import BadRequest, Conflict, NotFound
from intramuros.security import passkeys as webauthn
from intramuros.security.passkeys import Site
from intramuros.storage.database import Database
from intramuros.storage.schema import new_id, now, passkeys, users

SIGN_IN, ADD, PROVE = "passkey.sign_in", "passkey.add", "passkey.prove"
MAX_OF_PERSON = 20
_P = passkeys.c


@dataclass(frozen=True, slots=True)
class Passkey:
    """What is shown of a passkey."""

    id: str
    name: str
    site: str
    created_at: float
    last_used_at: float | None


class Passkeys:
    """The passkeys of this installation."""

    def __init__(self, database: Database, steps: Steps) -> None:
        self._database = database
        self._steps = steps

    def list(self, user_id: str) -> list[Passkey]:
        """A person's passkeys, the oldest first."""
        statement = select(passkeys).where(_P.user_id == user_id).order_by(_P.created_at, _P.id)
        with self._database.read() as connection:
            rows = connection.execute(statement).all()
        return [Passkey(row.id, row.name, row.site, row.created_at, row.last_used_at) for row in rows]

    def begin_adding(self, user: User, *, site: Site, holder: str) -> str:
        """What the browser is asked to make one, as JSON. Raises: Conflict if there are too many."""
        with self._database.read() as connection:
            existing = connection.scalars(select(_P.credential_id).where(_P.user_id == user.id)).all()
        if len(existing) >= MAX_OF_PERSON:
            raise Conflict(f"There are {MAX_OF_PERSON} passkeys already.", code="too_many_passkeys")
        challenge = self._steps.begin(ADD, user_id=user.id, holder=holder)
        return webauthn.making(
            site, challenge=challenge.encode(), handle=user.id, email=user.email, name=user.name, existing=existing
        )

    def checked(
        self, answer: Mapping[str, Any], *, user_id: str, name: str, site: Site, holder: str
    ) -> dict[str, object]:
        """The row of the passkey that the browser made, to be stored with `add`.

        Raises: BadRequest for a bad name or an answer that is not as it must be, NotSignedIn for a challenge that is
        used, expired, or another browser's.
        """
        name = " ".join(name.split())
        if not 1 <= len(name) <= 60 or not name.isprintable():
            raise BadRequest("The name of a passkey must have 1 to 60 characters.", code="bad_passkey_name")
        challenge = webauthn.challenge_of(answer)
        if self._steps.take(ADD, challenge.decode("latin-1"), holder=holder).user_id != user_id:
            raise webauthn.refused()
        new = webauthn.made(answer, site=site, challenge=challenge)
        return {
            "id": new_id(),
            "user_id": user_id,
            "credential_id": new.credential_id,
            "public_key": new.public_key,
            "sign_count": new.sign_count,
            "site": site.name,
            "name": name,
            "created_at": now(),
        }

    @staticmethod
    def add(connection: Connection, row: Mapping[str, object]) -> None:
        """Stores a passkey. Raises: Conflict if this one is somebody's already."""
        mine = select(func.count()).select_from(passkeys).where(_P.user_id == row["user_id"])
        if (connection.scalar(mine) or 0) >= MAX_OF_PERSON:
            raise Conflict(f"There are {MAX_OF_PERSON} passkeys already.", code="too_many_passkeys")
        try:
            connection.execute(insert(passkeys).values(**row))
        except IntegrityError as error:
            raise Conflict("This passkey is in use already.", code="passkey_in_use") from error

    def begin_showing(self, kind: str, *, site: Site, holder: str, address: str | None = None) -> str:
        """What the browser is asked to show one, as JSON."""
        challenge = self._steps.begin(kind, holder=holder, address=address)
        return webauthn.asking(site, challenge=challenge.encode())

    def shown(self, kind: str, answer: Mapping[str, Any], *, site: Site, holder: str) -> str:
        """The id of the person whose passkey the browser has shown.

        Raises: NotSignedIn, whatever is wrong: the challenge, the key, the site, the person, the count.
        """
        challenge = webauthn.challenge_of(answer)
        self._steps.take(kind, challenge.decode("latin-1"), holder=holder)
        statement = (
            select(passkeys)
            .join(users, users.c.id == _P.user_id)
            .where(_P.credential_id == webauthn.credential_of(answer), _P.site == site.name)
            .where(users.c.suspended_at.is_(None))
        )
        with self._database.read() as connection:
            row = connection.execute(statement).first()
        if row is None:
            raise webauthn.refused()
        count = webauthn.shown(
            answer,
            site=site,
            challenge=challenge,
            public_key=row.public_key,
            handle=row.user_id,
            sign_count=row.sign_count,
        )
        same = (_P.id == row.id, _P.sign_count == row.sign_count)  # two at once with one count: the second is a copy
        with self._database.write(durable=True) as connection:
            done = connection.execute(update(passkeys).where(*same).values(sign_count=count, last_used_at=now()))
            if done.rowcount != 1:
                raise webauthn.refused(code="passkey_copied")
        return str(row.user_id)

    @staticmethod
    def remove(connection: Connection, user_id: str, *, passkey_id: str | None = None) -> int:
        """Forgets one of a person's passkeys, or all; how many. Raises: NotFound for one that is not theirs."""
        statement = delete(passkeys).where(_P.user_id == user_id)
        if passkey_id is not None:
            statement = statement.where(_P.id == passkey_id)
        removed = connection.execute(statement).rowcount
        if passkey_id is not None and not removed:
            raise NotFound("There is no such passkey.")
        return removed
