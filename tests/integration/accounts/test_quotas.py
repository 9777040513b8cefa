"""Limits of people, groups, roles and projects: which hold, which is named, what counts, and what a restart keeps."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from intramuros.accounts.caller import Caller
from intramuros.accounts.groups import Groups
from intramuros.accounts.identity import Identity
from intramuros.accounts.keys import ApiKeys
from intramuros.accounts.prices import Price, Prices
from intramuros.accounts.projects import Project
from intramuros.accounts.quotas import Quotas
from intramuros.accounts.rights import Limit, Quota, Rights
from intramuros.accounts.sessions import Sessions
from intramuros.accounts.usage import Usage, Used
from intramuros.accounts.users import Users
from intramuros.errors import BadRequest, NotFound, QuotaReached
from intramuros.storage.database import Database
from tests.integration.conftest import People

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC).timestamp()


@pytest.fixture
def quotas(database: Database) -> Quotas:
    return Quotas(database)


@pytest.fixture
def groups(database: Database) -> Groups:
    return Groups(database)


@pytest.fixture
def usage(database: Database) -> Usage:
    return Usage(database, lambda: NOON)


@pytest.fixture
def who(api_keys: ApiKeys, people: People) -> Callable[..., Caller]:
    """Alice with a new key, as a request finds her."""

    def found(**rights: Quota) -> Caller:
        caller = api_keys.caller(api_keys.create("job", people.alice.user_id, rights=Rights(**rights))[0])  # type: ignore[arg-type]
        assert caller is not None
        return caller

    return found


def test_the_tighter_of_group_and_person_is_named(
    quotas: Quotas, groups: Groups, usage: Usage, people: People, who: Callable[..., Caller]
) -> None:
    group = groups.create("Finance")
    groups.add(group.id, user_id=people.alice.user_id, by=people.charlie)
    quotas.set("group", group.id, Quota(tokens_per_day=100))
    quotas.set("user", people.alice.user_id, Quota(tokens_per_month=150))
    caller = who()
    usage.spend([("group", group.id)], 60)  # a colleague's
    assert usage.admit(caller.limits, spends=True).refusal is None
    usage.spend([limit.subject for limit in caller.limits], 50)
    refusal = usage.admit(caller.limits, spends=True).refusal
    assert isinstance(refusal, QuotaReached) and refusal.code == "group_tokens_per_day"
    assert refusal.message == "The group Finance has used its 100 tokens of this day."
    assert refusal.details["resets_at"] == "2026-11-27T00:00:00Z" and refusal.details["retry_after_s"] == 12 * 3600
    usage.spend([("user", people.alice.user_id)], 100)
    refusal = usage.admit(caller.limits, spends=True).refusal
    assert refusal is not None and refusal.code == "user_tokens_per_month", "the one that lasts longer"
    assert refusal.message == "You have used your 150 tokens of this month."
    assert usage.admit(caller.limits, spends=False).refusal is None


def test_headers_tell_of_the_tightest(quotas: Quotas, usage: Usage, people: People, who: Callable[..., Caller]) -> None:
    quotas.set("user", people.alice.user_id, Quota(tokens_per_day=100, requests_per_minute=5))
    caller = who(quota=Quota(tokens_per_day=1000, requests_per_minute=50))
    headers = dict(usage.admit(caller.limits, spends=True).headers)
    assert headers[b"x-ratelimit-limit-tokens"] == b"100" and headers[b"x-ratelimit-remaining-requests"] == b"4"
    assert len(usage.admit(caller.limits, spends=True).headers) == 6


def test_a_refused_request_counts_for_nobody(
    quotas: Quotas, usage: Usage, people: People, who: Callable[..., Caller]
) -> None:
    quotas.set("user", people.alice.user_id, Quota(requests_per_minute=1))
    caller = who(quota=Quota(requests_per_minute=10))
    assert caller.key_id is not None
    assert usage.admit(caller.limits, spends=True).refusal is None
    for _ in range(3):
        assert usage.admit(caller.limits, spends=True).refusal is not None
    assert usage.used(("key", caller.key_id)).requests_today == 1
    headers = dict(usage.admit([limit for limit in caller.limits if limit.kind == "key"], spends=True).headers)
    assert headers[b"x-ratelimit-remaining-requests"] == b"8"


def test_what_is_not_set_comes_from_the_role_and_then_from_everyone(
    quotas: Quotas, people: People, who: Callable[..., Caller]
) -> None:
    quotas.set("everyone", "all", Quota(tokens_per_day=1000, tokens_per_month=5000, euros_per_month=3, weight=0.5))
    quotas.set("role", "member", Quota(tokens_per_month=9000))
    quotas.set("user", people.alice.user_id, Quota(tokens_per_day=77))
    caller = who()
    (own,) = [limit.quota for limit in caller.limits if limit.kind == "user"]
    assert own == Quota(None, 77, 9000, None, 3, 0.5) and caller.weight == 0.5


def test_weights_of_keys_people_and_groups(
    quotas: Quotas, groups: Groups, people: People, who: Callable[..., Caller]
) -> None:
    assert who().weight == 1
    quotas.set("role", "member", Quota(weight=2))
    assert who().weight == 2
    for name, weight in (("Small", 3.0), ("Large", 4.0)):
        group = groups.create(name)
        groups.add(group.id, user_id=people.alice.user_id, by=people.charlie)
        quotas.set("group", group.id, Quota(weight=weight))
    assert who().weight == 4
    quotas.set("user", people.alice.user_id, Quota(weight=1.5))
    assert who().weight == 1.5 and who(quota=Quota(weight=0.1)).weight == 0.1


def test_money_is_counted_and_ends(quotas: Quotas, usage: Usage, people: People, who: Callable[..., Caller]) -> None:
    quotas.set("user", people.alice.user_id, Quota(euros_per_day=0.01))
    caller = who()
    price = Price(input=1.0, output=4.0)
    cost = price.of(1000, 500)
    assert cost == pytest.approx(0.003)
    for _ in range(3):
        assert usage.admit(caller.limits, spends=True).refusal is None
        usage.spend([limit.subject for limit in caller.limits], 1500, cost)
    usage.spend([limit.subject for limit in caller.limits], 1500, cost)
    refusal = usage.admit(caller.limits, spends=True).refusal
    assert refusal is not None and refusal.code == "user_euros_per_day"
    assert refusal.message == "You have used your budget of 0.01 euros of this day."
    assert usage.used(("user", people.alice.user_id)).euros_this_month == pytest.approx(0.012)


def test_a_restart_keeps_every_count(database: Database, usage: Usage, people: People, project: Project) -> None:
    subjects = [("user", people.alice.user_id), ("project", project.id)]
    usage.admit([Limit("user", people.alice.user_id, "", Quota())], spends=True)
    usage.spend(subjects, 10, 0.5)
    usage.flush()
    usage.flush()
    again = Usage(database, lambda: NOON)
    assert again.used(subjects[0]) == Used(1, 10, 10, 0.5, 0.5) and again.used(subjects[1]) == Used(0, 10, 10, 0.5, 0.5)


def test_a_change_counts_at_once_for_whoever_is_remembered(
    database: Database, quotas: Quotas, groups: Groups, api_keys: ApiKeys, people: People
) -> None:
    identity = Identity(database, sessions=Sessions(database, hours=1), keys=api_keys)
    key, _ = api_keys.create("job", people.alice.user_id)

    def seen() -> dict[str, Quota]:
        caller = identity.caller({"authorization": f"Bearer {key}"})
        assert caller is not None
        return {limit.name or limit.kind: limit.quota for limit in caller.limits}

    assert seen() == {"job": Quota(), "user": Quota()}
    quotas.set("user", people.alice.user_id, Quota(tokens_per_day=5))
    assert seen()["user"].tokens_per_day == 5
    quotas.set("user", people.alice.user_id, Quota(tokens_per_day=6))
    assert seen()["user"].tokens_per_day == 6
    quotas.remove("user", people.alice.user_id)
    assert seen()["user"] == Quota()
    group = groups.create("Finance")
    groups.add(group.id, user_id=people.alice.user_id, by=people.charlie)
    assert seen()["Finance"] == Quota()
    groups.leave(group.id, user_id=people.alice.user_id)
    assert "Finance" not in seen()


def test_what_is_removed_takes_its_limits_and_counts_along(
    database: Database, quotas: Quotas, groups: Groups, usage: Usage, users: Users, people: People
) -> None:
    group = groups.create("Finance")
    quotas.set("group", group.id, Quota(tokens_per_day=5))
    usage.spend([("group", group.id)], 3)
    usage.flush()
    usage.spend([("group", group.id)], 3)
    groups.remove(group.id)
    usage.flush()
    with database.read() as connection:
        for table in ("quotas", "usage"):
            assert connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar() == 0


def test_they_are_found_by_name_and_listed(
    quotas: Quotas, groups: Groups, people: People, api_keys: ApiKeys, project: Project
) -> None:
    group = groups.create("Finance")
    record = api_keys.create("job", people.alice.user_id)[1]
    assert quotas.find("group", "Finance").id == group.id
    assert quotas.find("project", project.name).id == project.id
    assert quotas.find("key", record.id).name == "job"
    with pytest.raises(NotFound):
        quotas.find("key", "job")
    assert quotas.find("everyone").subject == ("everyone", "all")
    for kind, name in (("group", "None"), ("user", "nobody@firm.example"), ("project", "")):
        with pytest.raises(NotFound):
            quotas.find(kind, name)
    for kind, name in (("tribe", "x"), ("role", "king")):
        with pytest.raises(BadRequest):
            quotas.find(kind, name)
    with pytest.raises(NotFound):
        quotas.remove("group", group.id)
    quotas.set("group", group.id, Quota(weight=2))
    quotas.set("everyone", "all", Quota(tokens_per_day=1))
    assert [(limit.kind, limit.name) for limit in quotas.list()] == [("group", "Finance"), ("everyone", "everyone")]


@pytest.mark.parametrize(
    "quota",
    [
        Quota(tokens_per_day=0),
        Quota(requests_per_minute=-1),
        Quota(euros_per_day=0),
        Quota(euros_per_month=float("nan")),
        Quota(weight=0),
        Quota(weight=1000),
        Quota(weight=float("nan")),
        Quota(tokens_per_month=10**13),
    ],
)
def test_what_can_t_be_is_refused(quotas: Quotas, quota: Quota) -> None:
    with pytest.raises(BadRequest):
        quotas.set("everyone", "all", quota)
    assert quotas.list() == []


def test_prices_are_set_by_model_and_read_again(database: Database) -> None:
    at = [0.0]
    here, elsewhere = Prices(database, lambda: at[0]), Prices(database, lambda: at[0])
    assert here.of("m") == Price() and elsewhere.of("m").of(10**6, 10**6) == 0
    here.set("m", Price(0.5, 2))
    assert here.of("m") == Price(0.5, 2) and elsewhere.of("m") == Price()
    at[0] += 6
    assert elsewhere.of("m").of(10**6, 10**6) == 2.5
    for bad in (Price(-1), Price(0, float("inf"))):
        with pytest.raises(BadRequest):
            here.set("m", bad)
