"""Mounts the doors behind the guard: the ASGI application of one `App`.

Called by `server.listen` and by tests. The routes of every door are in one router, so that one test can walk them all.
"""

from __future__ import annotations

from starlette.routing import BaseRoute, Route, Router
from starlette.types import Receive, Scope, Send

from intramuros.api.routes import routes as api_routes
from intramuros.app import App
from intramuros.server.guard import Guard, Limits
from intramuros.server.headers import LOOPBACK_HOSTS
from intramuros.server.watch import Watch
from intramuros.web.routes import routes as web_routes


def application(app: App, *, hosts: frozenset[str] = LOOPBACK_HOSTS) -> Guard:
    """The application around every door of `app`. `hosts` are the names it answers to."""
    settings = app.settings
    return Guard(
        Doors([*api_routes(app), *web_routes(app)]),
        identity=app.identity,
        audit=app.audit,
        metrics=app.metrics,
        usage=app.usage,
        price_of=app.price_of,
        limits=Limits(request_bytes=settings.request_mib * 2**20, upload_bytes=settings.upload_mib * 2**20),
        hosts=hosts,
        watch=Watch(app.identity, app.projects),
    )


class Doors:
    """The routes of all doors. What no route takes is raised, so that the guard answers in the door's own shape."""

    def __init__(self, routes: list[BaseRoute]) -> None:
        self.router = Router(routes, redirect_slashes=False)
        self._known: dict[tuple[str, str], Route] = {}  # of addresses without parameters, once they were asked for
        self._choosy = [route for route in routes if type(route) is not Route]
        """Routes that look at more of a request than its address and method, as its headers."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Runs the route of this request."""
        scope["app"] = self  # with an "app", Starlette's router raises 404 and 405 instead of answering them
        scope["router"] = self.router
        wanted = scope["method"], scope["path"]
        route = self._known.get(wanted)
        if route is not None:
            scope["route"], scope["endpoint"], scope["path_params"] = route, route.endpoint, {}
            await route.handle(scope, receive, send)
            return
        try:
            await self.router(scope, receive, send)
        finally:
            self._learn(wanted, scope.get("route"))

    def _learn(self, wanted: tuple[str, str], found: object) -> None:
        if type(found) is not Route or "{" in found.path or wanted[0] not in (found.methods or ()):
            return
        if not any(_may_take(route, wanted[1]) for route in self._choosy):
            self._known[wanted] = found


def _may_take(route: BaseRoute, path: str) -> bool:
    return not isinstance(route, Route) or route.path_regex.match(path) is not None
