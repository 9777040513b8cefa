"""Mounts the doors behind the guard: the ASGI application of one `App`.

Called by `server.listen` and by tests. The routes of every door are in one router, so that one test can walk them all.
"""

from __future__ import annotations

from starlette.routing import BaseRoute, Router
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
        usage=app.key_usage,
        limits=Limits(request_bytes=settings.request_mib * 2**20, upload_bytes=settings.upload_mib * 2**20),
        hosts=hosts,
        watch=Watch(app.identity, app.projects),
    )


class Doors:
    """The routes of all doors. What no route takes is raised, so that the guard answers in the door's own shape."""

    def __init__(self, routes: list[BaseRoute]) -> None:
        self.router = Router(routes, redirect_slashes=False)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Runs the route of this request."""
        scope["app"] = self  # with an "app", Starlette's router raises 404 and 405 instead of answering them
        await self.router(scope, receive, send)
