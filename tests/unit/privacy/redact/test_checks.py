"""Check digits: numbers that registers publish as examples pass, one changed digit doesn't."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from intramuros.privacy.redact import checks

PUBLISHED = [
    (checks.iban, "CH93 0076 2011 6238 5295 7"),
    (checks.iban, "FR14 2004 1010 0505 0001 3M02 606"),
    (checks.iban, "GB29NWBK60161331926819"),
    (checks.iban, "DE89-3704-0044-0532-0130-00"),
    (checks.iban, "IT60X0542811101000000123456"),
    (checks.avs, "756.9217.0769.85"),
    (checks.nir, "2 95 10 99 126 111 93"),
    (checks.nir, "253072B07300470"),
    (checks.siren, "732 829 320"),
    (checks.siret, "732 829 320 00074"),
    (checks.siret, "35600000000048"),
    (checks.nif, "3023217600053"),
    (checks.uid, "CHE-107.787.577"),
    (checks.vat, "FR 40 303 265 045"),
    (checks.vat, "DE136695976"),
    (checks.vat, "IT00743110157"),
    (checks.vat, "BE0403019261"),
    (checks.vat, "LU15027442"),
    (checks.vat, "ATU13585627"),
    (checks.de_tax_id, "36 574 261 809"),
    (checks.it_fiscal_code, "RCCMNL83S18D969H"),
    (checks.qr_reference, "21 00000 00003 13947 14300 09017"),
    (checks.card, "4111 1111 1111 1111"),
    (checks.card, "3782 822463 10005"),
    (checks.ean13, "4006381333931"),
]


@pytest.mark.parametrize(("check", "number"), PUBLISHED)
def test_published_numbers_pass_and_one_digit_more_or_less_does_not(check: Callable[[str], bool], number: str) -> None:
    assert check(number)
    last = max(at for at, char in enumerate(number) if char.isdigit())
    changed = number[:last] + str((int(number[last]) + 1) % 10) + number[last + 1 :]
    assert not check(changed)
    assert not check(number + "0")


@pytest.mark.parametrize(
    ("check", "number"),
    [
        (checks.nir, "9 95 10 99 126 111 93"),  # no such sex
        (checks.nir, "2 95 13 99 126 111 93"),  # no such month
        (checks.card, "9111 1111 1111 1111"),  # no issuer's range
        (checks.qr_reference, "000000000000000000000000000"),
        (checks.luhn, "0000000000"),
        (checks.iban, "ZZ93 0076 2011 6238 5295 7"),
        (checks.vat, "XX123456789"),
    ],
)
def test_what_no_register_gives_out_is_refused(check: Callable[[str], bool], number: str) -> None:
    assert not check(number)


def test_digits_that_were_read_as_letters_still_check() -> None:
    assert checks.iban("CH93 OO76 2Oll 6238 5295 7")
    assert checks.iban("GB29 NWBK 6O16 l331 9268 19")
    assert checks.avs("756.92l7.O769.85")
    assert checks.nir("2 95 lO 99 l26 lll 93")
