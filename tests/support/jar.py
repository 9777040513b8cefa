"""A browser that keeps its cookies, as a person's does through signing in; nothing else is done for it."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

from starlette.types import ASGIApp

from intramuros.accounts.sessions import csrf
from tests.asgi import Answer, Client

SESSION, STEP = "intramuros_session", "intramuros_session_step"
FORM = "application/x-www-form-urlencoded"


class Jar:
    """Cookies by name, kept and sent as the server says."""

    def __init__(self, app: ASGIApp) -> None:
        self.client = Client(app)
        self.cookies: dict[str, str] = {}

    @property
    def session(self) -> str:
        return self.cookies.get(SESSION, "")

    @property
    def step(self) -> str:
        return self.cookies.get(STEP, "")

    async def call(self, method: str, path: str, body: bytes = b"", **headers: str) -> Answer:
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        sent = {"accept": "text/html"} | {name.replace("_", "-"): value for name, value in headers.items()}
        answer = await self.client.call(method, path, body, headers=sent | ({"cookie": cookie} if cookie else {}))
        for line in answer.cookies:
            name, _, rest = line.partition("=")
            if "max-age=0" in line.lower():
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = rest.partition(";")[0]
        return answer

    async def get(self, path: str) -> Answer:
        return await self.call("GET", path)

    async def post(self, path: str, *, csrf_token: str | None = None, **fields: str) -> Answer:
        """A form, with the token of the session, or of the step where there is no session yet."""
        own = self.session or self.step
        token = (csrf(own) if own else "") if csrf_token is None else csrf_token
        return await self.call("POST", path, urlencode(fields | {"csrf": token}).encode(), content_type=FORM)

    async def tell(self, path: str, value: Any, *, csrf_token: str | None = None) -> Answer:
        """What the pages' script sends."""
        token = csrf(self.session) if csrf_token is None and self.session else csrf_token or ""
        return await self.call(
            "POST",
            path,
            json.dumps(value).encode(),
            content_type="application/json",
            accept="application/json",
            x_csrf_token=token,
        )

    async def sign_in(self, email: str, password: str, **more: str) -> Answer:
        return await self.post("/sign-in", email=email, password=password, **more)
