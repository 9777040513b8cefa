"""What routes answer as JSON Schema, made from the types that the code which makes the answers is checked by.

Called for the OpenAPI document by `server.answers`. A maker of answers says its type: a TypedDict, or a dataclass that
is sent as `asdict` writes it; `Annotated[dict[str, Any], Kind]` is a dict that was made from a `Kind`. Each is
described once, by its own name, and referred to from then on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import is_dataclass
from types import NoneType, UnionType
from typing import (
    Annotated,
    Any,
    ClassVar,
    Literal,
    NotRequired,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

Schema = dict[str, Any]

_PLAIN = {str: "string", bool: "boolean", int: "integer", float: "number", NoneType: "null"}
_PLACE = "#/components/schemas/"


class Described:
    """Schemas of types, and what they refer to. Source: the OpenAPI Specification 3.1 (JSON Schema 2020-12)."""

    def __init__(self) -> None:
        self._named: dict[str, tuple[Any, Schema]] = {}

    @property
    def schemas(self) -> dict[str, Schema]:
        """Every object that was described, by its name."""
        return {name: schema for name, (_, schema) in sorted(self._named.items())}

    def of(self, kind: Any, known: Mapping[Any, Any] | None = None) -> Schema:
        """The schema of a type; `known` are the types that variables stand for.

        Raises: TypeError for a type that JSON has nothing for.
        """
        kind = (known or {}).get(kind, kind)
        origin, parts = get_origin(kind), [(known or {}).get(part, part) for part in get_args(kind)]
        if kind in _PLAIN:
            return {"type": _PLAIN[kind]}
        if kind in {Any, object}:
            return {}
        if origin is Annotated:  # a plain dict that says what it is made from
            return self.of(parts[1])
        if origin is Literal:
            return {"const": parts[0]} if len(parts) == 1 else {"enum": parts}
        if origin in {Union, UnionType}:
            return self._any_of(parts)
        if origin in {dict, Mapping}:
            return {"type": "object"} | ({} if parts[1] is Any else {"additionalProperties": self.of(parts[1])})
        if origin in {list, tuple, Sequence}:
            return self._list(origin, parts)
        if is_typeddict(origin or kind) or is_dataclass(kind):
            return {"$ref": _PLACE + self._object(kind, origin or kind, parts)}
        raise TypeError(f"JSON has nothing for {kind!r}")

    def _any_of(self, parts: Sequence[Any]) -> Schema:
        found = [self.of(part) for part in parts]
        if all(schema.keys() == {"type"} for schema in found):
            return {"type": [schema["type"] for schema in found]}
        return {"anyOf": found}

    def _list(self, origin: Any, parts: Sequence[Any]) -> Schema:
        schema: Schema = {"type": "array", "items": self.of(parts[0])}
        if origin is tuple and parts[-1] is not ...:  # so many, all alike
            schema |= {"minItems": len(parts), "maxItems": len(parts)}
        return schema

    def _object(self, kind: Any, origin: Any, parts: Sequence[Any]) -> str:
        """Describes an object, and gives its name."""
        name = "".join([origin.__name__.removesuffix("Object"), *(f"Of{_name(part)}" for part in parts)])
        if name in self._named:
            if self._named[name][0] != kind:
                raise TypeError(f"two types are called {name}: {kind!r} and {self._named[name][0]!r}")
            return name
        schema: Schema = {"type": "object", "description": (origin.__doc__ or "").strip().splitlines()[0]}
        self._named[name] = (kind, schema)  # before its fields, which may refer to it
        known = dict(zip(getattr(origin, "__parameters__", ()), parts, strict=True))
        hints = get_type_hints(origin, include_extras=True)
        hints = {field: hint for field, hint in hints.items() if get_origin(hint) is not ClassVar}
        required = [field for field, hint in hints.items() if get_origin(hint) is not NotRequired]
        schema["properties"] = {field: self.of(_bare(hint, known), known) for field, hint in hints.items()}
        schema["required"] = required
        return name


def _bare(hint: Any, known: Mapping[Any, Any]) -> Any:
    """A field's type without the word that it may be left out, and with what its variables stand for."""
    hint = get_args(hint)[0] if get_origin(hint) is NotRequired else hint
    wanted = getattr(hint, "__parameters__", ())
    if wanted and not isinstance(hint, TypeVar):
        return hint[tuple(known[one] for one in wanted)]
    return hint


def _name(kind: Any) -> str:
    return str(getattr(kind, "__name__", kind)).removesuffix("Object")
