from __future__ import annotations

import os
import random
import secrets
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intramuros.security.tokens import bound_token, is_api_key, new_api_key, new_token, same, token_hash


def test_an_api_key_has_its_form_and_checksum() -> None:
    key = new_api_key()
    assert key.startswith("imk_")
    assert len(key) == 37
    assert is_api_key(key)


def test_keys_and_tokens_are_never_the_same() -> None:
    assert len({new_api_key() for _ in range(1000)}) == 1000
    assert len({new_token() for _ in range(1000)}) == 1000


@pytest.mark.parametrize("make", [new_api_key, new_token])
def test_they_are_128_bits_and_more_of_the_system_s_randomness(
    make: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    given = os.urandom

    def counted(size: int) -> bytes:
        asked.append(size)
        return given(size)

    monkeypatch.setattr(secrets, "token_bytes", lambda size: counted(size))  # token_urlsafe asks it too
    random.seed(1)
    first = make()
    random.seed(1)
    assert make() != first, "it can be foretold from the generator's state"
    assert asked and all(8 * size >= 128 for size in asked), "less than 128 bits, or from another source"


KEY = new_api_key()


@given(position=st.integers(min_value=4, max_value=len(KEY) - 1), other=st.sampled_from("09AZaz"))
def test_one_wrong_character_breaks_the_checksum(position: int, other: str) -> None:
    changed = KEY[:position] + other + KEY[position + 1 :]
    assert is_api_key(changed) == (changed == KEY)


def test_two_exchanged_characters_break_the_checksum() -> None:
    key = new_api_key()
    at = next(i for i in range(4, 30) if key[i] != key[i + 1])
    assert not is_api_key(key[:at] + key[at + 1] + key[at] + key[at + 2 :])


@pytest.mark.parametrize(
    "text", ["", "imk_", "imk_" + "0" * 33, "sk-" + "a" * 34, "imk_" + "é" * 33, "imk_" + "-" * 33]
)
def test_what_is_no_key(text: str) -> None:
    assert not is_api_key(text)


def test_the_hash_hides_the_token() -> None:
    token = new_token()
    assert token.encode() not in token_hash(token)
    assert token_hash(token) == token_hash(token) != token_hash(new_token())


def test_a_bound_token_belongs_to_its_token_and_purpose() -> None:
    assert bound_token("t", "csrf") == bound_token("t", "csrf")
    assert len({bound_token("t", "csrf"), bound_token("u", "csrf"), bound_token("t", "other")}) == 3


def test_same() -> None:
    assert same("é", "é")
    assert not same("a", "b")
