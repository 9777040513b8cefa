"""The door to what only some may do: a tile for each page of the administration, by role. Called by the router.

Above them stands what somebody should see to: backups that are not made.
"""

from __future__ import annotations

from starlette.responses import Response

from intramuros.tasks.backup_standing import standing
from intramuros.web.backups import reason
from intramuros.web.tiles import tiles_for
from intramuros.web.visit import Visit


def show(visit: Visit) -> Response:
    """The page."""
    why = None
    if visit.caller.is_administrator:
        why = reason(standing(visit.app.backup, visit.app.settings), visit.words)
    return visit.page("administration.html", section="administration", tiles=tiles_for(visit.caller), backups=why)
