from __future__ import annotations

import re
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import select, text, update

from intramuros.accounts.sessions import Sessions
from intramuros.accounts.throttle import PAIR, Throttle
from intramuros.accounts.users import User, Users
from intramuros.app import build, create
from intramuros.errors import BadRequest, Conflict, NotFound, NotSignedIn, TooMany
from intramuros.security.passwords import HashCost, Passwords
from intramuros.settings import load
from intramuros.storage.database import Database
from intramuros.storage.schema import invitations
from intramuros.storage.schema import users as users_table
from tests.support import cheap

PASSWORD = "seven green bicycles"


@pytest.fixture
def alice(users: Users) -> User:
    return users.create("Alice@Firm.example ", "Alice  Martin", role="administrator", password=PASSWORD)


def test_a_new_person(users: Users, alice: User) -> None:
    assert (alice.email, alice.name, alice.role, alice.language) == (
        "alice@firm.example",
        "Alice Martin",
        "administrator",
        "fr",
    )
    assert users.get(alice.id) == alice
    assert users.by_email("ALICE@firm.example") == alice
    assert users.by_email("bob@firm.example") is None
    with pytest.raises(NotFound):
        users.get("nobody")


def test_there_are_no_default_accounts(users: Users, database: Database) -> None:
    assert not users.has_any()
    assert users.list() == []
    assert users.by_email("local") is None
    with database.read() as connection:
        assert connection.scalars(select(users_table.c.password_hash)).all() == [None]


@pytest.mark.parametrize("password", ["", "None", "local"])
def test_the_local_operator_can_t_sign_in(users: Users, password: str) -> None:
    with pytest.raises(NotSignedIn):
        users.authenticate("local", password)


def test_has_any(users: Users, alice: User) -> None:
    assert users.has_any()


def test_everybody_by_name(users: Users, alice: User) -> None:
    users.create("z@firm.example", "zoé", role="member", password=PASSWORD)
    users.create("b@firm.example", "Bob", role="member", password=PASSWORD)
    assert [user.name for user in users.list()] == ["Alice Martin", "Bob", "zoé"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"email": "nobody"}, "bad_email"),
        ({"email": "a b@firm.example"}, "bad_email"),
        ({"email": '"<script>"@firm.example'}, "bad_email"),
        ({"name": "  "}, "bad_name"),
        ({"name": "x" * 201}, "bad_name"),
        ({"role": "owner"}, "bad_role"),
        ({"language": "es"}, "bad_language"),
        ({"password": "short"}, "weak_password"),
        ({"password": "alice.martin"}, "weak_password"),
    ],
)
def test_bad_values(users: Users, change: dict[str, str], code: str) -> None:
    values = {"email": "alice.martin@firm.example", "name": "Alice", "role": "member", "password": PASSWORD}
    values |= change
    with pytest.raises(BadRequest) as caught:
        users.create(**values)
    assert caught.value.code == code
    assert users.list() == []


def test_an_address_has_one_account(users: Users, alice: User) -> None:
    with pytest.raises(Conflict):
        users.create("ALICE@firm.example", "Other", role="member", password=PASSWORD)


def test_signing_in(users: Users, alice: User) -> None:
    assert users.authenticate(" alice@FIRM.example", PASSWORD) == alice


def test_wrong_password_and_unknown_account_say_the_same(users: Users, alice: User) -> None:
    said = set()
    for email, password in (("alice@firm.example", "wrong"), ("nobody@firm.example", PASSWORD), ("", "")):
        with pytest.raises(NotSignedIn) as caught:
            users.authenticate(email, password)
        said.add((caught.value.message, caught.value.hint, caught.value.code))
    assert len(said) == 1


