"""An answer that a model writes, in a real browser: it grows, can be stopped, links to its sources, and reaches nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest

from intramuros.accounts.projects import Project
from tests.acceptance.browser import DESKTOP, Browser, chromium
from tests.installed import Installed, installation
from tests.integration.server.test_listen import listening
from tests.integration.web.test_ask import LEASE, QUESTION, Writer, writing
from tests.unit.web.test_markdown import HOSTILE

pytestmark = pytest.mark.browser
Found = TypeVar("Found")


@pytest.fixture(scope="module")
def chrome() -> Iterator[Browser]:
    with chromium() as browser:
        browser.size(*DESKTOP)
        yield browser


@dataclass
class Desk:
    """A project with a lease, open in Alice's browser, and the engine that will write."""

    installed: Installed
    browser: Browser
    address: str
    project: Project

    async def look(self, what: Callable[[], Found]) -> Found:
        """Does something in the browser while the server goes on."""
        return await asyncio.to_thread(what)

    async def ask(self, question: str = QUESTION) -> None:
        def type_it() -> None:
            self.browser.one("#question").send_keys(question)
            self.browser.one("#send").click()

        await self.look(type_it)

    async def until(self, condition: Callable[[], Any]) -> Any:
        return await self.look(lambda: self.browser.wait(condition))


@pytest.fixture
async def desk(tmp_path: Path, chrome: Browser, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Desk]:
    monkeypatch.setattr("intramuros.web.ask.SHOW_EVERY_S", -1.0)  # every piece, as a slow model's
    with installation(tmp_path) as installed:
        app = installed.app
        alice = app.sessions.caller(installed.sessions["alice"])
        assert alice
        project = app.projects.create("Baux", by=alice)
        async with app.running(), listening(installed) as (port, _):
            lease = tmp_path / "bail.md"
            lease.write_text(LEASE, encoding="utf-8")
            with lease.open("rb") as source:
                document = app.library.receive(project, lease.name, source, by=alice)
            await app.ingest.drain([document.id])
            desk = Desk(installed, chrome, f"http://localhost:{port}", project)
            await desk.look(lambda: signed_in(desk))
            yield desk


def signed_in(desk: Desk) -> None:
    browser = desk.browser
    browser.open(f"{desk.address}/sign-in")
    cookie = {"name": "intramuros_session", "value": desk.installed.sessions["alice"], "path": "/"}
    browser.driver.add_cookie(cookie)
    browser.open(f"{desk.address}/projects/{desk.project.id}")


async def test_it_grows_block_by_block_and_ends_with_links_to_its_sources(desk: Desk) -> None:
    writing(desk.installed, "Le préavis est de **trois mois** [1].\n\nLe loyer est de 999 euros [1].")
    await desk.ask()
    await desk.until(lambda: desk.browser.all(".turn:not([aria-busy]) .card"))
    text = await desk.look(lambda: desk.browser.text(".turn"))
    assert "non confirmé" in text and "999" in text
    marker = await desk.look(lambda: desk.browser.one(".prose a.marker"))
    await desk.look(marker.click)
    assert await desk.look(lambda: desk.browser.all(".card:target"))
    assert await desk.look(lambda: desk.browser.one("#anew").is_displayed())
    assert len(await desk.look(lambda: desk.browser.all("#talks li"))) == 1


async def test_it_can_be_stopped(desk: Desk) -> None:
    engine = writing(desk.installed, "Le préavis est de trois mois [1]. Le loyer est de 850 euros [1].")
    engine.hangs = True
    await desk.ask()
    await desk.until(lambda: "trois mois" in desk.browser.text(".turn .prose"))
    assert await desk.look(lambda: desk.browser.one(".turn").get_attribute("aria-busy")) == "true"
    await desk.look(lambda: desk.browser.one("#stop").click())
    await desk.until(lambda: "Réponse arrêtée" in desk.browser.text(".turn"))
    async with asyncio.timeout(5):
        while engine.running:
            await asyncio.sleep(0.01)
    assert engine.cancelled == 1
    assert await desk.look(lambda: desk.browser.driver.execute_script("return document.activeElement.id")) == "question"


async def test_the_page_below_does_not_jump_while_it_grows(desk: Desk) -> None:
    engine: Writer = writing(desk.installed, "Le préavis est de trois mois [1].")
    await desk.ask()
    await desk.until(lambda: desk.browser.all(".turn:not([aria-busy]) .card"))
    engine.hangs = True
    await desk.ask("Et le loyer, quel est-il pour ce bail ?")
    place = "return document.querySelectorAll('.turn')[1].getBoundingClientRect().top + scrollY"
    await desk.until(lambda: len(desk.browser.all(".turn")) == 2)
    before = await desk.look(lambda: desk.browser.driver.execute_script(place))
    await desk.until(lambda: "trois mois" in desk.browser.text(".turn .prose"))
    assert await desk.look(lambda: desk.browser.driver.execute_script(place)) == before
    await desk.look(lambda: desk.browser.one("#stop").click())
    await desk.until(lambda: "Réponse arrêtée" in desk.browser.text(".turn"))
    assert await desk.look(lambda: desk.browser.driver.execute_script(place)) == before


async def test_nothing_it_writes_makes_a_request(desk: Desk) -> None:
    desk.browser.collect()
    desk.browser.requests.clear()
    writing(desk.installed, "Le préavis est de trois mois [1].\n\n" + "\n\n".join(HOSTILE))
    await desk.ask()
    await desk.until(lambda: desk.browser.all(".turn:not([aria-busy])"))
    shown = await desk.look(lambda: desk.browser.text(".turn"))
    assert "evil.test" in shown, "it is shown as text"
    assert "trois mois" in shown
    await desk.look(lambda: desk.browser.open(desk.browser.driver.current_url))
    assert "evil.test" in await desk.look(lambda: desk.browser.text(".turn"))
    assert await desk.look(lambda: desk.browser.strangers(desk.address)) == []
    assert desk.browser.requests, "requests are seen at all"


async def test_a_question_after_signing_out_elsewhere_is_explained(desk: Desk) -> None:
    desk.installed.app.sessions.close(desk.installed.sessions["alice"])
    await desk.ask()
    await desk.until(lambda: desk.browser.all(".turn [role=alert]"))
    assert "Connectez-vous à nouveau" in await desk.look(lambda: desk.browser.text(".turn"))
