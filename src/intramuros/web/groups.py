"""The groups of the installation and who is in them. Called by the router."""

from __future__ import annotations

from collections.abc import Callable

from starlette.responses import Response

from intramuros.errors import BadRequest, Conflict, NotAllowed, NotFound
from intramuros.web.problems import Problem, problem
from intramuros.web.visit import Form, Visit, redirect


def show(visit: Visit, *, said: Problem | None = None, status: int = 200) -> Response:
    """All groups."""
    people = [user for user in visit.app.users.list() if not user.is_suspended]
    groups = []
    for group in visit.app.groups.list():
        members = visit.app.groups.members(group.id)
        inside = {member.user_id for member in members}
        groups.append((group, members, [user for user in people if user.id not in inside]))
    return visit.page("groups.html", section="administration", problem=said, status=status, groups=groups)


def create(visit: Visit, form: Form) -> Response:
    """Makes an empty group."""

    def change() -> None:
        group = visit.app.groups.create(form.get("name", ""), external_name=form.get("external_name") or None)
        visit.entry.about(group.id)

    return _changed(visit, change)


def add(visit: Visit, form: Form) -> Response:
    """Puts a person into a group."""

    def change() -> None:
        group, user_id = _group_of(visit), _person(visit, form)
        visit.app.groups.add(group, user_id=user_id, by=visit.caller)

    return _changed(visit, change)


def leave(visit: Visit, form: Form) -> Response:
    """Takes a person out of a group."""

    def change() -> None:
        group, user_id = _group_of(visit), _person(visit, form)
        visit.app.groups.leave(group, user_id=user_id)

    return _changed(visit, change)


def remove(visit: Visit, form: Form) -> Response:
    """Removes a group."""
    return _changed(visit, lambda: visit.app.groups.remove(_group_of(visit)))


def _group_of(visit: Visit) -> str:
    group = visit.app.groups.get(visit.path("group"))
    visit.entry.about(group.id)
    return group.id


def _person(visit: Visit, form: Form) -> str:
    user = visit.app.users.find(form.get("user", ""))
    visit.entry.note(user=user.id)
    return user.id


def _changed(visit: Visit, change: Callable[[], object]) -> Response:
    try:
        change()
    except (BadRequest, Conflict, NotAllowed, NotFound) as error:
        visit.entry.note(error=error.code)
        return show(visit, said=problem(error, visit.words), status=error.status)
    return redirect("/groups")
