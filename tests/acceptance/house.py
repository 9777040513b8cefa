"""An installation whose administrator is signed in with a real browser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.acceptance.browser import DESKTOP, PHONE, Browser, chromium
from tests.acceptance.conftest import Installation

PASSWORD = "quatre chats sur un toit"
FIELDS = "main input:not([type=hidden]), main select, main textarea, main button, main meter, main progress"


@dataclass
class House:
    """An installation, and the browser its administrator is signed in with."""

    installation: Installation
    address: str
    browser: Browser

    def go(self, path: str) -> Browser:
        self.browser.open(self.address + path)
        return self.browser

    def check_on_a_phone(self, path: str) -> None:
        """Nothing is wider than the screen, however much is unfolded, and whoever can't see it is told what each field
        is; in both languages.
        """
        for language in ("en", "fr"):
            browser = self.go(f"{path}{'&' if '?' in path else '?'}lang={language}")
            browser.size(*PHONE)
            browser.driver.execute_script("for (const one of document.querySelectorAll('details')) one.open = true")
            assert browser.driver.execute_script("return document.documentElement.scrollWidth") <= PHONE[0], path
            for one in browser.all(FIELDS):
                assert one.accessible_name or not one.is_displayed(), one.get_attribute("outerHTML")
            browser.size(*DESKTOP)


@contextmanager
def inhabited(installation: Installation, **settings: str) -> Iterator[House]:
    """Serves an installation that has no person yet, and makes its administrator on the first page."""
    with chromium() as browser:
        address = installation.serve(**settings)
        log = next(installation.folder.glob("server-*.log")).read_text()
        browser.size(*DESKTOP)
        browser.open(re.findall(r"http://\S+/first/\S+", log)[0])
        for name, value in (("name", "Camille"), ("email", "camille@atelier.example"), ("password", PASSWORD)):
            browser.one(f"#{name}").send_keys(value)
        browser.one("main form").submit()
        browser.wait(lambda: "Bienvenue" in browser.text("h1"))
        try:
            yield House(installation, address, browser)
        finally:
            installation.stop()
