"""Values against schemas: each keyword that is read is kept to, what is hostile ends."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intramuros.engines.misfit import misfit

BAD: list[tuple[Any, Any, str]] = [
    (1, {"type": "string"}, "type"), (True, {"type": "integer"}, "type"), (1.5, {"type": "integer"}, "type"),
    ("a", {"type": ["number", "null"]}, "type"), ("a", {"enum": ["b", 1]}, "enum"), (1, {"enum": [True]}, "enum"),
    (0, {"const": False}, "const"), ({"a": 1}, {"const": {"a": 2}}, "const"), ("a", {"minLength": 2}, "minLength"),
    ("abc", {"maxLength": 2}, "maxLength"), ([], {"minItems": 1}, "minItems"), ([1, 2], {"maxItems": 1}, "maxItems"),
    ([1, 1], {"uniqueItems": True}, "uniqueItems"), ({}, {"minProperties": 1}, "minProperties"),
    ({}, {"required": ["a"]}, "required (a)"), ({"a": 1}, {"dependentRequired": {"a": ["b"]}}, "dependentRequired"),
    (3, {"minimum": 4}, "minimum"), (5, {"maximum": 4}, "maximum"), (4, {"exclusiveMinimum": 4}, "exclusiveMinimum"),
    (4, {"exclusiveMaximum": 4}, "exclusiveMaximum"), (0.35, {"multipleOf": 0.1}, "multipleOf"),
    ({"a": 1}, {"properties": {"a": {"type": "null"}}}, "type"), ({"a": 1}, {"additionalProperties": False}, "not allowed"),
    ({"a": {"b": [1, "x"]}}, {"properties": {"a": {"properties": {"b": {"items": {"type": "integer"}}}}}}, "type"),
    ([1, 2], {"prefixItems": [{}, {"type": "string"}]}, "type"), ([1], {"contains": {"type": "string"}}, "contains"),
    (1, {"allOf": [{}, {"minimum": 2}]}, "minimum"), (1, {"anyOf": [{"type": "null"}, {"minimum": 2}]}, "anyOf"),
    (1, {"oneOf": [{}, {"type": "integer"}]}, "oneOf"), (1, {"not": {}}, "not"),
    (1, {"if": {"type": "integer"}, "then": {"minimum": 2}}, "minimum"), (1, {"if": False, "else": {"minimum": 2}}, "minimum"),
    (1, {"$ref": "#/$defs/a~1b", "$defs": {"a/b": {"type": "null"}}}, "type"),
    (1, {"$ref": "#"}, "too much to check"),
]  # fmt: skip


@pytest.mark.parametrize(("value", "schema", "said"), BAD)
def test_what_does_not_fit_is_found(value: Any, schema: Any, said: str) -> None:
    assert str(misfit(value, schema)).endswith(f": {said}")


@pytest.mark.parametrize(
    ("value", "schema"),
    [
        (1, {}), (1, True), (1.0, {"type": "integer"}), (1, {"enum": [1.0]}), (0.3, {"multipleOf": 0.1}),
        ({"a": 1, "b": 2}, {"properties": {"a": {"type": "integer"}}, "required": ["a"]}),
        ([1, "a"], {"prefixItems": [{"type": "integer"}], "items": {"type": "string"}}),
        ({"a": {"a": None}}, {"$ref": "#/$defs/n", "$defs": {"n": {"anyOf": [{"type": "null"}, {"additionalProperties": {"$ref": "#/$defs/n"}}]}}}),
        (1, {"$ref": "https://elsewhere.example/schema"}), ("x", {"pattern": "(a+)+$", "format": "uri"}),
        (1, {"minimum": "0", "required": 3, "type": 7, "properties": [], "anyOf": {}, "enum": "x"}),
    ],
)  # fmt: skip
def test_what_fits_passes(value: Any, schema: Any) -> None:
    assert misfit(value, schema) is None


def test_the_place_is_told() -> None:
    schema = {"properties": {"lines": {"items": {"properties": {"price": {"maximum": 9}}}}}}
    assert misfit({"lines": [{"price": 1}, {"price": 10}]}, schema) == "lines[1].price: maximum"


def test_a_schema_that_branches_without_end_ends() -> None:
    branching = {"$defs": {"a": {"anyOf": [{"$ref": "#/$defs/a"}] * 20}}, "$ref": "#/$defs/a"}
    assert misfit(1, branching) is not None


def test_long_lists_to_compare_with_end_too() -> None:
    schema = {"items": {"enum": list(range(20_000))}}
    assert misfit([1, 2], schema) is None
    assert str(misfit([1] * 1000, schema)).endswith("too much to check")


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip
keywords = st.sampled_from([
    "type", "enum", "const", "minimum", "multipleOf", "required", "properties", "items", "anyOf", "allOf", "not", "$ref",
    "prefixItems", "contains", "minContains", "if", "then", "uniqueItems", "maxLength", "dependentRequired", "additionalProperties",
])  # fmt: skip
schemas = st.recursive(values, lambda inner: st.dictionaries(keywords, inner, max_size=4), max_leaves=10)


@given(values, schemas)
def test_whatever_the_schema_is_there_is_an_answer(value: Any, schema: Any) -> None:
    found = misfit(orjson.loads(orjson.dumps(value)), schema)
    assert found is None or ": " in found