def test_a_suspended_person_can_t_sign_in(users: Users, alice: User) -> None:
    bob = users.create("bob@firm.example", "Bob", role="member", password=PASSWORD)
    users.suspend(bob.id)
    with pytest.raises(NotSignedIn):
        users.authenticate("bob@firm.example", PASSWORD)
    users.resume(bob.id)
    assert users.authenticate("bob@firm.example", PASSWORD) == bob


def test_guessing_is_slowed_down(database: Database) -> None:
    time = [0.0]
    users = Users(database, passwords=cheap.passwords(), throttle=Throttle(clock=lambda: time[0]))
    users.create("alice@firm.example", "Alice", role="member", password=PASSWORD)
    for _ in range(PAIR.free):
        with pytest.raises(NotSignedIn):
            users.authenticate("alice@firm.example", "wrong", address="10.0.0.9")
    with pytest.raises(TooMany) as caught:
        users.authenticate("alice@firm.example", PASSWORD, address="10.0.0.9")
    assert caught.value.details["retry_after_s"] == 2
    assert users.authenticate("alice@firm.example", PASSWORD, address="10.0.0.1").name == "Alice"
    time[0] += 2
    assert users.authenticate("alice@firm.example", PASSWORD, address="10.0.0.9").name == "Alice"


def test_a_new_password_ends_sessions(users: Users, alice: User, database: Database) -> None:
    from intramuros.accounts.sessions import Sessions

    sessions = Sessions(database, hours=1)
    token = sessions.open(alice)
    users.set_password(alice.id, "eight blue bicycles")
    assert sessions.caller(token) is None
    assert users.authenticate("alice@firm.example", "eight blue bicycles")
    with pytest.raises(NotSignedIn):
        users.authenticate("alice@firm.example", PASSWORD)
    with pytest.raises(BadRequest):
        users.set_password(alice.id, "short")
    with pytest.raises(NotFound):
        users.set_password("nobody", PASSWORD)


def test_a_hash_of_an_older_cost_is_made_again(users: Users, alice: User, database: Database) -> None:
    def stored() -> str:
        with database.read() as connection:
            return str(connection.scalar(select(users_table.c.password_hash).where(users_table.c.id == alice.id)))

    before = stored()
    dearer = Users(database, passwords=Passwords(HashCost(memory_kib=128, passes=1, lanes=1)))
    dearer.authenticate("alice@firm.example", PASSWORD)
    assert "m=128" in stored()
    assert stored() != before
    assert dearer.authenticate("alice@firm.example", PASSWORD)


def test_an_invitation_works_once(users: Users) -> None:
    token = users.invite("administrator", hours=1)
    assert users.invited_role(token) == "administrator"
    alice = users.redeem(token, "alice@firm.example", name="Alice", password=PASSWORD, language="en")
    assert (alice.role, alice.language) == ("administrator", "en")
    assert users.invited_role(token) is None
    with pytest.raises(NotSignedIn):
        users.redeem(token, "charlie@firm.example", name="Charlie", password=PASSWORD)
    assert [user.name for user in users.list()] == ["Alice"]


class _Together(Passwords):
    """Two who have both been let in by the first look, and meet while their passwords are hashed."""

    def __init__(self) -> None:
        super().__init__(cheap.COST)
        self.together = threading.Barrier(2)

    def hash(self, text: str) -> str:
        self.together.wait(10)
        return super().hash(text)


def test_an_invitation_used_twice_at_once_works_once(database: Database) -> None:
    users = Users(database, passwords=_Together())
    token = users.invite("administrator")

    def redeem(name: str) -> User | None:
        try:
            return users.redeem(token, f"{name}@firm.example", name=name, password=PASSWORD)
        except NotSignedIn:
            return None

    with ThreadPoolExecutor(2) as pool:
        made = [user for user in pool.map(redeem, ("alice", "charlie")) if user]
    assert users.list() == made
    assert len(made) == 1


