"""Values made from a JSON Schema with a seed: what it allows, and what it does not."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any

TEXTS = ("", "a", "Bonjour", "é\u202f;", "\U0001f3f0", "\x00", "x" * 300, "default", "../..", "' OR 1=1 --", "\n\t ")
NUMBERS = (0, 1, -1, 2, 10, 1 << 31, -(1 << 63), 1e308, 0.5, -0.0)
ANYTHING: tuple[Any, ...] = (None, True, False, *NUMBERS, *TEXTS, [], {}, [None], {"a": {"b": [1]}}, [[[]]])


def value_of(schema: Mapping[str, Any], dice: Random) -> Any:
    """One that the schema allows, as far as this knows its words: those that our document uses."""
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return dice.choice(schema["enum"])
    if "anyOf" in schema:
        return value_of(dice.choice(schema["anyOf"]), dice)
    kind = schema.get("type")
    kind = dice.choice(kind) if isinstance(kind, list) else kind
    match kind:
        case "null":
            return None
        case "boolean":
            return dice.random() < 0.5
        case "integer" | "number":
            low, high = schema.get("minimum", -1000), schema.get("maximum", 1000)
            return dice.randint(int(low), min(int(high), int(low) + 20))
        case "string":
            fit = [one for one in TEXTS if schema.get("minLength", 0) <= len(one) <= schema.get("maxLength", 10_000)]
            return dice.choice([one for one in fit if one.strip()] if schema.get("pattern") else fit)
        case "array":
            most = min(schema.get("maxItems", 3), schema.get("minItems", 0) + 2)
            number = dice.randint(schema.get("minItems", 0), most)
            return [value_of(schema.get("items", {}), dice) for _ in range(number)]
        case "object":
            return _object(schema, dice)
    return dice.choice(ANYTHING)


def spoilt(value: Mapping[str, Any], dice: Random) -> dict[str, Any]:
    """The same with something in it that is likely to be wrong."""
    found = dict(value)
    name = dice.choice([*found, "no_such_field"])
    if dice.random() < 0.3:
        found.pop(name, None)
    else:
        found[name] = dice.choice(ANYTHING)
    return found


def _object(schema: Mapping[str, Any], dice: Random) -> dict[str, Any]:
    properties, required = schema.get("properties", {}), schema.get("required", ())
    optional = [name for name in properties if name not in required]
    chosen = dice.sample(optional, dice.randint(0, min(len(optional), 3)))
    found = {name: value_of(properties[name], dice) for name in [*required, *chosen]}
    more = schema.get("additionalProperties", False)
    if isinstance(more, dict) and not properties:
        found |= {f"{number}": value_of(more, dice) for number in range(dice.randint(0, 2))}
    return found
