"""The access table: which rule a request gets."""

from __future__ import annotations

import pytest

from intramuros.audit.entry import Entry
from intramuros.server.access import RULES, AccessTable
from intramuros.server.rule import UNKNOWN, Access

TABLE = AccessTable()


@pytest.mark.parametrize(
    ("method", "path", "found"),
    [
        ("GET", "/health", "/health"),
        ("HEAD", "/health", "/health"),
        ("POST", "/health", UNKNOWN.path),
        ("GET", "/health/", UNKNOWN.path),
        ("GET", "/HEALTH", UNKNOWN.path),
        ("GET", "//health", UNKNOWN.path),
        ("GET", "/v1/models/a/b", "/v1/models/{model:path}"),
        ("OPTIONS", "/v1/chat/completions", UNKNOWN.path),
        ("DELETE", "/api/v1/projects/p/documents/d", "/api/v1/projects/{project}/documents/{document}"),
        ("GET", "/api/v1/projects/p/documents/d/e", UNKNOWN.path),
        ("GET", "/static/../v1/models", UNKNOWN.path),
    ],
)
def test_rule_of_a_request(method: str, path: str, found: str) -> None:
    assert TABLE.rule(method, path).path == found


def test_the_unknown_is_not_public() -> None:
    assert UNKNOWN.access is Access.SIGNED_IN and UNKNOWN.audited


NOTHING_THERE = {rule.path for rule in RULES if rule.action in {"mcp.listen", "mcp.end"}}
"""Answered with 405 and nothing else."""


def test_only_answers_without_anything_of_anyone_are_public() -> None:
    public = {rule.path for rule in RULES if rule.access is Access.PUBLIC}
    signing_in = {"/sign-in", "/sign-in/second", "/sign-in/passkey", "/sign-in/passkey/options"}
    signing_in |= {"/sign-in/sso", "/sign-in/sso/callback"}
    assert public <= {"/health", "/first/{token}", "/static/{version}/{name}", *NOTHING_THERE} | signing_in


def test_only_what_says_nothing_goes_unrecorded() -> None:
    assert {rule.path for rule in RULES if not rule.audited} <= {"/health", "/static/{version}/{name}", *NOTHING_THERE}
    assert all(rule.audited and rule.access is Access.SIGNED_IN for rule in RULES if rule.action == "mcp")


def test_what_a_model_works_for_counts_against_limits() -> None:
    working = {
        "chat",
        "complete",
        "respond",
        "embed",
        "rerank",
        "moderate",
        "answer",
        "preset.try",
        "mcp",
    }
    assert working <= {rule.action for rule in RULES}
    assert [rule.path for rule in RULES if rule.action in working and rule.method == "POST" and not rule.spends] == []


def test_every_action_can_be_recorded() -> None:
    for rule in (*RULES, UNKNOWN):
        Entry(rule.action, None, "api")


def test_no_two_rules_are_for_the_same_request() -> None:
    assert len({(rule.method, rule.path) for rule in RULES}) == len(RULES)
