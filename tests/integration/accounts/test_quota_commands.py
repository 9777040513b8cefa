"""`intramuros quotas` and `models price` as an administrator and a script use them."""

from __future__ import annotations

from intramuros.accounts.rights import Quota
from tests.installed import Installed
from tests.integration.accounts.test_commands import ALICE, installed, refused, run  # noqa: F401 - a fixture


def test_limits_are_set_shown_listed_and_removed(installed: Installed) -> None:  # noqa: F811
    run("groups", "create", "Finance")
    made = run("quotas", "set", "--group", "Finance", "--tokens-per-day", "1000", "--euros-per-month", "12.5")
    assert (made["kind"], made["name"], made["tokens_per_day"], made["euros_per_month"]) == (
        "group",
        "Finance",
        1000,
        12.5,
    )
    run("quotas", "set", "--user", ALICE, "--requests-per-minute", "5", "--weight", "2")
    run("quotas", "set", "--everyone", "--tokens-per-month", "9")
    run("quotas", "set", "--role", "service", "--tokens-per-month", "9")
    kept = run("quotas", "set", "--group", "Finance", "--tokens-per-day", "0")
    assert kept["tokens_per_day"] is None and kept["euros_per_month"] == 12.5, "0 takes away, what is not named stays"
    assert [item["kind"] for item in run("quotas", "list")] == ["user", "group", "role", "everyone"]
    assert run("quotas", "show", "--user", ALICE)["used"]["tokens_today"] == 0
    assert (
        run("quotas", "remove", "--everyone")["removed"]
        and refused("quotas", "remove", "--everyone") == "quota_not_found"
    )
    alice = installed.app.quotas.find("user", ALICE)
    assert alice.quota == Quota(5, weight=2.0)
    assert installed.records("quota.set")[1].object == alice.id


def test_a_key_s_limits_are_the_same_wherever_they_are_set(installed: Installed) -> None:  # noqa: F811
    key = run("keys", "create", "job", "--tokens-per-day", "7")
    assert run("quotas", "show", f"--key={key['id']}")["tokens_per_day"] == 7
    run("quotas", "set", f"--key={key['id']}", "--euros-per-day", "3")
    assert installed.app.api_keys.get(key["id"]).rights.quota == Quota(tokens_per_day=7, euros_per_day=3.0)


def test_what_can_t_be_is_refused(installed: Installed) -> None:  # noqa: F811
    assert refused("quotas", "set", "--everyone") == "bad_request"
    assert refused("quotas", "set", "--tokens-per-day", "5") == "bad_request"
    assert refused("quotas", "set", "--everyone", "--user", ALICE, "--tokens-per-day", "5") == "bad_request"
    assert refused("quotas", "set", "--group", "None", "--tokens-per-day", "5") == "group_not_found"
    assert refused("quotas", "set", "--everyone", "--weight", "1000") == "bad_limit"
    assert refused("models", "price", "none", "--input", "1") == "model_not_found"
