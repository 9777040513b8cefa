"""Lines put together again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intramuros.documents.parse.joining import clean, hyphenated_words, joint


@pytest.mark.parametrize(
    ("left", "right", "whole"),
    [
        ("la communi-", "cation du service", "la communication du service"),
        ("die Arbeits-", "zeiten gelten", "die Arbeitszeiten gelten"),
        ("die IT-", "Abteilung hilft", "die IT-Abteilung hilft"),
        ("Jean-", "Pierre Morand", "Jean-Pierre Morand"),
        ("est-", "il prévu", "est-il prévu"),
        ("Vor-", "und Nachteile", "Vor- und Nachteile"),
        ("un finan\u00ad", "cement", "un financement"),
        ("de 2019-", "2024 inclus", "de 2019- 2024 inclus"),
        ("une phrase", "continue ici", "une phrase continue ici"),
        ("les articles 3 -", "et 4", "les articles 3 - et 4"),
    ],
)
def test_hyphens_at_line_ends(left: str, right: str, whole: str) -> None:
    start, between = joint(left, right)
    assert start + between + right == whole


def test_words_the_document_writes_with_a_hyphen_keep_it() -> None:
    known = hyphenated_words("un sous-traitant agréé")
    assert joint("le sous-", "traitant", known) == ("le sous-", "")
    assert joint("le sous-", "traitant") == ("le sous", "")


def test_clean_text() -> None:
    assert clean("e\ufb03cace \ufb01n") == "efficace fin"
    assert clean("a\x00b\x07c\u200bd\ufeff") == "abcd"
    assert clean("mot\u00adcoupé") == "motcoupé"
    assert clean("\ud800x") == "?x"
    assert clean("m² n° ½ €") == "m² n° ½ €"  # only what is no text goes


@given(st.text(st.characters(codec=None)))
def test_clean_text_can_be_stored(text: str) -> None:
    assert clean(text).encode("utf-8").decode() == clean(text)
    assert "\x00" not in clean(text)
