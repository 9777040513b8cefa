"""JSON schemas an answer is to keep to: only what the engine's grammar holds to passes, everything else is refused.

Called by the OpenAI door for `response_format` and strict tools, and by `tasks.calling`. llama.cpp turns a schema into
a grammar and passes over keywords it does not know, also over those that stand beside a stronger one; an answer would
then break the schema without a word. So this is a list of what is kept, in the order in which the engine looks at it.
Source: llama.cpp, common/json-schema-to-grammar.cpp, `visit`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any, NoReturn

from intramuros.engines.pattern import PatternError, as_grammar
from intramuros.errors import BadRequest, kind_of

Schema = dict[str, Any]

SHOWN = frozenset(("title", "description"))
ANNOTATIONS = SHOWN | {"default", "examples", "$schema", "$comment", "deprecated", "readOnly", "writeOnly"}
"""They limit nothing. Only those in `SHOWN` reach the engine."""

DEFINITIONS = ("$defs", "definitions")
REFERENCE = re.compile(r"#/(\$defs|definitions)/([A-Za-z0-9_.-]{1,128})")
FORMATS = frozenset(("date", "time", "date-time", "uuid"))
KEYWORDS: Mapping[str, frozenset[str]] = {
    "object": frozenset(("properties", "required", "additionalProperties")),
    "array": frozenset(("items", "prefixItems", "minItems", "maxItems")),
    "string": frozenset(("minLength", "maxLength", "pattern", "format")),
    "integer": frozenset(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")),
    "number": frozenset(),
    "boolean": frozenset(),
    "null": frozenset(),
}
"""What the engine keeps to for each type."""

VOCABULARY = (
    ANNOTATIONS.union(*KEYWORDS.values())
    | set(DEFINITIONS)
    | {
        "type", "enum", "const", "anyOf", "allOf", "oneOf", "not", "if", "then", "else", "$ref", "$id", "$anchor", "id",
        "$dynamicRef", "$dynamicAnchor", "$recursiveRef", "$recursiveAnchor", "$vocabulary", "additionalItems",
        "contains", "minContains", "maxContains", "uniqueItems", "unevaluatedItems", "unevaluatedProperties",
        "patternProperties", "propertyNames", "minProperties", "maxProperties", "dependentRequired", "dependentSchemas",
        "dependencies", "multipleOf", "contentEncoding", "contentMediaType", "contentSchema",
    }
)  # fmt: skip
"""Every keyword of JSON Schema, drafts 4 to 2020-12: other words limit nothing."""

PLAIN_NAME = re.compile(r"[A-Za-z0-9_ ]+")
MOST_REPEATS = 2000  # llama.cpp refuses more
MOST_SCHEMAS, MOST_DEFINITIONS = 2000, 200
"""Schemas inside one, and named ones: more would keep the server busy with reading them."""
INTEGER_BOUND = 1 << 62


def checked_schema(value: Any, path: str, *, foreign: list[str] | None = None) -> Schema:
    """The schema as the engine gets it. Raises: BadRequest whose `param` is the place of what can't be kept.

    Words that JSON Schema does not know are refused too, as misspelt; with a list for them, they are put there and left
    out, for whoever reports them.
    """
    return _Reader(value, path, foreign).whole()


class _Reader:
    """Reads one schema; knows the names of its definitions."""

    def __init__(self, value: Any, path: str, foreign: list[str] | None) -> None:
        if not isinstance(value, dict):
            raise BadRequest(f"'{path}' must be an object, not {kind_of(value)}.", param=path)
        self.value, self.path, self.foreign, self.seen = value, path, foreign, 0
        self.known = {(key, name) for key in DEFINITIONS for name in self._definitions(key)}
        if len(self.known) > MOST_DEFINITIONS:
            _refuse(f"{path}.$defs", "$defs", f"only with {MOST_DEFINITIONS} definitions")

    def whole(self) -> Schema:
        ready = self.schema({key: held for key, held in self.value.items() if key not in DEFINITIONS}, self.path)
        rule_names: set[str] = set()
        for key in DEFINITIONS:
            for name in self._definitions(key):
                place = f"{self.path}.{key}.{name[:64]}"
                rule = re.sub(r"[^a-zA-Z0-9-]+", "-", f"{key}/{name}")
                if rule in rule_names:  # the engine would take one for the other
                    _refuse(place, name[:64], "its name differs from another one only in signs")
                rule_names.add(rule)
                ready.setdefault(key, {})[name] = self.schema(self._definitions(key)[name], place)
        _check_ends(ready, self.path)
        return ready

    def schema(self, value: Any, path: str) -> Schema:
        schema = self._limits(value, path)
        shown = {key: value[key] for key in SHOWN if isinstance(value.get(key), str)}
        if "allOf" in schema:
            return self._only_one(schema, path) | shown
        for key, read in (("$ref", self._reference), ("anyOf", self._any_of)):
            if key in schema:
                _only(schema, {key}, path, beside=key)
                return {key: read(schema[key], f"{path}.{key}")} | shown
        types = _types(schema.get("type"), f"{path}.type") if "type" in schema else _implied(schema)
        for key in ("const", "enum"):
            if key in schema:
                _only(schema, {key, "type"}, path, beside=key)
                _values([schema[key]] if key == "const" else schema[key], types, f"{path}.{key}")
                return schema | shown
        _only(schema, {"type"}.union(*(KEYWORDS[kind] for kind in types)), path, types=types)
        if "number" in types and "integer" in types and len(schema) > 1:
            _only(schema, {"type"}.union(*(KEYWORDS[k] for k in types if k != "integer")), path, types=["number"])
        for kind, read_kind in (("object", self._object), ("array", self._array)):
            if kind in types:
                schema |= read_kind(schema, path)
        if "string" in types:
            schema |= _string(schema, path)
        if "integer" in types:
            _range(schema, path)
        return schema | shown

    def _limits(self, value: Any, path: str) -> Schema:
        """What of a schema limits an answer, or would: without notes and foreign words."""
        if not isinstance(value, dict):
            _wrong(path, f"must be an object, not {kind_of(value)}")
        self.seen += 1
        if self.seen > MOST_SCHEMAS:
            _refuse(self.path, "schema", f"only with {MOST_SCHEMAS} schemas inside it")
        schema: Schema = {key: held for key, held in value.items() if key not in ANNOTATIONS}
        if self.foreign is None:
            return schema
        unknown = schema.keys() - VOCABULARY
        self.foreign += [f"{path}.{key[:64]}" for key in schema if key in unknown]
        return {key: held for key, held in schema.items() if key not in unknown}

    def _definitions(self, key: str) -> Schema:
        held = self.value.get(key, {})
        if not isinstance(held, dict):
            _wrong(f"{self.path}.{key}", f"must be an object, not {kind_of(held)}")
        return held

    def _only_one(self, schema: Schema, path: str) -> Schema:
        """`allOf` of one schema is that schema; of several, the engine reads no more than their properties."""
        _only(schema, {"allOf"}, path, beside="allOf")
        parts = schema["allOf"]
        if not isinstance(parts, list) or len(parts) != 1:
            _refuse(f"{path}.allOf", "allOf", "only with one schema in it")
        return self.schema(parts[0], f"{path}.allOf[0]")

    def _reference(self, value: Any, path: str) -> str:
        found = REFERENCE.fullmatch(value) if isinstance(value, str) else None
        if found is None:
            _refuse(path, "$ref", "only to '#/$defs/NAME', a name of letters, digits, dots, hyphens and underscores")
        if (found[1], found[2]) not in self.known:
            _wrong(path, "points to a definition that is not there")
        return found[0]

    def _any_of(self, value: Any, path: str) -> list[Schema]:
        if not isinstance(value, list) or not value:
            _wrong(path, "must be a list of schemas")
        return [self.schema(part, f"{path}[{index}]") for index, part in enumerate(value)]

    def _object(self, schema: Schema, path: str) -> Schema:
        properties, required = schema.get("properties", {}), schema.get("required", [])
        if not isinstance(properties, dict):
            _wrong(f"{path}.properties", f"must be an object, not {kind_of(properties)}")
        if not isinstance(required, list) or not all(isinstance(name, str) for name in required):
            _wrong(f"{path}.required", "must be a list of names")
        if not set(required) <= set(properties):
            _refuse(f"{path}.required", "required", "only with names that are in 'properties'")
        if reserved := {"$ref", "$defs"} & set(properties):
            _refuse(f"{path}.properties.{min(reserved)}", min(reserved), "not as the name of a property")
        ready: Schema = {}
        if "properties" in schema:
            ready["properties"] = {
                name: self.schema(held, f"{path}.properties.{name[:64]}") for name, held in properties.items()
            }
        others = schema.get("additionalProperties", False)
        if isinstance(others, bool | dict) and others is not False:
            if not all(PLAIN_NAME.fullmatch(name) for name in properties):
                _refuse(
                    f"{path}.additionalProperties",
                    "additionalProperties",
                    "only as false where a property's name has other signs than letters, digits and underscores",
                )
            if isinstance(others, dict):
                ready["additionalProperties"] = self.schema(others, f"{path}.additionalProperties")
        elif others is not False:
            _wrong(f"{path}.additionalProperties", "must be a schema, true or false")
        return ready

    def _array(self, schema: Schema, path: str) -> Schema:
        low, high = _counts(schema, "minItems", "maxItems", path)
        if "prefixItems" in schema:
            if "items" in schema:
                _refuse(f"{path}.items", "items", "not beside 'prefixItems'")
            places = self._any_of(schema["prefixItems"], f"{path}.prefixItems")
            if (low or 0) > len(places) or (high is not None and high < len(places)):
                key = "minItems" if (low or 0) > len(places) else "maxItems"
                _refuse(f"{path}.{key}", key, "beside 'prefixItems' only as the number of its schemas")
            return {"prefixItems": places}
        if "items" in schema:
            return {"items": self.schema(schema["items"], f"{path}.items")}
        for key in ("minItems", "maxItems"):
            if key in schema:
                _refuse(f"{path}.{key}", key, "only with 'items'")
        return {}


def _check_ends(ready: Schema, path: str) -> None:
    """Refuses a schema that no answer can satisfy: one that requires itself inside itself, without an end."""
    held = {f"#/{key}/{name}": schema for key in DEFINITIONS for name, schema in ready.get(key, {}).items()}
    ending: set[str] = set()
    while more := {name for name, schema in held.items() if name not in ending and _ends(schema, ending)}:
        ending |= more
    if endless := sorted(held.keys() - ending):
        _wrong(f"{path}{endless[0][1:].replace('/', '.')[:160]}", "requires itself, so that no answer can end")


def _ends(schema: Schema, ending: Collection[str]) -> bool:
    """Whether something that ends keeps to it, where the references in `ending` are known to."""
    if "$ref" in schema:
        return schema["$ref"] in ending
    if "anyOf" in schema:
        return any(_ends(part, ending) for part in schema["anyOf"])
    types = _types(schema["type"], "type") if "type" in schema else _implied(schema)
    if "const" in schema or "enum" in schema or set(types) - {"object", "array"}:
        return True
    if "object" in types:
        properties = schema.get("properties", {})
        if all(_ends(properties[name], ending) for name in schema.get("required", ())):
            return True
    if "array" in types:
        places = schema.get("prefixItems") or ([schema["items"]] if schema.get("minItems") else [])
        return all(_ends(place, ending) for place in places)
    return not types


def _string(schema: Schema, path: str) -> Schema:
    _counts(schema, "minLength", "maxLength", path)
    if "pattern" in schema:
        _only(schema, set(schema) - KEYWORDS["string"] | {"pattern"}, path, beside="pattern")
        try:
            return {"pattern": as_grammar(schema["pattern"])}
        except PatternError as error:
            _refuse(f"{path}.pattern", "pattern", str(error))
    if "format" in schema:
        _only(schema, set(schema) - KEYWORDS["string"] | {"format"}, path, beside="format")
        if not isinstance(schema["format"], str) or schema["format"] not in FORMATS:
            _refuse(f"{path}.format", "format", f"only as {', '.join(sorted(FORMATS))}")
    return {}


def _range(schema: Schema, path: str) -> None:
    for key in KEYWORDS["integer"] & set(schema):
        value = schema[key]
        if isinstance(value, bool) or not isinstance(value, int) or abs(value) > INTEGER_BOUND:
            _refuse(f"{path}.{key}", key, "only as a whole number of at most 62 bits")
    for key, other in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if key in schema and other in schema:
            _refuse(f"{path}.{key}", key, f"not beside '{other}'")
    low = schema.get("minimum", schema.get("exclusiveMinimum", -INTEGER_BOUND - 2) + ("exclusiveMinimum" in schema))
    high = schema.get("maximum", schema.get("exclusiveMaximum", INTEGER_BOUND + 2) - ("exclusiveMaximum" in schema))
    if low > high:
        _wrong(path, "leaves no number: its lower bound is above the upper one")


def _counts(schema: Schema, low: str, high: str, path: str) -> tuple[int | None, int | None]:
    for key in (low, high):
        value = schema.get(key, 0)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MOST_REPEATS:
            _refuse(f"{path}.{key}", key, f"only as a whole number from 0 to {MOST_REPEATS}")
    least, most = schema.get(low), schema.get(high)
    if least is not None and most is not None and least > most:
        _wrong(f"{path}.{low}", f"is above '{high}'")
    return least, most


def _types(value: Any, path: str) -> list[str]:
    types = value if isinstance(value, list) else [value]
    if not types or not all(isinstance(kind, str) and kind in KEYWORDS for kind in types):
        _wrong(path, f"must be one of {', '.join(sorted(KEYWORDS))}, or a list of them")
    return types


def _implied(schema: Schema) -> list[str]:
    """Without a type the engine makes an object or an array of what has the keywords of one."""
    if "properties" in schema or "additionalProperties" in schema:
        return ["object"]
    if "items" in schema or "prefixItems" in schema:
        return ["array"]
    return []


def _values(values: Any, types: Collection[str], path: str) -> None:
    """Values to choose from: the engine writes them as they are, so they have to be of the type themselves."""
    if not isinstance(values, list) or not values:
        _wrong(path, "must be a list with at least one value")
    for value in values:
        if isinstance(value, dict | list):
            _refuse(path, path.rpartition(".")[2], "only with texts, numbers, true, false and null")
        if types and not _kinds(value) & set(types):
            _wrong(path, "has a value that is not of the schema's type")


def _kinds(value: Any) -> set[str]:
    if value is None:
        return {"null"}
    if isinstance(value, bool):
        return {"boolean"}
    if isinstance(value, str):
        return {"string"}
    return {"number", "integer"} if value == int(value) else {"number"}


def _only(schema: Schema, known: Collection[str], path: str, *, beside: str = "", types: Collection[str] = ()) -> None:
    for key in schema:
        if key in known:
            continue
        if beside:
            _refuse(f"{path}.{key[:64]}", key[:64], f"not beside '{beside}'")
        is_of_a_type = any(key in of_type for of_type in KEYWORDS.values())
        if is_of_a_type:
            reason = f"not for the type {', '.join(types)}" if types else "only where 'type' says what it limits"
        else:
            reason = "use 'anyOf'" if key == "oneOf" else ""
        _refuse(f"{path}.{key[:64]}", key[:64], reason)


def _refuse(path: str, keyword: str, reason: str) -> NoReturn:
    raise BadRequest(
        f"The schema's '{keyword}' can't be held to here{': ' if reason else ''}{reason}.",
        hint="Take it out and check the answer yourself, or say it in the prompt.",
        code="unsupported_schema",
        param=path,
    )


def _wrong(path: str, what: str) -> NoReturn:
    raise BadRequest(f"'{path}' {what}.", code="invalid_schema", param=path)
