"""The door to what only some may do: a tile for each page of the administration, by role. Called by the router."""

from __future__ import annotations

from starlette.responses import Response

from intramuros.web.tiles import tiles_for
from intramuros.web.visit import Visit


def show(visit: Visit) -> Response:
    """The page."""
    return visit.page("administration.html", section="administration", tiles=tiles_for(visit.caller))
