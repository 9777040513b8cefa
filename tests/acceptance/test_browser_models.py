"""The pages about models and batches in a real browser: a load and a batch are watched, a file becomes an adapter."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread
from urllib.parse import urlsplit

import pytest
from openai import OpenAI
from selenium.common.exceptions import TimeoutException
from selenium.webdriver.support.ui import Select

from tests.acceptance.conftest import Installation
from tests.acceptance.house import House, inhabited
from tests.models import tiny

pytestmark = [pytest.mark.browser]
PAGE = "/models/installed/tiny"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """With two tiny models."""
    made = Installation(tmp_path_factory.mktemp("house"))
    made.run("init")
    made.run("models", "pull", str(tiny.chat(made.folder / "tiny.gguf")), "--name", "tiny")
    made.run("models", "pull", str(tiny.chat(made.folder / "first.gguf", seed=2)), "--name", "first", "--use")
    with inhabited(made, INTRAMUROS_AUTOTUNE="false") as there:
        yield there


def test_a_model_is_loaded_kept_and_unloaded(house: House) -> None:
    browser = house.go(PAGE)
    assert "n’est pas en mémoire" in browser.text("#memory")
    browser.one("form[action='/models/load'] button").click()
    browser.wait(lambda: "prêt" in browser.text("#memory"), "it is never ready")
    browser.one("form[action='/models/pin'] button").click()
    browser.wait(lambda: "épinglé" in browser.text("#memory") and not browser.all("form[action='/models/unload']"))
    browser.one("form[action='/models/pin'] button").click()
    browser.wait(
        lambda: "épinglé" not in browser.text("#memory") and browser.all("form[action='/models/unload'] button")
    )
    browser.one("form[action='/models/unload'] button").click()
    browser.wait(lambda: "n’est pas en mémoire" in browser.text("#memory"))


def test_a_load_shows_how_far_it_is_and_what_it_usually_takes(house: House) -> None:
    """Its process is held as soon as it is there, so that there is something to look at."""
    browser = house.go("/models")
    browser.wait(lambda: any("prêt" in row.text for row in browser.all("#memory tr")), "the first model is never ready")
    house.go(PAGE)
    for is_known in (False, True):
        with held_worker(house.installation.servers[0].pid):
            browser.one("form[action='/models/load'] button").click()
            browser.wait(lambda: is_held(browser.text("[data-load]")), "it doesn't say how far it is and for how long")
            assert browser.one("[data-load] progress").accessible_name == "Chargement de Tiny"
            shown = browser.text("[data-load]")
            assert "d’habitude" in shown or not is_known, shown
        browser.wait(lambda: "prêt" in browser.text("#memory"), "it is never ready")
        browser.one("form[action='/models/unload'] button").click()
        browser.wait(lambda: "n’est pas en mémoire" in browser.text("#memory"))


def is_held(shown: str) -> bool:
    return "en mémoire" in shown and "depuis" in shown


@contextmanager
def held_worker(server: int) -> Iterator[None]:
    """Holds the next process that is to run a model, from its beginning to the end of the body."""
    before, is_over, held = set(workers(server)), Event(), list[int]()

    def hold() -> None:
        while not held and not is_over.wait(0.002):
            held.extend(set(workers(server)) - before)
        for pid in held:
            os.kill(pid, signal.SIGSTOP)

    watch = Thread(target=hold)
    watch.start()
    try:
        yield
    finally:
        is_over.set()
        watch.join()
        for pid in held:
            os.kill(pid, signal.SIGCONT)


def workers(server: int) -> Iterator[int]:
    """The processes below a server that run models."""
    for task in Path(f"/proc/{server}/task").iterdir():
        with suppress(OSError):
            for pid in (task / "children").read_text().split():
                if "engines/worker" in Path(f"/proc/{pid}/cmdline").read_text():
                    yield int(pid)


def test_a_file_of_this_computer_becomes_an_adapter(house: House, tmp_path: Path) -> None:
    browser = house.go(PAGE)
    wrong, right = tiny.projector(tmp_path / "eye.gguf"), tiny.adapter(tmp_path / "Formel.gguf", seed=2)
    browser.one("#file").send_keys(str(wrong))
    browser.one("form[data-upload] button").click()
    browser.wait(lambda: "n’est pas un adaptateur" in browser.text("[data-refused]"))
    browser.one("#file").send_keys(str(right))
    browser.one("form[data-upload] button").click()
    browser.wait(lambda: "tiny:formel" in browser.text("main"), "it is not installed")
    browser.one("details.confirm summary").click()
    browser.one("details.confirm button").click()
    browser.wait(lambda: "Rien n’est à côté" in browser.text("main"))


def test_a_file_that_lies_on_the_server_is_one_of_a_list(house: House) -> None:
    folder = house.installation.data / "offered"
    folder.mkdir()
    tiny.adapter(folder / "bref.gguf", seed=3)
    browser = house.go(PAGE)
    Select(browser.one("#offered")).select_by_value("bref.gguf")
    browser.one("form[data-upload]").submit()
    try:
        browser.wait(lambda: "tiny:bref" in browser.text("main"))
    except TimeoutException:
        raise AssertionError(f"it is not installed: {browser.text('main')}") from None


def test_a_batch_is_watched_and_its_failures_are_explained(house: House) -> None:
    browser = house.go("/keys")
    browser.one("#name").send_keys("nightly")
    browser.driver.execute_script("for (const box of document.querySelectorAll('[name^=scope_]')) box.checked = true")
    browser.one("form[action='/keys'] > button").click()
    client = OpenAI(base_url=f"{house.address}/v1", api_key=browser.text("#new-key"))
    asked = {"model": "tiny", "max_tokens": 16, "messages": [{"role": "user", "content": "Bonjour"}]}
    lines = [{"custom_id": f"q{n}", "method": "POST", "url": "/v1/chat/completions", "body": asked} for n in range(20)]
    lines[3]["body"] = asked | {"model": "gpt-99"}
    file = client.files.create(file=("in.jsonl", "\n".join(map(json.dumps, lines)).encode()), purpose="batch")
    client.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h")
    house.go("/batches")
    browser.wait(lambda: "terminé" in browser.text("#batches"), "it is never over")
    assert "19 sur 20" in browser.text("#batches") and "1 en échec" in browser.text("#batches")
    browser.one("#batches th a").click()
    browser.wait(lambda: "1 ligne en échec" in browser.text("main"))
    assert "model_not_found" in browser.text("main") and "q3" in browser.text("main")


def test_a_batch_is_begun_on_its_page_and_followed_to_its_end(house: House, tmp_path: Path) -> None:
    """As somebody does it who has never seen one: no file, a wrong one, then one made like the example."""
    browser, downloads = house.go("/batches"), tmp_path / "downloads"
    browser.downloads_to(downloads)
    browser.one("form[data-upload] button").click()
    browser.wait(lambda: "Choisissez un fichier." in browser.text("[data-refused]"))
    browser.one("#new-file").send_keys(str(tiny.projector(tmp_path / "wrong.gguf")))
    browser.one("form[data-upload] button").click()
    browser.wait(lambda: "ne dit pas de quel genre" in browser.text("[data-refused]"))
    browser.one("a[href='/batches/example']").click()
    example = downloads / "exemple.jsonl"
    browser.wait(example.is_file, "the example does not come")
    lines = [json.loads(line) for line in example.read_text(encoding="utf-8").splitlines()]
    for line in lines:
        line["body"] |= {"model": "tiny", "max_tokens": 8}
    mine = tmp_path / "mes demandes.jsonl"
    mine.write_text("\n".join([*map(json.dumps, lines), "une ligne oubliée"]), encoding="utf-8")
    browser.one("#new-file").send_keys(str(mine))
    browser.one("form[data-upload] button").click()
    browser.wait(lambda: "1 ligne en échec" in browser.text("main"), "it is never over")
    browser.wait(lambda: "3 sur 4" in browser.text("#batches"), "the page does not follow")
    assert "Lot du" in browser.text("h1")
    assert "ligne 4" in browser.text("main table")
    browser.one("#batches a[href$='/answers']").click()
    browser.wait(lambda: list(downloads.glob("batch_*-answers.jsonl")), "the answers do not come")
    answers = next(downloads.glob("batch_*-answers.jsonl")).read_text(encoding="utf-8").splitlines()
    assert [json.loads(one)["custom_id"] for one in answers] == ["1", "2", "3"]


def test_a_batch_is_begun_without_a_script(house: House, tmp_path: Path) -> None:
    wrong, right = tmp_path / "faux.jsonl", tmp_path / "sans script.jsonl"
    wrong.write_text("rien", encoding="utf-8")
    asked = {"model": "tiny", "max_tokens": 8, "messages": [{"role": "user", "content": "Bonjour"}]}
    line = {"custom_id": "q1", "method": "POST", "url": "/v1/chat/completions", "body": asked}
    right.write_text(json.dumps(line), encoding="utf-8")
    browser = house.browser
    browser.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        house.go("/batches")
        browser.one("form[data-upload] button").click()
        browser.wait(lambda: "Choisissez un fichier." in browser.text(".notice.bad"))
        browser.one("#new-file").send_keys(str(wrong))
        browser.one("form[data-upload] button").click()
        browser.wait(lambda: "ne dit pas de quel genre" in browser.text(".notice.bad"))
        browser.one("#new-file").send_keys(str(right))
        browser.one("form[data-upload] button").click()
        browser.wait(lambda: "Lot du" in browser.text("h1"), "it is not begun")
    finally:
        browser.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
    browser.driver.refresh()
    browser.wait(lambda: "1 sur 1" in browser.text("#batches"), "it is never over")


def test_a_batch_is_begun_with_a_file_sent_before_and_ended(house: House) -> None:
    browser = house.go("/batches")
    sent = Select(browser.one("#file"))
    chosen = next(option for option in sent.options if "mes demandes.jsonl" in option.text)
    sent.select_by_value(chosen.get_attribute("value") or "")
    browser.one("form[data-upload] button").click()
    browser.wait(lambda: "Lot du" in browser.text("h1") and "3 sur 4" in browser.text("#batches"), "it is never over")
    house.installation.run("batch", "show", browser.one("main code").text)


@pytest.fixture(scope="module")
def batch(house: House) -> str:
    """The page of a batch that is over, with an answer and a line that failed."""
    asked = {"model": "tiny", "max_tokens": 8, "messages": [{"role": "user", "content": "Bonjour"}]}
    line = {"custom_id": "q1", "method": "POST", "url": "/v1/chat/completions", "body": asked}
    file = house.installation.folder / "two.jsonl"
    file.write_text(json.dumps(line) + "\nno request", encoding="utf-8")
    browser = house.go("/batches")
    browser.one("#new-file").send_keys(str(file))
    browser.one("form[data-upload] button").click()
    browser.wait(lambda: "1 ligne en échec" in browser.text("main"), "it is never over")
    return urlsplit(browser.driver.current_url).path


@pytest.mark.parametrize("path", ["/models", PAGE, "/batches", "/administration/batches", "batch"])
def test_the_pages_fit_a_phone_in_both_languages(house: House, batch: str, path: str) -> None:
    house.check_on_a_phone(batch if path == "batch" else path)


def test_no_page_asked_for_anything_outside_and_none_complained(house: House) -> None:
    assert house.browser.strangers(house.address) == []
    assert [line for line in house.browser.complaints if "422" not in line and "400" not in line] == []
