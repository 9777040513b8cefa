"""Patterns rewritten for the engine: the same texts, and never one that ends its JSON string."""

from __future__ import annotations

import re

import pytest

from intramuros.engines.pattern import PatternError, as_grammar

SAMPLES = [
    "",
    "a",
    "b",
    "ab",
    "aa",
    "a.b",
    "a..b",
    "12",
    "2024-05",
    "é",
    "éé",
    "A-1",
    "a-b",
    "^",
    "]",
    "(a)",
    "x y",
    "/",
]


@pytest.mark.parametrize(
    "pattern",
    [
        "^a$", "^a+$", "^ab?$", "^(a|b)$", "^(?:a|b){2}$", r"^a\.+b$", r"^\d{4}-\d{2}$", r"^[A-Z]-\d+$", "^é+$", "^é{2}$",
        "^.$", "^.{2,}$", "^[^a]$", r"^[\w.-]+$", r"^[\]^]$", r"^\(a\)$", "^[a-c ]*$", r"^\/$", "^a|b$", r"^[\d-]+$",
    ],
)  # fmt: skip
def test_it_means_the_same(pattern: str) -> None:
    ours = as_grammar(pattern)
    inner = re.compile(pattern[1:-1], re.ASCII)
    assert [text for text in SAMPLES if re.fullmatch(ours[1:-1], text)] == [t for t in SAMPLES if inner.fullmatch(t)]


@pytest.mark.parametrize("pattern", ["^.*$", "^[^a]$"])
def test_it_never_ends_the_text_it_stands_in(pattern: str) -> None:
    assert not any(re.fullmatch(as_grammar(pattern)[1:-1], sign) for sign in ('"', "\\", "\n", "\x00"))


@pytest.mark.parametrize(
    "pattern",
    [
        "", "a", "^a", "a$", "^$", "^(a$", "^a)$", "^[a$", "^*$", "^(?=a)$", "^(?!a)a$", "^(?<n>a)$", r"^\bb$", r"^(a)\1$",
        "^a+?$", "^a{,3}$", "^a{99999}$", "^(a|)$", "^()$", "^a$|^b$", '^"$', r"^\\$", r"^\n$", "^[ -~]$", '^["]$', r"^\s$",
        r"^[\s]$", r"^\p{L}$", "^a\n$", "^[]$", r"^a\$", 3, None, "^" + "a" * 2000 + "$",
    ],
)  # fmt: skip
def test_what_has_no_equal_is_refused(pattern: object) -> None:
    with pytest.raises(PatternError):
        as_grammar(pattern)
