"""The route of the MCP door, built from the parts of one `App`. Who may call it is in `server/access.py`."""

from __future__ import annotations

from starlette.routing import BaseRoute, Route

from intramuros.api.mcp.endpoint import Endpoint
from intramuros.api.mcp.leaving import Leaving
from intramuros.api.mcp.methods import Methods
from intramuros.api.mcp.reading import Reading
from intramuros.api.mcp.resources import Resources
from intramuros.api.mcp.tools import Tools
from intramuros.app import App
from intramuros.security.crypto import derive


def mcp_routes(app: App) -> list[BaseRoute]:
    """The one address, with the methods that are answered there."""
    reading = Reading(app.projects, app.library, app.search)
    leaving = Leaving(
        app.settings, lambda: app.redactor.with_names(app.directory.names()), derive(app.keys.data, "mcp")
    )
    endpoint = Endpoint(Methods(Tools(reading, app.answer, leaving), Resources(reading, leaving)))
    return [Route("/mcp", endpoint, methods=["POST", "GET", "DELETE"])]
