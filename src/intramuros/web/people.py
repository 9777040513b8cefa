"""The people of the installation: invited, given a role, suspended. Called by the router."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from intramuros.accounts.users import ROLES, User, check_may_invite
from intramuros.errors import BadRequest, Conflict, IntramurosError
from intramuros.web.problems import problem
from intramuros.web.visit import Form, Visit, redirect

DAYS = ("1", "3", "7")


def show(visit: Visit) -> Response:
    """Everybody, with their groups."""
    return _page(visit)


def invite(visit: Visit, form: Form) -> Response:
    """Makes a one-time link and shows it: in this answer and never again. Raises: NotAllowed, BadRequest."""
    role, days = form.get("role", "member"), form.get("days", "3")
    if days not in DAYS:
        raise BadRequest("A link works for 1, 3 or 7 days.")
    check_may_invite(visit.caller, role)
    token = visit.app.users.invite(role, hours=24 * int(days))
    visit.entry.note(role=role)
    address = f"{visit.request.url.scheme}://{visit.request.headers.get('host', '')}"
    return _page(visit, link=f"{address}/first/{token}", invited_role=role, days=int(days))


def change_role(visit: Visit, form: Form) -> Response:
    """Gives a person another role."""
    role = form.get("role", "")
    if role in ROLES:
        visit.entry.note(role=role)
    return _changed(visit, lambda user: visit.app.users.set_role(user.id, role))


def suspend(visit: Visit, form: Form) -> Response:
    """Locks a person out at once."""
    return _changed(visit, lambda user: visit.app.users.suspend(user.id))


def resume(visit: Visit, form: Form) -> Response:
    """Lets a suspended person in again."""
    return _changed(visit, lambda user: visit.app.users.resume(user.id))


def reset_factor(visit: Visit, form: Form) -> Response:
    """Takes a person's second factors away; they set up a new one before anything else."""
    return _changed(visit, lambda user: visit.app.factors.reset(user.id))


def sign_out(visit: Visit, form: Form) -> Response:
    """Ends every session of a person; they may sign in again."""
    return _changed(visit, lambda user: visit.app.sessions.close_all(user.id))


def person_of(visit: Visit) -> User:
    """The person of the address. Raises: NotFound."""
    user = visit.app.users.find(visit.path("user"))
    visit.entry.about(user.id)
    return user


def _changed(visit: Visit, change: Any) -> Response:
    user = person_of(visit)
    try:
        change(user)
    except (BadRequest, Conflict) as error:
        return _refused(visit, error)
    return redirect("/people")


def _refused(visit: Visit, error: IntramurosError) -> Response:
    visit.entry.note(error=error.code)
    return _page(visit, status=error.status, problem=problem(error, visit.words))


def _page(visit: Visit, *, status: int = 200, **values: Any) -> Response:
    groups: dict[str, list[str]] = {}
    for group in visit.app.groups.list():
        for member in visit.app.groups.members(group.id):
            groups.setdefault(member.user_id, []).append(group.name)
    roles = [role for role in ROLES if role != "service"]
    people, protected = visit.app.users.list(), visit.app.factors.protected()
    required = [role for role in roles if role in visit.app.settings.second_factor_roles]
    values = {
        "people": people,
        "groups": groups,
        "protected": protected,
        "required": ", ".join(visit.words(f"role.{role}") for role in required),
        "unprotected": [u for u in people if u.role in required and u.id not in protected and not u.is_suspended],
        "roles": roles,
        "invitable": roles if visit.caller.is_administrator else ["member"],
        "link": None,
        **values,
    }
    return visit.page("people.html", section="administration", status=status, **values)
