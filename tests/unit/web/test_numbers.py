"""What forms take for a number, in each language."""

from __future__ import annotations

import pytest

from intramuros.errors import BadRequest
from intramuros.web import words
from intramuros.web.quotas import number_of
from intramuros.web.upstream_form import count, differing, number, read

FRENCH, ENGLISH = (words.load()[language] for language in ("fr", "en"))


@pytest.mark.parametrize(
    ("text", "french", "english"),
    [
        ("", None, None),
        ("2,50", 2.5, 2.5),
        ("0.5", 0.5, 0.5),
        ("1,200", 1.2, 1200.0),
        ("0,125", 0.125, 0.125),
        ("1,234,567.5", None, 1_234_567.5),
        ("1\u202f200,5", 1200.5, 1200.5),
    ],
)
def test_a_comma_is_what_the_language_has_it_for(text: str, french: float | None, english: float) -> None:
    assert number(text, ENGLISH, param="price") == english
    if french is None and text:
        with pytest.raises(BadRequest):
            number(text, FRENCH, param="price")
    else:
        assert number(text, FRENCH, param="price") == french


@pytest.mark.parametrize("text", ["128000", "128,000", "128.000", "128 000", "128\u202f000", "128'000", "128’000"])
def test_the_thousands_of_a_context_are_never_taken_for_decimals(text: str) -> None:
    for language in (FRENCH, ENGLISH):
        assert read({"context_tokens": text}, name="one", words=language).context_tokens == 128_000


@pytest.mark.parametrize("text", ["4096.5", "1,5", "4,0000", "-1", "1e3", "many", "٣", "9" * 13])
def test_what_is_no_whole_number_is_refused(text: str) -> None:
    with pytest.raises(BadRequest):
        count(text, param="waits")


def test_a_budget_of_thousands_is_not_one_of_cents() -> None:
    assert number_of("1,200", ENGLISH, whole=False) == 1200 and number_of("1,20", ENGLISH, whole=False) == 1.2
    assert number_of("1,2", FRENCH, whole=False) == 1.2
    assert number_of("200,000", ENGLISH, whole=True) == number_of("200 000", FRENCH, whole=True) == 200_000
    assert number_of(" ", FRENCH, whole=True) is None
    for text in ("-1", "nan", "1.2.3"):
        with pytest.raises(BadRequest):
            number_of(text, ENGLISH, whole=False)


def test_what_somebody_else_kept_is_said_as_the_form_says_it() -> None:
    found = differing({"where": "outside", "probes": "no"}, {"where": "inside", "probes": ""}, FRENCH)
    assert found == [("where", "Dans les murs"), ("probes", "S’il est dans les murs")]
