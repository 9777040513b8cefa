"""Upstreams and routes, made, changed, tried and removed in a real browser on a phone, without a script."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import Select

from tests.acceptance.browser import PHONE
from tests.acceptance.conftest import Installation
from tests.acceptance.house import House, inhabited

pytestmark = [pytest.mark.browser]
PAGE = "/administration/upstreams"
ONE = PAGE + "/gpu"
ROUTE = "/administration/routes?name=equipe/grand"


class ModelServer(BaseHTTPRequestHandler):
    """Lists two models to whoever has the key."""

    def do_GET(self) -> None:
        is_let_in = self.headers.get("Authorization") == "Bearer sk-right"
        body = json.dumps({"object": "list", "data": [{"id": "big"}, {"id": "small"}] if is_let_in else []}).encode()
        self.send_response(200 if is_let_in else 401)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def model_server() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), ModelServer)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(scope="module")
def upstream() -> Iterator[str]:
    with model_server() as url:
        yield url


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, upstream: str) -> Iterator[House]:
    made = Installation(tmp_path_factory.mktemp("house"))
    made.run("init")
    made.run("upstreams", "add", "gpu", upstream, "--inside", "--models", "big,small")
    made.run("routes", "set", "equipe/grand", "gpu/big=3", "gpu/small")
    with inhabited(made) as there:
        there.browser.size(*PHONE)
        there.browser.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
        yield there


def fill(house: House, **fields: str) -> None:
    for name, value in fields.items():
        field: WebElement = house.browser.one(f"[name={name}]:not([type=hidden])")
        field.clear()
        field.send_keys(value)


def test_an_upstream_is_changed_and_tried_and_its_key_never_comes_back(house: House) -> None:
    browser = house.go(PAGE)
    browser.one(f"a[href='{ONE}']").click()
    browser.wait(lambda: browser.text("h1") == "gpu")
    assert (browser.one("#url").get_attribute("value") or "").endswith("/v1")
    fill(house, key="sk-wrong", connect_s="2,5")
    browser.one("button[value=test]").click()
    browser.wait(lambda: "C’est enregistré" in browser.text("main"))
    assert "n’accepte pas la clé" in browser.text("main")
    fill(house, key="sk-right", models="big, gone")
    browser.one("button[value=test]").click()
    browser.wait(lambda: "Ses modèles : big, small" in browser.text("main"))
    assert "Il n’a pas : gone" in browser.text("main")
    browser.driver.refresh()
    browser.wait(lambda: "C’est enregistré" in browser.text("main"), "loading the page again is another change")
    assert "Il n’a pas : gone" in browser.text("main") and "entre-temps" not in browser.text("main")
    fill(house, models="big, small")
    browser.one("main form .button:not(.plain)").click()
    browser.wait(lambda: "gpu/small" in browser.text("main"), "the list of upstreams does not come")
    browser.one(f"form[action='{ONE}/test'] button").click()
    browser.wait(lambda: "gpu répond" in browser.text("main"), "the key that was left empty is gone")
    assert "sk-" not in browser.driver.page_source


def test_two_people_at_once_lose_nothing(house: House) -> None:
    browser = house.go(ONE)
    fill(house, models="mine")
    house.installation.run("upstreams", "set", "gpu", "--models", "big,small,theirs")
    browser.one("main form .button:not(.plain)").click()
    browser.wait(lambda: "entre-temps" in browser.text("main"))
    assert "theirs" in browser.text(".notice.warn") and browser.one("#models").get_attribute("value") == "mine"


def test_both_are_renamed_and_called_by_their_names_again(house: House) -> None:
    for to in ("cluster", "gpu"):
        browser = house.go(f"{PAGE}/{'gpu' if to == 'cluster' else 'cluster'}")
        assert browser.text("section[aria-labelledby=rename] .badge") == "equipe/grand"
        fill(house, to=to)
        browser.one("form[action$='/rename'] button").click()
        browser.wait(lambda: browser.text("h1") == to and "Son nom est maintenant" in browser.text("main"))  # noqa: B023
    house.go(ROUTE)
    fill(house, to="gpu/big")
    browser.one("form[action$='/rename'] button").click()
    browser.wait(lambda: "celui d’un serveur" in browser.text(".notice.bad"))
    fill(house, to="grand")
    browser.one("form[action$='/rename'] button").click()
    browser.wait(lambda: browser.text("h1") == "grand")
    fill(house, to="equipe/grand")
    browser.one("form[action$='/rename'] button").click()
    browser.wait(lambda: browser.text("h1") == "equipe/grand")
    assert (browser.one("#targets").get_attribute("value") or "").split() == ["gpu/big=3", "gpu/small"]


def test_a_route_is_changed_and_what_it_needs_can_not_be_removed(house: House) -> None:
    browser = house.go(PAGE)
    browser.one("#routes a[href*='equipe']").click()
    browser.wait(lambda: browser.text("h1") == "equipe/grand")
    assert (browser.one("#targets").get_attribute("value") or "").split() == ["gpu/big=3", "gpu/small"]
    fill(house, targets="gpu/big", fallbacks="gpu/nobody")
    browser.one("main form .button").click()
    browser.wait(lambda: "Il annonce" in browser.text(".notice.bad"))
    assert browser.one("#fallbacks").get_attribute("value") == "gpu/nobody"
    fill(house, fallbacks="gpu/small")
    browser.one("main form .button").click()
    browser.wait(lambda: "En cas d’échec : gpu/small" in browser.text("#routes"))

    browser.one("section[aria-labelledby=upstream-gpu] details.confirm summary").click()
    browser.wait(lambda: "cesseraient de répondre" in browser.text("section[aria-labelledby=upstream-gpu]"))
    assert not browser.all(f"form[action='{ONE}/remove']")
    browser.one("#routes details.confirm summary").click()
    browser.wait(lambda: "seront refusés" in browser.text("#routes"))
    browser.one("form[action='/administration/routes/remove'] button").click()
    browser.wait(lambda: browser.all(f"form[action='{ONE}/remove']"), "the upstream can't be removed")


def test_where_it_stands_is_a_choice_that_is_kept(house: House) -> None:
    browser = house.go(ONE)
    Select(browser.one("#where")).select_by_value("outside")
    browser.one("main form .button:not(.plain)").click()
    browser.wait(lambda: "Hors des murs" in browser.text("section[aria-labelledby=upstream-gpu]"))


def test_its_pages_fit_a_phone_in_both_languages_with_the_longest_names_there_are(house: House) -> None:
    name, model, route = "m" * 30, "m" * 69, "r" * 69
    address = f"https://{'a' * 60}.{'b' * 60}.example/{'c' * 200}/v1"
    house.installation.run("upstreams", "add", name, address, "--models", model)
    house.installation.run("upstreams", "agree", name, "--everybody")
    house.installation.run("routes", "set", route, f"{name}/{model}", "--fallback", "gpu/small")
    house.installation.run("routes", "set", "equipe/grand", "gpu/big=3", "gpu/small")
    for path in (PAGE, ONE, ROUTE, f"{PAGE}/{name}", f"/administration/routes?name={route}"):
        house.check_on_a_phone(path)
    assert house.browser.strangers(house.address) == []
