"""Relevance: what is about the question is enough, what only shares common words is not."""

from __future__ import annotations

from intramuros.retrieval.analysed import analysed
from intramuros.retrieval.relevance import COMPARED, Relevance, relevance, strength
from tests.unit.retrieval.made import passage, query

LEASE = passage("Le préavis du bail est de trois mois. Il court dès la réception de la lettre.")
KITCHEN = passage("La cuisine ouvre à midi. Le menu change chaque jour.")


def test_a_passage_with_the_words_is_enough() -> None:
    assert relevance(query("Quel est le préavis du bail ?"), analysed([KITCHEN, LEASE])).is_enough


def test_a_passage_without_the_words_is_not() -> None:
    assert not relevance(query("Quel est le préavis du bail ?"), analysed([KITCHEN])).is_enough


def test_half_of_the_words_are_not_enough() -> None:
    assert not relevance(query("Quel est le préavis du directeur ?"), analysed([LEASE])).is_enough


def test_a_passage_that_does_not_stand_out_is_worth_less() -> None:
    asked = query("Quel est le préavis du directeur ?")
    alone, among = relevance(asked, analysed([LEASE])), relevance(asked, analysed([LEASE] * COMPARED))
    assert among.best == alone.best
    assert among.score < alone.score


def test_nothing_asked_or_nothing_found_is_not_enough() -> None:
    assert relevance(query("?"), analysed([LEASE])) == Relevance()
    assert not relevance(query("préavis"), []).is_enough


def test_headings_count_and_length_is_held_against_a_passage() -> None:
    asked = query("préavis du bail")
    bare, headed = analysed([passage("Trois mois."), passage("Trois mois.", headings=("Préavis", "Bail"))])
    assert strength(asked, headed) > strength(asked, bare)
    short, long = analysed([LEASE, passage(LEASE.text + " Autre chose encore." * 200)])
    assert strength(asked, long) < strength(asked, short)
