"""What is searched for a question of a conversation."""

from __future__ import annotations

from typing import Any, cast

import pytest

from intramuros.accounts.caller import LOCAL
from intramuros.accounts.projects import Project
from intramuros.errors import BadRequest
from intramuros.retrieval.analysed import analysed
from intramuros.retrieval.passage import Passage
from intramuros.retrieval.relevance import COMPARED
from intramuros.retrieval.search import Found, Search
from intramuros.tasks.asking import Asked, checked, quoted, searches
from tests.unit.retrieval.made import passage, query

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


async def test_what_vectors_add_does_not_make_a_question_answerable() -> None:
    """Passages without the words, among those found, would make the best stand out from the rest."""
    has_a_word, others = passage("Le préavis du directeur."), [passage("La cuisine ouvre à midi.")] * COMPARED
    question = query("Quel est le préavis du directeur adjoint ?")

    class Searching:
        def __init__(self, by_words: list[Passage]) -> None:
            self.found = Found(question, (has_a_word, *others)[:COMPARED], tuple(by_words))

        async def vector(self, words: str) -> None:
            return None

        def look(self, words: str, **_: Any) -> Found:
            return self.found

    place = Project("p", "Atelier", "reader", 0)
    for by_words, is_enough in (([has_a_word] * COMPARED, False), ([has_a_word], True)):
        asked = Asked(question.text, "fr", place, LOCAL, None)
        assert await asked.look(cast(Search, Searching(by_words))) is is_enough
        assert asked.passages[1].passage.text == others[0].text


def test_quotations_that_have_half_of_the_question_say_so() -> None:
    asked = Asked("Quel est le préavis du directeur adjoint ?", "fr", Project("p", "Atelier", "reader", 0), LOCAL, None)
    asked.query = query(asked.question)
    for text, is_covered in (("Le préavis est écrit.", False), ("Le préavis du directeur est écrit.", True)):
        asked.passages = analysed([passage(text)])
        answer = quoted(asked)
        assert answer.supported is is_covered
        assert all(sentence.supported is is_covered for sentence in answer.sentences)
        reason = answer.sentences[0].reason
        assert is_covered or (
            reason is not None and "partie de la question (rien sur « directeur, adjoint »)" in reason
        )
