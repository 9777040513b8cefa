"""A person's own account: what they sign in with, and where they are signed in. Called by the router."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from intramuros.accounts.sessions import PROOF_S
from intramuros.accounts.users import User
from intramuros.errors import BadRequest, NotAllowed, NotSignedIn, TooMany
from intramuros.storage.schema import now
from intramuros.web.problems import Problem, problem
from intramuros.web.quotas import lines
from intramuros.web.signing_in import forget_session, remember_session
from intramuros.web.visit import Form, Visit, redirect


def show(visit: Visit) -> Response:
    """The page."""
    done = visit.request.query_params.get("done", "")
    return page(visit, done=done if done in {"password", "sessions", "codes", "passkey"} else "")


def change_password(visit: Visit, form: Form) -> Response:
    """Takes the current and a new password; every other session of the person ends, this one has a new token."""
    user = signed_in_person(visit)
    try:
        visit.app.users.change_password(
            user, form.get("current", ""), form.get("password", ""), token=visit.token, address=visit.address
        )
    except (NotSignedIn, TooMany, BadRequest) as error:
        visit.entry.note(error=error.code)
        is_wrong = isinstance(error, NotSignedIn)
        said = Problem(error.code, visit.words("account.wrong_password")) if is_wrong else problem(error, visit.words)
        return page(visit, status=error.status, problem=said)
    response = redirect("/account?done=password")
    remember_session(visit, response, visit.renewed().token)
    return response


def end_session(visit: Visit, form: Form) -> Response:
    """Ends one of the person's own sessions, also this one. Raises: NotFound for anybody else's."""
    visit.app.sessions.end(visit.path("session"), user_id=visit.caller.user_id)
    visit.entry.about(visit.path("session"))
    if visit.app.sessions.caller(visit.token) is not None:
        return redirect("/account?done=sessions")
    response = redirect("/sign-in")
    forget_session(visit, response)
    return response


def end_others(visit: Visit, form: Form) -> Response:
    """Ends every session of the person but this one."""
    visit.app.sessions.close_all(visit.caller.user_id, but=visit.token)
    return redirect("/account?done=sessions")


def page(visit: Visit, *, status: int = 200, **values: Any) -> Response:
    """The account page, with what is wrong if something is."""
    user = signed_in_person(visit)
    values = {
        "user": user,
        "have": visit.app.factors.of(user.id),
        "is_required": visit.app.factors.is_required(user),
        "can_change": now() - visit.caller.proven_at < PROOF_S,
        "sessions": visit.app.sessions.list(user.id, token=visit.token),
        "site": visit.site,
        "usage": lines(visit, visit.caller.limits),
        "done": "",
        **values,
    }
    return visit.page("account.html", section="account", status=status, **values)


def signed_in_person(visit: Visit) -> User:
    """The person at the browser. Raises: NotAllowed for programs: a key manages no account."""
    if visit.caller.credential != "session":
        raise NotAllowed("An account is managed in the browser, not with a key.", code="not_a_session")
    return visit.app.users.get(visit.caller.user_id)
