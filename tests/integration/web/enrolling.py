"""Setting up one-time codes on the pages, as a person does, with a clock that a test moves."""

from __future__ import annotations

import re

import pyotp

from intramuros.storage.schema import now
from tests.support.jar import Jar

ALICE = "alice@firm.example"
CHARLIE = "charlie@firm.example"


class Clock:
    def __init__(self) -> None:
        self.at = now()


async def enrol(jar: Jar, clock: Clock) -> tuple[pyotp.TOTP, list[str]]:
    """Sets up one-time codes on the pages, as a person does."""
    page = await jar.post("/account/codes")
    assert page.status == 200
    secret = re.search(r'id="secret">([^<]+)<', page.body.decode())
    assert secret and 'src="data:image/svg+xml' in page.body.decode()
    app = pyotp.TOTP(secret[1].replace(" ", ""))
    done = await jar.post("/account/codes/confirm", code=app.at(clock.at))
    assert done.status == 200
    clock.at += 30
    recovery = re.findall(r"[A-Z2-9]{4}-[A-Z2-9]{4}-[A-Z2-9]{4}", done.body.decode())
    assert len(recovery) == 10
    return app, recovery
