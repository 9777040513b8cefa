""" "View as": what a person could retrieve, and a search as they would make it. Called by the router."""

from __future__ import annotations

from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from intramuros.accounts.users import User
from intramuros.errors import BadRequest
from intramuros.web.people import person_of
from intramuros.web.visit import Visit, read_form

MOST = 10
LONGEST = 2000


def show(visit: Visit) -> Response:
    """The projects a person may see: names only of those the viewer may see too."""
    return _page(visit, _person(visit))


async def search(visit: Visit) -> Response:
    """The passages this person would find, within what both may see."""
    form = await read_form(visit.request)
    visit.check_token(form.get("csrf"))
    query = form.get("query", "").strip()
    if not query or len(query) > LONGEST:
        raise BadRequest("Write what to search for.", code="no_question")
    person = await run_in_threadpool(_person, visit)
    found = await visit.app.reach.ask(query, person=person, by=visit.caller, limit=MOST)
    visit.entry.note(results=len(found.passages))
    return await run_in_threadpool(lambda: _page(visit, person, query=query, passages=found.passages))


def _person(visit: Visit) -> User:
    """Raises: NotAllowed, which tells nothing of who is here; NotFound."""
    visit.app.reach.check(visit.caller)
    return person_of(visit)


def _page(visit: Visit, person: User, **values: Any) -> Response:
    projects = visit.app.reach.of(person, by=visit.caller)
    values = {"query": "", "passages": None, **values}
    return visit.page("reach.html", section="administration", person=person, projects=projects, **values)
