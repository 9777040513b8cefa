"""Signing in with the organisation's provider: there with a link, and back with an answer. Called by the router."""

from __future__ import annotations

from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse, Response

from intramuros.accounts.external import Identity
from intramuros.accounts.oidc import ATTEMPT_S, OpenIdProvider
from intramuros.errors import IntramurosError, NotFound, NotSignedIn
from intramuros.web.entrance import sign_in_page
from intramuros.web.problems import problem
from intramuros.web.signing_in import own_address, password_shown, signed_in
from intramuros.web.visit import Visit, redirect

COOKIE = "intramuros_sso"
PATH = "/sign-in/sso"


async def begin(visit: Visit) -> Response:
    """Sends the browser to the provider. Raises: NotFound where there is none, SignInServiceFailed."""
    wanted = own_address(visit.request.query_params.get("next", ""))
    address, attempt = await _provider(visit).begin(returns_to=_callback(visit), goes_to=wanted)
    response = RedirectResponse(address, status_code=303)
    # Lax, for the provider's page must send it; sealed, and good for ten minutes and this one attempt.
    is_secure = visit.request.url.scheme == "https"
    response.set_cookie(COOKIE, attempt, path=PATH, max_age=ATTEMPT_S, httponly=True, samesite="lax", secure=is_secure)
    return response


async def finish(visit: Visit) -> Response:
    """Signs in whom the provider vouches for, or shows the form with what is wrong."""
    cookie = visit.request.cookies.get(COOKIE, "")
    try:
        identity, wanted = await _provider(visit).finish(
            dict(visit.request.query_params), cookie=cookie, returns_to=_callback(visit)
        )
        response = await run_in_threadpool(_sign_in, visit, identity, own_address(wanted))
    except NotFound:
        raise
    except IntramurosError as error:
        visit.entry.note(error=error.code)
        said = problem(error, visit.words)
        response = sign_in_page(visit, problem=said, status=401 if isinstance(error, NotSignedIn) else error.status)
    response.delete_cookie(COOKIE, path=PATH)
    return response


def _sign_in(visit: Visit, identity: Identity, wanted: str) -> Response:
    user = visit.app.people_elsewhere.user_for(identity)
    if not identity.is_strong:
        return _arrived(visit, password_shown(visit, user, wanted, method="sso"))
    response = redirect(wanted)
    signed_in(visit, response, user, method="sso", is_strong=True)
    return _arrived(visit, response)


def _arrived(visit: Visit, onward: Response) -> Response:
    """A page that goes on by itself: a redirect that began on another site would not carry the strict cookie."""
    page = visit.page("arrived.html", target=onward.headers["location"])
    page.raw_headers += [pair for pair in onward.raw_headers if pair[0] == b"set-cookie"]
    return page


def _provider(visit: Visit) -> OpenIdProvider:
    if visit.app.provider is None:
        raise NotFound("No sign-in service is set up here.")
    return visit.app.provider


def _callback(visit: Visit) -> str:
    return f"{visit.request.url.scheme}://{visit.request.headers.get('host', '')}{PATH}/callback"
