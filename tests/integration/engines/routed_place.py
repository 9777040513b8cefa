"""A router over servers that answer as a test says: what the tests of routes share."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, field
from typing import Any

from intramuros.audit.entry import Entry
from intramuros.engines.route import Route
from intramuros.engines.router import Router
from intramuros.engines.upstream import Upstream, Waits
from tests.scripted import ScriptedEngine
from tests.support.upstream_server import Behaviour, Call, UpstreamServer, answers, says, upstream_server

NAME, MAIL = "Jean Dupont", "j.dupont@usine.lan"
ASK = {"messages": [{"role": "user", "content": "Bonjour"}]}
ABOUT = {"messages": [{"role": "user", "content": f"Écris à M. {NAME}, {MAIL}."}]}
OVERFLOW = answers({"error": {"message": "maximum context length is 8", "code": 400}}, 400)


async def fails(call: Call) -> None:
    await call.json({"error": {"message": "no"}}, 500)


async def breaks_after_a_word(call: Call) -> None:
    await call.head()
    await call.say("Bon")


async def breaks_after_its_role(call: Call) -> None:
    await call.head()
    await call.say("", finish=None)


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Place:
    """A router with servers behind it."""

    router: Router
    stack: AsyncExitStack
    clock: Clock
    local: ScriptedEngine
    servers: dict[str, UpstreamServer] = field(default_factory=dict)

    async def server(
        self, name: str, behave: Behaviour | None = None, *, outside: bool = False, **more: Any
    ) -> UpstreamServer:
        server = await self.stack.enter_async_context(upstream_server(behave or says(name)))
        waits = more.pop("waits", Waits(connect_s=20, first_token_s=20, between_s=20, whole_s=60))
        self.router.routing.add(Upstream(name, server.url, is_outside=outside, waits=waits, models=("m",), **more))
        self.servers[name] = server
        return server

    def route(self, *targets: str, name: str = "big", **more: Any) -> None:
        self.router.routing.set(Route.of({"name": name, "targets": list(targets)} | more))

    async def stream(self, request: dict[str, Any] = ASK, *, name: str = "big") -> str:
        async with self.router.engine(name) as engine, aclosing(engine.stream(request)) as chunks:  # type: ignore[type-var]
            return said([chunk async for chunk in chunks])

    async def whole(self, request: dict[str, Any] = ASK, *, name: str = "big") -> str:
        async with self.router.engine(name) as engine:
            return (await engine.generate(request)).text


def said(chunks: list[bytes]) -> str:
    choices = [choice for chunk in chunks for choice in json.loads(chunk)["choices"]]
    return "".join(choice["delta"].get("content") or "" for choice in choices)


def entry() -> Entry:
    return Entry("chat", None, "api")


async def settled(place: Place) -> None:
    while place.router._shadows:
        await asyncio.sleep(0.01)
