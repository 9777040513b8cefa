"""What the pages' script sends about passkeys: sign in with one, make one; and the form that removes one.

Called by the router. Each pair of requests is a challenge and its answer, bound to this browser's cookie.
"""

from __future__ import annotations

from typing import Any

import orjson
from starlette.responses import Response

from intramuros.accounts.passkeys import SIGN_IN
from intramuros.accounts.steps import expired
from intramuros.errors import BadRequest, Conflict
from intramuros.security.passkeys import Site
from intramuros.security.tokens import new_token
from intramuros.web.account import page, signed_in_person
from intramuros.web.problems import problem
from intramuros.web.signing_in import SECOND, own_address, remember_session, remember_step, signed_in
from intramuros.web.visit import Form, Told, Visit, redirect


def begin(visit: Visit, told: Told) -> Response:
    """What the browser is asked, for whoever wants to sign in."""
    holder = visit.app.identity.step_token(visit.request.headers) or new_token()
    options = visit.app.factors.passkeys.begin_showing(SIGN_IN, site=site(visit), holder=holder, address=visit.address)
    response = Response(options, media_type="application/json")
    remember_step(visit, response, holder)
    return response


def sign_in(visit: Visit, told: Told) -> Response:
    """Opens a session for the person whose passkey was shown. Raises: NotSignedIn."""
    holder = visit.app.identity.step_token(visit.request.headers)
    if holder is None:
        raise expired()
    user_id = visit.app.factors.passkeys.shown(SIGN_IN, credential(told), site=site(visit), holder=holder)
    if visit.app.steps.look(SECOND, holder) is not None:
        visit.app.steps.take(SECOND, holder)
    response = answer({"next": own_address(str(told.get("next", "")))})
    signed_in(visit, response, visit.app.users.get(user_id), method="passkey", is_strong=True)
    return response


def begin_adding(visit: Visit, told: Told) -> Response:
    """What the browser is asked, to make a passkey of whoever is signed in."""
    user = signed_in_person(visit)
    options = visit.app.factors.passkeys.begin_adding(user, site=site(visit), holder=visit.token)
    return Response(options, media_type="application/json")


def add(visit: Visit, told: Told) -> Response:
    """Stores the passkey that the browser made; every other session of the person ends."""
    user = signed_in_person(visit)
    key_id = visit.app.factors.add_passkey(
        user, credential(told), name=str(told.get("name", "")), site=site(visit), holder=visit.token
    )
    visit.entry.about(key_id)
    visit.app.sessions.close_all(user.id, but=visit.token)
    visit = visit.renewed(is_strong=True)
    response = answer({"next": "/account"})
    remember_session(visit, response, visit.token)
    return response


def remove(visit: Visit, form: Form) -> Response:
    """Takes one of the person's own passkeys away, unless it is the last factor and one must be. Raises: NotFound."""
    visit.entry.about(visit.path("passkey"))
    try:
        visit.app.factors.remove_passkey(signed_in_person(visit), visit.path("passkey"))
    except Conflict as error:
        return page(visit, status=error.status, problem=problem(error, visit.words))
    return redirect("/account")


def site(visit: Visit) -> Site:
    """The site of this page. Raises: BadRequest where browsers have no passkeys."""
    if visit.site is None:
        raise BadRequest(
            "Passkeys need this server's name in the address, not a number.",
            hint="Open Intramuros as http://localhost with its port, or under its name over TLS.",
            code="no_passkeys_here",
        )
    return visit.site


def credential(told: Told) -> dict[str, Any]:
    """What the browser says of a passkey. Raises: BadRequest."""
    found = told.get("credential")
    if not isinstance(found, dict):
        raise BadRequest("There is no passkey in this.", code="bad_request")
    return found


def answer(value: dict[str, str]) -> Response:
    """JSON for the script."""
    return Response(orjson.dumps(value), media_type="application/json")
