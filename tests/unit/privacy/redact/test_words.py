"""Words as one pattern: what they share stands once, and they match as if they stood side by side."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from intramuros.privacy.redact.words import by_letters

_PATTERNS = st.lists(
    st.sampled_from(
        ["a", "ab", "abc", "ab?c", "a[bc]d", "b", "bc(?= )", "c|ab", "(?:b|c)a", "", "ca{2}", r"a\.b", "a b"]
    ),
    min_size=1,
    max_size=8,
)


@given(_PATTERNS, st.text(st.sampled_from("abcd. "), max_size=30))
def test_they_match_what_they_match_side_by_side(patterns: list[str], text: str) -> None:
    together, apart = re.compile(by_letters(patterns)), re.compile("|".join(patterns))
    assert [match.span() for match in together.finditer(text)] == [match.span() for match in apart.finditer(text)]


def test_what_they_share_stands_once() -> None:
    assert by_letters(["tel", "text", "port", r"te\."]) == r"t(?:e(?:l|xt|\.))|port"
