"""Errors of the product's own API: `{"error": {"code", "message", "hint", "retry", …}}`.

Called by the guard for everything under /api, and by an answer's stream that fails in the middle.
"""

from __future__ import annotations

from typing import TypedDict, cast

import orjson

from intramuros.errors import IntramurosError


class ErrorDetails(TypedDict):
    """What happened, what to do, and whether to try again; `param` and counts may stand beside."""

    code: str
    message: str
    hint: str
    retry: bool


class ErrorObject(TypedDict):
    """An error."""

    error: ErrorDetails


def error_object(error: IntramurosError) -> ErrorObject:
    """The error with its plain details (`param`, counts), which never hold content."""
    body: ErrorDetails = {"code": error.code, "message": error.message, "hint": error.hint, "retry": error.retry}
    return {"error": cast("ErrorDetails", error.plain | dict(body))}


def error_body(error: IntramurosError) -> bytes:
    """The same as JSON."""
    return orjson.dumps(error_object(error))
