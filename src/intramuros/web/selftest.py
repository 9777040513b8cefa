"""The promises, tried on demand: each with its checks and what was seen. Called by the router.

For administrators and auditors. It changes nothing that people stored.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence

import anyio.from_thread
from starlette.responses import Response

from intramuros.app import App
from intramuros.errors import Conflict
from intramuros.tasks.selftest import PROMISES, Check
from intramuros.web.problems import problem
from intramuros.web.visit import Form, Visit
from intramuros.web.words import Words

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
        seen={check.name: _seen(check, visit.words) for check in checks},
        broken=sum(check.held is False for check in checks),
    )


def _seen(check: Check, words: Words) -> str:
    """What was seen, in the language of the page; what the system itself says of a failure stays as it says it."""
    if check.error is not None:
        return problem(check.error, words).message
    values = {name: _value(name, value, words) for name, value in check.seen.values.items()}
    return words(f"selftest.seen.{check.seen.key}", **values)


def _value(name: str, value: object, words: Words) -> object:
    if name == "level":
        return words(f"isolation.level.{value}")
    if isinstance(value, Mapping):  # the walls that are missing, by process
        return "; ".join(
            f"{words(f'isolation.{who.split()[0]}')}: {', '.join(words(f'isolation.wall.{wall}') for wall in walls)}"
            for who, walls in value.items()
        )
    if isinstance(value, int | float):
        return words.number(value, decimals=int(isinstance(value, float)))
    return value
