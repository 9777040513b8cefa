from __future__ import annotations

import pytest
from sqlalchemy import select, update

from intramuros.accounts.sessions import MOST_AT_ONCE, Sessions, check_csrf, csrf
from intramuros.accounts.users import User, Users
from intramuros.security.tokens import token_hash
from intramuros.storage.database import Database
from intramuros.storage.schema import now
from intramuros.storage.schema import sessions as table
from tests.integration.conftest import PASSWORD, People


@pytest.fixture
def alice(users: Users, people: People) -> User:
    return users.get(people.alice.user_id)


def age(database: Database, hours: float) -> None:
    with database.write() as connection:
        connection.execute(update(table).values(expires_at=table.c.expires_at - hours * 3600))


def test_a_session_belongs_to_who_opened_it(sessions: Sessions, alice: User) -> None:
    caller = sessions.caller(sessions.open(alice))
    assert caller is not None
    assert (caller.user_id, caller.role, caller.credential) == (alice.id, "member", "session")


@pytest.mark.parametrize("token", ["", "x", "a" * 32])
def test_a_guessed_token_is_nobody(sessions: Sessions, alice: User, token: str) -> None:
    sessions.open(alice)
    assert sessions.caller(token) is None


def test_a_session_ends(sessions: Sessions, alice: User, database: Database) -> None:
    token = sessions.open(alice)
    age(database, 11.9)
    assert sessions.caller(token) is not None
    age(database, 0.2)
    assert sessions.caller(token) is None


def test_ended_sessions_are_forgotten(sessions: Sessions, alice: User, database: Database) -> None:
    sessions.open(alice)
    age(database, 13)
    sessions.open(alice)
    with database.read() as connection:
        assert len(connection.execute(select(table)).all()) == 1


def test_signing_out_ends_this_session_only(sessions: Sessions, alice: User) -> None:
    here, there = sessions.open(alice), sessions.open(alice)
    sessions.close(here)
    assert sessions.caller(here) is None
    assert sessions.caller(there) is not None


def test_one_session_too_many_ends_the_one_used_longest_ago(
    sessions: Sessions, users: Users, alice: User, people: People, database: Database
) -> None:
    his = sessions.open(users.get(people.bob.user_id))
    hers = [sessions.open(alice) for _ in range(MOST_AT_ONCE)]
    times = {token_hash(token): now() - 60 * (number + 1) for number, token in enumerate(hers)}
    sessions.seen(times)
    one_more = sessions.open(alice)
    assert sessions.caller(hers[-1]) is None, "seen longest ago, though opened last"
    assert all(sessions.caller(token) for token in (*hers[:-1], one_more, his))


def test_all_sessions_of_one_person(sessions: Sessions, users: Users, alice: User, people: People) -> None:
    hers, his = sessions.open(alice), sessions.open(users.get(people.bob.user_id))
    sessions.close_all(alice.id)
    assert sessions.caller(hers) is None
    assert sessions.caller(his) is not None


def test_a_suspended_person_s_sessions_don_t_come_back(sessions: Sessions, users: Users, alice: User) -> None:
    token = sessions.open(alice)
    users.suspend(alice.id)
    assert sessions.caller(token) is None
    users.resume(alice.id)
    assert sessions.caller(token) is None
    assert PASSWORD


def test_the_token_is_not_stored(sessions: Sessions, alice: User, database: Database) -> None:
    token = sessions.open(alice)
    with database.read() as connection:
        assert token not in repr(connection.execute(select(table)).all())


def test_csrf_belongs_to_its_session() -> None:
    assert check_csrf("token", csrf("token"))
    assert not check_csrf("token", csrf("other"))
    assert not check_csrf("token", "")
    assert csrf("token") != "token"
