"""The second step of signing in: a code from the app, a recovery code, or a passkey. Called by the router.

Who comes here has shown a password and is nobody yet: their cookie opens this page and nothing else.
"""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from intramuros.accounts.sessions import check_csrf, csrf
from intramuros.accounts.users import User
from intramuros.errors import NotAllowed, TooMany, WrongCode
from intramuros.web.problems import problem
from intramuros.web.signing_in import SECOND, own_address, signed_in
from intramuros.web.visit import Form, Visit, redirect


def show(visit: Visit) -> Response:
    """The form; whoever has not shown a password begins there."""
    wanted = own_address(visit.request.query_params.get("next", ""))
    user = _begun(visit)
    return redirect("/sign-in") if user is None else _page(visit, user, wanted)


def finish(visit: Visit, form: Form) -> Response:
    """Takes the code and opens the session, or shows the form again."""
    wanted, user, token = own_address(form.get("next", "")), _begun(visit), _token(visit)
    if user is None:
        return redirect("/sign-in")
    if not check_csrf(token, form.get("csrf", "")):
        raise NotAllowed("The form does not belong to this sign-in.", code="csrf")
    visit.entry.note(user=user.id)
    try:
        method = visit.app.factors.check(user, form.get("code", ""), address=visit.address)
    except (WrongCode, TooMany) as error:
        if isinstance(error, WrongCode):
            visit.app.steps.failed(token)
        visit.entry.note(error=error.code)
        return _page(visit, user, wanted, status=error.status, problem=problem(error, visit.words))
    visit.app.steps.take(SECOND, token)
    response = redirect("/account" if method == "recovery" else wanted)
    signed_in(visit, response, user, method=method, is_strong=True)
    return response


def _page(visit: Visit, user: User, wanted: str, *, status: int = 200, **values: Any) -> Response:
    have = visit.app.factors.of(user.id)
    values = {
        "next": wanted,
        "step_csrf": csrf(_token(visit)),
        "has_codes": have.codes_since is not None,
        "has_passkeys": visit.site is not None and any(key.site == visit.site.name for key in have.passkeys),
        **values,
    }
    return visit.page("second.html", status=status, **values)


def _begun(visit: Visit) -> User | None:
    step = visit.app.steps.look(SECOND, _token(visit))
    if step is None or step.user_id is None:
        return None
    user = visit.app.users.get(step.user_id)
    return None if user.is_suspended else user


def _token(visit: Visit) -> str:
    return visit.app.identity.step_token(visit.request.headers) or ""
