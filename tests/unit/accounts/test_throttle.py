from __future__ import annotations

import pytest

from intramuros.accounts.throttle import ACCOUNT, ADDRESS, PAIR, Throttle
from intramuros.errors import TooMany


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def throttle(clock: Clock) -> Throttle:
    return Throttle(clock)


def fail(throttle: Throttle, times: int, account: str = "alice", address: str | None = "10.0.0.9") -> None:
    for _ in range(times):
        throttle.begin(account, address)


def wait(throttle: Throttle, account: str = "alice", address: str | None = "10.0.0.9") -> float:
    with pytest.raises(TooMany) as caught:
        throttle.begin(account, address)
    assert isinstance(caught.value.details["retry_after_s"], int)
    return caught.value.details["retry_after_s"]


def test_a_few_failures_are_free_then_the_wait_doubles(throttle: Throttle, clock: Clock) -> None:
    fail(throttle, PAIR.free)
    for pause in (1, 2, 4, 8, 16):
        assert wait(throttle) == pause + 1
        clock.now += pause - 0.5
        wait(throttle)
        clock.now += 0.5
        throttle.begin("alice", "10.0.0.9")


def test_the_wait_is_bounded(throttle: Throttle, clock: Clock) -> None:
    for _ in range(60):
        clock.now += PAIR.longest_s
        fail(throttle, 1)
    assert wait(throttle) == PAIR.longest_s + 1


def test_a_refused_try_is_not_counted(throttle: Throttle, clock: Clock) -> None:
    fail(throttle, PAIR.free)
    for _ in range(50):
        assert wait(throttle) == 2


def test_others_are_not_slowed(throttle: Throttle) -> None:
    fail(throttle, PAIR.free)
    throttle.begin("bob", "10.0.0.9")
    throttle.begin("alice", "10.0.0.1")
    throttle.begin("alice", None)


def test_success_forgets(throttle: Throttle) -> None:
    fail(throttle, PAIR.free)
    throttle.succeed("alice", "10.0.0.9")
    fail(throttle, PAIR.free)
    wait(throttle)


def test_many_tries_at_once_gain_nothing(throttle: Throttle) -> None:
    """All begin before the first has failed."""
    began = 0
    for _ in range(100):
        try:
            throttle.begin("alice", "10.0.0.9")
        except TooMany:
            continue
        began += 1
    assert began == PAIR.free


def test_one_address_trying_many_accounts_is_slowed(throttle: Throttle) -> None:
    for number in range(ADDRESS.free):
        throttle.begin(f"user{number}", "10.0.0.9")
    wait(throttle, account="another")
    throttle.begin("another", "10.0.0.1")


def test_many_addresses_trying_one_account_are_slowed_but_never_lock_it(throttle: Throttle, clock: Clock) -> None:
    for number in range(ACCOUNT.free + 20):
        clock.now += ACCOUNT.longest_s
        throttle.begin("alice", f"10.0.1.{number}")
    assert wait(throttle, address="10.9.9.9") == ACCOUNT.longest_s + 1


def test_old_failures_are_forgotten(throttle: Throttle, clock: Clock) -> None:
    fail(throttle, PAIR.free)
    clock.now += PAIR.forget_s + 1
    fail(throttle, PAIR.free)
    wait(throttle)


def test_memory_is_bounded(throttle: Throttle) -> None:
    for number in range(12_000):
        throttle.begin(f"user{number}", None)
    assert len(throttle._failures) <= 10_000


def test_the_hint_says_when(throttle: Throttle) -> None:
    fail(throttle, PAIR.free)
    with pytest.raises(TooMany) as caught:
        throttle.begin("alice", "10.0.0.9")
    assert caught.value.hint == "Try again in 2 seconds."
    assert caught.value.status == 429