def test_an_invitation_survives_a_mistake(users: Users, alice: User) -> None:
    token = users.invite("member")
    with pytest.raises(BadRequest):
        users.redeem(token, "bob@firm.example", name="Bob", password="short")
    with pytest.raises(Conflict):
        users.redeem(token, alice.email, name="Bob", password=PASSWORD)
    assert users.redeem(token, "bob@firm.example", name="Bob", password=PASSWORD).role == "member"


def test_an_invitation_expires_and_can_t_be_guessed(users: Users, database: Database) -> None:
    token = users.invite("member", hours=1)
    with database.write() as connection:
        connection.execute(update(invitations).values(expires_at=invitations.c.expires_at - 3601))
    for bad in (token, "", "x" * 32):
        assert users.invited_role(bad) is None
        with pytest.raises(NotSignedIn):
            users.redeem(bad, "bob@firm.example", name="Bob", password=PASSWORD)
    with pytest.raises(BadRequest):
        users.invite("owner")


def test_tokens_and_passwords_are_not_stored(users: Users, alice: User, database: Database) -> None:
    token = users.invite("member")
    with database.read() as connection:
        stored = repr([connection.execute(select(table)).all() for table in (invitations, users_table)])
    assert token not in stored
    assert PASSWORD not in stored
    assert re.search(r"\$argon2id\$", stored)


def test_the_last_administrator_stays(users: Users, alice: User) -> None:
    with pytest.raises(Conflict):
        users.suspend(alice.id)
    with pytest.raises(Conflict):
        users.set_role(alice.id, "member")
    assert users.get(alice.id) == alice
    bob = users.create("bob@firm.example", "Bob", role="member", password=PASSWORD)
    users.set_role(bob.id, "administrator")
    users.set_role(alice.id, "member")
    assert not users.get(alice.id).is_administrator
    with pytest.raises(NotFound):
        users.set_role("nobody", "member")


def test_errors_never_show_values(users: Users, alice: User, database: Database) -> None:
    with pytest.raises(Exception, match="UNIQUE") as caught, database.write() as connection:
        connection.execute(text("INSERT INTO users SELECT * FROM users"))
    assert "alice@" not in str(caught.value)


def test_a_service_can_t_sign_in(users: Users, sessions: Sessions, database: Database) -> None:
    service = users.create("backup@firm.example", "Backup", role="service")
    for password in ("", "None", PASSWORD):
        with pytest.raises(NotSignedIn):
            users.authenticate(service.email, password)
    with pytest.raises(NotSignedIn):
        sessions.open(service)
    with pytest.raises(BadRequest):
        users.set_password(service.id, PASSWORD)
    with pytest.raises(BadRequest):
        users.create("other@firm.example", "Other", role="service", password=PASSWORD)
    with pytest.raises(BadRequest):
        users.create("other@firm.example", "Other", role="member")
    with pytest.raises(BadRequest):
        users.invite("service")
    with pytest.raises(BadRequest):
        users.set_role(service.id, "administrator")


def test_nobody_becomes_a_service(users: Users, alice: User) -> None:
    bob = users.create("bob@firm.example", "Bob", role="member", password=PASSWORD)
    with pytest.raises(BadRequest):
        users.set_role(bob.id, "service")
    for role in ("auditor", "manager"):
        users.set_role(bob.id, role)
        assert users.get(bob.id).role == role


def test_there_is_no_account_to_begin_with(tmp_path: Path) -> None:
    """Nobody signs in to a new installation, under no name that others begin with."""
    settings = load({"data": tmp_path / "data", "key_file": tmp_path / "data.key"}, environ={})
    create(settings)
    app = build(settings)
    try:
        users = Users(app.database, passwords=cheap.passwords())
        assert not users.has_any() and users.list() == []
        for name in ("root", "admin", "administrator", "sa", "local", "intramuros", "admin@localhost"):
            for password in ("", "admin", "password", name):
                with pytest.raises((NotSignedIn, TooMany)):
                    users.authenticate(name, password, address="127.0.0.1")
    finally:
        app.close()
