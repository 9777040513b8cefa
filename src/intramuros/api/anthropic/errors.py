"""Errors in the shape Anthropic's clients understand: `{"type": "error", "error": {"type", "message"}, "request_id"}`.

Called by the guard for everything this door answers, and by a stream that fails in the middle.
"""

from __future__ import annotations

import secrets
from collections.abc import MutableMapping
from typing import Any, Literal, TypedDict, cast

import orjson

from intramuros.errors import IntramurosError

TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
"""Any other below 500 is an `invalid_request_error`, any other from there on an `api_error`."""
OVERLOADED = 529
QUIET_CODES = {"not_signed_in"}
"""Errors whose own hint speaks of a header that these clients don't send first."""


def status_of(error: IntramurosError) -> int:
    """Anthropic's status: 529 where the server itself has too much to do for now, 429 only where the caller has."""
    is_everyones = error.code == "queue_full" and error.details.get("queue") == "everyones"
    return OVERLOADED if is_everyones or (error.status == 503 and error.retry) else error.status


def request_id(scope: MutableMapping[str, Any]) -> str:
    """The request's id: that of its record in the audit, so that one leads to the other."""
    entry = scope.get("state", {}).get("entry")
    return f"req_{entry.id if entry is not None else secrets.token_hex(12)}"


class AnthropicErrorDetails(TypedDict):
    """What happened and what to do, with our own code. Counts may stand beside."""

    type: str
    message: str
    code: str


class AnthropicError(TypedDict):
    """An error as Anthropic writes it."""

    type: Literal["error"]
    error: AnthropicErrorDetails
    request_id: str | None


def error_object(error: IntramurosError, request: str | None) -> AnthropicError:
    """The error as Anthropic writes it, with our `code` and the counts besides."""
    status = status_of(error)
    kind = TYPES.get(status, "invalid_request_error" if status < 500 else "api_error")
    body: AnthropicErrorDetails = {"type": kind, "message": _message(error), "code": error.code}
    said = cast("AnthropicErrorDetails", error.plain | dict(body))
    return {"type": "error", "error": said, "request_id": request}


def error_body(error: IntramurosError, request: str) -> bytes:
    """The same as JSON."""
    return orjson.dumps(error_object(error, request))


def error_event(error: IntramurosError, request: str) -> bytes:
    """The same as the last event of a stream."""
    return b"event: error\ndata: " + error_body(error, request) + b"\n\n"


def _message(error: IntramurosError) -> str:
    """Agents shorten their conversation when they read the words that Anthropic has for a prompt that is too long."""
    prompt, context = error.details.get("prompt_tokens"), error.details.get("context_tokens")
    if error.code == "context_length_exceeded" and prompt and context:
        return f"prompt is too long: {prompt} tokens > {context} maximum. {error.hint}".strip()
    if error.code in QUIET_CODES:
        return f"{error.message} Send 'x-api-key: imk_…'. Make a key with: intramuros keys create NAME"
    return f"{error.message} {error.hint}".strip()
