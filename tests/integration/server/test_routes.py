"""Every route of every door has its row in the access table, and nothing answers without it."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from starlette.routing import Route

from intramuros.server.access import RULES, AccessTable
from intramuros.server.asgi import Doors
from intramuros.server.rule import Access, Rule
from tests.asgi import Client
from tests.installed import Installed

SAMPLES = {"page": "1", "token": "x" * 32}


def routes(installed: Installed) -> Iterator[tuple[str, Route]]:
    """Method and route of everything that is mounted."""
    doors = installed.guard.inner
    assert isinstance(doors, Doors)
    for route in doors.router.routes:
        assert isinstance(route, Route), f"{route} is mounted in a way this test can't walk"
        assert route.methods, f"{route.path} takes every method"
        for method in route.methods - {"HEAD"}:
            yield method, route


def address(template: str) -> str:
    """A path that fits the template."""
    return re.sub(r"{(\w+)(:\w+)?}", lambda found: SAMPLES.get(found[1], "sample"), template)


async def test_every_route_has_its_rule_and_every_rule_its_route(installed: Installed) -> None:
    mounted = {(method, route.path) for method, route in routes(installed)}
    decided = {(rule.method, rule.path) for rule in RULES}
    assert mounted - decided == set(), "decide in server/access.py who may call these"
    assert decided - mounted == set(), "these rows of server/access.py lead nowhere"


async def test_a_request_gets_the_rule_of_the_route_that_answers_it(installed: Installed) -> None:
    table = AccessTable()
    for method, route in routes(installed):
        rule = table.rule(method, address(route.path))
        assert (rule.method, rule.path) == (method, route.path)


def probes() -> list[Rule]:
    return [rule for rule in RULES if rule.access is not Access.PUBLIC]


@pytest.mark.parametrize("credentials", [{}, {"authorization": "Bearer imk_wrong"}, {"cookie": "intramuros_session=x"}])
async def test_nothing_answers_without_a_caller(installed: Installed, credentials: dict[str, str]) -> None:
    client = Client(installed.guard, **credentials)
    for rule in probes():
        answer = await client.call(rule.method, address(rule.path), b"{}")
        is_sent_to_sign_in = answer.status == 303 and answer.headers["location"].startswith("/sign-in")
        assert answer.status == 401 or is_sent_to_sign_in, rule
        assert "Alice" not in answer.body.decode()
    assert len(installed.records()) - 1 == len(probes()), "each refusal is a record (the first is the creation's)"
    assert {record.outcome for record in installed.records()[1:]} == {"refused"}


async def test_administrators_routes_are_closed_to_members(installed: Installed) -> None:
    for rule in RULES:
        if rule.access is Access.ADMINISTRATOR:
            answer = await installed.client("alice").call(rule.method, address(rule.path), b"{}")
            assert answer.status == 403, rule


async def test_the_public_routes_are_those_we_know(installed: Installed) -> None:
    for rule in RULES:
        if rule.access is Access.PUBLIC and rule.method == "GET":
            answer = await Client(installed.guard).call("GET", address(rule.path))
            assert answer.status in {200, 404, 405} or answer.headers["location"] == "/sign-in", rule
