"""The page on isolation: its level, its walls, and the ways out tried on demand."""

from __future__ import annotations

import pytest

from intramuros.security.attempts import NAMES
from tests.installed import Installed
from tests.integration.web.conftest import People, text_of

PAGE = "/administration/isolation"


async def test_an_administrator_sees_the_level_and_tries_every_way_out(installed: Installed, people: People) -> None:
    page = await people.charlie.get(PAGE, accept_language="en")
    standing = installed.app.isolation.standing()
    assert page.status == 200 and {"reader", "engine"} <= standing.walls.keys()
    assert installed.app.isolation.last_attack is None
    tried = await people.charlie.post(PAGE)
    attack = installed.app.isolation.last_attack
    assert tried.status == 200 and attack is not None
    if attack.standing.level == "full":
        assert attack.ways_out == []
        assert "no way out open" in text_of(tried) or "aucune issue ouverte" in text_of(tried)
    record = [record for record in installed.records() if record.action == "selftest.isolation"][-1]
    assert record.facts["attempts"] == 2 * len(NAMES)
    assert record.facts["level"] == attack.standing.level


@pytest.mark.parametrize("who", ["alice", "bob"])
async def test_nobody_else_does(people: People, who: str) -> None:
    browser = getattr(people, who)
    assert (await browser.get(PAGE)).status == 403
    assert (await browser.post(PAGE)).status == 403


async def test_a_form_of_another_site_tries_nothing(installed: Installed, people: People) -> None:
    assert (await people.charlie.post(PAGE, csrf_token="other")).status == 403
    assert installed.app.isolation.last_attack is None


async def test_health_says_the_level(installed: Installed, people: People) -> None:
    before = (await people.stranger.client.call("GET", "/health")).json()
    assert before["isolation"] in {"unknown", "full", "partial", "none"}
    standing = await installed.app.isolation.look()
    assert (await people.stranger.client.call("GET", "/health")).json()["isolation"] == standing.level
