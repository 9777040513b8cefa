from __future__ import annotations

import pytest
from sqlalchemy import select, update

from intramuros.accounts.caller import LOCAL
from intramuros.accounts.keys import ApiKeys
from intramuros.accounts.users import Users
from intramuros.errors import BadRequest, NotFound
from intramuros.storage.database import Database
from intramuros.storage.schema import api_keys as table
from intramuros.storage.schema import now
from tests.integration.conftest import People


def test_a_key_acts_as_its_person(api_keys: ApiKeys, people: People) -> None:
    key, record = api_keys.create("  nightly   job ", people.alice.user_id)
    caller = api_keys.caller(key)
    assert caller is not None
    assert (caller.user_id, caller.role) == (people.alice.user_id, "member")
    assert caller.credential == f"key:{record.id}"
    assert record.name == "nightly job"
    assert record.hint == key[-4:]


def test_the_key_is_not_stored(api_keys: ApiKeys, people: People, database: Database) -> None:
    key, _ = api_keys.create("job", people.alice.user_id)
    with database.read() as connection:
        stored = repr(connection.execute(select(table)).all())
    assert key not in stored
    assert key[4:20] not in stored


def test_unknown_and_mistyped_keys_are_nobody(api_keys: ApiKeys, people: People, database: Database) -> None:
    from intramuros.security.tokens import new_api_key

    key, _ = api_keys.create("job", people.alice.user_id)
    assert api_keys.caller(new_api_key()) is None
    database.close()
    database.path.rename(database.path.with_name("away"))  # a mistyped key is refused without asking the database
    assert api_keys.caller(key[:-1] + ("0" if key[-1] != "0" else "1")) is None


def test_a_revoked_key_is_nobody(api_keys: ApiKeys, people: People) -> None:
    key, record = api_keys.create("job", people.alice.user_id)
    api_keys.revoke(record.id)
    assert api_keys.caller(key) is None
    with pytest.raises(NotFound):
        api_keys.revoke(record.id)
    assert api_keys.list()[0].revoked_at is not None


def test_an_expired_key_is_nobody(api_keys: ApiKeys, people: People, database: Database) -> None:
    key, _ = api_keys.create("job", people.alice.user_id, expires=now() + 60)
    assert api_keys.caller(key) is not None
    with database.write() as connection:
        connection.execute(update(table).values(expires_at=now() - 1))
    assert api_keys.caller(key) is None


def test_a_suspended_person_s_key_is_nobody_until_they_return(api_keys: ApiKeys, users: Users, people: People) -> None:
    key, _ = api_keys.create("job", people.alice.user_id)
    users.suspend(people.alice.user_id)
    assert api_keys.caller(key) is None
    users.resume(people.alice.user_id)
    assert api_keys.caller(key) is not None


def test_everybody_has_their_own(api_keys: ApiKeys, people: People) -> None:
    _, record = api_keys.create("alice's", people.alice.user_id)
    api_keys.create("bob's", people.bob.user_id)
    assert [key.name for key in api_keys.list(people.alice.user_id)] == ["alice's"]
    assert [key.name for key in api_keys.list(people.charlie.user_id)] == []
    assert len(api_keys.list()) == 2
    with pytest.raises(NotFound):
        api_keys.revoke(record.id, user_id=people.charlie.user_id)
    assert api_keys.list(people.alice.user_id)[0].revoked_at is None
    api_keys.revoke(record.id, user_id=people.alice.user_id)


def test_the_local_operator_may_have_keys(api_keys: ApiKeys) -> None:
    key, _ = api_keys.create("demo", LOCAL.user_id)
    caller = api_keys.caller(key)
    assert caller is not None
    assert caller != LOCAL


def test_bad_values(api_keys: ApiKeys, people: People) -> None:
    for name in ("", " ", "x" * 101):
        with pytest.raises(BadRequest):
            api_keys.create(name, people.alice.user_id)
    with pytest.raises(BadRequest):
        api_keys.create("job", people.alice.user_id, expires=now() - 1)
    with pytest.raises(NotFound):
        api_keys.create("job", "nobody")


def test_uses_are_remembered(api_keys: ApiKeys, people: People) -> None:
    _, record = api_keys.create("job", people.alice.user_id)
    api_keys.used({record.id: 1234.5, "gone": 1.0})
    api_keys.used({})
    assert api_keys.list()[0].last_used_at == 1234.5
