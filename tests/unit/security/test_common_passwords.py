from __future__ import annotations

import pytest

from intramuros.errors import BadRequest
from intramuros.security.common_passwords import is_common, words
from intramuros.security.passwords import MIN_CHARACTERS, check_strength


def refused(text: str) -> bool:
    try:
        check_strength(text)
    except BadRequest as error:
        return error.code == "weak_password"
    return False


def test_every_published_password_that_is_long_enough_is_refused() -> None:
    long = [word for word in words() if len(word) >= MIN_CHARACTERS]
    assert len(long) > 300
    assert [word for word in long if not refused(word)] == []


def test_three_thousand_common_ones_that_are_long_enough_are_refused_and_many_more() -> None:
    """The way people reach twelve characters: a year, a count, a sign, the word again."""
    base = sorted(word for word in words() if word.isalpha() and 6 <= len(word) <= 10)
    stretched = {f"{word}{tail}" for word in base for tail in ("2026", "1234", "123456", "!2026")} | {
        word * 2 for word in base
    }
    fitting = {word for word in stretched if len(word) >= MIN_CHARACTERS}
    assert len(fitting) > 3000
    assert [word for word in fitting if not is_common(word)] == []


@pytest.mark.parametrize(
    "text",
    ["Sunshine2026", "P@ssw0rd2026", "pa55word1234", "!!Dragon!!123", "1234Liverpool", "123qweasdzxc", "Motdepasse2026",
     "Willkommen123!", "monkeymonkey", "ILoveYou!!!!"],
)  # fmt: skip
def test_words_everybody_has_are_refused_however_they_are_written(text: str) -> None:
    assert refused(text)


@pytest.mark.parametrize(
    "text",
    ["seven green bicycles", "sunshine over the lake", "dragon pepper lamp nine", "Xk2-9vLq_mmT4z", "martin 8361 zebre",
     "sunshine4829165037264", "une phrase assez longue 42"],
)  # fmt: skip
def test_several_words_and_what_chance_made_pass(text: str) -> None:
    assert not refused(text)
