"""Which route takes a request: the same one when it comes again."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from starlette.exceptions import HTTPException
from starlette.routing import Match, Route
from starlette.types import Receive, Scope, Send

from intramuros.server.asgi import Doors


class Said:
    """A route that notes what it was reached with."""

    def __init__(self) -> None:
        self.params: list[dict[str, Any]] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.params.append(scope["path_params"])


@pytest.fixture
def said() -> dict[str, Said]:
    return {name: Said() for name in ("whole", "other", "one")}


@pytest.fixture
def doors(said: dict[str, Said]) -> Doors:
    return Doors([
        Route("/things", said["whole"], methods=["GET"]),
        Route("/things", said["other"], methods=["POST"]),
        Route("/things/{thing}", said["one"], methods=["GET"]),
    ])  # fmt: skip


async def ask(doors: Doors, method: str, path: str) -> Scope:
    scope: Scope = {"type": "http", "method": method, "path": path, "headers": []}
    await doors(scope, _nothing, _nothing)
    return scope


async def _nothing(*_: object) -> Any:
    await asyncio.sleep(0)


async def test_the_same_route_takes_it_each_time(doors: Doors, said: dict[str, Said]) -> None:
    scopes = [await ask(doors, "GET", "/things") for _ in range(3)]
    assert said["whole"].params == [{}, {}, {}] and not said["other"].params
    for name in ("route", "router", "endpoint"):
        assert len({id(scope[name]) for scope in scopes}) == 1
    await ask(doors, "POST", "/things")
    assert said["other"].params == [{}]


async def test_a_route_that_looks_at_headers_is_asked_each_time(said: dict[str, Said]) -> None:
    class Spoken(Route):
        def matches(self, scope: Scope) -> tuple[Match, Scope]:
            return super().matches(scope) if scope["headers"] else (Match.NONE, {})

    doors = Doors([Spoken("/things", said["other"]), Spoken("/{any}", said["other"]), Route("/things", said["whole"])])
    for headers in ([], [(b"speaks", b"it")], []):
        await doors({"type": "http", "method": "GET", "path": "/things", "headers": headers}, _nothing, _nothing)
    assert (len(said["whole"].params), len(said["other"].params)) == (2, 1)


async def test_parameters_are_read_each_time(doors: Doors, said: dict[str, Said]) -> None:
    for thing in ("a", "b", "{thing}", "{thing}"):
        await ask(doors, "GET", f"/things/{thing}")
    assert [params["thing"] for params in said["one"].params] == ["a", "b", "{thing}", "{thing}"]


async def test_what_no_route_takes_is_never_known(doors: Doors) -> None:
    for _ in range(2):
        with pytest.raises(HTTPException) as raised:
            await ask(doors, "DELETE", "/things")
        assert raised.value.status_code == 405
        with pytest.raises(HTTPException) as raised:
            await ask(doors, "GET", "/nothing")
        assert raised.value.status_code == 404
    assert doors._known == {}
