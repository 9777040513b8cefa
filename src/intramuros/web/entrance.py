"""The ways in and out: the password, the one-time link of a new person, sign out.

Called by the router. Nobody is signed in here yet, so forms carry no session's token: the guard has refused what
comes from pages of other sites.
"""

from __future__ import annotations

from urllib.parse import urlencode

from starlette.responses import Response

from intramuros.errors import BadRequest, Conflict, IntramurosError, NotSignedIn, TooMany
from intramuros.web.problems import Problem, problem
from intramuros.web.signing_in import forget_session, own_address, password_shown
from intramuros.web.visit import Form, Visit, redirect

CLEARED = '"cache", "storage"'
"""What a browser forgets at the end of a session. Not "cookies": on localhost those of other programs would go too."""


def sign_in_page(visit: Visit, *, status: int = 200, problem: Problem | None = None) -> Response:
    """The form; whoever is signed in already goes on."""
    wanted = own_address(visit.request.query_params.get("next", ""))
    if visit.who is not None:
        return redirect(wanted)
    return _page(visit, wanted=wanted, status=status, problem=problem)


def sign_in(visit: Visit, form: Form) -> Response:
    """Opens a session, or shows the form again with what is wrong."""
    email, wanted = form.get("email", ""), own_address(form.get("next", ""))
    try:
        user = visit.app.users.authenticate(email, form.get("password", ""), address=visit.address)
    except (NotSignedIn, TooMany) as error:
        visit.entry.note(error=error.code)
        is_wrong = isinstance(error, NotSignedIn)
        said = Problem(error.code, visit.words("sign_in.wrong")) if is_wrong else problem(error, visit.words)
        return _page(visit, status=error.status, problem=said, email=email, wanted=wanted)
    return password_shown(visit, user, wanted)


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
    visit.entry.about(user.id)
    return password_shown(visit, user, "/")


def sign_out(visit: Visit, form: Form) -> Response:
    """Ends this session."""
    visit.app.sessions.close(visit.token)
    response = redirect("/sign-in")
    forget_session(visit, response)
    response.headers["clear-site-data"] = CLEARED
    return response


def _page(visit: Visit, *, wanted: str, email: str = "", status: int = 200, problem: Problem | None = None) -> Response:
    provider = visit.app.provider
    return visit.page(
        "sign_in.html",
        status=status,
        problem=problem,
        email=email,
        next=wanted,
        has_passkeys=visit.site is not None,
        provider=None if provider is None else provider.client.name,
        sso_link=f"/sign-in/sso?{urlencode({'next': wanted})}",
        has_directory=visit.app.users.elsewhere is not None,
    )


def _role(visit: Visit) -> str:
    role = visit.app.users.invited_role(visit.path("token"))
    if role is None:
        error = IntramurosError("This link has been used or is no longer valid.", code="link_used")
        error.status = 404
        raise error
    return role
