"""The doors by address: what each is called in the audit, the headers of its answers, and the shape of its errors.

Called by the guard. One map from an error to an answer for each door.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from starlette.types import Scope

from intramuros.api import errors as api_errors
from intramuros.api.anthropic import errors as anthropic_errors
from intramuros.api.anthropic.dialect import REQUEST_ID, speaks_anthropic
from intramuros.api.mcp import errors as mcp_errors
from intramuros.api.ollama import errors as ollama_errors
from intramuros.api.openai import errors as openai_errors
from intramuros.errors import IntramurosError, NotFound
from intramuros.server.headers import DATA, PAGES, Headers
from intramuros.server.rule import is_for_programs, is_ollamas


@dataclass(frozen=True, slots=True)
class Answer:
    """What is sent: status, headers, body."""

    status: int
    headers: Headers
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Door:
    """One kind of client."""

    name: str  # in the audit record: api | mcp | web
    headers: tuple[tuple[bytes, bytes], ...]
    refusal: Callable[[IntramurosError, Scope, Mapping[str, str]], Answer]


WITHOUT_V1 = frozenset({"/chat/completions", "/completions", "/embeddings", "/moderations", "/rerank", "/responses"})
"""What OpenAI's clients ask for where their base URL lacks the `/v1`; `/models` is a page."""


def _openai(error: IntramurosError, scope: Scope, headers: Mapping[str, str]) -> Answer:
    if error.status == 404 and (hint := _other_base(scope["path"])):
        error = NotFound(error.message, hint=hint)
    return _json(error, openai_errors.error_body(error))


def _other_base(path: str) -> str:
    """What to change in a client whose base URL is wrong by `/v1`; empty where it isn't that."""
    if path in WITHOUT_V1:
        return "The base URL for OpenAI's clients ends in /v1."
    if path.startswith(("/v1/v1/", "/v1/api/")):
        return "The base URL of this client is the server's address alone, without /v1."
    return ""


def _ollama(error: IntramurosError, scope: Scope, headers: Mapping[str, str]) -> Answer:
    return _json(error, ollama_errors.error_body(error))


def _anthropic(error: IntramurosError, scope: Scope, headers: Mapping[str, str]) -> Answer:
    request = anthropic_errors.request_id(scope)
    answer = _json(error, anthropic_errors.error_body(error, request))
    return Answer(anthropic_errors.status_of(error), [*answer.headers, (REQUEST_ID, request.encode())], answer.body)


def _mcp(error: IntramurosError, scope: Scope, headers: Mapping[str, str]) -> Answer:
    return _json(error, mcp_errors.error_body(error))


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
OLLAMA = Door("api", DATA, _ollama)
ANTHROPIC = Door("api", DATA, _anthropic)
MCP = Door("mcp", DATA, _mcp)
API = Door("api", DATA, api)
WEB = Door("web", PAGES, _page)


def door_of(path: str, headers: Mapping[str, str]) -> Door:
    """The door that this address belongs to; some belong to two, and a header says which of them is meant."""
    if speaks_anthropic(path, headers):
        return ANTHROPIC
    if path.startswith("/v1/") or path in WITHOUT_V1:
        return OPENAI
    if is_ollamas(path):
        return OLLAMA
    if path == "/mcp":
        return MCP
    return API if is_for_programs(path) else WEB
