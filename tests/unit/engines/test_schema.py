"""Schemas of answers: what the engine's grammar keeps to passes, and nothing else does."""

from __future__ import annotations

from typing import Any

import pytest

from intramuros.engines.schema import checked_schema
from intramuros.errors import BadRequest

TEXT = {"type": "string"}


def of(field: Any, **more: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {"x": field}, "required": ["x"], "additionalProperties": False} | more


@pytest.mark.parametrize(
    "field",
    [
        {}, TEXT, {"type": ["string", "null"], "maxLength": 5}, {"type": "integer", "minimum": 1, "exclusiveMaximum": 9},
        {"type": "array", "items": TEXT, "minItems": 1, "maxItems": 3}, {"enum": ["a", 1, None]}, {"const": "a"},
        {"type": "array", "prefixItems": [TEXT, {"type": "number"}], "minItems": 2, "maxItems": 2},
        {"anyOf": [TEXT, {"type": "null"}]}, {"type": "string", "format": "date-time"}, {"$ref": "#/$defs/P"},
        {"type": "string", "minLength": 1, "maxLength": 2000}, {"type": "string", "enum": ["a"]}, {"type": "boolean"},
        {"type": "object", "additionalProperties": {"type": "integer"}}, {"type": "object"},
    ],
)  # fmt: skip
def test_what_the_engine_keeps_to_passes_as_it_is(field: dict[str, Any]) -> None:
    schema = of(field) | {"$defs": {"P": of({"anyOf": [{"$ref": "#/$defs/P"}, {"type": "null"}]})}}
    assert checked_schema(schema, "schema") == schema


@pytest.mark.parametrize(
    ("field", "place"),
    [
        ({"type": "number", "multipleOf": 2}, "multipleOf"), ({"type": "integer", "multipleOf": 2}, "multipleOf"),
        ({"type": "number", "minimum": 0}, "minimum"), ({"type": ["integer", "number"], "minimum": 0}, "minimum"),
        ({"type": "integer", "minimum": 0.5}, "minimum"), ({"minimum": 1}, "minimum"),
        ({"type": "integer", "minimum": 0, "exclusiveMinimum": 3}, "exclusiveMinimum"),
        ({"type": "array", "items": TEXT, "uniqueItems": True}, "uniqueItems"),
        ({"type": "array", "items": TEXT, "contains": TEXT}, "contains"), ({"type": "array", "minItems": 1}, "minItems"),
        ({"type": "array", "prefixItems": [TEXT], "items": TEXT}, "items"),
        ({"type": "array", "prefixItems": [TEXT], "minItems": 2}, "minItems"),
        ({"type": "array", "items": TEXT, "maxItems": 10**9}, "maxItems"),
        ({"type": "array", "items": TEXT, "minItems": 3, "maxItems": 2}, "minItems"),
        ({"type": "string", "pattern": "a"}, "pattern"), ({"type": "string", "pattern": "^(a$"}, "pattern"),
        ({"type": "string", "pattern": "^(?=a)a$"}, "pattern"), ({"pattern": "^a$"}, "pattern"),
        ({"type": "string", "pattern": "^a$", "maxLength": 1}, "maxLength"), ({"minLength": 1}, "minLength"),
        ({"type": "string", "format": "date", "minLength": 1}, "minLength"),
        ({"type": "string", "format": "email"}, "format"), ({"not": TEXT}, "not"), ({"if": TEXT, "then": TEXT}, "if"),
        ({"oneOf": [TEXT]}, "oneOf"), ({"allOf": [TEXT, TEXT]}, "allOf"), ({"type": "object", "minProperties": 1}, "minProperties"),
        ({"type": "object", "patternProperties": {"^a": TEXT}}, "patternProperties"),
        ({"type": "object", "propertyNames": TEXT}, "propertyNames"),
        ({"type": "object", "dependentRequired": {"a": ["b"]}}, "dependentRequired"),
        ({"type": "object", "unevaluatedProperties": False}, "unevaluatedProperties"),
        ({"type": "object", "required": ["y"]}, "required"),
        ({"type": "object", "properties": {"é": TEXT}, "additionalProperties": True}, "additionalProperties"),
        ({"$ref": "#/$defs/P", "minLength": 1}, "minLength"), ({"anyOf": [TEXT], "type": "string"}, "type"),
        ({"enum": ["a", "b"], "maxLength": 1}, "maxLength"), ({"enum": [{"$ref": "x"}]}, "enum"),
        ({"$ref": "https://example.org/x"}, "$ref"), ({"$ref": "#"}, "$ref"), ({"type": "string", "x-mine": 1}, "x-mine"),
        ({"type": "object", "$defs": {"A": TEXT}}, "$defs"),
    ],
)  # fmt: skip
def test_what_the_engine_would_pass_over_is_refused_at_its_place(field: dict[str, Any], place: str) -> None:
    with pytest.raises(BadRequest) as refused:
        checked_schema(of(field) | {"$defs": {"P": TEXT}}, "schema")
    assert refused.value.details["param"] == f"schema.properties.x.{place}"
    assert place in refused.value.message


@pytest.mark.parametrize(
    ("schema", "place"),
    [
        ([], "schema"), ({"type": "nonsense"}, "schema.type"), ({"type": []}, "schema.type"),
        (of(True), "schema.properties.x"), (of(TEXT, required="x"), "schema.required"),
        (of({"$ref": "#/$defs/nowhere"}), "schema.properties.x.$ref"),
        (of({"enum": []}), "schema.properties.x.enum"), (of({"type": "string", "const": 1}), "schema.properties.x.const"),
        (of({"anyOf": [TEXT, {"not": {}}]}), "schema.properties.x.anyOf[1].not"),
        (of(TEXT) | {"$defs": {"A": {"type": "string", "pattern": "a"}}}, "schema.$defs.A.pattern"),
        (of(TEXT) | {"$defs": {"a_b": TEXT, "a.b": TEXT}}, "schema.$defs.a.b"),
        (of({"type": "integer", "minimum": 3, "maximum": 2}), "schema.properties.x"),
    ],
)  # fmt: skip
def test_what_is_no_schema_is_refused_at_its_place(schema: Any, place: str) -> None:
    with pytest.raises(BadRequest) as refused:
        checked_schema(schema, "schema")
    assert refused.value.details["param"] == place


def test_annotations_limit_nothing() -> None:
    notes = {"title": "X", "description": "What it is", "default": "a", "examples": [{"$ref": "x"}], "$comment": "no"}
    assert checked_schema(of(TEXT | notes, **{"$schema": "https://json-schema.org/draft/2020-12/schema"}), "s") == of(
        TEXT | {"title": "X", "description": "What it is"}
    )


def test_all_of_one_schema_is_that_schema() -> None:
    schema = of({"allOf": [{"$ref": "#/$defs/P"}], "default": 1}) | {"$defs": {"P": TEXT}}
    assert checked_schema(schema, "s")["properties"]["x"] == {"$ref": "#/$defs/P"}


def test_a_schema_that_takes_long_to_read_is_refused() -> None:
    """A chain of definitions, each of which ends only where the next does: the longest way to find that out."""

    def chain(length: int) -> dict[str, Any]:
        links = {f"d{n}": {"$ref": f"#/$defs/d{n + 1}"} for n in range(length - 1)}
        return {"$ref": "#/$defs/d0", "$defs": links | {f"d{length - 1}": TEXT}}

    assert checked_schema(chain(200), "schema")
    for schema in (chain(201), of({"anyOf": [TEXT] * 2000})):
        with pytest.raises(BadRequest) as error:
            checked_schema(schema, "schema")
        assert error.value.code == "unsupported_schema"
