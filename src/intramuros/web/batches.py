"""A person's batches: how far each is, which lines failed and why, its files, and its end; for managers, counts of all.

Called by the router. Nobody sees another's batch: managers and administrators see whose there are and how far, and
nothing of what is in them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from intramuros.accounts.caller import LOCAL
from intramuros.errors import BadRequest, Conflict, NotFound
from intramuros.tasks.batch import Batch
from intramuros.tasks.batch_door import id_in, name_of
from intramuros.tasks.batch_results import BatchResults, What
from intramuros.web.problems import Problem, problem
from intramuros.web.stream import Event, EventStream
from intramuros.web.visit import Form, Visit, redirect

PATH = "/batches"
ONE = PATH + "/{batch}"
EVERYBODYS = "/administration/batches"
LOOK_EVERY_S = 1.0
LONGEST_S = 600.0
"""A stream ends after this; the page opens the next one."""
MOST_SHOWN = 200
KINDS = {
    "/v1/chat/completions": "chat",
    "/v1/responses": "responses",
    "/v1/completions": "text",
    "/v1/embeddings": "embeddings",
    "/v1/messages": "messages",
}
"""What a page calls the requests of an endpoint."""
FAILURES_SHOWN = 100
"""Of one batch on one page."""


@dataclass(frozen=True, slots=True)
class Counted:
    """Whose batch it is and how far; nothing of what is in it."""

    owner: str
    endpoint: str
    state: str
    created_at: float
    total: int
    completed: int
    failed: int


def show(visit: Visit) -> Response:
    """The batches of whoever asks, the newest first, and how to begin one."""
    return page(visit)


def show_one(visit: Visit) -> Response:
    """One of them, with the lines that failed. Raises: NotFound."""
    return _page(visit)


def answers(visit: Visit) -> Response:
    """The answers it has, as a file. Raises: NotFound."""
    return _file(visit, "completed", "answers")


def failures(visit: Visit) -> Response:
    """The lines that failed, as a file. Raises: NotFound."""
    return _file(visit, "failed", "failures")


def cancel(visit: Visit, form: Form) -> Response:
    """Ends it; what was answered is kept. Raises: NotFound."""
    batch = _wanted(visit)
    try:
        visit.app.batches.cancel(batch.id, by=visit.caller)
    except Conflict as error:
        return _page(visit, said=problem(error, visit.words), status=error.status)
    return redirect(address_of(visit, batch))


async def live(visit: Visit) -> Response:
    """The list whenever it changes, until nothing is under way."""
    return EventStream(_changes(visit, "batches_list.html", lambda: {"batches": _own(visit)}))


async def live_one(visit: Visit) -> Response:
    """How far one is whenever that changes, until it is over. Raises: NotFound."""
    batch = await run_in_threadpool(_wanted, visit)
    now = lambda: {"batch": visit.app.batches.get(batch.id, by=visit.caller), "is_gone": False}  # noqa: E731
    return EventStream(_changes(visit, "batch_now.html", now))


def address_of(visit: Visit, batch: Batch) -> str:
    """Its page."""
    return f"{PATH}/{_names(visit)(batch)}"


def page(visit: Visit, *, said: Problem | None = None, status: int = 200) -> Response:
    """All of theirs."""
    sent = visit.app.files.list(by=visit.caller, purpose="batch")
    return visit.page(
        "batches.html",
        section="keys",
        status=status,
        problem=said,
        batches=_own(visit),
        name=_names(visit),
        address=_address(visit),
        endpoints=[(endpoint, KINDS.get(endpoint)) for endpoint in visit.app.batch_runner.doors],
        sent=list(reversed(sent))[:MOST_SHOWN],
    )


def show_all(visit: Visit) -> Response:
    """Everybody's, as counts."""
    people = {user.id: user.email for user in visit.app.users.list()}
    found = [
        Counted(
            owner=people.get(batch.user_id, visit.words("batches.command_line")),
            **{name: getattr(batch, name) for name in Counted.__dataclass_fields__ if name != "owner"},
        )
        for batch in reversed(visit.app.batches.list(by=LOCAL))
    ]
    return visit.page("batches_all.html", section="administration", batches=found[:MOST_SHOWN], more=len(found))


async def _changes(visit: Visit, part: str, now: Callable[[], dict[str, Any]]) -> AsyncIterator[Event]:
    shown, until = "", time.monotonic() + LONGEST_S
    while time.monotonic() < until:
        values = await run_in_threadpool(now)
        html = visit.part(part, **values, name=_names(visit))
        if html != shown:
            yield "batches", {"html": html}
            shown = html
        if all(batch.is_over for batch in (values["batches"] if "batches" in values else [values["batch"]])):
            yield "rest", {}
            return
        await asyncio.sleep(LOOK_EVERY_S)


def _page(visit: Visit, *, said: Problem | None = None, status: int = 200) -> Response:
    batch, after = _wanted(visit), _after(visit)
    values: dict[str, Any] = {"batch": batch, "failures": [], "after": after, "more": False, "is_gone": False}
    values["name"] = _names(visit)
    values["before"] = max(after - FAILURES_SHOWN, 0)
    try:
        found = _results(visit).failures(batch, skip=after, most=FAILURES_SHOWN + 1)
        values |= {"failures": found[:FAILURES_SHOWN], "more": len(found) > FAILURES_SHOWN}
    except NotFound:
        values["is_gone"] = True  # its file was removed, or has expired
    return visit.page("batch.html", section="keys", problem=said, status=status, **values)


def _after(visit: Visit) -> int:
    """How many failures stand on pages before this one. Raises: BadRequest."""
    given = visit.request.query_params.get("after", "0")
    if not (given.isascii() and given.isdecimal() and len(given) < 9):
        raise BadRequest("The page begins after a number of failures.", code="bad_request")
    return int(given)


def _file(visit: Visit, what: What, name: str) -> Response:
    batch = _wanted(visit)
    content = _results(visit).content(batch, what)
    visit.entry.note(size_bytes=len(content))
    headers = {"content-disposition": f'attachment; filename="{_names(visit)(batch)}-{name}.jsonl"'}
    return Response(content, media_type="application/jsonl", headers=headers)


def _own(visit: Visit) -> list[Batch]:
    return list(reversed(visit.app.batches.list(by=visit.caller)))[:MOST_SHOWN]


def _address(visit: Visit) -> str:
    return f"{visit.request.url.scheme}://{visit.request.headers.get('host', 'localhost')}"


def _wanted(visit: Visit) -> Batch:
    batch = visit.app.batches.get(id_in(visit.path("batch"), visit.app.batch_runner.doors), by=visit.caller)
    visit.entry.about(batch.id)
    return batch


def _names(visit: Visit) -> Callable[[Batch], str]:
    return partial(name_of, doors=visit.app.batch_runner.doors)


def _results(visit: Visit) -> BatchResults:
    return BatchResults(visit.app.database, visit.app.files, visit.app.batch_runner.doors)
