"""One-time codes and recovery codes: each good once, in every process; guessed slowly; taken away with care."""

from __future__ import annotations

import math
import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pyotp
import pytest
from sqlalchemy import select, update

from intramuros.accounts import one_time_codes as codes_module
from intramuros.accounts.factors import Factors
from intramuros.accounts.recovery_codes import RecoveryCodes
from intramuros.accounts.sessions import Sessions
from intramuros.accounts.steps import MAX_TRIES, Steps
from intramuros.accounts.throttle import PAIR, Throttle
from intramuros.accounts.users import User, Users
from intramuros.errors import Conflict, IntramurosError, NotFound, NotSignedIn, StorageCorrupt, TooMany, WrongCode
from intramuros.storage.database import Database, open_database
from intramuros.storage.schema import one_time_codes, recovery_codes, steps
from tests.integration.conftest import PASSWORD
from tests.support import cheap

KEY = secrets.token_bytes(32)
START = 1_800_000_000.0


class Clock:
    """The time that codes are checked at."""

    def __init__(self) -> None:
        self.at = START

    def next(self) -> None:
        self.at += 30


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(codes_module, "now", lambda: clock.at)
    return clock


def made(database: Database, **more: Any) -> Factors:
    return Factors(database, key=KEY, steps=Steps(database), passwords=cheap.passwords(), **more)


@pytest.fixture
def factors(database: Database, clock: Clock) -> Factors:
    return made(database)


@pytest.fixture
def alice(users: Users) -> User:
    return users.create("alice@firm.example", "Alice", role="member", password=PASSWORD)


@pytest.fixture
def app(factors: Factors, alice: User, clock: Clock) -> pyotp.TOTP:
    """Alice's app, which is set up; its first code is used."""
    app = pyotp.TOTP(factors.codes.begin(alice).secret)
    assert len(factors.confirm_codes(alice, app.at(clock.at))) == 10
    clock.next()
    return app


def test_nothing_is_asked_before_the_first_code_confirms(factors: Factors, alice: User, clock: Clock) -> None:
    enrolment = factors.codes.begin(alice)
    assert not factors.has_any(alice.id)
    assert factors.codes.begun(alice) == enrolment
    with pytest.raises(WrongCode):
        factors.check(alice, pyotp.TOTP(enrolment.secret).at(clock.at))
    with pytest.raises(WrongCode):
        factors.confirm_codes(alice, "000000")
    assert factors.recovery.left(alice.id) == 0
    recovery = factors.confirm_codes(alice, pyotp.TOTP(enrolment.secret).at(clock.at))
    assert len(set(recovery)) == 10
    assert factors.has_any(alice.id)
    assert factors.codes.begun(alice) is None
    with pytest.raises(Conflict):
        factors.codes.begin(alice)
    with pytest.raises(Conflict):
        factors.confirm_codes(alice, "000000")


def test_a_code_is_good_once_also_the_one_that_confirmed(factors: Factors, alice: User, clock: Clock) -> None:
    app = pyotp.TOTP(factors.codes.begin(alice).secret)
    code = app.at(clock.at)
    factors.confirm_codes(alice, code)
    with pytest.raises(WrongCode):
        factors.check(alice, code)
    clock.next()
    assert factors.check(alice, app.at(clock.at)) == "totp"
    with pytest.raises(WrongCode):
        factors.check(alice, app.at(clock.at))


def test_an_older_code_is_not_good_after_a_newer_one(
    factors: Factors, alice: User, app: pyotp.TOTP, clock: Clock
) -> None:
    clock.next()
    older = app.at(clock.at - 30)
    assert factors.check(alice, app.at(clock.at)) == "totp"
    with pytest.raises(WrongCode):
        factors.check(alice, older)


