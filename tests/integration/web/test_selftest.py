"""The page of promises: who may try them, and that each check has its place and its words."""

from __future__ import annotations

from string import Formatter

import pytest

from intramuros.tasks.seen import SAID
from intramuros.tasks.selftest import PROMISES, Check
from intramuros.web.words import load
from tests.installed import Installed
from tests.integration.web.conftest import People, text_of

PAGE = "/administration/selftest"


async def test_an_administrator_tries_every_promise(installed: Installed, people: People) -> None:
    assert (await people.charlie.get(PAGE, accept_language="en")).status == 200
    tried = await people.charlie.post(PAGE)
    assert tried.status == 200 and "selftest." not in text_of(tried)
    [record] = installed.records("selftest")
    assert record.facts["held"] >= 10 and not record.facts.get("broken"), text_of(tried)


async def test_members_do_not(people: People) -> None:
    assert (await people.alice.get(PAGE)).status == 403
    assert (await people.alice.post(PAGE)).status == 403


async def test_each_promise_from_1_to_6_is_tried(installed: Installed) -> None:
    checks: list[Check] = [check async for check in installed.app.selftest.run()]
    assert {check.about for check in checks} == set(PROMISES) >= {1, 2, 3, 4, 5, 6}
    tried = {check.about for check in checks if check.held}
    assert {1, 2, 3, 4, 5, 6} <= tried


@pytest.mark.parametrize("language", ["fr", "en"])
def test_whatever_a_check_may_see_has_its_words(language: str) -> None:
    words = load()[language]
    names = {key: {name for _, name, _, _ in Formatter().parse(text) if name} for key, text in SAID.items()}
    for key, wanted in names.items():
        said = words(f"selftest.seen.{key}")
        assert {name for _, name, _, _ in Formatter().parse(said) if name} == wanted, key


async def test_what_was_seen_is_said_in_french(people: People) -> None:
    page = text_of(await people.charlie.post(PAGE))
    for said in ("intégrité et sceaux des pages vérifiés", "a été refusée avant le premier paquet", "aucune ouverte"):
        assert said in page
    for english in ("refused before any packet", "acknowledged rows", "none open", "level "):
        assert english not in page
