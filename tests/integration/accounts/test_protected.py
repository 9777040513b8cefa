"""Whether somebody who manages the installation has a second factor."""

from __future__ import annotations

import pytest
from sqlalchemy import insert, update

from intramuros.accounts.users import Users
from intramuros.storage.database import Database
from intramuros.storage.schema import one_time_codes, passkeys
from tests.integration.conftest import PASSWORD, People


def _codes(database: Database, user_id: str, *, confirmed: bool = True) -> None:
    values = {"user_id": user_id, "sealed_secret": b"x", "created_at": 1.0, "last_step": 0}
    with database.write() as connection:
        connection.execute(insert(one_time_codes).values(confirmed_at=2.0 if confirmed else None, **values))


def test_only_an_administrator_who_can_sign_in_and_has_a_factor_protects(
    users: Users, people: People, database: Database
) -> None:
    assert not users.has_protected_administrator()
    _codes(database, people.alice.user_id)
    assert not users.has_protected_administrator(), "Alice is a member"
    _codes(database, people.charlie.user_id, confirmed=False)
    assert not users.has_protected_administrator(), "Charlie's codes are not confirmed"
    with database.write() as connection:
        connection.execute(update(one_time_codes).values(confirmed_at=2.0))
    assert users.has_protected_administrator()
    users.create("diane@firm.example", "Diane", role="administrator", password=PASSWORD)
    users.suspend(people.charlie.user_id)
    assert not users.has_protected_administrator()


@pytest.mark.parametrize("sign_count", [0, 7])
def test_a_passkey_protects_too(users: Users, people: People, database: Database, sign_count: int) -> None:
    values = {"id": "p", "user_id": people.charlie.user_id, "credential_id": b"c", "public_key": b"k"}
    with database.write() as connection:
        connection.execute(
            insert(passkeys).values(sign_count=sign_count, site="localhost", name="Key", created_at=1.0, **values)
        )
    assert users.has_protected_administrator()
