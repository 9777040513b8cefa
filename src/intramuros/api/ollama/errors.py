"""Errors in the shape Ollama's clients understand: `{"error": "what happened, and what to do"}`.

Called by the guard for everything of this door, and by a stream that fails in the middle.
"""

from __future__ import annotations

from typing import TypedDict

import orjson

from intramuros.errors import IntramurosError


class OllamaError(TypedDict):
    """An error as Ollama writes it: what happened, and what to do."""

    error: str


def error_object(error: IntramurosError) -> OllamaError:
    """The error as Ollama writes it."""
    said = f"{error.message} {error.hint}".strip()
    if error.code == "model_not_found":  # what clients look for before they offer to pull it
        said = f"model not found, try pulling it first: {said}"
    return {"error": said}


def error_body(error: IntramurosError) -> bytes:
    """The same as JSON."""
    return orjson.dumps(error_object(error))


def error_line(error: IntramurosError) -> bytes:
    """The same as the last line of a stream."""
    return error_body(error) + b"\n"
