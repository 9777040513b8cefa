from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from intramuros.accounts.caller import LOCAL, Caller
from intramuros.accounts.identity import Identity
from intramuros.accounts.keys import ApiKeys
from intramuros.accounts.sessions import Known, Sessions
from intramuros.accounts.users import Users
from intramuros.security.tokens import new_api_key
from intramuros.storage.database import Database, open_database
from tests.integration.conftest import People


@pytest.fixture
def identity(database: Database, sessions: Sessions, api_keys: ApiKeys) -> Iterator[Identity]:
    identity = Identity(database, sessions=sessions, keys=api_keys, local_token="iml_secret")
    yield identity
    identity.flush()  # or its thread writes into a database that is being closed


@pytest.fixture
def elsewhere(database: Database, database_key: bytes) -> Iterator[Database]:
    """The same database as another process has it open."""
    other = open_database(database.path, database_key)
    yield other
    other.close()


@pytest.fixture
def key(api_keys: ApiKeys, people: People) -> str:
    return api_keys.create("job", people.alice.user_id)[0]


@pytest.fixture
def token(sessions: Sessions, users: Users, people: People) -> str:
    return sessions.open(users.get(people.alice.user_id))


def who(caller: Caller | None) -> str | None:
    return caller.name if caller else None


def test_each_way_to_show_a_credential(identity: Identity, key: str, token: str) -> None:
    for headers in (
        {"authorization": f"Bearer {key}"},
        {"authorization": f"bearer  {key} "},
        {"x-api-key": key},
        {"cookie": f"intramuros_session={token}"},
        {"cookie": f"theme=dark; intramuros_session={token}; other=1"},
    ):
        for _ in range(2):  # looked up, then remembered
            assert who(identity.caller(headers)) == "Alice", headers


def test_nobody(identity: Identity, key: str, token: str) -> None:
    for headers in (
        {},
        {"authorization": key},
        {"authorization": "Basic YWxpY2U6eA=="},
        {"authorization": "Bearer "},
        {"authorization": "Bearer " + new_api_key()},
        {"x-api-key": ""},
        {"x-api-key": "x"},
        {"cookie": "intramuros_session="},
        {"cookie": "intramuros_session=guess"},
        {"cookie": f"other={token}"},
        {"cookie": "\0;;=intramuros_session"},
    ):
        assert identity.caller(headers) is None, headers


def test_a_session_is_no_key_and_a_key_no_session(identity: Identity, key: str, token: str) -> None:
    assert identity.caller({"cookie": f"intramuros_session={token}"}) is not None
    assert identity.caller({"x-api-key": key}) is not None
    assert identity.caller({"x-api-key": token}) is None
    assert identity.caller({"cookie": f"intramuros_session={key}"}) is None


def test_one_bad_credential_is_not_made_good_by_another(identity: Identity, key: str, token: str) -> None:
    cookie = f"intramuros_session={token}"
    assert identity.caller({"authorization": "Bearer bad", "x-api-key": key, "cookie": cookie}) is None
    assert identity.caller({"authorization": "", "cookie": cookie}) is None
    assert identity.caller({"x-api-key": "bad", "cookie": cookie}) is None


def test_the_local_operator(identity: Identity, database: Database, sessions: Sessions, api_keys: ApiKeys) -> None:
    assert identity.caller({"authorization": "Bearer iml_secret"}) == LOCAL
    assert identity.caller({"authorization": "Bearer iml_secre"}) is None
    closed = Identity(database, sessions=sessions, keys=api_keys)
    assert closed.caller({"authorization": "Bearer "}) is None
    assert closed.caller({"authorization": "Bearer None"}) is None


