"""Erasing on pages: a project's end and its times to keep, a person, the receipts; and a person's own data as a file.

Called by the router. A page begins an erasure, which shuts everybody out; the schedule does the rest, to the receipt.
"""

from __future__ import annotations

from starlette.responses import PlainTextResponse, Response, StreamingResponse

from intramuros.errors import BadRequest, Conflict, NotAllowed, NotFound
from intramuros.privacy.erase.receipt import receipt, receipts
from intramuros.privacy.erase.retention import Kept
from intramuros.storage.erasable import Subject
from intramuros.web.documents import project_of
from intramuros.web.problems import Problem, problem
from intramuros.web.visit import Form, Visit, redirect

SHOWN = 200


def keep(visit: Visit, form: Form) -> Response:
    """Changes how long a project keeps things; only an owner may."""
    project = project_of(visit, need="owner")
    kept = Kept(_days(form, "conversations"), _days(form, "documents"), _days(form, "unused"))
    visit.app.retention.set(project.id, kept)
    return redirect(f"/projects/{project.id}#settings")


def erase_project(visit: Visit, form: Form) -> Response:
    """Begins the erasure of a project whose name was typed; only an owner may."""
    project = project_of(visit, need="owner")
    if " ".join(form.get("name", "").split()) != project.name:
        raise BadRequest("The name typed is not the project's: nothing was erased.", code="name_differs")
    visit.entry.note(erasure=visit.app.erasure.begin(Subject("project", project.id), by=visit.caller.user_id))
    return redirect("/")


def erase_user(visit: Visit, form: Form) -> Response:
    """Begins the erasure of a person, once somebody else has what only they owned."""
    users, named = visit.app.users, form.get("heir", "").strip()
    try:
        user = users.find(form.get("email", ""))
        visit.entry.about(user.id)
        heir = users.find(named) if named else None
        visit.entry.note(erasure=visit.app.remove_person.begin(user, by=visit.caller, heir=heir))
    except (BadRequest, Conflict, NotAllowed, NotFound) as error:
        visit.entry.note(error=error.code)
        return _page(visit, said=problem(error, visit.words), status=error.status)
    return redirect("/receipts")


def show(visit: Visit) -> Response:
    """What was erased, newest first."""
    return _page(visit)


def file(visit: Visit) -> Response:
    """One receipt, as the file that `intramuros erase verify` takes. Raises: NotFound while there is none."""
    found = receipt(visit.app.database, visit.path("receipt"))
    if found.statement is None:
        raise NotFound("This erasure is not finished, so it has no receipt yet.")
    headers = {"content-disposition": f'attachment; filename="receipt-{found.id}.json"'}
    return PlainTextResponse(found.statement.line() + "\n", headers=headers, media_type="application/json")


def export(visit: Visit, form: Form) -> Response:
    """Everything kept about whoever asks, made while it is sent."""
    person = visit.app.users.get(visit.caller.user_id)
    headers = {"content-disposition": 'attachment; filename="intramuros.zip"'}
    return StreamingResponse(visit.app.person_export.stream(person), headers=headers, media_type="application/zip")


def _page(visit: Visit, *, said: Problem | None = None, status: int = 200) -> Response:
    found = receipts(visit.app.database, limit=SHOWN)
    return visit.page("receipts.html", section="privacy", status=status, problem=said, receipts=found)


def _days(form: Form, name: str) -> int | None:
    given = form.get(name, "").strip()
    if not given:
        return None
    if not (given.isascii() and given.isdigit() and len(given) <= 6):
        raise BadRequest("Give a number of days, or leave the field empty.", code="bad_retention")
    return int(given)
