"""Sentences: where they end in four languages, and that nothing of the text is lost."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intramuros.retrieval.sentences import split


def cut(text: str) -> list[str]:
    return [sentence.text for sentence in split(text)]


@pytest.mark.parametrize(
    "text",
    [
        "M. Dupont et Mme Martin ont signé l'art. 5 al. 2 du contrat n. 12.",
        "L'art. L. 1234-5 du code s'applique, cf. p. 12.",
        "Das Gesetz gilt ab dem 1. Januar 2024 für Nr. 5, z.B. nach Abs. 3.",
        "Herr Dr. J. R. Meier wohnt bzw. arbeitet in Bern.",
        "Il sig. Rossi, nato il 3. 4. 1970, ha firmato.",
        "Mr. Smith paid 1.5 million, i.e. more than St. John.",
        "Vous payez 1 200.50 CHF et 3,5 % de frais.",
        "« Vraiment ? » demanda-t-il.",
        "1. Le bail est signé.",
        "la durée est de\ndeux ans renouvelables",
    ],
)
def test_stays_whole(text: str) -> None:
    assert cut(text) == [text]


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("Le bail dure 3 ans. Il est renouvelable.", ["Le bail dure 3 ans.", "Il est renouvelable."]),
        ("Est-ce possible ? Oui ! Bien sûr…  Merci.", ["Est-ce possible ?", "Oui !", "Bien sûr…", "Merci."]),
        ("Il dit « non. » Elle part.", ["Il dit « non. »", "Elle part."]),
        ("Dies gilt seit 2020. Danach nicht.", ["Dies gilt seit 2020.", "Danach nicht."]),
        (
            "Cela coûte 20 €. [1] Le délai est de 5 jours [2, 3]. Fin",
            ["Cela coûte 20 €. [1]", "Le délai est de 5 jours [2, 3].", "Fin"],
        ),
        ("Conditions :\n- être majeur\n- être salarié", ["Conditions :", "- être majeur", "- être salarié"]),
        ("Il est composé :\nd'un examen,\net d'un avis.", ["Il est composé :", "d'un examen,", "et d'un avis."]),
        ("Titre\n\nsuite", ["Titre", "suite"]),
        ("Montants en vol. Suite en lit. Fin", ["Montants en vol.", "Suite en lit.", "Fin"]),
        ("Frais, taxes, etc. Le reste est offert.", ["Frais, taxes, etc.", "Le reste est offert."]),
    ],
)
def test_ends(text: str, sentences: list[str]) -> None:
    assert cut(text) == sentences


def test_of_nothing_is_nothing() -> None:
    assert split("") == split(" \n\t ") == []


@given(st.text(alphabet=st.sampled_from("ab A.?!…[1]«»\n\u00a0,é'\"1m"), max_size=80))
def test_loses_nothing_and_keeps_places(text: str) -> None:
    sentences = split(text)
    assert all(text[s.start : s.end] == s.text and s.text.strip() == s.text for s in sentences)
    assert all(a.end <= b.start for a, b in itertools.pairwise(sentences))
    assert "".join("".join(s.text.split()) for s in sentences) == "".join(text.split())
