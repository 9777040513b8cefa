"""The pages in a real browser, the real server and the starter model: the main job, by mouse, keyboard, and on a phone.

One installation and one browser for the whole file; the tests go through it in order, as a new firm would.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from selenium.webdriver.common.keys import Keys

from tests.acceptance.browser import DESKTOP, PHONE, Browser, chromium
from tests.acceptance.conftest import Installation

pytestmark = [pytest.mark.browser, pytest.mark.starter]
PASSWORD = "quatre chats sur un toit"
HOSTILE_NAME = "<img src=x onerror=document.title='hacked'>.md"
HOSTILE_TEXT = """# Note interne

Le code du portail est <script>document.title='hacked'</script> 4711.

![logo](http://evil.test/a.png) ![ref][r] [lien](http://evil.test/b) <img src="http://evil.test/c.png">
[lien par référence][r] <http://evil.test/g>
<style>@import "http://evil.test/h.css"; p { background: url(http://evil.test/i.png) }</style>
<p style="background: url(http://evil.test/j.png)">4711</p> <iframe src="http://evil.test/k"></iframe>
<object data="http://evil.test/l"></object> <svg><image href="http://evil.test/m.png"/></svg>
<meta http-equiv="refresh" content="0;url=http://evil.test/n">
<base href="http://evil.test/"> <video poster="http://evil.test/o.png"></video>
<a href="http://evil.test/q" ping="http://evil.test/p">lien</a> <input type="image" src="http://evil.test/s.png">
<link rel="stylesheet" href="http://evil.test/d.css"><form action="http://evil.test/e"><input autofocus></form>

[r]: http://evil.test/f.png
"""


@dataclass
class Firm:
    """A new installation that is being served, and the browser that looks at it."""

    installation: Installation
    address: str
    browser: Browser

    def go(self, path: str) -> Browser:
        self.browser.open(self.address + path)
        return self.browser


@pytest.fixture(scope="module")
def firm(tmp_path_factory: pytest.TempPathFactory, starter_model: Path) -> Iterator[Firm]:
    with chromium() as browser:
        made = Installation(tmp_path_factory.mktemp("firm"))
        made.run("init")
        made.run("models", "pull", str(starter_model), "--name", "smollm2-135m", "--use")
        address = made.serve()
        browser.size(*DESKTOP)
        yield Firm(made, address, browser)
        made.stop()


def ask(browser: Browser, question: str) -> str:
    """Asks, waits for the end, and returns what the newest answer says."""
    box = browser.one("#question")
    box.clear()
    box.send_keys(question, Keys.ENTER)
    browser.wait(lambda: not browser.all("[aria-busy=true]") and browser.all(".turn"), "no answer")
    return browser.text(".turn")


def test_the_first_person_comes_in_with_the_printed_link(firm: Firm) -> None:
    log = next(firm.installation.folder.glob("server-*.log")).read_text()
    link = re.findall(r"http://\S+/first/\S+", log)[0]
    browser = firm.browser
    browser.open(link)
    assert browser.driver.execute_script("return document.documentElement.lang") == "fr"
    browser.one("#name").send_keys("Camille Renaud")
    browser.one("#email").send_keys("camille@atelier.example")
    browser.one("#password").send_keys("court")
    assert browser.one("[data-hint=length]").get_attribute("data-met") == "no"
    browser.one("#password").send_keys(PASSWORD)
    assert {hint.get_attribute("data-met") for hint in browser.all("[data-hint]")} == {"yes"}
    browser.one("main form").submit()
    browser.wait(lambda: "Bienvenue, Camille Renaud" in browser.text("h1"))


def test_the_samples_are_one_click_away_and_are_read_while_one_watches(firm: Firm) -> None:
    browser = firm.go("/")
    browser.one("form[action='/samples'] button").click()
    browser.wait(lambda: browser.all("#documents .document"))
    browser.wait(lambda: not browser.all("#shelf-summary[data-busy]"), "the samples are not ready")
    assert not browser.all(".state-failed")
    assert len(browser.all(".state-ready")) >= 3
    assert browser.text("[data-scope]") == f"{len(browser.all('.state-ready'))} documents prêts"


def test_a_question_is_answered_with_the_page_it_stands_on(firm: Firm) -> None:
    browser = firm.browser
    question = browser.one(".idea").text
    browser.one(".idea").click()
    browser.wait(lambda: not browser.all("[aria-busy=true]") and browser.all(".turn .card"), "no answer")
    assert browser.text(".turn .question") == question
    assert "mot pour mot" in browser.text(".turn")
    assert "/conversations/" in browser.driver.current_url
    assert browser.driver.execute_script("return document.activeElement.id") == "question"
    assert "source" in str(browser.one("#news").get_attribute("textContent"))


def test_the_source_opens_its_page_with_the_passage_highlighted(firm: Firm) -> None:
    browser = firm.browser
    card = next(card for card in browser.all(".turn .card a") if ".pdf" in card.text)
    card.click()
    browser.one(".sheet image")
    browser.wait(lambda: browser.all(".passage"), "nothing is highlighted")
    loaded = "const i = new Image(); i.onload = () => arguments[1](i.naturalWidth); i.src = arguments[0]"
    source = browser.driver.execute_script("return document.querySelector('.sheet image').href.baseVal")
    assert browser.driver.execute_async_script(loaded, source) > 500
    sheet = browser.one(".sheet").rect
    for passage in browser.all(".passage"):
        assert sheet["x"] < passage.rect["x"] < sheet["x"] + sheet["width"]
        assert passage.rect["width"] > 20
    assert browser.driver.execute_script("return document.querySelector('.passage').getBoundingClientRect().top") > 0
    browser.one("body").send_keys("+")
    browser.wait(lambda: browser.text(".zoom-value").startswith("150"))
    assert browser.all(".passage"), "the highlight stays while zooming"


def test_what_is_not_in_the_documents_is_said_calmly(firm: Firm) -> None:
    browser = firm.browser
    browser.one(".crumb").click()
    said = ask(browser, "Quelle est la masse de la planète Neptune ?")
    assert "Ce n’est pas dans vos documents." in said
    assert browser.all(".turn .absent")
    assert not browser.all(".turn .quotes")


def test_the_conversation_is_still_there_after_a_reload(firm: Firm) -> None:
    browser = firm.browser
    address = browser.driver.current_url
    browser.open(address)
    assert "Neptune" in browser.text(".turn .question")
    assert browser.all(".talks .current")


def test_files_are_added_by_choosing_them_and_failures_say_what_to_do(firm: Firm, tmp_path: Path) -> None:
    browser = firm.browser
    note, old = tmp_path / HOSTILE_NAME, tmp_path / "ancien.doc"
    note.write_text(HOSTILE_TEXT, encoding="utf-8")
    old.write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\x00" * 600)
    browser.one("#files").send_keys(f"{note}\n{old}")
    browser.wait(lambda: any(HOSTILE_NAME in row.text for row in browser.all(".state-ready")), "not ready")
    refused = browser.wait(lambda: browser.all("#sending .notice"))
    assert ".docx" in refused[0].text


def test_files_dropped_anywhere_on_the_page_are_added(firm: Firm) -> None:
    browser = firm.browser
    browser.driver.execute_script("""
        const dropped = new DataTransfer();
        dropped.items.add(new File(["# Accès\\n\\nLe badge ouvre la porte nord dès 6 h 45."], "acces.md"));
        document.body.dispatchEvent(new DragEvent("drop", { dataTransfer: dropped, bubbles: true, cancelable: true }));
    """)
    browser.wait(lambda: any("acces.md" in row.text for row in browser.all(".state-ready")), "not ready")


def test_hostile_text_stays_on_the_page_and_is_only_text(firm: Firm) -> None:
    browser = firm.browser
    said = ask(browser, "Quel est le code du portail ?")
    assert "4711" in said
    browser.one(".turn .card a").click()
    browser.one("#passage")
    shown = browser.one(".text").get_attribute("textContent") or ""
    assert "document.title='hacked'" in shown
    assert browser.driver.title.startswith("<img src=x")
    hostile = "img, form, a, iframe, object, video, style, link, meta, base, [style], [src]".replace(", ", ", main ")
    live = [str(one.get_attribute("outerHTML")) for one in browser.all("main " + hostile)]
    assert not [html for html in live if re.search(r"(href|src|action|data|poster|url|ping)[=(]\S*evil", html)]
    assert browser.strangers(firm.address) == []


def test_no_page_asked_for_anything_outside_and_none_complained(firm: Firm) -> None:
    for path in ("/", "/models", "/keys", "/privacy", "/nothing"):
        firm.go(path)
    assert firm.browser.strangers(firm.address) == []
    expected = ("/nothing", "422", "chrome://")  # the last are the browser's own pages
    real = [line for line in firm.browser.complaints if not any(words in line for words in expected)]
    assert real == []


@pytest.mark.parametrize(
    "path", ["/", "/models", "/keys", "/privacy", "/account", "/administration", "project", "document"]
)
def test_pages_fit_a_phone_and_every_control_has_a_name(firm: Firm, path: str) -> None:
    browser = firm.browser
    browser.size(*PHONE)
    try:
        browser.open(firm.address + (path if path.startswith("/") else addresses(firm)[path]))
        assert browser.driver.execute_script("return document.documentElement.scrollWidth") <= PHONE[0]
        brand, end = (browser.one(selector).rect for selector in (".brand", ".top-end"))
        assert abs(brand["y"] + brand["height"] / 2 - end["y"] - end["height"] / 2) < brand["height"] / 2, "one line"
        browser.driver.execute_script("document.querySelectorAll('details').forEach(one => one.open = true)")
        controls = browser.all(
            "a, button, input:not([type=hidden]), textarea, select, summary, [role=img], [role=region]"
        )
        shown = [control for control in controls if control.is_displayed()]
        unnamed = [control.get_attribute("outerHTML") for control in shown if not control.accessible_name]
        assert unnamed == []
        assert len(browser.all("h1")) == 1 and len(browser.all("main")) == 1
        assert not browser.all("img:not([alt])")
    finally:
        browser.size(*DESKTOP)


def test_everything_can_be_done_with_the_keyboard(firm: Firm) -> None:
    browser = firm.browser
    browser.open(firm.address + addresses(firm)["project"])
    body = browser.one("body")
    body.send_keys(Keys.TAB)
    assert browser.driver.switch_to.active_element.text == "Aller au contenu"
    browser.driver.switch_to.active_element.send_keys(Keys.ENTER)
    for _ in range(12):
        browser.driver.switch_to.active_element.send_keys(Keys.TAB)
        if browser.driver.switch_to.active_element.get_attribute("id") == "question":
            break
    active = browser.driver.switch_to.active_element
    assert active.get_attribute("id") == "question"
    assert browser.driver.execute_script("return getComputedStyle(arguments[0]).outlineStyle", active) == "solid"
    active.send_keys("Première ligne", Keys.SHIFT, Keys.ENTER, Keys.NULL, "seconde ligne ?", Keys.ENTER)
    browser.wait(lambda: browser.all(".turn:not([aria-busy])"))
    assert "seconde ligne" in browser.text(".turn .question")


def test_the_language_is_switched_and_remembered(firm: Firm) -> None:
    browser = firm.go("/keys")
    browser.one(".languages a[lang=en]").click()
    browser.wait(lambda: browser.text("h1") == "Access keys for your programs")
    assert firm.go("/").driver.execute_script("return document.documentElement.lang") == "en"
    browser.one(".languages a[lang=fr]").click()
    browser.wait(lambda: browser.text("h1") == "Vos projets")


def test_the_session_is_out_of_reach_of_scripts_and_ends(firm: Firm) -> None:
    browser = firm.go("/")
    assert "session" not in browser.driver.execute_script("return document.cookie")
    cookie = next(cookie for cookie in browser.driver.get_cookies() if "session" in cookie["name"])
    assert cookie["httpOnly"] and cookie["sameSite"] == "Strict"
    browser.one("form[action='/sign-out'] button").click()
    browser.wait(lambda: browser.all("#password"))
    browser.driver.back()
    browser.wait(lambda: browser.all("#password") or not browser.all(".tile"), "a page is shown after signing out")
    firm.go("/projects")
    assert firm.browser.all("#password")


def addresses(firm: Firm) -> dict[str, str]:
    """The paths of the first project and of its first document."""
    browser = firm.go("/")
    project = str(browser.one("a.tile").get_attribute("href")).removeprefix(firm.address)
    document = str(firm.go(project).one("a.document-name").get_attribute("href")).removeprefix(firm.address)
    return {"project": project, "document": document}