def test_what_was_found_is_remembered(identity: Identity, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert identity.caller({"x-api-key": key}) is not None
    monkeypatch.setattr(identity._keys, "known", lambda key: pytest.fail("asked the database again"))
    assert who(identity.caller({"x-api-key": key})) == "Alice"


def test_other_writes_don_t_make_it_forget(
    identity: Identity, key: str, api_keys: ApiKeys, users: Users, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert identity.caller({"x-api-key": key}) is not None
    api_keys.used({api_keys.list()[0].id: 1.0})
    users.invite("member")
    monkeypatch.setattr(identity._keys, "known", lambda key: pytest.fail("asked the database again"))
    assert who(identity.caller({"x-api-key": key})) == "Alice"


def test_a_key_revoked_elsewhere_is_refused_at_once(identity: Identity, key: str, elsewhere: Database) -> None:
    assert identity.caller({"x-api-key": key}) is not None
    keys = ApiKeys(elsewhere)
    keys.revoke(keys.list()[0].id)
    assert identity.caller({"x-api-key": key}) is None


async def test_whoever_comes_after_a_change_elsewhere_meets_it(
    identity: Identity, key: str, elsewhere: Database
) -> None:
    """In the same turn of the event loop as a request that came before."""
    assert identity.caller({"x-api-key": key}) is not None
    keys = ApiKeys(elsewhere)
    keys.revoke(keys.list()[0].id)
    came_later: asyncio.Future[Caller | None] = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(lambda: came_later.set_result(identity.caller({"x-api-key": key})))
    assert await came_later is None


async def test_what_this_process_writes_counts_within_the_same_turn(
    identity: Identity, key: str, api_keys: ApiKeys
) -> None:
    assert identity.caller({"x-api-key": key}) is not None
    api_keys.revoke(api_keys.list()[0].id)
    assert identity.caller({"x-api-key": key}) is None


async def test_requests_of_one_turn_look_once(
    identity: Identity, key: str, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = []
    glance = database.glance

    def counted(statement: str) -> tuple[Any, ...] | None:
        looks.append(statement)
        return glance(statement)

    monkeypatch.setattr(database, "glance", counted)
    for _ in range(3):
        assert identity.caller({"x-api-key": key}) is not None
    assert len(looks) == 1
    await asyncio.sleep(0)
    assert identity.caller({"x-api-key": key}) is not None
    assert len(looks) == 2


def test_a_key_revoked_by_another_process_is_refused_at_once(
    identity: Identity, key: str, database: Database, database_key: bytes
) -> None:
    assert identity.caller({"x-api-key": key}) is not None
    code = (
        "from pathlib import Path; from intramuros.accounts.keys import ApiKeys;"
        "from intramuros.storage.database import open_database;"
        f"keys = ApiKeys(open_database(Path({str(database.path)!r}), bytes.fromhex('{database_key.hex()}')));"
        "keys.revoke(keys.list()[0].id)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert identity.caller({"x-api-key": key}) is None


def test_an_erased_key_is_refused_at_once(identity: Identity, key: str, elsewhere: Database) -> None:
    assert identity.caller({"x-api-key": key}) is not None
    with elsewhere.write() as connection:
        connection.exec_driver_sql("DELETE FROM api_keys")
    assert identity.caller({"x-api-key": key}) is None


@pytest.mark.parametrize("change", ["close", "close_all", "suspend", "password", "demote", "delete"])
def test_whatever_changes_a_person_s_rights_counts_at_once(
    identity: Identity, token: str, people: People, elsewhere: Database, change: str
) -> None:
    cookie = {"cookie": f"intramuros_session={token}"}
    before = identity.caller(cookie)
    assert before is not None
    users, sessions, alice = Users(elsewhere), Sessions(elsewhere, 12), people.alice.user_id
    match change:
        case "close":
            sessions.close(token)
        case "close_all":
            sessions.close_all(alice)
        case "suspend":
            users.suspend(alice)
        case "password":
            users.set_password(alice, "eight blue bicycles")
        case "demote":
            users.set_role(alice, "administrator")
        case "delete":
            with elsewhere.write() as connection:
                connection.exec_driver_sql("DELETE FROM users WHERE id = ?", (alice,))
    after = identity.caller(cookie)
    if change == "demote":
        assert after is not None
        assert after.role == "administrator"
    else:
        assert after is None


def test_a_remembered_session_still_ends_in_time(
    identity: Identity, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from intramuros.accounts import identity as module
    from intramuros.storage.schema import now

    cookie = {"cookie": f"intramuros_session={token}"}
    assert identity.caller(cookie) is not None
    monkeypatch.setattr(module, "now", lambda: now() + 13 * 3600)
    assert identity.caller(cookie) is None


def test_what_is_revoked_while_it_is_looked_up_is_not_remembered(
    identity: Identity, key: str, api_keys: ApiKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One thread has read the row; before it remembers, the key is revoked and another thread has seen that."""
    look_up = api_keys.known

    def slowly(shown: str) -> Known | None:
        found = look_up(shown)
        monkeypatch.setattr(api_keys, "known", look_up)
        api_keys.revoke(api_keys.list()[0].id)
        other = threading.Thread(target=identity.caller, args=({"x-api-key": new_api_key()},))
        other.start()
        other.join()
        return found

    monkeypatch.setattr(api_keys, "known", slowly)
    identity.caller({"x-api-key": key})
    assert identity.caller({"x-api-key": key}) is None


def test_uses_of_keys_are_written_at_the_end(identity: Identity, key: str, api_keys: ApiKeys) -> None:
    identity.caller({"x-api-key": key})
    assert api_keys.list()[0].last_used_at is None
    identity.flush()
    assert api_keys.list()[0].last_used_at is not None


def test_uses_of_keys_are_written_now_and_then(identity: Identity, key: str, api_keys: ApiKeys) -> None:
    identity._written_at -= 61
    identity.caller({"x-api-key": key})
    assert identity._writer is not None
    identity._writer.join(10)
    assert api_keys.list()[0].last_used_at is not None


def test_memory_is_bounded(identity: Identity, monkeypatch: pytest.MonkeyPatch) -> None:
    anybody = Known(Caller("u", "U", "member", "session"), float("inf"))
    monkeypatch.setattr(identity._sessions, "known", lambda token: anybody)
    for number in range(4200):
        identity.caller({"cookie": f"intramuros_session={number}"})
    assert len(identity._remembered) == 4096


def test_the_session_s_token_for_the_pages(identity: Identity, token: str) -> None:
    assert identity.session_token({"cookie": f"a=b; intramuros_session={token}"}) == token
    assert identity.session_token({"cookie": "a=b"}) is None
    assert identity.session_token({}) is None


class _Clock:
    """The time of sessions and of who remembers them."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.at = time.time()
        for module in ("sessions", "identity"):
            patch.setattr(f"intramuros.accounts.{module}.now", lambda: self.at)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> _Clock:
    return _Clock(monkeypatch)


def test_a_session_that_is_used_goes_on_and_one_that_is_not_ends(
    clock: _Clock, database: Database, users: Users, people: People, api_keys: ApiKeys
) -> None:
    sessions = Sessions(database, hours=12, idle_minutes=30)
    identity = Identity(database, sessions=sessions, keys=api_keys)
    cookie = {"cookie": f"intramuros_session={sessions.open(users.get(people.alice.user_id))}"}
    for _ in range(4):
        clock.at += 29 * 60
        assert who(identity.caller(cookie)) == "Alice"
        identity.flush()
    clock.at += 31 * 60
    assert identity.caller(cookie) is None
    assert Identity(database, sessions=sessions, keys=api_keys).caller(cookie) is None, "also after a restart"


def test_a_session_that_is_used_ends_at_its_time_all_the_same(
    clock: _Clock, database: Database, users: Users, people: People, api_keys: ApiKeys
) -> None:
    sessions = Sessions(database, hours=2, idle_minutes=90)
    identity = Identity(database, sessions=sessions, keys=api_keys)
    cookie = {"cookie": f"intramuros_session={sessions.open(users.get(people.alice.user_id))}"}
    clock.at += 3600
    assert who(identity.caller(cookie)) == "Alice"
    clock.at += 3601
    assert identity.caller(cookie) is None
    identity.flush()


def test_a_session_used_in_another_process_is_not_idle_here(
    clock: _Clock, database: Database, elsewhere: Database, users: Users, people: People, api_keys: ApiKeys
) -> None:
    sessions = Sessions(database, hours=12, idle_minutes=30)
    here = Identity(database, sessions=sessions, keys=api_keys)
    other = Sessions(elsewhere, hours=12, idle_minutes=30)
    there = Identity(elsewhere, sessions=other, keys=ApiKeys(elsewhere))
    cookie = {"cookie": f"intramuros_session={sessions.open(users.get(people.alice.user_id))}"}
    assert who(here.caller(cookie)) == "Alice"
    for _ in range(3):
        clock.at += 20 * 60
        assert who(there.caller(cookie)) == "Alice"
        there.flush()
    assert who(here.caller(cookie)) == "Alice"
    there.flush()
    here.flush()


def test_being_seen_makes_nobody_look_again(
    database: Database, identity: Identity, sessions: Sessions, token: str
) -> None:
    revision = database.glance("SELECT value FROM facts WHERE name = 'accounts_revision'")
    assert who(identity.caller({"cookie": f"intramuros_session={token}"})) == "Alice"
    identity.flush()
    assert database.glance("SELECT value FROM facts WHERE name = 'accounts_revision'") == revision


def test_a_renewed_token_is_the_only_one(identity: Identity, sessions: Sessions, token: str) -> None:
    assert who(identity.caller({"cookie": f"intramuros_session={token}"})) == "Alice"
    fresh = sessions.renew(token)
    assert identity.caller({"cookie": f"intramuros_session={token}"}) is None
    assert who(identity.caller({"cookie": f"intramuros_session={fresh}"})) == "Alice"
