"""One request of one person's browser: who it is, in which language, and how an answer is made.

Called by the router, which turns every page's handler into an endpoint here: handlers are plain functions that may
touch the store, so they run in a thread; what changes something must carry the token of its session. Knows no single
page.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode

import orjson
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from intramuros.accounts.caller import Caller
from intramuros.accounts.sessions import check_csrf, csrf
from intramuros.audit.entry import Entry
from intramuros.errors import BadRequest, ModelFileError, ModelNotFound, NotAllowed
from intramuros.models.installed import InstalledModel
from intramuros.security.passkeys import Site, site_of
from intramuros.web.look import Look, look
from intramuros.web.words import LANGUAGES, Words, preferred

if TYPE_CHECKING:
    from intramuros.app import App

Form = Mapping[str, str]
Told = Mapping[str, Any]
LANGUAGE_COOKIE = "language"
YEAR_S = 365 * 24 * 3600
MAX_FIELDS = 50


@dataclass(frozen=True, slots=True)
class Visit:
    """What a page knows of the request it answers."""

    app: App
    request: Request
    words: Words
    look: Look
    fresh: str = ""
    """The session's new token, where this request has made it new."""

    @property
    def who(self) -> Caller | None:
        """Who asks, on a page that anybody may see."""
        caller: Caller | None = self.request.scope["state"]["caller"]
        return caller

    @property
    def caller(self) -> Caller:
        """Who asks; the guard has seen to it that there is someone."""
        caller: Caller = self.request.scope["state"]["caller"]
        return caller

    @property
    def entry(self) -> Entry:
        """The open audit record of this request."""
        entry: Entry = self.request.scope["state"]["entry"]
        return entry

    @property
    def token(self) -> str:
        """The session's token, from its cookie; empty without one."""
        return self.fresh or self.app.identity.session_token(self.request.headers) or ""

    @property
    def csrf(self) -> str:
        """What every form of this session carries, so that no other site can send it."""
        return csrf(self.token) if self.token else ""

    @property
    def address(self) -> str | None:
        """Where the request comes from."""
        return self.request.client.host if self.request.client else None

    @property
    def site(self) -> Site | None:
        """What passkeys made on this page belong to; none where browsers make none."""
        return site_of(self.request.url.scheme, self.request.headers.get("host", ""))

    def renewed(self, *, is_strong: bool = False) -> Visit:
        """The same visit with the session's new token, once its person has proved themselves."""
        fresh = self.app.sessions.renew(self.token, is_strong=is_strong)
        self.request.scope["state"]["caller"] = self.app.sessions.caller(fresh) or self.caller
        return replace(self, fresh=fresh)

    def path(self, name: str) -> str:
        """A part of the address."""
        return str(self.request.path_params[name])

    def page(self, template: str, *, section: str = "", status: int = 200, **values: Any) -> Response:
        """A whole page, with what every page shows."""
        values = {"problem": None, "section": section, "model": self.model() if self.who else None, **values}
        return HTMLResponse(self.part(template, **values), status_code=status)

    def part(self, template: str, **values: Any) -> str:
        """A template's HTML."""
        values = {"ways_out": self.app.router.ways_out, **values}
        return self.look.render(
            template, self.words, caller=self.who, csrf=self.csrf, language_link=self._language_link, **values
        )

    def model(self) -> InstalledModel | None:
        """The model that answers, if one is installed and in order."""
        try:
            return self.app.models.get()
        except (ModelNotFound, ModelFileError):
            return None

    def check_token(self, given: str | None) -> None:
        """Refuses a change that does not carry the session's token. Raises: NotAllowed."""
        if not given or not self.token or not check_csrf(self.token, given):
            raise NotAllowed(
                "The form does not belong to this session.", code="csrf", hint="Reload the page and try again."
            )

    def _language_link(self, language: str) -> str:
        kept = [(name, value) for name, value in self.request.query_params.multi_items() if name != "lang"]
        return f"?{urlencode([*kept, ('lang', language)])}"


