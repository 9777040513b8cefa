"""Dates, times and weekdays in four languages."""

from __future__ import annotations

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intramuros.retrieval.dates import times
from intramuros.retrieval.numbers import fold

Parts = tuple[int | None, int | None, int | None]


def dates(text: str) -> list[set[Parts]]:
    return [{(d.year, d.month, d.day) for d in readings} for readings in times(fold(text)).dates]


@pytest.mark.parametrize(
    "text",
    [
        "le 12 mars 2024",
        "am 12. März 2024",
        "il 12 marzo 2024",
        "on 12 March 2024",
        "on March 12, 2024",
        "March 12th, 2024",
        "12.03.2024",
        "12-03-2024",
        "12.3.24",
        "2024-03-12",
        "12 mars\u00a02024",
    ],
)
def test_one_date_in_all_notations(text: str) -> None:
    assert dates(text) == [{(2024, 3, 12)}]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1 er  septembre 1948", [{(1948, 9, 1)}]),
        ("le 1er janvier", [{(None, 1, 1)}]),
        ("en mars 2024", [{(2024, 3, None)}]),
        ("en septembre", [{(None, 9, None)}]),
        ("03/04/2024", [{(2024, 4, 3), (2024, 3, 4)}]),
        ("31/12/2020", [{(2020, 12, 31)}]),
        ("du 1er au 15 mars 2024", [{(2024, 3, 15)}, {(2024, 3, 1)}]),
        ("I may go, you march", []),
        ("le 45.13.2024", []),
        ("version 1.2.2024.5", []),
        ("mardi", []),
    ],
)
def test_dates(text: str, expected: list[set[Parts]]) -> None:
    assert dates(text) == expected


def test_times_and_weekdays() -> None:
    found = times(fold("Lundi à 10h30, Dienstag um 9.30 Uhr, mercoledì 14:05; 10:30"))
    assert found.minutes == {630, 570, 845}
    assert set(found.weekdays) == {0, 1, 2}


def test_what_is_left_has_no_dates_and_the_same_length() -> None:
    folded = fold("Le 12 mars 2024 à 10h30, 150 € au 3.4.2020")
    rest = times(folded).rest
    assert len(rest) == len(folded)
    assert rest.split() == ["le", "a", ",", "150", "€", "au"]


def test_a_date_says_what_a_shorter_one_says_and_not_the_reverse() -> None:
    (whole,), (month,) = times(fold("12 mars 2024")).dates[0], times(fold("mars 2024")).dates[0]
    assert whole.says(month)
    assert not month.says(whole)


_MONTHS = {
    "fr": "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
    "de": "Januar Februar März April Mai Juni Juli August September Oktober November Dezember",
    "it": "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre",
    "en": "January February March April May June July August September October November December",
}


@given(st.dates(datetime.date(1900, 1, 1), datetime.date(2099, 12, 31)), st.sampled_from(sorted(_MONTHS)))
def test_every_date_is_found_in_words_and_digits(day: datetime.date, language: str) -> None:
    month = _MONTHS[language].split()[day.month - 1]
    dot = "." if language == "de" else ""
    whole = (day.year, day.month, day.day)
    assert dates(f"{day.day}{dot} {month} {day.year}") == [{whole}]
    assert dates(day.isoformat()) == [{whole}]
    assert dates(f"{day:%d.%m.%Y}") == [{whole}]


@given(st.text(max_size=60))
def test_any_text_keeps_its_length(text: str) -> None:
    folded = fold(text)
    assert len(times(folded).rest) == len(folded)
