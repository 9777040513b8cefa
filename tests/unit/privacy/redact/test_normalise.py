"""The normaliser, and the way back to the original's places."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intramuros.privacy.redact.normalise import normalise


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("CH93\u00a00076\u202f2011", "CH93 0076 2011"),
        ("756\u20119217", "756-9217"),
        ("Du\u200bpont", "Dupont"),
        ("\ufeffJean", "Jean"),
        ("ＣＨ９３", "CH93"),
        ("jean＠corp.lan", "jean@corp.lan"),
        ("Rene\u0301", "René"),
        ("ﬁn", "fin"),
        ("l’adresse", "l'adresse"),
        ("Sil\u00adbe", "Silbe"),
    ],
)
def test_one_spelling_for_what_looks_the_same(written: str, read: str) -> None:
    assert normalise(written).text == read


def test_places_of_the_original() -> None:
    text = "a\u200bb Rene\u0301 ﬁn\u2026 z"
    plain = normalise(text)
    for word, original in [("b", "b"), ("René", "Rene\u0301"), ("fin", "ﬁn"), ("z", "z"), ("...", "\u2026")]:
        at = plain.text.index(word)
        start, end = plain.original(at, at + len(word))
        assert text[start:end] == original


@given(st.text(alphabet=st.sampled_from("aé 1\u00a0\u200b\u0301ﬁ…＠\u2011Ａ½\u00ad"), max_size=30))
def test_every_piece_maps_to_a_piece_that_reads_the_same(text: str) -> None:
    plain = normalise(text)
    previous = 0
    for at in range(len(plain.text)):
        start, end = plain.original(at, at + 1)
        assert 0 <= start < end <= len(text)
        assert start >= previous
        previous = start
        assert plain.text[at] in normalise(text[start:end]).text


@given(st.text(max_size=60))
def test_nothing_visible_is_lost(text: str) -> None:
    plain = normalise(text)
    letters = [c for c in unicodedata.normalize("NFKC", text) if c.isalnum() and c.isascii()]
    assert [c for c in plain.text if c.isalnum() and c.isascii()] == letters