class Visits:
    """Turns handlers into endpoints of the router."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.look = look()

    def visit(self, request: Request) -> Visit:
        """The visit of a request."""
        language = language_of(request.headers, request.scope.get("state", {}).get("caller"))
        return Visit(self.app, request, self.look.words[language], self.look)

    def shown(self, handler: Callable[[Visit], Response]) -> Callable[[Request], Awaitable[Response]]:
        """A page: `?lang=` chooses its language, for this and the next visits."""

        async def endpoint(request: Request) -> Response:
            chosen = request.query_params.get("lang")
            if chosen in LANGUAGES:
                return _remember_language(request, chosen)
            return await run_in_threadpool(handler, self.visit(request))

        return endpoint

    def sent(
        self, handler: Callable[[Visit, Form], Response], *, needs_session: bool = True
    ) -> Callable[[Request], Awaitable[Response]]:
        """What a form sends. Raises: NotAllowed without the session's token, unless there is no session yet."""

        async def endpoint(request: Request) -> Response:
            visit = self.visit(request)
            form = await read_form(request)
            if needs_session:
                visit.check_token(form.get("csrf"))
            return await run_in_threadpool(handler, visit, form)

        return endpoint

    def told(
        self, handler: Callable[[Visit, Told], Response], *, needs_session: bool = True
    ) -> Callable[[Request], Awaitable[Response]]:
        """What a script sends as JSON, with the session's token in a header. Raises: NotAllowed, BadRequest."""

        async def endpoint(request: Request) -> Response:
            visit = self.visit(request)
            if needs_session:
                visit.check_token(request.headers.get("x-csrf-token"))
            return await run_in_threadpool(handler, visit, await read_json(request))

        return endpoint

    def live(self, handler: Callable[[Visit], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        """An endpoint that waits for things itself: a stream, an upload. It checks the token where it must."""

        async def endpoint(request: Request) -> Response:
            return await handler(self.visit(request))

        return endpoint


async def read_form(request: Request) -> Form:
    """The fields of a form. Multipart is refused: parsing it writes what is large to a plain temporary file.

    Raises: BadRequest.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip()
    if kind != "application/x-www-form-urlencoded":
        raise BadRequest("This address takes a form.", code="bad_request")
    try:
        text = (await request.body()).decode("utf-8")
        return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_FIELDS, errors="strict"))
    except ValueError:
        raise BadRequest("The form can't be read.", code="bad_request") from None


async def read_json(request: Request) -> Told:
    """The object that a script of these pages sends. Raises: BadRequest."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip()
    try:
        value = orjson.loads(await request.body()) if kind == "application/json" else None
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise BadRequest("This address takes an object in JSON.", code="bad_request")
    return value


def language_of(headers: Mapping[str, str], caller: Caller | None) -> str:
    """The language chosen in this browser, else the person's, else the one the browser prefers."""
    cookies: SimpleCookie = SimpleCookie()
    try:
        cookies.load(headers.get("cookie", ""))
    except CookieError:
        cookies.clear()
    chosen = cookies[LANGUAGE_COOKIE].value if LANGUAGE_COOKIE in cookies else None
    for language in (chosen, caller.language if caller else None):
        if language in LANGUAGES:
            return str(language)
    return preferred(headers.get("accept-language", ""))


def _remember_language(request: Request, language: str) -> Response:
    kept = [(name, value) for name, value in request.query_params.multi_items() if name != "lang"]
    response = RedirectResponse(request.url.path + (f"?{urlencode(kept)}" if kept else ""), status_code=303)
    is_secure = request.url.scheme == "https"
    response.set_cookie(LANGUAGE_COOKIE, language, max_age=YEAR_S, httponly=True, samesite="lax", secure=is_secure)
    return response


def redirect(address: str) -> Response:
    """Sends the browser to a page of this server, after a form has done its work."""
    return RedirectResponse(address, status_code=303)
