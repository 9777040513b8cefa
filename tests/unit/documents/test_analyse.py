"""Terms of documents and questions."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intramuros.documents.analyse import fold, query_terms, terms


def test_elided_articles_go_and_accents_fold_after_stemming() -> None:
    assert terms("L’employeur qu'il a, d'abord l'œuvre", "fr") == ["employeur", "il", "a", "abord", "oeuvr"]


@pytest.mark.parametrize(
    ("one", "other", "language"),
    [
        ("congés payés", "congé payé", "fr"),
        ("RÈGLEMENT INTÉRIEUR", "règlement intérieur", "fr"),
        ("REGLEMENT INTERIEUR", "règlement intérieur", "fr"),
        ("médiations", "mediation", "fr"),
        ("Verträge", "Vertrages", "de"),
        ("Strassen", "Straße", "de"),
        ("dell'azienda", "azienda", "it"),
        ("contracts", "contract", "en"),
        ("employee's", "employees", "en"),
        ("cafe\u0301s", "café", "fr"),  # decomposed accents, as some systems write file names
        ("inté\u00adressé", "intéressé", "fr"),
    ],
)
def test_forms_of_a_word_meet(one: str, other: str, language: str) -> None:
    assert terms(one, language) == terms(other, language)


def test_numbers_and_references_in_parts_and_joined() -> None:
    assert terms("A-1234/2024", "fr") == ["a", "1234", "2024", "a12342024"]
    assert terms("12/03/2024", "fr") == ["12", "03", "2024", "12032024"]
    assert terms("F-2024-0932", "en")[-1] == "f20240932"
    assert terms("e-mail", "fr") == ["e", "mail", "email"]
    assert terms("8h30", "fr") == ["8h30", "8", "30"]


@pytest.mark.parametrize("number", ["750 000", "750\u00a0000", "750\u202f000", "750'000", "750’000", "750000"])
def test_thousands_however_they_are_written(number: str) -> None:
    assert terms(f"{number} €", "fr") == ["750000"]


def test_a_phone_number_is_found_however_it_is_typed() -> None:
    assert "0381004217" in terms("au 03 81 00 42 17", "fr")
    assert "0381004217" in terms("0381004217", "fr")


def test_question_without_its_stop_words_in_every_language_of_the_documents() -> None:
    assert query_terms("Qu'est-ce que la médiation familiale ?", {"fr"}) == ["mediat", "familial"]
    assert query_terms("What is the policy?", {"fr", "en"}) == ["policy", "polici"]


def test_capitals_are_no_stop_words() -> None:
    assert "it" in query_terms("What is the IT policy?", {"en"})
    assert "it" not in query_terms("WHAT IS IT FOR", {"en"})


def test_the_empty_question() -> None:
    assert query_terms("", {"fr"}) == []
    assert query_terms("?!…", set()) == []


@given(st.text(), st.sampled_from(["fr", "de", "it", "en"]))
def test_any_text_gives_clean_terms(text: str, language: str) -> None:
    for term in terms(text, language):
        assert term
        assert len(term) <= 60
        assert not any(letter in string.whitespace + string.punctuation for letter in term)


@given(st.text())
def test_folding_is_stable(text: str) -> None:
    assert fold(fold(text)) == fold(text) or not text.isalnum()
