"""Setting up one-time codes, new recovery codes, and taking codes away. Called by the router."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from intramuros.accounts.one_time_codes import Enrolment
from intramuros.errors import Conflict, TooMany, WrongCode
from intramuros.security.one_time_codes import picture
from intramuros.web.account import page, signed_in_person
from intramuros.web.problems import problem
from intramuros.web.signing_in import remember_session
from intramuros.web.visit import Form, Visit, redirect


def begin_codes(visit: Visit, form: Form) -> Response:
    """A new secret for the person's app, shown in this answer and never again once it is confirmed."""
    try:
        enrolment = visit.app.factors.codes.begin(signed_in_person(visit))
    except Conflict as error:
        return page(visit, status=error.status, problem=problem(error, visit.words))
    return _enrolment(visit, enrolment)


def add_codes(visit: Visit, form: Form) -> Response:
    """Takes the app's first code: from now on signing in takes one. Every other session of the person ends."""
    user = signed_in_person(visit)
    try:
        recovery = visit.app.factors.confirm_codes(user, form.get("code", ""), address=visit.address)
    except (WrongCode, TooMany) as error:
        visit.entry.note(error=error.code)
        enrolment = visit.app.factors.codes.begun(user)
        if enrolment is None:
            return redirect("/account")
        return _enrolment(visit, enrolment, status=error.status, problem=problem(error, visit.words))
    visit.app.sessions.close_all(user.id, but=visit.token)
    visit = visit.renewed(is_strong=True)
    response = _recovery(visit, recovery) if recovery else redirect("/account?done=codes")
    remember_session(visit, response, visit.token)
    return response


def remove_codes(visit: Visit, form: Form) -> Response:
    """Takes the one-time codes away."""
    try:
        visit.app.factors.remove_codes(signed_in_person(visit))
    except Conflict as error:
        return page(visit, status=error.status, problem=problem(error, visit.words))
    return redirect("/account")


def renew_recovery(visit: Visit, form: Form) -> Response:
    """Ten new recovery codes, shown in this answer and never again."""
    try:
        return _recovery(visit, visit.app.factors.renew_recovery(signed_in_person(visit)))
    except Conflict as error:
        return page(visit, status=error.status, problem=problem(error, visit.words))


def _enrolment(visit: Visit, enrolment: Enrolment, *, status: int = 200, **values: Any) -> Response:
    secret = " ".join(enrolment.secret[at : at + 4] for at in range(0, len(enrolment.secret), 4))
    values = {"picture": picture(enrolment.address), "secret": secret, **values}
    return visit.page("codes.html", section="account", status=status, **values)


def _recovery(visit: Visit, codes: list[str]) -> Response:
    return visit.page("recovery.html", section="account", codes=codes)
