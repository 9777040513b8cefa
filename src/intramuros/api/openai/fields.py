"""The fields of a request: each is honoured, a hint, bound to what happens anyway, or refused with the reason.

Called by the modules of this folder, one table for each route. Nothing reaches a task that is not in a table: a
misspelt field must not be silently without effect, and an engine's own switches are not for clients.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from intramuros.errors import BadRequest, kind_of

Check = Callable[[Any, str], Any]
"""Takes a field's value and its path, and returns what the task gets. Raises: BadRequest."""
Said = TypeVar("Said", bound=Callable[..., Any])
Headers = list[tuple[bytes, bytes]]

RANDOM_SEED = 0xFFFFFFFF  # llama.cpp takes this seed as "choose one"
MOST_TOKENS = 1 << 20
MOST_CHOICES = 128
NOT_USED = b"x-intramuros-not-used"
TEXT = {"type": "string", "minLength": 1}
LARGEST_TOKEN = 1 << 30
TOKENS = {"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": LARGEST_TOKEN}, "minItems": 1}
STOPS = {
    "anyOf": [{**TEXT, "maxLength": 256}, {"type": "array", "items": {**TEXT, "maxLength": 256}, "maxItems": 16}],
}
BIAS = {"type": "number", "minimum": -100, "maximum": 100}
OPTIONS = {
    "type": "object",
    "properties": {"include_usage": {"type": "boolean"}, "include_obfuscation": {"type": "boolean"}},
    "additionalProperties": False,
}


