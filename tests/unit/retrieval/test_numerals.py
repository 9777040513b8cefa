"""Numbers in words: every number from two to ninety-nine, in each language."""

from __future__ import annotations

import pytest

from intramuros.retrieval import numerals


@pytest.mark.parametrize("words", [numerals._french(), numerals._german(), numerals._italian(), numerals._english()])
def test_every_number_has_a_word(words: dict[str, int]) -> None:
    assert set(range(2, 100)) <= set(words.values())


@pytest.mark.parametrize(
    ("word", "number"),
    [
        ("vingt-cinq", 25),
        ("soixante-dix", 70),
        ("soixante-et-onze", 71),
        ("quatre-vingt-dix-neuf", 99),
        ("septante-trois", 73),
        ("einundzwanzig", 21),
        ("dreissig", 30),
        ("ventuno", 21),
        ("ventotto", 28),
        ("trentatre", 33),
        ("ninety-nine", 99),
        ("hundert", 100),
        ("mille", 1000),
    ],
)
def test_words(word: str, number: int) -> None:
    assert numerals.SPELLED[word] == number


def test_articles_are_no_numbers() -> None:
    assert not {"un", "une", "ein", "eine", "uno", "una", "one"} & numerals.SPELLED.keys()


def test_languages_do_not_contradict_each_other() -> None:
    languages = [numerals._french(), numerals._german(), numerals._italian(), numerals._english()]
    for one in languages:
        for other in languages:
            assert all(one[word] == other[word] for word in one.keys() & other.keys())
