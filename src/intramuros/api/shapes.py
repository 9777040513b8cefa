"""The fields of a route's body, said once: what the route reads by, and what the OpenAPI document says of it.

Called by the routes of the product's own API and, for the document, by `server.openapi`. What OpenAI's, Anthropic's and
Ollama's routes take stands in tables of their own folders.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from starlette.types import Receive

from intramuros.api.body import flag, only, read_object
from intramuros.api.body import text as text_in
from intramuros.api.body import whole as whole_in
from intramuros.errors import BadRequest, kind_of

Schema = Mapping[str, Any]
Read = Callable[[dict[str, Any], str], Any]
"""Takes the body's values and a field's name, and returns its value. Raises: BadRequest naming the field."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field: its JSON Schema, and what reads it."""

    schema: Schema
    read: Read


@dataclass(frozen=True, slots=True)
class Shape:
    """The fields of one body. `required` are read also where they are missing, which their reader refuses."""

    fields: Mapping[str, Field]
    required: tuple[str, ...] = ()

    @property
    def names(self) -> set[str]:
        """All of them."""
        return set(self.fields)

    @property
    def schema(self) -> dict[str, Any]:
        """As the document has it. Source: the OpenAPI Specification 3.1, which takes JSON Schema 2020-12."""
        properties = {name: self.fields[name].schema for name in sorted(self.fields)}
        found: dict[str, Any] = {"type": "object", "properties": properties, "additionalProperties": False}
        return found | ({"required": list(self.required)} if self.required else {})

    def but(self, *names: str) -> Shape:
        """The same without these, and with nothing required."""
        return replace(self, fields={name: one for name, one in self.fields.items() if name not in names}, required=())

    async def of(self, receive: Receive) -> dict[str, Any]:
        """The fields that a body has, each as it was read. Raises: as `read_object`; BadRequest naming the field."""
        return self.read(await read_object(receive))

    def read(self, values: dict[str, Any]) -> dict[str, Any]:
        """The same of a body that was parsed. Raises: BadRequest naming the field."""
        only(values, self.names)
        wanted = [name for name in self.fields if name in values or name in self.required]
        return {name: self.fields[name].read(values, name) for name in wanted}


def words(longest: int = 10_000) -> Field:
    """Text with something in it."""
    return Field(
        {"type": "string", "minLength": 1, "maxLength": longest, "pattern": r"\S"},
        lambda values, name: text_in(values, name, longest=longest),
    )


def maybe(field: Field) -> Field:
    """The same, or null."""
    return Field(
        dict(field.schema) | {"type": [field.schema["type"], "null"]},
        lambda values, name: None if values[name] is None else field.read(values, name),
    )


def emptied(longest: int = 10_000) -> Field:
    """Text, where nothing in it says that there is to be none; or null, which changes nothing."""

    def read(values: dict[str, Any], name: str) -> str | None:
        value = values[name]
        return value if value is None or value == "" else text_in(values, name, longest=longest)

    return Field({"type": ["string", "null"], "maxLength": longest}, read)


def whole(default: int, low: int, high: int) -> Field:
    """A whole number in a range; null is the one that is meant where none is said."""
    return Field(
        {"type": ["integer", "null"], "minimum": low, "maximum": high, "default": default},
        lambda values, name: whole_in(values, name, default=default, low=low, high=high),
    )


def yes_no() -> Field:
    """True or false; null is false."""
    return Field({"type": ["boolean", "null"]}, flag)


def whether() -> Field:
    """True, false, or null where neither is said."""
    return Field(
        {"type": ["boolean", "null"]}, lambda values, name: None if values[name] is None else flag(values, name)
    )


def number(what: str = "a number") -> Field:
    """Any number, or null; what it may be is looked at when it is kept."""
    return Field({"type": ["number", "null"]}, lambda values, name: _of(values, name, (int, float), what))


def count(what: str = "a whole number") -> Field:
    """Any whole number, or null; what it may be is looked at when it is kept."""
    return Field({"type": ["integer", "null"]}, lambda values, name: _of(values, name, (int,), what))


def choice(*allowed: str) -> Field:
    """One of these words, or null."""

    def read(values: dict[str, Any], name: str) -> str | None:
        value = values[name]
        if value is not None and not (isinstance(value, str) and value in allowed):
            raise BadRequest(f"'{name}' must be {' or '.join(filter(None, allowed))}.", param=name)
        return value

    return Field({"enum": [*allowed, None]}, read)


def one_of(*allowed: str) -> Field:
    """One of these words."""

    def read(values: dict[str, Any], name: str) -> str:
        value = text_in(values, name)
        if value not in allowed:
            raise BadRequest(f"'{name}' must be {' or '.join(allowed)}.", param=name)
        return value

    return Field({"enum": list(allowed)}, read)


def among(*known: str) -> Field:
    """One of these words, which is looked at where it is kept."""
    return Field({"enum": list(known)}, words(100).read)


def thing(schema: Schema | None = None) -> Field:
    """An object, or null; what is in it is looked at when it is kept."""
    return Field(
        {"type": ["object", "null"]} | dict(schema or {}), lambda values, name: _of(values, name, (dict,), "an object")
    )


def things(of: str) -> Field:
    """A list of objects or of texts, or null; what is in them is looked at when they are kept."""
    kind: type = {"object": dict, "string": str}[of]

    def read(values: dict[str, Any], name: str) -> Any:
        found = _of(values, name, (list,), "a list")
        if found is not None and not all(isinstance(one, kind) for one in found):
            raise BadRequest(f"'{name}' must be a list of {'objects' if kind is dict else 'texts'}.", param=name)
        return found

    return Field({"type": ["array", "null"], "items": {"type": of}}, read)


def _of(values: dict[str, Any], name: str, kinds: tuple[type, ...], what: str) -> Any:
    value = values[name]
    if value is not None and (isinstance(value, bool) or not isinstance(value, kinds)):
        raise BadRequest(f"'{name}' must be {what}, not {kind_of(value)}.", param=name)
    return value
