"""Who has a project and through what; an owner adds, changes and removes. Called by the router."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from starlette.responses import Response

from intramuros.accounts.projects import Project, Role
from intramuros.errors import BadRequest, Conflict, IntramurosError, NotFound
from intramuros.web.documents import project_of
from intramuros.web.problems import problem
from intramuros.web.visit import Form, Visit, redirect

ROLES = ("reader", "contributor", "owner")


def show(visit: Visit) -> Response:
    """Everybody who has the project."""
    return _page(visit, project_of(visit))


def share(visit: Visit, form: Form) -> Response:
    """Lets a person (by e-mail address) or a group in, or changes the role they have."""
    project, role = project_of(visit, need="owner"), form.get("role", "reader")

    def change() -> None:
        if role in ROLES:
            visit.entry.note(role=role)
        if form.get("group"):
            group = visit.app.groups.nameable(form["group"], by=visit.caller)
            visit.entry.note(group=group.id)
            visit.app.projects.add_group(project.id, group_id=group.id, role=cast(Role, role), by=visit.caller)
        else:
            user = visit.app.users.find(form.get("user", ""))
            visit.entry.note(user=user.id)
            visit.app.projects.add_member(project.id, user_id=user.id, role=cast(Role, role), by=visit.caller)

    return _changed(visit, project, change)


def unshare(visit: Visit, form: Form) -> Response:
    """Ends what a person or a group has here; everybody may leave."""
    project = project_of(visit)

    def change() -> None:
        if group := form.get("group"):
            visit.app.projects.remove_group(project.id, group_id=group, by=visit.caller)
            visit.entry.note(group=group)
        else:
            user_id = form.get("user", "")
            visit.app.projects.remove_member(project.id, user_id=user_id, by=visit.caller)
            visit.entry.note(user=user_id)

    return _changed(visit, project, change)


def _changed(visit: Visit, project: Project, change: Callable[[], None]) -> Response:
    try:
        change()
    except (BadRequest, Conflict, NotFound) as error:
        return _refused(visit, project, error)
    is_still_here = any(found.id == project.id for found in visit.app.projects.list(visit.caller))
    return redirect(f"/projects/{project.id}/sharing" if is_still_here else "/")


def _refused(visit: Visit, project: Project, error: IntramurosError) -> Response:
    visit.entry.note(error=error.code)
    return _page(visit, project, status=error.status, problem=problem(error, visit.words))


def _page(visit: Visit, project: Project, *, status: int = 200, **values: Any) -> Response:
    app, by = visit.app, visit.caller
    granted = app.projects.groups(project.id, by=by)
    shared_with = {grant.group_id for grant in granted}
    nameable = app.groups.list() if by.oversees else app.groups.list(of=by.user_id)
    return visit.page(
        "sharing.html",
        section="projects",
        status=status,
        project=project,
        roles=ROLES,
        is_owner=project.allows("owner"),
        members=app.projects.members(project.id, by=by),
        granted=granted,
        nameable=[group for group in nameable if group.id not in shared_with],
        people=app.users.list() if by.oversees else [],
        accesses=[
            one for one in app.break_glass.concerning(by.user_id) if one.project_id == project.id and one.is_open
        ],
        **values,
    )
