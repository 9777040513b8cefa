"""What keys use and may use: refused in time, counted afterwards, and remembered by the database."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from intramuros.accounts.keys import ApiKeys
from intramuros.accounts.rights import Limit, Quota
from intramuros.accounts.usage import Usage, Used
from intramuros.errors import QuotaReached, StorageFull, TooMany
from intramuros.storage.database import Database
from tests.integration.conftest import People

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC).timestamp()


class Clock:
    def __init__(self) -> None:
        self.at = NOON

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def usage(database: Database, clock: Clock) -> Usage:
    return Usage(database, clock)


@pytest.fixture
def key_id(api_keys: ApiKeys, people: People) -> str:
    return api_keys.create("job", people.alice.user_id)[1].id


def of_key(key_id: str, quota: Quota) -> list[Limit]:
    return [Limit("key", key_id, "job", quota)]


def said(headers: list[tuple[bytes, bytes]]) -> dict[str, str]:
    return {name.decode().removeprefix("x-ratelimit-"): value.decode() for name, value in headers}


def test_without_a_quota_everything_is_let_in_and_counted(usage: Usage, key_id: str) -> None:
    for _ in range(100):
        assert usage.admit(of_key(key_id, Quota()), spends=True) == ([], None)
    assert usage.used(("key", key_id)) == Used(100, 0, 0)


def test_requests_a_minute_come_back_steadily(usage: Usage, key_id: str, clock: Clock) -> None:
    quota = Quota(requests_per_minute=3)
    left = [said(usage.admit(of_key(key_id, quota), spends=False).headers)["remaining-requests"] for _ in range(3)]
    assert left == ["2", "1", "0"]
    headers, refusal = usage.admit(of_key(key_id, quota), spends=False)
    assert type(refusal) is TooMany and refusal.details["retry_after_s"] == 20
    assert said(headers) == {"limit-requests": "3", "remaining-requests": "0", "reset-requests": "20s"}
    clock.at += 20
    assert usage.admit(of_key(key_id, quota), spends=False).refusal is None
    assert usage.admit(of_key(key_id, quota), spends=False).refusal is not None
    clock.at += 3600
    assert said(usage.admit(of_key(key_id, quota), spends=False).headers)["remaining-requests"] == "2", (
        "no more than the limit"
    )
    assert usage.used(("key", key_id)).requests_today == 5, "what was refused is not counted"


def test_a_clock_set_back_gives_nothing(usage: Usage, key_id: str, clock: Clock) -> None:
    quota = Quota(requests_per_minute=1)
    assert usage.admit(of_key(key_id, quota), spends=False).refusal is None
    clock.at -= 3600
    assert usage.admit(of_key(key_id, quota), spends=False).refusal is not None


def test_a_day_s_tokens_end_and_come_back(usage: Usage, key_id: str, clock: Clock) -> None:
    quota = Quota(tokens_per_day=100)
    assert said(usage.admit(of_key(key_id, quota), spends=True).headers)["remaining-tokens"] == "100"
    usage.spend([("key", key_id)], 70)
    assert said(usage.admit(of_key(key_id, quota), spends=True).headers)["remaining-tokens"] == "30"
    usage.spend([("key", key_id)], 70)
    headers, refusal = usage.admit(of_key(key_id, quota), spends=True)
    assert isinstance(refusal, QuotaReached) and refusal.code == "key_tokens_per_day" and not refusal.retry
    assert refusal.details["retry_after_s"] == 12 * 3600
    assert said(headers) == {"limit-tokens": "100", "remaining-tokens": "0", "reset-tokens": "12h0m0s"}
    assert usage.admit(of_key(key_id, quota), spends=False) == ([], None), "what costs no tokens goes on"
    clock.at += 12 * 3600
    assert usage.admit(of_key(key_id, quota), spends=True).refusal is None


def test_a_month_s_tokens_last_longer_than_a_day_s(usage: Usage, key_id: str, clock: Clock) -> None:
    clock.at -= 20 * 86_400
    quota = Quota(tokens_per_day=100, tokens_per_month=100)
    usage.spend([("key", key_id)], 100)
    refusal = usage.admit(of_key(key_id, quota), spends=True).refusal
    assert refusal is not None and refusal.code == "key_tokens_per_month"
    clock.at += 86_400
    assert usage.admit(of_key(key_id, quota), spends=True).refusal is not None
    clock.at = NOON + 12 * 3600
    assert usage.admit(of_key(key_id, quota), spends=True).refusal is None
    assert usage.used(("key", key_id)) == Used(1, 0, 0)


@pytest.mark.parametrize("ends", [Usage.flush, lambda usage: None])
def test_a_restart_forgets_nothing_that_was_written(
    database: Database, usage: Usage, key_id: str, clock: Clock, ends: Callable[[Usage], None]
) -> None:
    usage.admit(of_key(key_id, Quota()), spends=True)
    usage.spend([("key", key_id)], 40)
    usage.flush()
    usage.spend([("key", key_id)], 2)
    assert usage.used(("key", key_id)) == Used(1, 42, 42)
    ends(usage)
    expected = 42 if ends is Usage.flush else 40
    assert Usage(database, clock).used(("key", key_id)) == Used(1, expected, expected)


def test_processes_add_up(database: Database, key_id: str, clock: Clock) -> None:
    for usage in (Usage(database, clock), Usage(database, clock)):
        usage.spend([("key", key_id)], 5)
        usage.flush()
        usage.flush()
    assert Usage(database, clock).used(("key", key_id)).tokens_today == 10


def test_a_full_disk_loses_no_count(
    usage: Usage, key_id: str, database: Database, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(**more: Any) -> None:
        raise StorageFull

    usage.spend([("key", key_id)], 5)
    with monkeypatch.context() as broken:
        broken.setattr(database, "write", full)
        usage.flush()
    assert usage.used(("key", key_id)) == Used(0, 5, 5)
    usage.flush()
    assert Usage(database, clock).used(("key", key_id)) == Used(0, 5, 5)


def test_an_erased_key_s_counts_are_dropped(usage: Usage, key_id: str, database: Database) -> None:
    usage.spend([("key", key_id)], 5)
    with database.write() as connection:
        connection.exec_driver_sql("DELETE FROM api_keys")
    usage.flush()
    with database.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM usage").scalar() == 0


def test_old_days_are_forgotten(usage: Usage, key_id: str, clock: Clock, database: Database) -> None:
    usage.spend([("key", key_id)], 5)
    usage.flush()
    clock.at += 401 * 86_400
    usage.spend([("key", key_id)], 1)
    usage.flush()
    with database.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM usage").scalar() == 1


def test_a_request_reads_and_writes_nothing(usage: Usage, key_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    usage.used(("key", key_id))
    monkeypatch.setattr(usage, "_database", None)
    assert usage.admit(of_key(key_id, Quota(requests_per_minute=10, tokens_per_day=10)), spends=True).refusal is None
    usage.spend([("key", key_id)], 3)
    assert usage.used(("key", key_id)).tokens_today == 3
