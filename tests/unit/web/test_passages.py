"""Addresses of passages: what is written is read again, and nothing else is believed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intramuros.web.passages import MARGIN, Area, address, areas, located, span

PAGE = {"width": 595.0, "height": 842.0}


def query(where: str, name: str) -> str:
    return next(part.partition("=")[2] for part in where.partition("?")[2].split("&") if part.startswith(name + "="))


def test_rectangles_come_back_with_a_margin() -> None:
    where = address("p", "d", 3, rects=[(72, 100, 300, 112), (72.04, 114, 200, 126)])
    assert where.startswith("/projects/p/documents/d?page=3&rects=")
    assert areas(query(where, "rects"), **PAGE) == [
        Area(72 - MARGIN, 100 - MARGIN, 228 + 2 * MARGIN, 12 + 2 * MARGIN),
        Area(72 - MARGIN, 114 - MARGIN, 128 + 2 * MARGIN, 12 + 2 * MARGIN),
    ]


def test_characters_come_back() -> None:
    assert span(query(address("p", "d", 1, at=(12, 40)), "at"), length=50) == (12, 40)


@pytest.mark.parametrize("text", ["", "a", "5", "9-3", "4-4", "-1-3", "0-51", "0-99999999999", "１-２"])
def test_no_other_characters_are_marked(text: str) -> None:
    assert span(text, length=50) is None


@pytest.mark.parametrize(
    "text", ["", "1,2,3", "nan,0,1,1", "inf,0,1,1", "5,5,1,1", "700,10,800,20", "a,b,c,d", "1,2,3,4,5"]
)
def test_no_other_rectangles_are_drawn(text: str) -> None:
    assert areas(text, **PAGE) == []


@given(st.text(max_size=200))
def test_rectangles_stay_on_the_page(text: str) -> None:
    for area in areas(text, **PAGE):
        assert 0 <= area.x <= area.x + area.width <= PAGE["width"] + 0.01
        assert 0 <= area.y <= area.y + area.height <= PAGE["height"] + 0.01


def test_rectangles_are_bounded_in_number() -> None:
    assert len(areas(";".join(["1,1,5,5"] * 500), **PAGE)) <= 60


def test_a_source_that_is_not_located_says_so() -> None:
    assert address("p", "d", 2, is_cited=True) == "/projects/p/documents/d?page=2&cited=1"
    assert "cited" not in address("p", "d", 2, at=(1, 2), is_cited=True)


def test_a_quotation_is_found_across_line_breaks() -> None:
    text = "Article 4.\nLe preneur peut\ndonner   congé."
    start, end = located("preneur peut donner congé", text) or (0, 0)
    assert text[start:end] == "preneur peut\ndonner   congé"


def test_a_quotation_that_stands_twice_or_nowhere_is_not_located() -> None:
    assert located("trois mois", "trois mois et trois mois") is None
    assert located("quatre mois", "trois mois") is None
    assert located("  ", "trois mois") is None
    assert located("(a+b)* [c", "x (a+b)*\n[c y") == (2, 11)
