"""A running installation, and browsers in which its people are signed in."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from urllib.parse import urlencode

import pyotp
import pytest

from intramuros.accounts import one_time_codes
from intramuros.accounts.projects import Project
from intramuros.accounts.sessions import csrf
from tests.asgi import Answer, Client
from tests.installed import PASSWORD, Installed, installation
from tests.integration.web.enrolling import ALICE, Clock, enrol
from tests.support.jar import Jar


@pytest.fixture
async def installed(tmp_path: Path) -> AsyncIterator[Installed]:
    with installation(tmp_path) as installed:
        async with installed.app.running():
            yield installed


@dataclass
class Browser:
    """One person's browser: it keeps the session's cookie and sends forms with the session's token."""

    client: Client
    token: str

    async def get(self, path: str, **headers: str) -> Answer:
        return await self.client.call("GET", path, headers={"accept": "text/html"} | headers)

    async def post(self, path: str, *, csrf_token: str | None = None, **fields: str) -> Answer:
        sent = fields | {"csrf": csrf(self.token) if csrf_token is None else csrf_token}
        headers = {"content-type": "application/x-www-form-urlencoded", "accept": "text/html"}
        return await self.client.call("POST", path, urlencode(sent).encode(), headers=headers)

    async def send(self, path: str, *, csrf_token: str | None = None, **fields: str | tuple[str, bytes]) -> Answer:
        """A form that may have files, each a name and its content, as a browser sends it without a script."""
        sent = fields | {"csrf": csrf(self.token) if csrf_token is None else csrf_token}
        parts = []
        for name, value in sent.items():
            kind = f'; filename="{value[0]}"\r\nContent-Type: text/plain' if isinstance(value, tuple) else ""
            content = value[1] if isinstance(value, tuple) else value.encode()
            parts.append(f'--x\r\nContent-Disposition: form-data; name="{name}"{kind}\r\n\r\n'.encode() + content)
        headers = {"content-type": "multipart/form-data; boundary=x", "accept": "text/html"}
        return await self.client.call("POST", path, b"\r\n".join([*parts, b"--x--\r\n"]), headers=headers)

    async def upload(self, project: Project, name: str, content: bytes) -> Answer:
        headers = {"x-csrf-token": csrf(self.token), "x-file-name": name, "accept": "application/json"}
        return await self.client.call("POST", f"/projects/{project.id}/documents", content, headers=headers)


@dataclass
class People:
    """Alice owns the project, Bob reads it, Charlie (an administrator) must see nothing of it."""

    alice: Browser
    bob: Browser
    charlie: Browser
    stranger: Browser


@pytest.fixture
def people(installed: Installed) -> People:
    def browser(who: str) -> Browser:
        return Browser(installed.browser(who), installed.sessions[who])

    return People(browser("alice"), browser("bob"), browser("charlie"), Browser(Client(installed.guard), ""))


@pytest.fixture
def project(installed: Installed) -> Project:
    app = installed.app
    alice, bob = (app.sessions.caller(installed.sessions[name]) for name in ("alice", "bob"))
    assert alice and bob
    project = app.projects.create("Baux <b>2026</b>", by=alice)
    app.projects.add_member(project.id, user_id=bob.user_id, role="reader", by=alice)
    return project


def text_of(answer: Answer) -> str:
    """The words of a page, as a person reads them."""
    body = re.sub(r"<(script|style|template)\b.*?</\1>", " ", answer.body.decode(), flags=re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", body)).split())


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The time that codes are checked at: a test needn't wait for the next one."""
    clock = Clock()
    monkeypatch.setattr(one_time_codes, "now", lambda: clock.at)
    return clock


@pytest.fixture
async def strict(tmp_path: Path) -> AsyncIterator[Installed]:
    """An installation where administrators must have a second factor."""
    with installation(tmp_path, second_factor_required="administrator") as installed:
        async with installed.app.running():
            yield installed


@pytest.fixture
async def alice(installed: Installed, clock: Clock) -> tuple[Jar, pyotp.TOTP, list[str]]:
    """Alice's browser, signed in, and her app and recovery codes."""
    jar = Jar(installed.guard)
    await jar.sign_in(ALICE, PASSWORD)
    return jar, *await enrol(jar, clock)
