"""Whether a value keeps to a JSON schema, and where it does not first.

Called by `tasks.calling` for the arguments of tool calls: a model that no grammar held may have written anything. It
reads the keywords of draft 2020-12 but `pattern` and `format` (a caller's expression could keep the server busy for
ever; where a grammar holds the answer, it holds them), and references within the schema. What it does not know, it
doesn't judge.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from typing import Any

import orjson

MOST_STEPS = 100_000
"""Comparisons of one check: a schema of the caller's may branch without end."""
DEEPEST = 100
KINDS = {"null": type(None), "boolean": bool, "string": str, "array": list, "object": dict}


def misfit(value: Any, schema: Any) -> str | None:
    """The place and the keyword, such as `lines[2].price: maximum`; None where the value keeps to the schema."""
    return next(_Check(schema).of(value, schema, "", 0), None)


class _Check:
    """One check; counts its steps."""

    def __init__(self, root: Any) -> None:
        self.root, self.steps = root, 0

    def of(self, value: Any, schema: Any, path: str, depth: int) -> Iterator[str]:
        """Everything that does not fit, found as it is asked for."""
        self.steps += 1
        if self.steps > MOST_STEPS or depth > DEEPEST:
            yield f"{path or 'the whole'}: too much to check"
        elif schema is False:
            yield f"{path or 'the whole'}: not allowed"
        elif isinstance(schema, dict):
            for keyword in self._broken(value, schema):
                yield f"{path or 'the whole'}: {keyword}"
            yield from self._inside(value, schema, path, depth + 1)
            yield from self._combined(value, schema, path, depth + 1)

    def _fits(self, value: Any, schema: Any, depth: int) -> bool:
        return next(self.of(value, schema, "", depth), None) is None

    def _broken(self, value: Any, schema: dict[str, Any]) -> Iterator[str]:
        """The keywords that the value itself breaks."""
        self.steps += sum(len(held) for held in schema.values() if isinstance(held, list))
        if "type" in schema and not _is_of(value, schema["type"]):
            yield "type"
        if "const" in schema and not _same(value, schema["const"]):
            yield "const"
        if isinstance(schema.get("enum"), list) and not any(_same(value, one) for one in schema["enum"]):
            yield "enum"
        if isinstance(value, str):
            yield from _bounds(len(value), schema, "minLength", "maxLength")
        elif isinstance(value, list):
            yield from _bounds(len(value), schema, "minItems", "maxItems")
            if schema.get("uniqueItems") is True and len({_text(item) for item in value}) < len(value):
                yield "uniqueItems"
        elif isinstance(value, dict):
            yield from _bounds(len(value), schema, "minProperties", "maxProperties")
            yield from (f"required ({name})" for name in _names(schema.get("required")) if name not in value)
            for name, needed in _object(schema.get("dependentRequired")).items():
                if name in value and not set(_names(needed)) <= value.keys():
                    yield "dependentRequired"
        elif _is_number(value):
            yield from _bounds(value, schema, "minimum", "maximum")
            yield from _bounds(value, schema, "exclusiveMinimum", "exclusiveMaximum", open_=True)
            if not _is_multiple(value, schema.get("multipleOf")):
                yield "multipleOf"

    def _inside(self, value: Any, schema: dict[str, Any], path: str, depth: int) -> Iterator[str]:
        if isinstance(value, dict):
            properties = _object(schema.get("properties"))
            for name, held in value.items():
                inner = properties.get(name, schema.get("additionalProperties", True))
                if name not in properties and "patternProperties" in schema:
                    inner = True  # expressions are not tried, so nobody knows which it is
                yield from self.of(held, inner, f"{path}.{name[:64]}".lstrip("."), depth)
        elif isinstance(value, list):
            places = schema.get("prefixItems")
            places = places if isinstance(places, list) else []
            for index, item in enumerate(value):
                inner = places[index] if index < len(places) else schema.get("items", True)
                yield from self.of(item, inner, f"{path}[{index}]", depth)
            if "contains" in schema:
                found = sum(self._fits(item, schema["contains"], depth) for item in value)
                least, most = schema.get("minContains", 1), schema.get("maxContains", len(value))
                if not (_is_number(least) and _is_number(most) and least <= found <= most):
                    yield f"{path or 'the whole'}: contains"

    def _combined(self, value: Any, schema: dict[str, Any], path: str, depth: int) -> Iterator[str]:
        if "$ref" in schema:
            yield from self.of(value, self._referred(schema["$ref"]), path, depth)
        for part in _list(schema.get("allOf")):
            yield from self.of(value, part, path, depth)
        any_of, one_of = _list(schema.get("anyOf")), _list(schema.get("oneOf"))
        if any_of and not any(self._fits(value, part, depth) for part in any_of):
            yield f"{path or 'the whole'}: anyOf"
        if one_of and sum(self._fits(value, part, depth) for part in one_of) != 1:
            yield f"{path or 'the whole'}: oneOf"
        if "not" in schema and self._fits(value, schema["not"], depth):
            yield f"{path or 'the whole'}: not"
        if "if" in schema:
            branch = "then" if self._fits(value, schema["if"], depth) else "else"
            yield from self.of(value, schema.get(branch, True), path, depth)

    def _referred(self, reference: Any) -> Any:
        """What a reference within the schema points to; one that points elsewhere judges nothing."""
        if not isinstance(reference, str) or not reference.startswith("#"):
            return True
        found = self.root
        for step in reference[1:].split("/")[1:]:
            key = step.replace("~1", "/").replace("~0", "~")
            found = found.get(key, True) if isinstance(found, dict) else True
        return found


def _is_of(value: Any, types: Any) -> bool:
    known = [kind for kind in (types if isinstance(types, list) else [types]) if isinstance(kind, str)]
    return not known or any(_is_one(value, kind) for kind in known)


def _is_one(value: Any, kind: str) -> bool:
    if kind == "number":
        return _is_number(value)
    if kind == "integer":
        return _is_number(value) and value == int(value)
    return isinstance(value, KINDS[kind]) if kind in KINDS else True


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _bounds(value: float, schema: dict[str, Any], low: str, high: str, *, open_: bool = False) -> Iterator[str]:
    least: Any = schema.get(low)
    most: Any = schema.get(high)
    if _is_number(least) and (value <= least if open_ else value < least):
        yield low
    if _is_number(most) and (value >= most if open_ else value > most):
        yield high


def _is_multiple(value: float, step: Any) -> bool:
    if not _is_number(step) or step <= 0:
        return True
    try:
        return Decimal(str(value)) % Decimal(str(step)) == 0
    except InvalidOperation:
        return True  # too large to say


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict | list) or isinstance(other, dict | list):
        return _text(one) == _text(other)
    return bool(one == other)


def _text(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def _names(value: Any) -> list[str]:
    return [name for name in _list(value) if isinstance(name, str)]


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
