"""The doors by address: what each is called in the audit, the headers of its answers, and the shape of its errors.

Called by the guard. One map from an error to an answer for each door.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from starlette.types import Scope

from intramuros.api import errors as api_errors
from intramuros.api.openai import errors as openai_errors
from intramuros.errors import IntramurosError
from intramuros.server.access import is_for_programs
from intramuros.server.headers import DATA, PAGES, Headers


@dataclass(frozen=True, slots=True)
class Answer:
    """What is sent: status, headers, body."""

    status: int
    headers: Headers
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Door:
    """One kind of client."""

    name: str  # in the audit record: api | web
    headers: tuple[tuple[bytes, bytes], ...]
    refusal: Callable[[IntramurosError, Scope, Mapping[str, str]], Answer]


def _openai(error: IntramurosError, scope: Scope, headers: Mapping[str, str]) -> Answer:
    return _json(error, openai_errors.error_body(error))


def api(error: IntramurosError, scope: Scope, headers: Mapping[str, str]) -> Answer:
    """The shape of the product's own API; needs nothing else to work."""
    return _json(error, api_errors.error_body(error))


def _json(error: IntramurosError, body: bytes) -> Answer:
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    if error.status == 401:
        headers.append((b"www-authenticate", b'Bearer realm="intramuros"'))
    if error.status in {429, 503} and (error.retry or "retry_after_s" in error.details):
        headers.append((b"retry-after", str(error.details.get("retry_after_s", 1)).encode()))
    if error.status >= 409 and not error.retry:
        headers.append((b"x-should-retry", b"false"))  # OpenAI's clients repeat 409 and 5xx unless told
    return Answer(error.status, headers, body)


def _page(error: IntramurosError, scope: Scope, headers: Mapping[str, str]) -> Answer:
    from intramuros.web.refusals import refusal

    status, more, body = refusal(error, scope, headers)
    return Answer(status, more, body)


OPENAI = Door("api", DATA, _openai)
API = Door("api", DATA, api)
WEB = Door("web", PAGES, _page)


def door_of(path: str) -> Door:
    """The door that this address belongs to."""
    if path.startswith("/v1/"):
        return OPENAI
    return API if is_for_programs(path) else WEB
