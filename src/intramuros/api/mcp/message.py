"""JSON-RPC messages: one read from a request's body, and the answers to it.

Called by the endpoint. Knows no methods. Source: https://www.jsonrpc.org/specification; batches were taken out of MCP
with revision 2025-06-18 and are refused in all.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, NotRequired, TypedDict

import orjson

from intramuros.api.body import parse_object
from intramuros.errors import BadRequest

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603
NO_RESOURCE = -32002  # until 2025-11-25; later INVALID_PARAMS
HEADER_MISMATCH = -32020
UNSUPPORTED_VERSION = -32022
REFUSED = -32000
"""Ours: who asks may not, or not now; `data.code` says why."""

Id = int | str | None


class Refused(Exception):
    """The answer to a message is a JSON-RPC error; `status` is the one of HTTP, where a revision wants one."""

    def __init__(self, code: int, message: str, *, data: Any = None, status: int = 400) -> None:
        self.code, self.message, self.data, self.status = code, message, data, status
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Message:
    """A request, or with `is_notification` something that wants no answer. `params` are for its method to check."""

    method: str
    id: Id = None
    params: dict[str, Any] = field(default_factory=dict)
    is_notification: bool = False

    @property
    def meta(self) -> dict[str, Any]:
        """What the message says about itself; empty where it says nothing that could be read."""
        value = self.params.get("_meta")
        return value if isinstance(value, dict) else {}

    @property
    def progress_token(self) -> int | str | None:
        """What the client wants progress told under; None where it does not."""
        token = self.meta.get("progressToken")
        return token if isinstance(token, int | str) and not isinstance(token, bool) else None


def parse(body: bytes) -> Message:
    """The message of a body. Raises: Refused."""
    try:
        values = parse_object(body)
    except BadRequest as error:
        raise Refused(INVALID_REQUEST if _is_json(body) else PARSE_ERROR, error.message) from None
    if values.get("jsonrpc") != "2.0" or not isinstance(values.get("method"), str):
        raise Refused(INVALID_REQUEST, 'A message has "jsonrpc": "2.0" and a method.')
    params = values.get("params", {})
    if not isinstance(params, dict):
        raise Refused(INVALID_PARAMS, "'params' must be an object.")
    if "id" not in values:
        return Message(values["method"], params=params, is_notification=True)
    number = values["id"]
    if not isinstance(number, int | str) or isinstance(number, bool):
        raise Refused(INVALID_REQUEST, "'id' must be text or a whole number.")
    return Message(values["method"], number, params)


class RpcAnswer(TypedDict):
    """The answer to a request of JSON-RPC."""

    jsonrpc: Literal["2.0"]
    id: str | int | None
    result: dict[str, Any]


class RpcErrorDetails(TypedDict):
    """What happened; `data` has the product's own code, and what to do."""

    code: int
    message: str
    data: NotRequired[Any]


class RpcError(TypedDict):
    """The answer that it can't be done."""

    jsonrpc: Literal["2.0"]
    id: str | int | None
    error: RpcErrorDetails


class RpcNotification(TypedDict):
    """What a client is told while it waits."""

    jsonrpc: Literal["2.0"]
    method: str
    params: dict[str, Any]


def result(id: Id, value: dict[str, Any]) -> bytes:
    """The answer to a request."""
    return orjson.dumps(RpcAnswer(jsonrpc="2.0", id=id, result=value))


def error(id: Id, code: int, message: str, *, data: Any = None) -> bytes:
    """The answer that it can't be done; `id` is None where the request's could not be read."""
    about: RpcErrorDetails = {"code": code, "message": message}
    if data is not None:
        about["data"] = data
    return orjson.dumps(RpcError(jsonrpc="2.0", id=id, error=about))


def notification(method: str, params: dict[str, Any]) -> bytes:
    """What a client is told while it waits."""
    return orjson.dumps(RpcNotification(jsonrpc="2.0", method=method, params=params))


def _is_json(body: bytes) -> bool:
    try:
        orjson.loads(body)
    except orjson.JSONDecodeError:
        return False
    return True
