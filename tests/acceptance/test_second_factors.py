"""Second factors in a real browser: codes by the QR page, a passkey of Chromium's own virtual authenticator.

The software authenticator of `tests/support` tries the attacks; this shows that real browsers and the pages' script fit.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pyotp
import pytest
from selenium.webdriver.common.virtual_authenticator import VirtualAuthenticatorOptions

from tests.acceptance.browser import PHONE, Browser, chromium
from tests.acceptance.conftest import Installation

pytestmark = pytest.mark.browser
EMAIL, PASSWORD = "camille@atelier.example", "quatre chats sur un toit"


@dataclass
class Firm:
    """A new installation where administrators must have a second factor, on a phone with a fingerprint reader."""

    installation: Installation
    address: str
    browser: Browser
    authenticator: str

    def go(self, path: str) -> Browser:
        self.browser.open(self.address + path)
        return self.browser


@pytest.fixture(scope="module")
def firm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Firm]:
    with chromium() as browser:
        made = Installation(tmp_path_factory.mktemp("firm"))
        made.run("init")
        address = made.serve(INTRAMUROS_SECOND_FACTOR_REQUIRED="administrator")
        browser.size(*PHONE)
        options = VirtualAuthenticatorOptions(
            protocol="ctap2",
            transport="internal",
            has_resident_key=True,
            has_user_verification=True,
            is_user_verified=True,
        )
        browser.driver.add_virtual_authenticator(options)
        yield Firm(made, address, browser, str(browser.driver.virtual_authenticator_id))
        made.stop()


def first_link(firm: Firm) -> str:
    """The link the server prints once it is ready."""
    log = next(firm.installation.folder.glob("server-*.log"))
    deadline = time.monotonic() + 10
    while not (found := re.findall(r"http://\S+/first/\S+", log.read_text())):
        assert time.monotonic() < deadline, "no link was printed"
        time.sleep(0.05)
    return str(found[0])


def fits(browser: Browser) -> bool:
    """Whether nothing sticks out to the side."""
    return int(browser.driver.execute_script("return document.documentElement.scrollWidth")) <= PHONE[0]


def test_the_first_administrator_is_led_to_a_second_factor_and_sets_up_codes(firm: Firm) -> None:
    browser = firm.browser
    browser.open(first_link(firm))
    browser.one("#name").send_keys("Camille Renaud")
    browser.one("#email").send_keys(EMAIL)
    browser.one("#password").send_keys(PASSWORD)
    browser.one("main form").submit()
    browser.wait(lambda: "Mettez d’abord en place" in browser.text("main"))
    assert firm.go("/models").driver.current_url.endswith("/account")
    assert not browser.all("nav") and fits(browser)
    browser.one("#codes form button").click()
    picture = browser.one(".qr")
    assert browser.driver.execute_script("return arguments[0].naturalWidth", picture) > 100, "the policy lets it show"
    assert fits(browser)
    secret = browser.driver.execute_script("return document.getElementById('secret').textContent")
    browser.one("#code").send_keys(pyotp.TOTP(secret.replace(" ", "")).now())
    browser.one("main form button").click()
    codes = browser.wait(lambda: re.findall(r"[A-Z2-9]{4}-[A-Z2-9]{4}-[A-Z2-9]{4}", browser.text("#recovery")))
    assert len(codes) == 10 and fits(browser)
    browser.one("main p a.button").click()
    browser.wait(lambda: browser.all("#passkey-name"))
    assert browser.all("nav")


def test_a_passkey_is_made_with_a_finger(firm: Firm) -> None:
    browser = firm.go("/account")
    name = browser.one("#passkey-name")
    name.clear()
    name.send_keys("Téléphone de Camille")
    browser.one("[data-passkey=add] button").click()
    browser.wait(lambda: "Téléphone de Camille" in browser.text("#passkeys"))
    assert len(browser.driver.get_credentials()) == 1
    assert fits(browser)


def test_the_passkey_signs_in_without_a_password(firm: Firm) -> None:
    browser = firm.browser
    browser.one("form[action='/sign-out'] button").click()
    browser.wait(lambda: browser.all("#email"))
    firm.go("/keys")
    browser.one("[data-passkey=sign-in] button").click()
    browser.wait(lambda: browser.driver.current_url.endswith("/keys"))
    assert "clé d’accès" in firm.go("/account").text("#sessions")


def test_a_finger_that_is_not_recognised_opens_nothing_and_the_page_says_so(firm: Firm) -> None:
    browser = firm.browser
    browser.one("form[action='/sign-out'] button").click()
    browser.wait(lambda: browser.all("#email"))
    browser.driver.set_user_verified(False)
    button = browser.one("[data-passkey=sign-in] button")
    button.click()
    browser.wait(lambda: browser.all("[data-passkey] [role=alert]:not([hidden])"), "nothing is said")
    assert "Rien n’a été présenté" in browser.text("[data-passkey] [role=alert]")
    assert button.is_enabled() and "/sign-in" in browser.driver.current_url
    browser.driver.set_user_verified(True)


def test_the_second_step_takes_the_passkey_too(firm: Firm) -> None:
    browser = firm.go("/sign-in")
    browser.one("#email").send_keys(EMAIL)
    browser.one("#password").send_keys(PASSWORD)
    browser.one("main form button").click()
    browser.wait(lambda: browser.all("#code"))
    assert fits(browser)
    assert "/sign-in" in firm.go("/account").driver.current_url, "half signed in is not signed in"
    firm.go("/sign-in/second").one("[data-passkey=sign-in] button").click()
    browser.wait(lambda: browser.all("form[action='/sign-out']"))


def test_the_pages_ask_nobody_else_and_complain_of_nothing(firm: Firm) -> None:
    assert firm.browser.strangers(firm.address) == []
    refused = [line for line in firm.browser.complaints if "Content Security Policy" in line or "Uncaught" in line]
    assert refused == []
