"""Exceptional access of administrators: begun with a reason, listed for auditors, ended early. Called by the router."""

from __future__ import annotations

from starlette.responses import Response

from intramuros.accounts.break_glass import Opening
from intramuros.accounts.sessions import PROOF_S
from intramuros.audit.entry import Entry
from intramuros.errors import BadRequest, Conflict, NotAllowed, NotFound
from intramuros.storage.schema import now
from intramuros.web.problems import Problem, problem
from intramuros.web.visit import Form, Visit, redirect

HOURS = ("0.5", "1", "2", "4")


def show(visit: Visit, *, said: Problem | None = None, status: int = 200, reason: str = "") -> Response:
    """All accesses, newest first, and the form that begins one."""
    return visit.page(
        "break_glass.html",
        section="administration",
        status=status,
        problem=said,
        accesses=visit.app.break_glass.list(),
        people=[user for user in visit.app.users.list() if user.id != visit.caller.user_id and not user.is_service],
        hours=HOURS,
        can_begin=now() - visit.caller.proven_at < PROOF_S,
        reason=reason,
        seen={project.id: project.name for project in visit.app.projects.list(visit.caller)},
    )


def begin(visit: Visit, form: Form) -> Response:
    """Opens a project, or a person's conversations, for a while."""
    hours = form.get("hours", "1")
    if hours not in HOURS:
        raise BadRequest("An access lasts at most four hours.", code="bad_hours")
    try:
        opening = visit.app.break_glass.begin(
            by=visit.caller,
            reason=form.get("reason", ""),
            hours=float(hours),
            project=form.get("project", "").strip() or None,
            subject=form.get("user") or None,
        )
    except (BadRequest, Conflict, NotAllowed, NotFound) as error:
        visit.entry.note(error=error.code)
        said = problem(error, visit.words)
        return show(visit, said=said, status=error.status, reason=form.get("reason", ""))
    note(visit.entry, opening)
    return redirect(f"/break-glass/{opening.id}")


def open_one(visit: Visit) -> Response:
    """What an access of the caller's opens: the project, or the person's conversations. Raises: NotFound."""
    opening = visit.app.break_glass.get(visit.path("access"), by=visit.caller)
    note(visit.entry, opening)
    if opening.project_id is not None:
        return redirect(f"/projects/{opening.project_id}")
    conversations = visit.app.conversations.of_person(opening)
    return visit.page("conversations.html", section="administration", opening=opening, conversations=conversations)


def end(visit: Visit, form: Form) -> Response:
    """Ends an access early: an administrator, or whom it concerns. Raises: NotFound, Conflict."""
    note(visit.entry, visit.app.break_glass.end(visit.path("access"), by=visit.caller))
    return redirect("/break-glass" if visit.caller.is_auditor else "/privacy")


def note(entry: Entry, opening: Opening) -> None:
    """What the audit keeps of an access: never its reason."""
    entry.about(opening.id)
    entry.note(project=opening.project_id, user=opening.subject_id)
