"""How a request shows that it speaks Anthropic's API: the header `anthropic-version`.

Called by this folder's routes and by the doors, which answer such a request's errors in that shape.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import Any

from starlette.routing import Match, Route
from starlette.types import Scope

from intramuros.errors import BadRequest

VERSION, BETA, REQUEST_ID = b"anthropic-version", b"anthropic-beta", b"request-id"
VERSIONS = ("2026-10-21", "2023-06-01", "2023-01-01")
HOME = "/v1/messages"


def speaks_anthropic(path: str, headers: Mapping[str, str]) -> bool:
    """Whether this request is for this door, by its address or by the language it says it speaks."""
    is_home = path == HOME or path.startswith(f"{HOME}/")
    return is_home or (path.startswith("/v1/models") and VERSION.decode() in headers)


def check_version(scope: MutableMapping[str, Any]) -> None:
    """Raises: BadRequest where the version is not said, or is none."""
    version = next((value.decode("latin-1") for name, value in scope["headers"] if name == VERSION), None)
    if version is None:
        raise BadRequest(
            "The header 'anthropic-version' is missing.", hint=f"Send {VERSIONS[0]}.", param="anthropic-version"
        )
    if version not in VERSIONS:
        raise BadRequest(
            "The header 'anthropic-version' has no version that is known here.",
            hint=f"Known: {', '.join(VERSIONS)}.",
            param="anthropic-version",
        )


def betas(scope: MutableMapping[str, Any]) -> list[str]:
    """The name of the header that asks for betas, if it came: none is needed for what is here, and none adds to it."""
    return [BETA.decode()] if any(name == BETA for name, _ in scope["headers"]) else []


class AnthropicRoute(Route):
    """A route for those who say which version of Anthropic's API they speak; others get the next of this address."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Not at all without the header."""
        if scope["type"] == "http" and not any(name == VERSION for name, _ in scope["headers"]):
            return Match.NONE, {}
        return super().matches(scope)
