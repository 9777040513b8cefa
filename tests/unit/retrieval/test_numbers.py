"""Numbers: the same one however it is written, with its unit."""

from __future__ import annotations

import itertools
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intramuros.retrieval import numbers
from intramuros.retrieval.numbers import fold, quantities, readings


def found(text: str) -> list[tuple[list[str], str | None]]:
    return [(sorted(f"{v.normalize():f}" for v in q.values), q.unit) for q in quantities(fold(text))]


def holds(source: str, claim: str) -> bool:
    claims = quantities(fold(claim))
    assert claims, claim
    return all(numbers.holds(quantities(fold(source)), quantity) for quantity in claims)


@pytest.mark.parametrize(
    "text",
    ["1 234,50 €", "1'234.50 €", "1’234,50 €", "1234.5 €", "1.234,50 EUR", "1,234.50 euros", "€ 1 234,50", "1 234,5 €"],
)
def test_one_amount_in_all_notations(text: str) -> None:
    assert found(text) == [(["1234.5"], "eur")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("15 jours", [(["15"], "day")]),
        ("fünfzehn Tage", [(["15"], "day")]),
        ("vingt-cinq ans", [(["25"], "year")]),
        ("5 % du prix", [(["5"], "%")]),
        ("cinq pour cent", [(["5"], "%")]),
        ("CHF 25.–", [(["25"], "chf")]),
        ("1,5 million d'euros", [(["1500000"], "eur")]),
        ("2 Mio. Franken", [(["2000000"], "chf")]),
        ("deux mille euros", [(["2000"], "eur")]),
        ("20k€ ou 5 M€", [(["20000"], "eur"), (["5000000"], "eur")]),
        ("entre 15 et 30 jours", [(["15"], "day"), (["30"], "day")]),
        ("2-3 mois", [(["2"], "month"), (["3"], "month")]),
        ("les 3 derniers mois", [(["3"], "month")]),
        ("20 m²", [(["20"], "m2")]),
        ("150 €¹ par an", [(["150"], "eur")]),
        ("3½ heures", [(["3.5"], "hour")]),
        ("1er étage", [(["1"], None)]),
        ("les deux parents", []),
        ("un logement neuf", []),
        ("la version 1.2.3", []),
        ("l'article F34062", []),
        ("5 € 3 jours", [(["5"], "eur"), (["3"], "day")]),
    ],
)
def test_quantities(text: str, expected: list[tuple[list[str], str | None]]) -> None:
    assert found(text) == expected


def test_a_notation_that_leaves_it_open_keeps_both_readings() -> None:
    assert readings("1.234") == {Decimal("1.234"), Decimal(1234)}
    assert readings("0,234") == {Decimal("0.234")}
    assert readings("1'234") == {Decimal(1234)}


@pytest.mark.parametrize(
    ("source", "claim"),
    [
        ("Le délai est de vingt jours.", "20 jours"),
        ("Le délai est de 20 jours.", "vingt jours"),
        ("La durée est de 2 ans.", "24 mois"),
        ("Frist: 2 Wochen", "14 Tage"),
        ("Prix | 150 | 200", "150 €"),
        ("Le prix est de 1 200 €.", "1.200 euros"),
        ("Il y a 3 conditions.", "3 cas"),
    ],
)
def test_source_holds(source: str, claim: str) -> None:
    assert holds(source, claim)


@pytest.mark.parametrize(
    ("source", "claim"),
    [
        ("Le délai est de 3 ans.", "3 mois"),
        ("Il y a 3 cas ; le délai est de 5 ans.", "3 ans"),
        ("Le prix est de 1 200 €.", "200 €"),
        ("Le prix est de 1 200 €.", "1 200 CHF"),
        ("Un logement neuf.", "9 ans"),
        ("5 % du prix", "5 €"),
        ("12 cas", "12,5"),
    ],
)
def test_source_does_not_hold(source: str, claim: str) -> None:
    assert not holds(source, claim)


amounts = st.decimals(min_value=0, max_value=10**9, places=2)


@given(
    amounts, st.sampled_from([(" ", ","), ("'", "."), (".", ","), (",", "."), ("\u202f", ","), ("’", ","), ("", ".")])
)
def test_every_notation_of_an_amount_is_that_amount(amount: Decimal, marks: tuple[str, str]) -> None:
    grouping, fraction = marks
    text = f"{amount:,.2f}".replace(",", "_").replace(".", fraction).replace("_", grouping)
    quantity = quantities(fold(f"soit {text} €"))
    assert len(quantity) == 1
    assert amount in quantity[0].values
    assert quantity[0].unit == "eur"


@given(st.text(max_size=60))
def test_any_text_holds_its_own_numbers(text: str) -> None:
    folded = fold(text)
    of = quantities(folded)
    assert all(numbers.holds(of, quantity) for quantity in of)
    assert all(0 <= q.start < q.end <= len(folded) for q in of)
    assert all(a.end <= b.start for a, b in itertools.pairwise(of))


@given(st.text(max_size=40))
def test_plain_and_folded_have_the_same_places(text: str) -> None:
    assert len(numbers.plain(text)) == len(fold(text))
