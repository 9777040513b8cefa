"""Which language a text is in."""

from __future__ import annotations

import pytest

from intramuros.documents.language import STOP_WORDS, detect


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Quel est le délai de préavis ?", "fr"),
        ("Wie lange ist die Kündigungsfrist?", "de"),
        ("Qual è il termine di preavviso per il dipendente?", "it"),
        ("What is the notice period?", "en"),
        ("Le contrat est conclu avec la société Software Solutions and Services", "fr"),
        ("Der Vertrag wird mit der Firma „Les Amis de la Table“ geschlossen.", "de"),
    ],
)
def test_short_texts(text: str, language: str) -> None:
    assert detect(text) == language


def test_nothing_to_go_by_gives_the_default() -> None:
    assert detect("Budget 2024") == "fr"
    assert detect("4500-2231", default="de") == "de"
    assert detect("", default="it") == "it"


def test_only_among_the_wanted() -> None:
    assert detect("What is the notice period?", among={"fr", "de"}, default="de") != "en"


def test_stop_words_are_lower_case_words() -> None:
    assert all(word == word.lower() and word.isalpha() for words in STOP_WORDS.values() for word in words)
