"""The promises, tried on demand: each with its checks and what was seen. Called by the router.

For administrators and auditors. It changes nothing that people stored.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

import anyio.from_thread
from starlette.responses import Response

from intramuros.app import App
from intramuros.errors import Conflict
from intramuros.tasks.selftest import PROMISES, Check
from intramuros.web.visit import Form, Visit

_one_at_a_time = threading.Lock()


def show(visit: Visit) -> Response:
    """What is promised, and the button that tries it."""
    return _page(visit, ())


def run(visit: Visit, form: Form) -> Response:
    """Tries everything now. Raises: Conflict while it runs for somebody else."""
    if not _one_at_a_time.acquire(blocking=False):
        raise Conflict("The promises are being tried already.", hint="Wait until that has ended.")
    try:
        checks = anyio.from_thread.run(_checks, visit.app)
    finally:
        _one_at_a_time.release()
    visit.entry.note(held=sum(c.held is True for c in checks), broken=sum(c.held is False for c in checks))
    return _page(visit, checks)


async def _checks(app: App) -> list[Check]:
    return [check async for check in app.selftest.run()]


def _page(visit: Visit, checks: Sequence[Check]) -> Response:
    return visit.page(
        "selftest.html",
        section="administration",
        promises=PROMISES,
        checks=checks,
        broken=sum(check.held is False for check in checks),
    )