@pytest.mark.parametrize(("steps_off", "is_good"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
def test_clocks_may_be_one_step_off(
    factors: Factors, alice: User, app: pyotp.TOTP, clock: Clock, steps_off: int, is_good: bool
) -> None:
    clock.at += 600
    code = app.at(clock.at + 30 * steps_off)
    if is_good:
        assert factors.check(alice, f" {code[:3]} {code[3:]} ") == "totp"
    else:
        with pytest.raises(WrongCode):
            factors.check(alice, code)


def test_a_replayed_code_is_refused_by_another_process_and_after_a_restart(
    factors: Factors, alice: User, app: pyotp.TOTP, clock: Clock, database: Database, database_key: bytes
) -> None:
    code = app.at(clock.at)
    assert factors.check(alice, code) == "totp"
    again = open_database(database.path, database_key)
    try:
        with pytest.raises(WrongCode):
            made(again).check(alice, code)
    finally:
        again.close()


def test_one_code_shown_many_times_at_once_is_taken_once(
    factors: Factors, alice: User, app: pyotp.TOTP, clock: Clock
) -> None:
    code = app.at(clock.at)

    def use(_: int) -> bool:
        try:
            factors.codes.use(alice.id, code)
        except WrongCode:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(use, range(16))) == 1


@pytest.mark.parametrize("code", ["", "12345", "1234567", "abcdef", "١٢٣٤٥٦", "-12345", "1" * 5000, "ABCD-EFGH-JKLM"])
def test_what_is_no_code_is_refused(factors: Factors, alice: User, app: pyotp.TOTP, code: str) -> None:
    with pytest.raises(WrongCode):
        factors.check(alice, code)


def test_codes_are_guessed_slowly_and_from_many_addresses_too(database: Database, alice: User, clock: Clock) -> None:
    time = [0.0]
    factors = made(database, throttle=Throttle(clock=lambda: time[0]))
    app = pyotp.TOTP(factors.codes.begin(alice).secret)
    factors.confirm_codes(alice, app.at(clock.at))
    clock.next()
    for _ in range(PAIR.free):
        with pytest.raises(WrongCode):
            factors.check(alice, "000000", address="10.0.0.9")
    with pytest.raises(TooMany):
        factors.check(alice, app.at(clock.at), address="10.0.0.9")
    assert factors.check(alice, app.at(clock.at), address="10.0.0.1") == "totp"


def test_a_botnet_guesses_codes_slowly(database: Database, alice: User, clock: Clock) -> None:
    """Whoever knows the password and has an address for each try; the throttle that `Factors` makes itself."""
    factors = made(database)
    app = pyotp.TOTP(factors.codes.begin(alice).secret)
    factors.confirm_codes(alice, app.at(clock.at))
    tried = 0
    for number in range(100):
        try:
            factors.check(alice, "000000", address=f"10.0.1.{number}")
        except WrongCode:
            tried += 1
        except TooMany:
            pass
    assert tried <= 12


def test_a_recovery_code_is_good_once(factors: Factors, alice: User, clock: Clock) -> None:
    app = pyotp.TOTP(factors.codes.begin(alice).secret)
    first, second, *_ = factors.confirm_codes(alice, app.at(clock.at))
    assert factors.check(alice, first.lower().replace("-", " ")) == "recovery"
    assert factors.recovery.left(alice.id) == 9
    with pytest.raises(WrongCode):
        factors.check(alice, first)
    renewed = factors.renew_recovery(alice)
    assert factors.recovery.left(alice.id) == 10
    with pytest.raises(WrongCode):
        factors.check(alice, second)
    assert factors.check(alice, renewed[0]) == "recovery"


def test_one_recovery_code_shown_many_times_at_once_is_taken_once(factors: Factors, alice: User, clock: Clock) -> None:
    app = pyotp.TOTP(factors.codes.begin(alice).secret)
    code = factors.confirm_codes(alice, app.at(clock.at))[0]

    def use(_: int) -> bool:
        try:
            factors.recovery.use(alice.id, code)
        except WrongCode:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(use, range(16))) == 1


def test_codes_of_one_person_are_good_for_nobody_else(
    factors: Factors, users: Users, alice: User, app: pyotp.TOTP, clock: Clock, database: Database
) -> None:
    bob = users.create("bob@firm.example", "Bob", role="member", password=PASSWORD)
    recovery = factors.renew_recovery(alice)
    theirs = pyotp.TOTP(factors.codes.begin(bob).secret)
    factors.confirm_codes(bob, theirs.at(clock.at))
    for code in (app.at(clock.at), recovery[0]):
        with pytest.raises(WrongCode):
            factors.check(bob, code)
    with database.write() as connection:  # a row moved to another person does not open
        sealed = connection.scalar(select(one_time_codes.c.sealed_secret).where(one_time_codes.c.user_id == alice.id))
        mine = one_time_codes.c.user_id == bob.id
        connection.execute(update(one_time_codes).where(mine).values(sealed_secret=sealed))
    clock.next()
    with pytest.raises(StorageCorrupt):
        factors.check(bob, app.at(clock.at))


def test_no_secret_and_no_code_is_stored(factors: Factors, alice: User, clock: Clock, database: Database) -> None:
    secret = factors.codes.begin(alice).secret
    recovery = factors.confirm_codes(alice, pyotp.TOTP(secret).at(clock.at))
    with database.read() as connection:
        stored = repr([connection.execute(select(table)).all() for table in (one_time_codes, recovery_codes)])
    assert secret not in stored
    assert not any(code in stored or code.replace("-", "") in stored for code in recovery)
    assert "$argon2id$" in stored
    assert secret not in repr(factors.codes.begun) and "secret=" not in repr(factors.codes)


def test_taking_codes_away_takes_recovery_codes_too(factors: Factors, alice: User, app: pyotp.TOTP) -> None:
    factors.remove_codes(alice)
    assert not factors.has_any(alice.id)
    assert factors.recovery.left(alice.id) == 0
    with pytest.raises(NotFound):
        factors.remove_codes(alice)
    with pytest.raises(Conflict):
        factors.renew_recovery(alice)


