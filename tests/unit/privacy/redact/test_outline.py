"""The outline of a text, and that to ask it first hides nothing from the patterns behind it."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from intramuros.privacy.redact import addresses, plates
from intramuros.privacy.redact.outline import Text, has, outline, says

_TEXTS = st.text(st.sampled_from("12059 -.,/:AÀZaàzßÿŁ中?|_'\n"), max_size=40)
_TYPED = st.lists(
    st.sampled_from(["ab 123 cd", "zh 123 456", "b-ab 12", "le 12", "x", "-", " ", "1", "ab12 cde", "ü-k 77"]),
    max_size=8,
).map("".join)
_CAPITAL = st.lists(
    st.sampled_from(
        ["1 ABC 234", "12-D-4567", "1234 AB 12", "ZH 123 456", "AB-123-CD", "B-AB 12", " ", "-", "\n", "1A"]
    ),
    max_size=6,
).map("".join)
_POSTED = st.lists(
    st.sampled_from(["1204 G", "CH-1204 G", "F - 75001 P", "A-1205 B", " ", "\n", "1", "D", ",", "75001 P"]), max_size=8
).map("".join)


@given(_TEXTS)
def test_it_has_a_byte_for_each_character(text: str) -> None:
    classes = (("0", "[0-9]"), ("A", "[A-ZÀ-ÖØ-Þ]"), ("a", "[a-zà-öø-ÿ]"))

    def drawn(char: str) -> str:
        return next((sign for sign, chars in classes if re.match(chars, char)), "?" if ord(char) > 255 else char)

    assert outline(text).decode("latin-1") == "".join(map(drawn, text))
    assert Text(text).outline() == outline(text)


def test_what_a_text_holds_is_asked_of_its_outline() -> None:
    assert has(b"0000 A")("Rue Haute 5, 1204 Genève")
    assert not has(b"0000 A", b"-0")("Rue Haute 5, Genève")
    assert says("Postfach 12", ("BP", "Post"))
    assert not says("Postfach 12", ("BP",))


@given(_POSTED)
def test_no_post_code_is_missed_for_it(text: str) -> None:
    found = [code.span() for code in addresses._posted_codes(text)]
    assert found == [code.span() for code in addresses._POSTED.finditer(text)]


@given(_TYPED)
def test_no_plate_in_small_letters_is_missed_for_it(text: str) -> None:
    found = [plate.span() for plate in plates._small_plates(text)]
    assert found == [plate.span() for plate in plates._SMALL.finditer(text)]


@given(_CAPITAL)
def test_no_plate_in_capitals_is_missed_for_it(text: str) -> None:
    found = [plate.span() for plate in plates._capital_plates(text)]
    assert found == [plate.span() for plate in plates._PLATES.finditer(text)]
