"""Failures in plain words, in both languages."""

from __future__ import annotations

import re

import pytest

from intramuros.documents import failures
from intramuros.documents.failures import CODES, failure, words


@pytest.mark.parametrize("code", sorted(CODES))
def test_both_languages_say_it_with_the_same_numbers(code: str) -> None:
    english, french = failures._ENGLISH[code], failures._FRENCH[code]
    assert english.message != french.message
    places = re.compile(r"\{\w+\}|INTRAMUROS_\w+")
    assert sorted(places.findall("".join(english))) == sorted(places.findall("".join(french)))


def test_french_has_no_code_of_its_own() -> None:
    assert failures._FRENCH.keys() == failures._ENGLISH.keys()


def test_numbers_are_written_as_the_language_writes_them() -> None:
    numbers = {"pages": 2000, "limit": 1000}
    assert words("too_many_pages", numbers=numbers).message == "It has 2,000 pages; the limit is 1,000."
    assert words("too_many_pages", "fr", numbers=numbers).message == "Il compte 2 000 pages ; la limite est de 1 000."


def test_an_unknown_number_does_not_fail_the_message() -> None:
    assert "…" in words("too_many_pages", numbers={"limit": 3}).message


def test_settings_named_in_hints_exist() -> None:
    from dataclasses import fields

    from intramuros.settings import Settings

    known = {f"INTRAMUROS_{field.name.upper()}" for field in fields(Settings)}
    named = {name for said in failures._ENGLISH.values() for name in re.findall(r"INTRAMUROS_\w+", said.hint)}
    assert named <= known


def test_the_error_carries_code_words_and_numbers() -> None:
    error = failure("took_too_long", limit=120)
    assert (error.code, error.status, error.details) == ("took_too_long", 422, {"limit": 120})
    assert "120 seconds" in error.message
