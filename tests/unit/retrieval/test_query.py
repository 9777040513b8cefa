"""Questions as search sees them: words, stems, weights."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intramuros.retrieval.query import SMALLEST, stems_of, weighed
from tests.unit.retrieval.made import query


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("À combien de jours de congés un salarié a-t-il droit ?", [{"jour"}, {"cong"}, {"salari"}, {"droit"}]),
        ("le contrat A-1234/2024", [{"contrat"}, {"1234"}, {"2024"}, {"a12342024"}]),
        ("1 200 €", [{"1200"}]),
        ("Peut-on l'avoir ?", []),
        ("mon e-mail", [{"mail", "email"}]),
        ("congés et congé", [{"cong"}]),
    ],
)
def test_words_of_a_question(question: str, expected: list[set[str]]) -> None:
    assert stems_of(question, ["fr"]) == expected


def test_a_word_has_its_stem_in_each_language_of_the_documents() -> None:
    assert stems_of("les congés", ["fr", "en"]) == [{"cong", "conge"}]


def test_rare_words_weigh_more_and_unknown_ones_most() -> None:
    usual, rare, unknown = weighed(
        [frozenset(["a"]), frozenset(["b"]), frozenset(["c"])], frequency={"a": 500, "b": 2}, passages=1000
    )
    assert usual.weight < rare.weight < unknown.weight


def test_a_small_collection_weighs_as_part_of_a_larger_one() -> None:
    (shared,) = weighed([frozenset(["a"])], frequency={"a": 3}, passages=3)
    (same,) = weighed([frozenset(["a"])], frequency={"a": 3}, passages=SMALLEST)
    assert shared.weight == same.weight > 1


def test_coverage_is_the_share_of_the_weight() -> None:
    asked = query("préavis du bail", bail=900)
    assert asked.coverage({"preav"}) > 0.9
    assert asked.coverage({"preav", "bail"}) == 1
    assert asked.coverage(set()) == 0
    assert query("?").coverage({"preav"}) == 0


@given(st.text(max_size=80))
def test_any_question_is_read(question: str) -> None:
    groups = stems_of(question, ["fr", "de", "it", "en"])
    assert all(groups)
    assert len(groups) == len(set(groups))
