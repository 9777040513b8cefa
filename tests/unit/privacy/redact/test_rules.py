"""What spares the search makes no difference to what is found."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from intramuros.privacy.redact.births import BIRTHS
from intramuros.privacy.redact.credentials import CREDENTIALS
from intramuros.privacy.redact.finding import Finding
from intramuros.privacy.redact.network import NETWORK
from intramuros.privacy.redact.papers import PAPERS
from intramuros.privacy.redact.phones import PHONES
from intramuros.privacy.redact.registers import REGISTERS
from intramuros.privacy.redact.rules import Rules

EVERY = (*CREDENTIALS, *REGISTERS, *NETWORK, *PHONES, *PAPERS, *BIRTHS)
PIECES = st.sampled_from(
    [
        *"0123456789OIlSB|.-/:,()+>@_'",
        *(" ", "  ", "\n", "\n> ", "+41 ", "0033", "(0)", "756", "CHE-", "FR", "GB", "00:1a:", "::", "192.168.", "sk-"),
        *(
            "tél. ",
            "né le ",
            "12.03.1980",
            "3 mai 1975",
            "plaque ",
            "carte d'identité ",
            "passeport n° ",
            "TVA ",
            "IP ",
        ),
        *("756.9217.0769.85", "4111 1111 1111 1111", "732 829 320 00074", "06 12 34 56 78", "BE 123 456", "AB-123-CD"),
        *("(347) 123 4567", "rssmra80a01h501u", " 347", "3", "RCS ", "R.C.S. Lyon ", "mai 3rd, 1975", "Tel", "/user:"),
        *("1 85 05 78 006 084 36", "21 00000 00003 13947 14300 09017", "siren ", "steuer ", "P<CHE", "<<", "B", "é"),
    ]
)


@settings(max_examples=400, deadline=None)
@given(st.lists(PIECES, min_size=1, max_size=40).map("".join))
def test_the_rules_find_what_each_finds_in_the_whole_text(text: str) -> None:
    whole: list[Finding] = []
    for rule in EVERY:
        rule.find(text, 0, len(text), whole)
    assert set(Rules("all", EVERY).analyse(text, "")) == set(whole)


def test_a_number_is_found_between_shorter_ones_and_beside_what_is_none() -> None:
    text = "2025, 12 | (+41) 21 345 67 89; S. 3 / 756.9217.0769.85\n> 40 / tél 345678, lot 4111 1111 1111 1111."
    found = {(f.entity_type, text[f.start : f.end]) for f in Rules("all", EVERY).analyse(text, "")}
    assert found == {
        ("PHONE_NUMBER", "(+41) 21 345 67 89"),
        ("CH_AVS", "756.9217.0769.85"),
        ("PHONE_NUMBER", "345678"),
        ("CREDIT_CARD", "4111 1111 1111 1111"),
    }
