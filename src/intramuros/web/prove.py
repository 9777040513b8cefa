"""Showing a password or passkey once more, before changing how one signs in. Called by the router."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from intramuros.accounts.passkeys import PROVE
from intramuros.errors import NotSignedIn, TooMany
from intramuros.security.passkeys import refused
from intramuros.web.account import signed_in_person
from intramuros.web.passkeys import answer, credential, site
from intramuros.web.problems import Problem, problem
from intramuros.web.signing_in import own_address, remember_session
from intramuros.web.visit import Form, Told, Visit, redirect


def show(visit: Visit) -> Response:
    """The form."""
    return _page(visit, wanted=_wanted(visit.request.query_params.get("next")))


def by_password(visit: Visit, form: Form) -> Response:
    """Takes the password, and the session goes on under a new token."""
    user, wanted = signed_in_person(visit), _wanted(form.get("next"))
    try:
        visit.app.users.authenticate(user.email, form.get("password", ""), address=visit.address)
    except (NotSignedIn, TooMany) as error:
        visit.entry.note(error=error.code)
        is_wrong = isinstance(error, NotSignedIn)
        said = Problem(error.code, visit.words("account.wrong_password")) if is_wrong else problem(error, visit.words)
        return _page(visit, status=error.status, problem=said, wanted=wanted)
    response = redirect(wanted)
    remember_session(visit, response, visit.renewed().token)
    return response


def begin(visit: Visit, told: Told) -> Response:
    """What the browser is asked for a passkey."""
    options = visit.app.factors.passkeys.begin_showing(PROVE, site=site(visit), holder=visit.token)
    return Response(options, media_type="application/json")


def by_passkey(visit: Visit, told: Told) -> Response:
    """Takes a passkey of this same person. Raises: NotSignedIn."""
    if visit.app.factors.passkeys.shown(PROVE, credential(told), site=site(visit), holder=visit.token) != (
        visit.caller.user_id
    ):
        raise refused()
    response = answer({"next": _wanted(told.get("next"))})
    remember_session(visit, response, visit.renewed().token)
    return response


def _wanted(next_page: Any) -> str:
    """Where to go on: a page of this server, else the account."""
    return own_address(next_page) if isinstance(next_page, str) and next_page else "/account"


def _page(visit: Visit, *, status: int = 200, **values: Any) -> Response:
    user = signed_in_person(visit)
    keys = visit.app.factors.passkeys.list(user.id)
    has_passkeys = visit.site is not None and any(key.site == visit.site.name for key in keys)
    values = {"email": user.email, "has_passkeys": has_passkeys, **values}
    return visit.page("prove.html", section="account", status=status, **values)
