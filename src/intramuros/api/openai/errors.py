"""Errors in the shape OpenAI's clients understand: `{"error": {"message", "type", "param", "code"}}`.

Called by the guard for everything under /v1, and by a stream that fails in the middle.
"""

from __future__ import annotations

from typing import TypedDict, cast

import orjson

from intramuros.errors import IntramurosError

TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "invalid_request_error",
    405: "invalid_request_error",
    413: "invalid_request_error",
    422: "invalid_request_error",
    429: "rate_limit_error",
}
CODES = {"not_signed_in": "invalid_api_key", "too_many_requests": "rate_limit_exceeded"}


class OpenAIErrorDetails(TypedDict):
    """What happened and what to do; `param`: the field that it is about. Counts may stand beside."""

    message: str
    type: str
    param: str | None
    code: str


class OpenAIError(TypedDict):
    """An error as OpenAI writes it."""

    error: OpenAIErrorDetails


def error_object(error: IntramurosError) -> OpenAIError:
    """The error as OpenAI writes it; the counts of a context overflow are fields of their own too."""
    details = error.plain
    param = details.pop("param", "model" if error.code == "model_not_found" else None)
    body: OpenAIErrorDetails = {
        "message": f"{error.message} {error.hint}".strip(),
        "type": TYPES.get(error.status, "server_error"),
        "param": None if param is None else str(param),
        "code": CODES.get(error.code, error.code),
    }
    return {"error": cast("OpenAIErrorDetails", details | dict(body))}


def error_body(error: IntramurosError) -> bytes:
    """The same as JSON."""
    return orjson.dumps(error_object(error))


def error_event(error: IntramurosError) -> bytes:
    """The same as the last event of a stream."""
    return b"data: " + error_body(error) + b"\n\n"
