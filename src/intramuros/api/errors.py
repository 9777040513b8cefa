"""Errors of the product's own API: `{"error": {"code", "message", "hint", "retry", …}}`.

Called by the guard for everything under /api, and by an answer's stream that fails in the middle.
"""

from __future__ import annotations

from typing import Any

import orjson

from intramuros.errors import IntramurosError


def error_object(error: IntramurosError) -> dict[str, Any]:
    """The error with its plain details (`param`, counts), which never hold content."""
    details = {name: value for name, value in error.details.items() if isinstance(value, int | float | str)}
    body = {"code": error.code, "message": error.message, "hint": error.hint, "retry": error.retry}
    return {"error": details | body}


def error_body(error: IntramurosError) -> bytes:
    """The same as JSON."""
    return orjson.dumps(error_object(error))
