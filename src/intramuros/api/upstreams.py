"""Upstreams and routes for administration programs: `/api/v1/upstreams…`, `/api/v1/routes…`. Called by the router.

A key goes in and never comes out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, TypedDict

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from intramuros.accounts.users import Users
from intramuros.api.body import text
from intramuros.api.request import as_json, entry_of
from intramuros.api.shapes import Shape, among, choice, count, emptied, maybe, number, thing, things, whether, words
from intramuros.engines.comparing import ComparedObject
from intramuros.engines.route import Route as ModelRoute
from intramuros.engines.route import RouteObject
from intramuros.engines.router import LookedAt, Router
from intramuros.engines.routing import EVERYBODY, KINDS, Consent, ConsentObject, Routing
from intramuros.engines.trial import try_out
from intramuros.engines.upstream import Upstream, UpstreamObject, Waits, unique

WAITS = Shape({name: number() for name in Waits.__slots__})
NEW = Shape(
    {
        "name": words(100),
        "url": words(1000),
        "where": choice("inside", "outside"),
        "key": maybe(words(4096)),
        "models": things("string"),
        "context_tokens": count(),
        "price_in": number(),
        "price_out": number(),
        "waits": thing(WAITS.schema | {"type": ["object", "null"]}),
        "probes": whether(),
    },
    required=("name", "url"),
)
CHANGED = NEW.but("name")
RENAMED = Shape({"name": words(100)}, required=("name",))
TRIED = Shape({"ask": emptied(100)})
AGREED = Shape({"kind": among(*KINDS), "id": words(200)}, required=("kind",))
PLAN = Shape(
    {
        "targets": things("string"),
        "fallbacks": things("string"),
        "overflows": things("string"),
        "shadow": emptied(400),
        "shadow_share": number(),
    }
)


class Upstreams(LookedAt):
    """All upstreams, who agreed to those outside, and how each target is that was asked."""

    upstreams: list[UpstreamObject]
    consents: list[ConsentObject]
    outside_allowed: bool


class Routes(TypedDict):
    """All routes that somebody named."""

    routes: list[RouteObject]


class ComparedRoute(RouteObject):
    """A route, and how its targets compare."""

    compared: list[ComparedObject]


class UpstreamRoutes:
    """The routes about upstreams, who agreed to them, and routes."""

    def __init__(self, router: Router, users: Users) -> None:
        self.router, self.users = router, users

    @property
    def routing(self) -> Routing:
        """The store."""
        return self.router.routing

    def routes(self) -> list[BaseRoute]:
        """What the server mounts."""
        one, plan = "/api/v1/upstreams/{upstream}", "/api/v1/routes/{route:path}"
        return [
            Route("/api/v1/upstreams", self.index, methods=["GET"]),
            Route("/api/v1/upstreams", self.add, methods=["POST"]),
            Route(one, self.change, methods=["PATCH"]),
            Route(one, self.remove, methods=["DELETE"]),
            Route(one + "/test", self.test, methods=["POST"]),
            Route(one + "/rename", self.rename, methods=["POST"]),
            Route(one + "/consents", self.agree, methods=["POST"]),
            Route(one + "/consents/withdraw", self.withdraw, methods=["POST"]),
            Route("/api/v1/routes", self.index_routes, methods=["GET"]),
            Route(plan, self.show_route, methods=["GET"]),
            Route(plan, self.set_route, methods=["PUT"]),
            Route(plan, self.remove_route, methods=["DELETE"]),
            Route(plan + "/rename", self.rename_route, methods=["POST"]),
        ]

    async def index(self, request: Request) -> Response:
        """All upstreams, who agreed to those outside, and how each target is that was asked."""
        table = await asyncio.to_thread(lambda: self.routing.table)
        agreed = [consent.to_json() for consent in table.consents]
        return as_json(
            Upstreams(
                upstreams=[upstream.to_json() for upstream in table.upstreams.values()],
                consents=sorted(agreed, key=lambda one: (one["upstream"], one["kind"], one["id"])),
                **self.router.looked_at(),
                outside_allowed=self.router.lets_outside,
            )
        )

    async def add(self, request: Request) -> Response:
        """Adds an upstream. Raises: BadRequest, Conflict when the name is taken."""
        values = await NEW.of(request.receive)
        added = await asyncio.to_thread(self.routing.add, described(values))
        entry_of(request).about(added.name)
        return as_json(added.to_json(), status=201)

    async def change(self, request: Request) -> Response:
        """Describes one in another way: what is not said stays. Raises: NotFound, BadRequest, Conflict."""
        values = await CHANGED.of(request.receive)
        before = await self._upstream(request)
        kept = {name: value for name, value in before.to_json().items() if name in NEW.fields}
        if isinstance(values.get("waits"), dict):
            values["waits"] = kept["waits"] | values["waits"]
        after = described(kept | values)
        changed = await asyncio.to_thread(
            self.routing.change, after, same_key="key" not in values, was=self.routing.version(before)
        )
        return as_json(changed.to_json())

    async def remove(self, request: Request) -> Response:
        """Removes an upstream with its key. Raises: NotFound, Conflict while a route names it."""
        upstream = await self._upstream(request)
        await asyncio.to_thread(self.routing.remove, upstream.name)
        return Response(status_code=204)

    async def test(self, request: Request) -> Response:
        """Asks it for its models, and with `ask` one of them for a word."""
        ask = (await TRIED.of(request.receive)).get("ask") or None
        return as_json((await try_out(await self._upstream(request), ask=ask)).to_json())

    async def rename(self, request: Request) -> Response:
        """Gives it another name, with the routes, consents, presets and keys that name it: says how many.

        Raises: NotFound, BadRequest, Conflict when something has the name already.
        """
        to = (await RENAMED.of(request.receive))["name"]
        before = await self._upstream(request)
        was = self.routing.version(before)
        renamed = await asyncio.to_thread(self.router.rename, before.name, to, was=was)
        entry_of(request).note(was=renamed.was)
        entry_of(request).about(renamed.name)
        return as_json(renamed.to_json())

    async def agree(self, request: Request) -> Response:
        """Keeps a standing consent: `kind` is user, key, project or everybody; `id` whose."""
        consent = await self._consent(request)
        await asyncio.to_thread(self.routing.agree, consent)
        return as_json(consent.to_json())

    async def withdraw(self, request: Request) -> Response:
        """Ends a standing consent."""
        await asyncio.to_thread(self.routing.withdraw, await self._consent(request))
        return Response(status_code=204)

    async def index_routes(self, request: Request) -> Response:
        """All routes that somebody named."""
        found = await asyncio.to_thread(self.routing.routes)
        return as_json(Routes(routes=[route.to_json() for route in found]))

    async def show_route(self, request: Request) -> Response:
        """One route, and how its targets compare: numbers only."""
        route = await self._route(request)
        compared = await asyncio.to_thread(self.router.comparisons.summary, route.name)
        return as_json(ComparedRoute(**route.to_json(), compared=compared))

    async def set_route(self, request: Request) -> Response:
        """Sets a route, in place of the one of its name."""
        values = await PLAN.of(request.receive)
        route = ModelRoute.of({**values, "name": request.path_params["route"]})
        entry_of(request).about(route.name)
        return as_json((await self.router.set_route(route)).to_json())

    async def remove_route(self, request: Request) -> Response:
        """Removes a route."""
        route = await self._route(request)
        await asyncio.to_thread(self.routing.remove_route, route.name)
        return Response(status_code=204)

    async def rename_route(self, request: Request) -> Response:
        """Gives it another name, with the presets and keys that name it. Raises: as `rename`."""
        to = (await RENAMED.of(request.receive))["name"]
        before = await self._route(request)
        was = self.routing.version(before)
        renamed = await asyncio.to_thread(self.router.rename_route, before.name, to, was=was)
        entry_of(request).note(was=renamed.was)
        entry_of(request).about(renamed.name)
        return as_json(renamed.to_json())

    async def _upstream(self, request: Request) -> Upstream:
        upstream = await asyncio.to_thread(self.routing.upstream, request.path_params["upstream"])
        entry_of(request).about(upstream.name)
        return upstream

    async def _route(self, request: Request) -> ModelRoute:
        route = await asyncio.to_thread(self.routing.route, request.path_params["route"])
        entry_of(request).about(route.name)
        return route

    async def _consent(self, request: Request) -> Consent:
        values = await AGREED.of(request.receive)
        kind = values["kind"]
        subject = "" if kind == EVERYBODY else text(values, "id", longest=200)
        if kind == "user":
            subject = (await asyncio.to_thread(self.users.find, subject)).id
        return Consent((await self._upstream(request)).name, kind, subject)


def described(values: Mapping[str, Any]) -> Upstream:
    """An upstream as a program describes it. Raises: BadRequest for waits that are none."""
    return Upstream(
        values["name"],
        values["url"],
        is_outside=(values.get("where") or "outside") == "outside",
        models=unique(values.get("models") or []),
        key=values.get("key"),
        context_tokens=values.get("context_tokens") or 0,
        price_in=values.get("price_in"),
        price_out=values.get("price_out"),
        waits=_waits(values.get("waits") or {}),
        probes=values.get("probes"),
    )


def _waits(values: dict[str, Any]) -> Waits:
    return Waits(**{name: wait or 0.0 for name, wait in WAITS.read(values).items()})
