"""Chromium, driven as a person uses it, that remembers every request a page made and every complaint it had."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from selenium.common.exceptions import StaleElementReferenceException, TimeoutException, WebDriverException
from selenium.webdriver import Chrome
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

QUIET = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--hide-scrollbars", "--lang=fr",
]  # fmt: skip
DESKTOP, PHONE = (1280, 900), (360, 740)
WAIT_S = 30


@dataclass
class Browser:
    """One Chromium with an empty profile. `requests` are the addresses of everything it asked for."""

    driver: Chrome
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def open(self, address: str) -> None:
        self.driver.get(address)
        self.wait(lambda: self.driver.execute_script("return document.readyState") == "complete")

    def wait(self, condition: Any, what: str = "") -> Any:
        """Waits until the condition gives something."""

        def met(_: Chrome) -> Any:
            try:
                return condition()
            except StaleElementReferenceException:
                return None
            except WebDriverException as error:  # the same, in words of the inspector
                if "does not belong to the document" not in str(error.msg):
                    raise
                return None

        try:
            return WebDriverWait(self.driver, WAIT_S, poll_frequency=0.05).until(met, what)
        except TimeoutException as error:  # with what the page said meanwhile
            shown = " / ".join(element.text for element in self.all("main")).replace("\n", " | ")[:1500]
            raise TimeoutException(f"{error.msg or 'not met'}, at {self.driver.current_url}: {shown}") from None

    def one(self, selector: str) -> WebElement:
        """The element of this selector, as soon as it is there."""
        return self.wait(lambda: next(iter(self.all(selector)), None), f"no {selector}")  # type: ignore[no-any-return]

    def all(self, selector: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def text(self, selector: str = "body") -> str:
        return self.one(selector).text

    def size(self, width: int, height: int) -> None:
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def downloads_to(self, folder: Path) -> None:
        """Where what is downloaded lies from now on; files appear under their names when they are whole."""
        self.driver.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(folder)})

    def collect(self) -> None:
        """Takes over what happened since the last time."""
        for line in self.driver.get_log("performance"):
            message = json.loads(line["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                self.requests.append(message["params"]["request"]["url"])
        said = [line["message"] for line in self.driver.get_log("browser")]
        self.complaints += [line for line in said if not line.startswith("chrome://")]  # the browser's own first page

    def strangers(self, address: str) -> list[str]:
        """Requests to anywhere but this server."""
        self.collect()
        own = urlsplit(address).netloc
        seen = [request for request in self.requests if urlsplit(request).scheme in {"http", "https", "ws", "wss"}]
        return [request for request in seen if urlsplit(request).netloc != own]


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser; where Chromium is not installed the test is skipped, and says so."""
    program, driver = shutil.which("chromium") or shutil.which("google-chrome"), shutil.which("chromedriver")
    if not program or not driver:
        pytest.skip("NOT TESTED: Chromium or its driver is not installed (apt install chromium chromium-driver)")
    profile = tempfile.mkdtemp()
    options = Options()
    options.binary_location = program
    for argument in [*QUIET, f"--user-data-dir={profile}"]:
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    options.add_experimental_option("prefs", {"intl.accept_languages": "fr"})
    chrome = Chrome(options=options, service=Service(driver))
    try:
        yield Browser(chrome)
    finally:
        chrome.quit()
        shutil.rmtree(Path(profile), ignore_errors=True)
