"""What a browser gets instead of a page: the way to sign in, or an error in plain words.

Called by the server's guard for every error of this door, also for those raised before any page is reached. It knows
the request only, not the installation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import orjson
from starlette.types import Scope

from intramuros.errors import IntramurosError, ProofNeeded, SecondFactorNeeded
from intramuros.web.look import look
from intramuros.web.problems import problem
from intramuros.web.visit import language_of

Headers = list[tuple[bytes, bytes]]
PROVEN_FOR = frozenset({"/break-glass", "/keys"})
"""Pages to come back to; whatever else must be recent is on the account page."""


def refusal(error: IntramurosError, scope: Scope, headers: Mapping[str, str]) -> tuple[int, Headers, bytes]:
    """Status, headers and body: a page, JSON for the scripts of the pages, or the way to the sign-in."""
    caller = scope.get("state", {}).get("caller")
    words = look().words[language_of(headers, caller)]
    accepted = headers.get("accept", "")
    if "application/json" in accepted or "text/event-stream" in accepted:
        said = problem(error, words)
        body = orjson.dumps({"code": said.code, "message": said.message, "hint": said.hint})
        return error.status, _headers(b"application/json", body), body
    if error.status == 401 and scope["method"] in {"GET", "HEAD"}:
        return 303, [(b"location", _sign_in(scope)), (b"content-length", b"0")], b""
    if (where := _instead(error, scope)) is not None:
        return 303, [(b"location", where), (b"content-length", b"0")], b""
    values: dict[str, Any] = {
        "caller": caller,
        "csrf": "",
        "section": "",
        "language_link": _language_link,
    }
    page = look().render("error.html", words, problem=problem(error, words), **values).encode()
    return error.status, _headers(b"text/html; charset=utf-8", page), page


def _instead(error: IntramurosError, scope: Scope) -> bytes | None:
    """Where a person goes who must set up a second factor, or show their password again, before anything else."""
    if isinstance(error, SecondFactorNeeded):
        return b"/account"
    if isinstance(error, ProofNeeded):
        page = scope["path"]
        return f"/account/prove?next={page}".encode() if page in PROVEN_FOR else b"/account/prove"
    return None


def _language_link(language: str) -> str:
    return f"/?lang={language}"


def _headers(kind: bytes, body: bytes) -> Headers:
    return [(b"content-type", kind), (b"content-length", b"%d" % len(body))]


def _sign_in(scope: Scope) -> bytes:
    query = scope.get("query_string", b"").decode("latin-1")
    wanted = scope["path"] + (f"?{query}" if query else "")
    return f"/sign-in?{urlencode({'next': wanted})}".encode() if wanted != "/" else b"/sign-in"
