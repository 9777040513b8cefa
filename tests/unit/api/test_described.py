"""Schemas made from types: what each kind of type becomes, what is described once, and what can't be said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Generic, Literal, NotRequired, TypedDict, TypeVar

import pytest

from intramuros.api.described import Described

Thing = TypeVar("Thing")


class PlaceObject(TypedDict):
    """Where it is."""

    page: int
    rect: tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Look:
    """One look at something."""

    kind: ClassVar[str] = "look"
    took_ms: float
    missing: tuple[str, ...] = ()


class FoundObject(PlaceObject):
    """What was found.

    More is not for the document.
    """

    state: Literal["ready", "failed"]
    error: NotRequired[str | None]
    inside: FoundObject | None
    counts: dict[str, int]
    looks: list[Annotated[dict[str, Any], Look]]
    said: Mapping[str, Any]


class Page(TypedDict, Generic[Thing]):
    """Some of many."""

    data: list[Thing]


def test_plain_types() -> None:
    described = Described()
    assert described.of(int) == {"type": "integer"} and described.of(bool) == {"type": "boolean"}
    assert described.of(str | None) == {"type": ["string", "null"]}
    assert described.of(list[float] | str) == {
        "anyOf": [{"type": "array", "items": {"type": "number"}}, {"type": "string"}]
    }
    assert described.of(Literal["list"]) == {"const": "list"} and described.of(Any) == {}
    assert described.schemas == {}


def test_objects_are_described_once_by_name() -> None:
    described = Described()
    assert described.of(FoundObject) == described.of(FoundObject) == {"$ref": "#/components/schemas/Found"}
    found = described.schemas["Found"]
    assert found["description"] == "What was found." and "error" not in found["required"]
    assert set(found["required"]) == {"page", "rect", "state", "inside", "counts", "looks", "said"}
    assert found["properties"]["inside"] == {"anyOf": [{"$ref": "#/components/schemas/Found"}, {"type": "null"}]}
    assert found["properties"]["rect"] == {
        "type": "array", "items": {"type": "number"}, "minItems": 4, "maxItems": 4,
    }  # fmt: skip
    assert found["properties"]["counts"] == {"type": "object", "additionalProperties": {"type": "integer"}}
    assert found["properties"]["looks"]["items"] == {"$ref": "#/components/schemas/Look"}
    assert found["properties"]["said"] == {"type": "object"} and "additionalProperties" not in found
    assert set(described.schemas["Look"]["properties"]) == {"took_ms", "missing"}


def test_what_a_page_is_of_is_in_its_name() -> None:
    described = Described()
    assert described.of(Page[PlaceObject]) == {"$ref": "#/components/schemas/PageOfPlace"}
    described.of(Page[FoundObject])
    items = {name: described.schemas[name]["properties"]["data"]["items"] for name in ("PageOfPlace", "PageOfFound")}
    assert items == {
        "PageOfPlace": {"$ref": "#/components/schemas/Place"},
        "PageOfFound": {"$ref": "#/components/schemas/Found"},
    }


def test_two_of_one_name_and_what_json_lacks_are_refused() -> None:
    described = Described()
    described.of(PlaceObject)
    with pytest.raises(TypeError, match="two types are called Place"):
        described.of(_another())
    with pytest.raises(TypeError, match="JSON has nothing"):
        described.of(bytes)


def _another() -> type:
    class PlaceObject(TypedDict):
        """Another."""

        page: str

    return PlaceObject
