"""The ways in and out: sign in, the one-time link of a new person, sign out.

Called by the router. Nobody is signed in here yet, so forms carry no session's token: the guard has refused what
comes from pages of other sites.
"""

from __future__ import annotations

from typing import Literal, TypedDict

from starlette.responses import Response

from intramuros.accounts.users import User
from intramuros.errors import BadRequest, Conflict, IntramurosError, NotSignedIn, TooMany
from intramuros.web.problems import Problem, problem
from intramuros.web.visit import Form, Visit, redirect


class _CookieAttributes(TypedDict):
    path: str
    httponly: bool
    samesite: Literal["strict"]
    secure: bool


def sign_in_page(visit: Visit) -> Response:
    """The form; whoever is signed in already goes on."""
    wanted = own_address(visit.request.query_params.get("next", ""))
    if visit.who is not None:
        return redirect(wanted)
    return visit.page("sign_in.html", email="", next=wanted)


def sign_in(visit: Visit, form: Form) -> Response:
    """Opens a session, or shows the form again with what is wrong."""
    email, wanted = form.get("email", ""), own_address(form.get("next", ""))
    try:
        user = visit.app.users.authenticate(email, form.get("password", ""), address=_address(visit))
    except (NotSignedIn, TooMany) as error:
        visit.entry.note(error=error.code)
        is_wrong = isinstance(error, NotSignedIn)
        said = Problem(error.code, visit.words("sign_in.wrong")) if is_wrong else problem(error, visit.words)
        return visit.page("sign_in.html", status=error.status, problem=said, email=email, next=wanted)
    return _signed_in(visit, user, wanted)


def first_page(visit: Visit) -> Response:
    """The form behind a one-time link. Raises: NotSignedIn when the link is used, expired or none."""
    return visit.page("first.html", role=_role(visit), name="", email="")


def first(visit: Visit, form: Form) -> Response:
    """Makes the account of whoever holds the link, and signs them in."""
    role = _role(visit)
    name, email = form.get("name", ""), form.get("email", "")
    try:
        user = visit.app.users.redeem(
            visit.path("token"),
            email,
            name=name,
            password=form.get("password", ""),
            language=visit.words.language,
        )
    except (BadRequest, Conflict) as error:
        visit.entry.note(error=error.code)
        said = problem(error, visit.words)
        return visit.page("first.html", status=error.status, problem=said, role=role, name=name, email=email)
    return _signed_in(visit, user, "/")


def sign_out(visit: Visit, form: Form) -> Response:
    """Ends this session."""
    visit.app.sessions.close(visit.token)
    response = redirect("/sign-in")
    response.delete_cookie(visit.app.identity.cookie, **_attributes(visit))
    return response


def own_address(wanted: str) -> str:
    """The page somebody wanted, if it is one of this server; else the start."""
    is_own = wanted.startswith("/") and not wanted.startswith(("//", "/\\")) and wanted.isprintable()
    return wanted if is_own else "/"


def _signed_in(visit: Visit, user: User, wanted: str) -> Response:
    if visit.token:
        visit.app.sessions.close(visit.token)
    token = visit.app.sessions.open(user)
    response = redirect(wanted)
    response.set_cookie(visit.app.identity.cookie, token, **_attributes(visit))
    return response


def _attributes(visit: Visit) -> _CookieAttributes:
    """No script reads it, no other site sends it; over TLS nothing but TLS carries it. It ends with the browser."""
    return {"path": "/", "httponly": True, "samesite": "strict", "secure": visit.request.url.scheme == "https"}


def _role(visit: Visit) -> str:
    role = visit.app.users.invited_role(visit.path("token"))
    if role is None:
        error = IntramurosError("This link has been used or is no longer valid.", code="link_used")
        error.status = 404
        raise error
    return role


def _address(visit: Visit) -> str | None:
    return visit.request.client.host if visit.request.client else None