@dataclass(frozen=True, slots=True)
class Fields:
    """What one route takes."""

    honoured: Mapping[str, Check]
    required: tuple[str, ...] = ()
    hints: frozenset[str] = frozenset()
    """Accepted and not used: they change no answer. The header `x-intramuros-not-used` names those that came."""
    only_as: Mapping[str, tuple[tuple[Any, ...], str]] = field(default_factory=dict)
    """Accepted with the values that say what happens anyway."""
    refused: Mapping[str, str] = field(default_factory=dict)
    """Refused, with the reason: an answer that ignored them would not be the one asked for."""

    @property
    def names(self) -> set[str]:
        """Every field that has its place."""
        return {*self.honoured, *self.hints, *self.only_as, *self.refused}

    @property
    def schema(self) -> dict[str, Any]:
        """As the OpenAPI document has it: what each check says that it takes. Source: JSON Schema 2020-12."""
        properties: dict[str, Any] = {name: {} for name in self.hints}
        properties |= {name: {"enum": list(allowed)} for name, (allowed, _) in self.only_as.items()}
        properties |= {name: {"type": "null", "description": why} for name, why in self.refused.items()}
        for name, check in self.honoured.items():
            said = schema_of(check)
            properties[name] = said if name in self.required or not said else {"anyOf": [said, {"type": "null"}]}
        found: dict[str, Any] = {"type": "object", "properties": dict(sorted(properties.items()))}
        found["additionalProperties"] = False
        return found | ({"required": list(self.required)} if self.required else {})

    def read(self, body: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
        """The checked fields, without those that are null, and the names of the hints.

        Raises: BadRequest whose `param` names the field.
        """
        read: dict[str, Any] = {}
        not_used: list[str] = []
        for name, value in body.items():
            if name in self.honoured:
                if value is not None or name in self.required:
                    read[name] = self.honoured[name](value, name)
            elif name in self.hints:
                not_used += [name] if value is not None else []
            elif name in self.only_as:
                self._only_as(name, value)
            elif name in self.refused:
                if value is not None:
                    raise unsupported(name, self.refused[name])
            else:
                raise unknown(name)
        for name in self.required:
            if name not in read:
                raise BadRequest(f"'{name}' is missing.", code="missing_parameter", param=name)
        return read, not_used

    def _only_as(self, name: str, value: Any) -> None:
        allowed, reason = self.only_as[name]
        if not any(type(value) is type(fit) and value == fit for fit in allowed):  # 1 == True, so types too
            raise BadRequest(f"'{name}' can't have this value. {reason}", code="unsupported_value", param=name)


def says(schema: Mapping[str, Any]) -> Callable[[Said], Said]:
    """Has a check say in JSON Schema what it takes, for the OpenAPI document; it is called as before."""

    def mark(check: Said) -> Said:
        vars(check)["schema"] = schema
        return check

    return mark


def schema_of(check: Check) -> dict[str, Any]:
    """What a check says that it takes; nothing where it says nothing."""
    return dict(getattr(check, "schema", {}))


def unknown(path: str) -> BadRequest:
    """For a field that has no place."""
    path = path[:160]
    return BadRequest(f"Unknown field '{path}'.", code="unknown_parameter", param=path)


def unsupported(name: str, reason: str) -> BadRequest:
    """For a field that can't be honoured."""
    return BadRequest(f"'{name}' is not supported. {reason}", code="unsupported_parameter", param=name)


def not_used(names: list[str] | tuple[str, ...]) -> Headers:
    """The header that says which fields were of no use here: ASCII, and not longer than proxies take."""
    text = ", ".join(name.encode("ascii", "replace").decode() for name in names if name.isprintable())
    return [(NOT_USED, text[:1000].encode())] if text else []


def not_used_header(names: list[str] | tuple[str, ...]) -> dict[str, str]:
    """The same, for answers that take their headers as texts."""
    return {name.decode(): value.decode() for name, value in not_used(names)}


def number(low: float, high: float) -> Check:
    """A number in a range."""

    @says({"type": "number", "minimum": low, "maximum": high})
    def check(value: Any, path: str) -> Any:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise BadRequest(f"'{path}' must be a number, not {kind_of(value)}.", param=path)
        if not low <= value <= high:
            raise BadRequest(f"'{path}' must be between {low:g} and {high:g}.", param=path)
        return value

    return check


def whole(low: int, high: int) -> Check:
    """A whole number in a range."""

    @says({"type": "integer", "minimum": low, "maximum": high})
    def check(value: Any, path: str) -> Any:
        if isinstance(value, bool) or not isinstance(value, int):
            raise BadRequest(f"'{path}' must be a whole number, not {kind_of(value)}.", param=path)
        if not low <= value <= high:
            raise BadRequest(f"'{path}' must be between {low} and {high}.", param=path)
        return value

    return check


def choice(*allowed: str) -> Check:
    """One of these words."""

    @says({"enum": list(allowed)})
    def check(value: Any, path: str) -> Any:
        if not isinstance(value, str) or value not in allowed:
            raise BadRequest(f"'{path}' must be one of: {', '.join(allowed)}.", param=path)
        return value

    return check


def words(longest: int = 1 << 20, *, shortest: int = 0) -> Check:
    """Text of at most so many characters."""

    @says({"type": "string", "minLength": shortest, "maxLength": longest})
    def check(value: Any, path: str) -> Any:
        if not isinstance(value, str):
            raise BadRequest(f"'{path}' must be text, not {kind_of(value)}.", param=path)
        if not shortest <= len(value) <= longest:
            raise BadRequest(f"'{path}' must have {shortest} to {longest} characters.", param=path)
        return value

    return check


def several(one: Check, most: int, *, least: int = 0) -> Check:
    """A list of values of one kind."""

    @says({"type": "array", "items": schema_of(one), "minItems": least, "maxItems": most})
    def check(value: Any, path: str) -> Any:
        if not isinstance(value, list):
            raise BadRequest(f"'{path}' must be a list, not {kind_of(value)}.", param=path)
        if not least <= len(value) <= most:
            raise BadRequest(f"'{path}' must have {least} to {most} entries.", param=path)
        return [one(item, f"{path}[{index}]") for index, item in enumerate(value)]

    return check


def inside(value: Any, path: str, known: set[str]) -> dict[str, Any]:
    """An object with no other fields than these."""
    if not isinstance(value, dict):
        raise BadRequest(f"'{path}' must be an object, not {kind_of(value)}.", param=path)
    for name in value:
        if name not in known:
            raise unknown(f"{path}.{name[:64]}")
    return value


@says({"type": "boolean"})
def boolean(value: Any, path: str) -> Any:
    """True or false."""
    if not isinstance(value, bool):
        raise BadRequest(f"'{path}' must be true or false, not {kind_of(value)}.", param=path)
    return value


@says({"type": "string", "minLength": 1, "maxLength": 256})
def model(value: Any, path: str) -> Any:
    """The name of a model."""
    if not isinstance(value, str) or not value or len(value) > 256:
        raise BadRequest(f"'{path}' must be the name of a model.", hint="'default' is the one chosen here.", param=path)
    return value


@says({"type": "integer", "minimum": -(1 << 63), "maximum": (1 << 63) - 1})
def seed(value: Any, path: str) -> Any:
    """Any whole number of 64 bits, as one the engine takes."""
    return whole(-(1 << 63), (1 << 63) - 1)(value, path) % RANDOM_SEED


@says(STOPS)
def stop(value: Any, path: str) -> Any:
    """Texts at which the answer ends."""
    stops = [value] if isinstance(value, str) else value
    if (
        not isinstance(stops, list)
        or len(stops) > 16
        or not all(isinstance(s, str) and 0 < len(s) <= 256 for s in stops)
    ):
        raise BadRequest(f"'{path}' must be a text or a list of at most 16 texts, none empty.", param=path)
    return stops


@says(
    {
        "type": "object",
        "propertyNames": {"pattern": "^[0-9]{1,9}$"},
        "additionalProperties": BIAS,
        "maxProperties": 1024,
    }
)
def logit_bias(value: Any, path: str) -> Any:
    """Biases by token, as the engine reads them. One of 0 changes nothing, whatever it is for."""
    if not isinstance(value, dict) or len(value) > 1024:
        raise BadRequest(f"'{path}' must be an object with at most 1024 entries.", param=path)
    pairs = []
    for token, bias in value.items():
        checked = number(-100, 100)(bias, f"{path}.{token[:64]}")
        if checked == 0:
            continue
        if not (token.isascii() and token.isdigit() and len(token) < 10):
            raise BadRequest(f"The keys of '{path}' must be token numbers.", param=path)
        pairs.append([int(token), checked])
    return pairs


@says(OPTIONS)
def stream_options(value: Any, path: str) -> Any:
    """What a stream tells besides the words."""
    options = inside(value, path, {"include_usage", "include_obfuscation"})
    for name in options:
        boolean(options[name], f"{path}.{name}")
    return options


def streaming(read: dict[str, Any], hints: list[str]) -> tuple[bool, bool]:
    """Takes out of a request how its answer is wanted: as a stream, and with the usage at its end."""
    options, stream = read.pop("stream_options", None), read.setdefault("stream", False)
    if options is None:
        return stream, False
    if not stream:
        hints.append("stream_options")
    elif options.get("include_obfuscation"):
        hints.append("stream_options.include_obfuscation")
    return stream, options.get("include_usage", False) and stream


SAMPLING: Mapping[str, Check] = {
    "temperature": number(0, 2),
    "top_p": number(0, 1),
    "stop": stop,
    "seed": seed,
    "frequency_penalty": number(-2, 2),
    "presence_penalty": number(-2, 2),
    "logit_bias": logit_bias,
    # Not OpenAI's, but sent by many clients of local servers.
    "top_k": whole(0, 1000),
    "min_p": number(0, 1),
    "repeat_penalty": number(0, 2),
}
"""How the next token is chosen, the same for chats and texts."""
