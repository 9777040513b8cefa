"""Fields for passwords: masked, named for password managers, and nothing keeps anybody from pasting into them."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import intramuros.web
from tests.installed import Installed
from tests.integration.web.conftest import People

WEB = Path(intramuros.web.__file__).parent
NAMED = {"current": "current-password", "password": "new-password"}


class Inputs(HTMLParser):
    """The fields of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[dict[str, str | None]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "input":
            self.found.append(dict(attrs))


async def pages(installed: Installed, people: People) -> dict[str, str]:
    token = installed.app.users.invite("member")
    stranger, alice = people.stranger, people.alice
    return {
        "/sign-in": (await stranger.get("/sign-in")).body.decode(),
        "/first": (await stranger.get(f"/first/{token}")).body.decode(),
        "/account": (await alice.get("/account")).body.decode(),
        "/account/prove": (await alice.get("/account/prove")).body.decode(),
    }


async def test_every_password_is_masked_and_known_to_password_managers(installed: Installed, people: People) -> None:
    wanted = {
        "/sign-in": ["current-password"],
        "/first": ["new-password"],
        "/account": ["current-password", "new-password"],
        "/account/prove": ["current-password"],
    }
    for path, page in (await pages(installed, people)).items():
        fields = [field for field in Inputs(page).found if field.get("name") in {"password", "current"}]
        assert [field.get("autocomplete") for field in fields] == wanted[path], path
        assert {field.get("type") for field in fields} == {"password"}, path
        usernames = [field for field in Inputs(page).found if "username" in (field.get("autocomplete") or "")]
        assert usernames, f"{path}: a password manager must know whose it is"
        for field in fields:
            assert not [name for name in field if name.startswith("on")] and "readonly" not in field
            assert int(field.get("maxlength") or 1000) >= 64, "a long password may be pasted whole"


def test_no_template_and_no_script_keeps_from_pasting() -> None:
    files = [*WEB.glob("templates/*.html"), *WEB.glob("static/*.js")]
    assert len(files) > 30
    for path in files:
        text = path.read_text(encoding="utf-8").lower()
        assert not re.search(r"onpaste|oncopy|ondrop|['\"](paste|copy|beforeinput)['\"]", text), path.name
        for field in re.findall(r"<input[^>]*password[^>]*>", text):
            assert 'autocomplete="off"' not in field, path.name


def test_nothing_is_kept_in_the_browser_but_cookies() -> None:
    for path in WEB.glob("static/*.js"):
        text = path.read_text(encoding="utf-8")
        found = re.findall(r"localStorage|sessionStorage|indexedDB|caches\.|serviceWorker|document\.cookie", text)
        assert not found, f"{path.name}: {found}"
