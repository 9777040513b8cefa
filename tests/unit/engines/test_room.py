"""Who leaves so that another model fits."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as some

from intramuros.engines.room import GIB, Held, Room, default_budget
from intramuros.models.machine import Gpu, Machine


def held(name: str, size: int, **more: float) -> Held:
    return Held(name, size, size, **more)  # type: ignore[arg-type]


def names(leaving: list[Held] | None) -> list[str] | None:
    return None if leaving is None else [one.name for one in leaving]


def room(*models: Held, budget: int = 100, free: int = 1000) -> Room:
    return Room(budget, free, models)


def test_nobody_leaves_where_there_is_room() -> None:
    assert room(held("a", 40)).leaving([held("a", 40)], lambda size: size >= 60) == []


def test_the_one_that_was_idle_longest_leaves_first() -> None:
    models = [held("new", 40, idle_s=10), held("old", 40, idle_s=500)]
    assert names(room(*models).leaving(models, lambda size: size >= 50)) == ["old"]


def test_what_loads_slowly_is_worth_more() -> None:
    models = [held("slow", 40, idle_s=60, reload_s=30), held("quick", 40, idle_s=50, reload_s=1)]
    assert names(room(*models).leaving(models, lambda size: size >= 50)) == ["quick"]


def test_of_equals_the_larger_leaves() -> None:
    models = [held("small", 20, idle_s=60), held("large", 60, idle_s=60)]
    assert names(room(*models).leaving(models, lambda size: size >= 60)) == ["large"]


def test_who_turns_out_not_to_be_needed_stays() -> None:
    """The least worthy is too small to help; the next alone is enough."""
    models = [held("tiny", 5, idle_s=5000), held("big", 60, idle_s=60, reload_s=5)]
    assert names(room(*models).leaving(models, lambda size: size >= 90)) == ["big"]


def test_what_does_not_fit_moves_nobody() -> None:
    models = [held("a", 40)]
    assert room(*models).leaving(models, lambda size: size > 100) is None


def test_the_systems_free_memory_bounds_the_room_too() -> None:
    mapped = replace(held("a", 40), returns_bytes=10)
    assert room(mapped, budget=100, free=20).without([]) == 20
    assert room(mapped, budget=100, free=20).without([mapped]) == 30
    assert room(mapped, budget=100, free=900).without([mapped]) == 100


MODELS = some.lists(
    some.builds(
        Held,
        name=some.uuids().map(str),
        size_bytes=some.integers(1, 60),
        returns_bytes=some.integers(0, 60),
        idle_s=some.floats(0, 1e4),
        reload_s=some.floats(0, 100),
    ),
    max_size=7,
)


@given(models=MODELS, wanted=some.integers(1, 120))
def test_what_leaves_is_enough_and_no_more(models: list[Held], wanted: int) -> None:
    place = room(*models, free=200)
    leaving = place.leaving(models, lambda size: size >= wanted)
    if leaving is None:
        assert place.without(models) < wanted
        return
    assert place.without(leaving) >= wanted
    for one in leaving:
        assert place.without([other for other in leaving if other is not one]) < wanted


@pytest.mark.parametrize(("memory", "budget"), [(8, 6), (16, 12), (64, 56), (128, 120)])
def test_the_default_leaves_the_system_enough(memory: int, budget: int) -> None:
    machine = Machine("x", "x86_64", 4, 8, frozenset(), memory * GIB, memory * GIB)
    assert default_budget(machine) == budget * GIB
    card = Gpu("Card", memory_bytes=200 * GIB, free_bytes=190 * GIB)
    assert default_budget(replace(machine, gpus=(card,))) == 199 * GIB
