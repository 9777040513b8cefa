"""How far the processes that touch models and documents are confined, and the ways out tried from inside them.

Called by the router, for administrators.
"""

from __future__ import annotations

import anyio.from_thread
from starlette.responses import Response

from intramuros.errors import IntramurosError
from intramuros.security.isolation import WALLS
from intramuros.tasks.isolation import Standing
from intramuros.web.problems import Problem, problem
from intramuros.web.visit import Form, Visit


def show(visit: Visit) -> Response:
    """The level and the walls of each process, started if it does not run yet."""
    try:
        return _page(visit, anyio.from_thread.run(visit.app.isolation.look))
    except IntramurosError as error:
        return _page(visit, visit.app.isolation.standing(), said=problem(error, visit.words))


def attack(visit: Visit, form: Form) -> Response:
    """Tries every way out now, and shows what came of it."""
    try:
        found = anyio.from_thread.run(visit.app.isolation.attack)
    except IntramurosError as error:
        return _page(visit, visit.app.isolation.standing(), said=problem(error, visit.words), status=error.status)
    found.note(visit.entry)
    return _page(visit, found.standing)


def _page(visit: Visit, standing: Standing, *, said: Problem | None = None, status: int = 200) -> Response:
    return visit.page(
        "isolation.html",
        section="administration",
        status=status,
        problem=said,
        standing=standing,
        walls=WALLS,
        attack=visit.app.isolation.last_attack,
        required=visit.app.settings.isolation_required,
        allowed=visit.app.egress.allowed,
    )
