"""Fusion of rankings."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from intramuros.retrieval.fuse import fused


def order(*rankings: tuple[list[int], float]) -> list[int]:
    return [chunk for chunk, _ in fused(rankings)]


def test_one_ranking_stays_as_it_is() -> None:
    assert order(([3, 1, 2], 1.0)) == [3, 1, 2]


def test_what_both_rank_high_wins() -> None:
    assert order(([1, 2, 3], 1.0), ([4, 2, 5], 1.0))[0] == 2


def test_a_small_weight_orders_only_what_the_first_leaves_open() -> None:
    assert order(([1, 2], 1.0), ([2, 1], 0.1)) == [1, 2]
    assert order(([1, 2], 1.0), ([2, 1], 10.0)) == [2, 1]


def test_equal_scores_are_ordered_by_number() -> None:
    assert order(([2], 1.0), ([1], 1.0)) == [1, 2]


@given(st.lists(st.lists(st.integers(0, 20), unique=True), max_size=3))
def test_nothing_is_lost_or_doubled(rankings: list[list[int]]) -> None:
    result = order(*((ranking, 1.0) for ranking in rankings))
    assert sorted(result) == sorted({chunk for ranking in rankings for chunk in ranking})
