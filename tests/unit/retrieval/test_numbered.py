"""Contract 7 is not contract 127, nor one of seven months."""

from __future__ import annotations

import pytest

from intramuros.retrieval.analysed import analysed
from intramuros.retrieval.numbered import Numbered, named
from intramuros.retrieval.quote import quotes
from tests.unit.retrieval.made import passage, query


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("Combien de mois dure le contrat numéro 7 ?", [Numbered("contrat", "7")]),
        ("Que dit l'article 12 ?", [Numbered("article", "12")]),
        ("Was steht in Rechnung Nr. 41?", [Numbered("rechnung", "41")]),
        ("Que dit le numéro 7 ?", [Numbered("numéro", "7")]),
        ("Quel était le budget 2024 ?", []),
        ("Un contrat 7 mois est-il permis ?", []),
        ("Que dit l'article 12.3 ?", []),
        ("Que faire dans 30 cas ?", []),
    ],
)
def test_what_a_question_names(question: str, expected: list[Numbered]) -> None:
    assert named(question) == expected


QUESTION = "Combien de mois dure le contrat numéro 7 ?"


def test_only_the_one_named_is_quoted() -> None:
    texts = ("Le contrat numéro 127 dure 7 mois.", "Le contrat numéro 37 dure 7 mois.", "Le contrat n° 7 dure 19 mois.")
    found = analysed(passage(text, chunk_id=n, document_id=str(n), score=9.0 - n) for n, text in enumerate(texts))
    assert [quote.text for quote in quotes(query(QUESTION), found)] == ["Le contrat n° 7 dure 19 mois."]


def test_what_follows_belongs_to_the_last_one_named() -> None:
    text = "Contrat numéro 37. Le contrat dure 7 mois. Contrat numéro 7. Le contrat dure 19 mois."
    found = quotes(query(QUESTION), analysed([passage(text)]))
    assert found
    assert all(quote.start >= text.index("Contrat numéro 7.") for quote in found)


def test_a_heading_names_it_too() -> None:
    above = passage("La durée du contrat est de 19 mois.", headings=("Contrat 7",), document_id="a")
    other = passage("Le contrat 37 dure 7 mois.", chunk_id=2, document_id="b", score=2.0)
    assert [q.passage.document_id for q in quotes(query(QUESTION), analysed([other, above]))] == ["a"]


def test_where_none_has_it_all_may_answer() -> None:
    assert quotes(query(QUESTION), analysed([passage("Le contrat numéro 37 dure 7 mois.")]))
