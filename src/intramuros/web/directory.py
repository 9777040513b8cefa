"""The organisation's directory as a page: names that redaction knows, added from a list. Called by the router.

The list is read by the browser and sent as a form's text: no file is stored, and what is refused is shown again.
"""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from intramuros.errors import BadRequest
from intramuros.web.problems import problem
from intramuros.web.visit import Form, Visit, redirect

PATH = "/administration/directory"
SHOWN = 200


def show(visit: Visit) -> Response:
    """The list's beginning, or what of it has a text in it, and the form that adds to it."""
    return _page(visit)


def add(visit: Visit, form: Form) -> Response:
    """Adds what was pasted or chosen: all of it, or nothing."""
    lines = form.get("lines", "")
    try:
        added = visit.app.directory.add(lines.splitlines())
    except BadRequest as error:
        visit.entry.note(error=error.code)
        return _page(visit, status=error.status, problem=problem(error, visit.words), lines=lines)
    visit.entry.note(records=added)
    return _page(visit, added=added)


def remove(visit: Visit, form: Form) -> Response:
    """Takes an entry off the list. Raises: NotFound."""
    visit.app.directory.remove(form.get("entry", ""))
    return redirect(PATH)


def _page(visit: Visit, *, status: int = 200, **values: Any) -> Response:
    entries = visit.app.directory.list()
    values = {
        "entries": [(entry, *entry.partition(";")[::2]) for entry in entries[:SHOWN]],
        "total": len(entries),
        "added": None,
        "lines": "",
        **values,
    }
    return visit.page("directory.html", section="administration", status=status, **values)
