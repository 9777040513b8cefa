"""Requests that come as `multipart/form-data`: their texts become the values that a JSON request would have.

Called by the audio and image routes. OpenAI's clients write a list as `name[]` and an object as `name[field]`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from intramuros.errors import BadRequest

_NAME = re.compile(r"([a-z_]{1,40})(?:\[([a-z_]{0,40})\])?")
_WHOLE = re.compile(r"-?\d{1,18}")
_NUMBER = re.compile(r"-?\d{1,12}(?:\.\d{1,12})?")


def body_of(
    texts: Sequence[tuple[str, str]], *, wholes: set[str] = frozenset(), numbers: set[str] = frozenset(),  # type: ignore[assignment]
    booleans: set[str] = frozenset(),  # type: ignore[assignment]
) -> dict[str, Any]:  # fmt: skip
    """The fields as JSON would have them. Raises: BadRequest for one that comes twice or is of no form a field has."""
    body: dict[str, Any] = {}
    for name, text in texts:
        found = _NAME.fullmatch(name)
        if found is None:
            raise BadRequest("A field of the form has a name that is none.", param=name[:64])
        field, inner = found[1], found[2]
        if inner is None and field not in body:
            body[field] = _typed(field, text, wholes=wholes, numbers=numbers, booleans=booleans)
        elif inner == "" and isinstance(body.setdefault(field, []), list):
            body[field].append(text)
        elif inner and isinstance(body.setdefault(field, {}), dict):
            body[field][inner] = text
        else:
            raise BadRequest(f"The field '{field}' comes twice.", param=field)
    return body


def _typed(field: str, text: str, *, wholes: set[str], numbers: set[str], booleans: set[str]) -> Any:
    if field in wholes and _WHOLE.fullmatch(text):
        return int(text)
    if field in numbers and _NUMBER.fullmatch(text):
        return float(text)
    if field in booleans and text in {"true", "false"}:
        return text == "true"
    return text