def test_the_last_factor_of_a_role_that_takes_one_stays(database: Database, alice: User, clock: Clock) -> None:
    factors = made(database, required=["member"])
    app = pyotp.TOTP(factors.codes.begin(alice).secret)
    factors.confirm_codes(alice, app.at(clock.at))
    with pytest.raises(Conflict) as caught:
        factors.remove_codes(alice)
    assert caught.value.code == "last_factor"
    assert factors.has_any(alice.id) and factors.recovery.left(alice.id) == 10


def test_a_reset_ends_sessions_and_opens_nothing_before_a_new_factor(
    factors: Factors, users: Users, sessions: Sessions, alice: User, app: pyotp.TOTP, clock: Clock
) -> None:
    before = sessions.open(alice, is_strong=True)
    factors.reset(alice.id)
    assert sessions.caller(before) is None
    assert not factors.has_any(alice.id) and factors.recovery.left(alice.id) == 0
    after = sessions.caller(sessions.open(users.authenticate(alice.email, PASSWORD)))
    assert after is not None and after.must_enrol
    strong = sessions.caller(sessions.open(alice, is_strong=True))
    assert strong is not None and strong.must_enrol, "also whoever comes from another provider"
    again = pyotp.TOTP(factors.codes.begin(alice).secret)
    factors.confirm_codes(alice, again.at(clock.at))
    enrolled = sessions.caller(sessions.open(alice, is_strong=True))
    assert enrolled is not None and not enrolled.must_enrol
    with pytest.raises(NotFound):
        factors.reset("nobody")


def test_a_session_without_the_factor_its_person_has_is_none(sessions: Sessions, alice: User, app: pyotp.TOTP) -> None:
    assert sessions.caller(sessions.open(alice)) is None
    assert sessions.caller(sessions.open(alice, is_strong=True)) is not None


def test_a_role_that_takes_a_factor_may_do_nothing_without(database: Database, users: Users, alice: User) -> None:
    sessions = Sessions(database, hours=1, required=["administrator"])
    token = sessions.open(alice)
    caller = sessions.caller(token)
    assert caller is not None and not caller.must_enrol
    users.set_role(alice.id, "administrator")
    caller = sessions.caller(token)
    assert caller is not None and caller.must_enrol


@pytest.fixture
def begun(database: Database) -> Iterator[Steps]:
    yield Steps(database)


def test_a_step_is_finished_once_by_the_browser_that_began_it(begun: Steps, alice: User) -> None:
    token = begun.begin("second", user_id=alice.id, holder="mine")
    for kind, shown, holder in (
        ("second", token, "another"),
        ("second", token, None),
        ("passkey.add", token, "mine"),
        ("second", "x" * 32, "mine"),
    ):
        with pytest.raises(NotSignedIn):
            begun.take(kind, shown, holder=holder)
    assert begun.take("second", token, holder="mine").user_id == alice.id
    with pytest.raises(NotSignedIn):
        begun.take("second", token, holder="mine")
    assert begun.look("second", token) is None


def test_a_step_expires_and_ends_after_wrong_tries(begun: Steps, alice: User, database: Database) -> None:
    token = begun.begin("second", user_id=alice.id)
    for _ in range(MAX_TRIES - 1):
        begun.failed(token)
    assert begun.look("second", token)
    begun.failed(token)
    assert begun.look("second", token) is None
    late = begun.begin("second", user_id=alice.id)
    with database.write() as connection:
        connection.execute(update(steps).values(expires_at=1.0))
    assert begun.look("second", late) is None
    with pytest.raises(NotSignedIn):
        begun.take("second", late)


def test_one_address_can_t_fill_the_disk_with_steps(begun: Steps, database: Database) -> None:
    theirs = begun.begin("passkey.sign_in", holder="x", address="10.0.0.1")
    for _ in range(80):
        begun.begin("passkey.sign_in", holder="x", address="10.0.0.9")
    with database.read() as connection:
        assert len(connection.execute(select(steps)).all()) <= 51
    assert begun.take("passkey.sign_in", theirs, holder="x")


def test_a_password_change_ends_half_done_sign_ins(users: Users, begun: Steps, alice: User) -> None:
    token = begun.begin("second", user_id=alice.id)
    users.set_password(alice.id, "eight blue bicycles")
    assert begun.look("second", token) is None


def test_errors_name_no_code(factors: Factors, alice: User, app: pyotp.TOTP) -> None:
    with pytest.raises(IntramurosError) as caught:
        factors.check(alice, "424242")
    assert "424242" not in f"{caught.value.message} {caught.value.hint} {caught.value.details}"


def test_a_recovery_code_can_not_be_guessed(database: Database) -> None:
    made = RecoveryCodes(database, cheap.passwords()).make()
    secret = [code.replace("-", "")[len(lookup) :] for code, (lookup, _) in made.items()]  # beyond what finds it
    letters = len(set("".join(secret)))
    assert len(made) == len(set(secret)) == 10 and letters > 16
    assert min(map(len, secret)) * math.log2(letters) > 20
