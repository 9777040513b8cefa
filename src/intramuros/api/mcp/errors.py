"""The product's errors in the shapes of MCP: a JSON-RPC error, or the result of a tool that failed.

Called by the guard for what it refuses, and by the methods of this door.
"""

from __future__ import annotations

from typing import Any

from intramuros.api.errors import error_object
from intramuros.api.mcp.message import INTERNAL_ERROR, INVALID_REQUEST, REFUSED, Id, error
from intramuros.errors import BadRequest, IntramurosError


def error_body(raised: IntramurosError, id: Id = None) -> bytes:
    """A JSON-RPC error. In `data` stand the product's own code, what to do, and details without content."""
    data = {name: value for name, value in error_object(raised)["error"].items() if name != "message"}
    return error(id, _code(raised), raised.message, data=data)


def failed(raised: IntramurosError) -> dict[str, Any]:
    """The result of a tool that could not do it, for the model to read: what happened and what to do."""
    return {"content": [{"type": "text", "text": f"{raised.message} {raised.hint}".strip()}], "isError": True}


def _code(raised: IntramurosError) -> int:
    if isinstance(raised, BadRequest):
        return INVALID_REQUEST
    return INTERNAL_ERROR if raised.status >= 500 else REFUSED
