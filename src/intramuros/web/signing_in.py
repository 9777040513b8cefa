"""From a password or passkey to a session: the second step where one is due, and the cookies of both.

Called by the pages of the entrance, the second step and the passkeys, and by whatever else finds out who somebody is.
"""

from __future__ import annotations

from typing import Literal, TypedDict
from urllib.parse import urlencode

from starlette.responses import Response

from intramuros.accounts.caller import Caller
from intramuros.accounts.steps import STEP_S
from intramuros.accounts.users import User
from intramuros.web.device import device_of
from intramuros.web.visit import Visit, redirect

SECOND = "second"


class _CookieAttributes(TypedDict):
    path: str
    httponly: bool
    samesite: Literal["strict"]
    secure: bool


def password_shown(visit: Visit, user: User, wanted: str, *, method: str = "password") -> Response:
    """What follows a good password, or another single factor: the second step if there is one, else the session."""
    if not visit.app.factors.has_any(user.id):
        response = redirect(wanted)
        signed_in(visit, response, user, method=method, is_strong=False)
        return response
    token = visit.app.steps.begin(SECOND, user_id=user.id, address=visit.address)
    response = redirect(f"/sign-in/second?{urlencode({'next': wanted})}" if wanted != "/" else "/sign-in/second")
    remember_step(visit, response, token)
    visit.entry.note(user=user.id)
    return response


def signed_in(visit: Visit, response: Response, user: User, *, method: str, is_strong: bool) -> None:
    """Opens a session under a new token, whatever token the browser came with, and puts it into the answer."""
    if visit.token:
        visit.app.sessions.close(visit.token)
    device = device_of(visit.request.headers.get("user-agent", ""))
    token = visit.app.sessions.open(user, method=method, is_strong=is_strong, device=device)
    visit.entry.by(Caller(user.id, user.name, user.role, "session"))
    visit.entry.note(method=method)
    remember_session(visit, response, token)
    if visit.app.identity.step_token(visit.request.headers) is not None:
        response.delete_cookie(visit.app.identity.step_cookie, **_attributes(visit))


def remember_session(visit: Visit, response: Response, token: str) -> None:
    """Gives the browser the session's token. The cookie ends with the browser."""
    response.set_cookie(visit.app.identity.cookie, token, **_attributes(visit))


def forget_session(visit: Visit, response: Response) -> None:
    """Takes the session's token from the browser."""
    response.delete_cookie(visit.app.identity.cookie, **_attributes(visit))


def remember_step(visit: Visit, response: Response, token: str) -> None:
    """Gives the browser what it must have to finish a sign-in; it is no session's token."""
    response.set_cookie(visit.app.identity.step_cookie, token, max_age=round(STEP_S), **_attributes(visit))


def own_address(wanted: str) -> str:
    """The page somebody wanted, if it is one of this server; else the start."""
    is_own = wanted.startswith("/") and not wanted.startswith(("//", "/\\")) and wanted.isprintable()
    return wanted if is_own else "/"


def _attributes(visit: Visit) -> _CookieAttributes:
    """No script reads it, no other site sends it; over TLS nothing but TLS carries it."""
    return {"path": "/", "httponly": True, "samesite": "strict", "secure": visit.request.url.scheme == "https"}
