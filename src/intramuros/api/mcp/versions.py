"""The revisions of the protocol that are spoken here, and which one a request is of.

Called by the endpoint. There are two kinds: those that begin with a handshake (`initialize`), and since 2026-07-28
those whose every request says by itself what it is of. Neither needs a session here.

Source: https://modelcontextprotocol.io/specification/2026-07-28/basic/versioning and …/2025-11-25/basic/lifecycle.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any

from starlette.datastructures import Headers

from intramuros.api.mcp.message import HEADER_MISMATCH, INVALID_PARAMS, UNSUPPORTED_VERSION, Message, Refused

HANDSHAKE = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
MODERN = ("2026-07-28",)
ASSUMED = "2025-03-26"
"""What a request without a version is taken to be of, as the specification says."""

VERSION_KEY = "io.modelcontextprotocol/protocolVersion"
CAPABILITIES_KEY = "io.modelcontextprotocol/clientCapabilities"
NAMED_BY = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}
"""Of which field the header `Mcp-Name` is a copy."""

_PACKED = re.compile(r"=\?base64\?([A-Za-z0-9+/]*={0,2})\?=")


def version_of(message: Message, headers: Headers) -> str:
    """The revision a message is of. Raises: Refused where its headers and its body don't agree, or we don't know it."""
    said = headers.get("mcp-protocol-version")
    named = message.meta.get(VERSION_KEY)
    if said is None and named is None:
        return ASSUMED
    if message.is_notification or named is None:
        _check_known(named if said is None else said)
    if said in HANDSHAKE and named is None:
        return said
    if not message.is_notification:
        _check_envelope(message)
        _check_copies(message, headers)
        _check_known(named)
    return str(said)


def negotiated(wanted: str) -> str:
    """What a handshake agrees on: the revision that is asked for, else the latest that has a handshake."""
    return wanted if wanted in HANDSHAKE else HANDSHAKE[-1]


def _check_known(version: Any) -> None:
    if version not in (*HANDSHAKE, *MODERN):
        data = {"supported": [*MODERN], "requested": str(version)[:40]}
        raise Refused(UNSUPPORTED_VERSION, "Unsupported protocol version", data=data)


def _check_envelope(message: Message) -> None:
    missing = [key for key in (VERSION_KEY, CAPABILITIES_KEY) if key not in message.meta]
    if missing:
        raise Refused(INVALID_PARAMS, f"params._meta lacks {', '.join(missing)}", status=400)


def _check_copies(message: Message, headers: Headers) -> None:
    """The headers that routers between client and server read must say what the body says."""
    expected = {"mcp-protocol-version": message.meta[VERSION_KEY], "mcp-method": message.method}
    if (name := NAMED_BY.get(message.method)) and isinstance(message.params.get(name), str):
        expected["mcp-name"] = message.params[name]
    for header, value in expected.items():
        said = headers.getlist(header)
        if len(said) != 1 or _unpacked(said[0]) != value:
            raise Refused(HEADER_MISMATCH, f"The header {header} does not say what the body says", status=400)


def _unpacked(value: str) -> str | None:
    """A header's value, which stands in base64 where it is not plain; None for what is neither."""
    packed = _PACKED.fullmatch(value)
    if packed is None:
        return value
    try:
        return base64.b64decode(packed[1], validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None
