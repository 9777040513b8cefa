"""What programs write on things: `metadata` (texts) and `attributes` (texts, numbers, yes or no), at most 16."""

from __future__ import annotations

import math
from typing import Any

from intramuros.api.openai.fields import says
from intramuros.errors import BadRequest, kind_of

MOST, LONGEST_NAME, LONGEST_VALUE = 16, 64, 512
PAIRS = {
    "type": "object",
    "maxProperties": MOST,
    "propertyNames": {"minLength": 1, "maxLength": LONGEST_NAME},
    "additionalProperties": {"type": "string", "maxLength": LONGEST_VALUE},
}


@says(PAIRS)
def metadata(value: Any, path: str = "metadata") -> dict[str, str] | None:
    """Pairs of short texts; None where there are none. Raises: BadRequest."""
    if value is None:
        return None
    for name, held in _pairs(value, path):
        if not isinstance(held, str):
            raise BadRequest(f"'{path}.{name}' must be text, not {kind_of(held)}.", param=path)
        _short(held, name, path)
    return dict(value)


def attributes(value: Any, path: str = "attributes") -> dict[str, str | float | bool]:
    """Names with a text, a number, or yes or no. Raises: BadRequest."""
    if value is None:
        return {}
    for name, held in _pairs(value, path):
        if isinstance(held, str):
            _short(held, name, path)
        elif not isinstance(held, bool | int | float) or (isinstance(held, float) and not math.isfinite(held)):
            raise BadRequest(f"'{path}.{name}' must be text, a number, true or false.", param=path)
    return dict(value)


def _pairs(value: Any, path: str) -> list[tuple[str, Any]]:
    if not isinstance(value, dict) or len(value) > MOST:
        raise BadRequest(f"'{path}' must be an object with at most {MOST} entries.", param=path)
    for name in value:
        if not 1 <= len(name) <= LONGEST_NAME:
            raise BadRequest(f"The names in '{path}' must have 1 to {LONGEST_NAME} characters.", param=path)
    return list(value.items())


def _short(held: str, name: str, path: str) -> None:
    if len(held) > LONGEST_VALUE:
        raise BadRequest(f"'{path}.{name}' has more than {LONGEST_VALUE} characters.", param=path)
