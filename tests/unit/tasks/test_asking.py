"""What is searched for a question of a conversation."""

from __future__ import annotations

import pytest

from intramuros.errors import BadRequest
from intramuros.tasks.asking import checked, searches

BEFORE = ["Ignored ?", "Quel est le préavis du bail ?"]


@pytest.mark.parametrize("question", ["Et en Suisse ?", "Und in der Schweiz?", "E in Svizzera?", "And in Switzerland?"])
def test_what_goes_on_is_searched_with_the_question_before_first(question: str) -> None:
    assert searches(question, BEFORE) == [f"{BEFORE[-1]} {question}", question]


def test_what_is_short_is_searched_alone_first() -> None:
    assert searches("Qui le paie ?", BEFORE) == ["Qui le paie ?", f"{BEFORE[-1]} Qui le paie ?"]


@pytest.mark.parametrize(
    "question", ["Quelle est la hauteur de la caution du logement ?", "Étienne travaille à Lyon le lundi ?"]
)
def test_what_stands_alone_is_searched_alone(question: str) -> None:
    assert searches(question, BEFORE) == [question]


def test_the_first_question_is_searched_alone() -> None:
    assert searches("Et en Suisse ?", []) == ["Et en Suisse ?"]


def test_an_empty_question_is_refused() -> None:
    assert checked("  Quoi ?\n") == "Quoi ?"
    with pytest.raises(BadRequest):
        checked(" \n\t")
