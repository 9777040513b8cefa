"""Digits that text recognition took for letters, in numbers of every kind; codes stay what they are."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from intramuros.privacy.redact.misread import misread
from tests.unit.privacy.redact.found import found, values


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("Tél. : O6 l2 45 S8 90", "PHONE_NUMBER", "O6 l2 45 S8 90"),
        ("Telefon O3l 332 4S 67", "PHONE_NUMBER", "O3l 332 4S 67"),
        ("Cell. 34B 11S 2O76", "PHONE_NUMBER", "34B 11S 2O76"),
        ("geboren am 1S. Mai l968", "DATE_OF_BIRTH", "1S. Mai l968"),
        ("née le l2/O3/1979 à Dijon", "DATE_OF_BIRTH", "l2/O3/1979"),
        ("4 oct. 1990\nl4 rue des Tanneurs, 2lOOO Dijon", "ADDRESS", "l4 rue des Tanneurs, 2lOOO Dijon"),
        ("Bahnhofstrasse 1Z, CH-8OO1 Zürich", "ADDRESS", "Bahnhofstrasse 1Z, CH-8OO1 Zürich"),
        ("Steuer-ID: 86 O95 742 7l9", "DE_TAX_ID", "86 O95 742 7l9"),
        ("SIRET 732 829 32O OOO74", "FR_SIRET", "732 829 32O OOO74"),
        ("NIR 199012A4l4121O6", "FR_NIR", "199012A4l4121O6"),
        ("NIR l 55 O8 14 168 O25 88, carte", "FR_NIR", "l 55 O8 14 168 O25 88"),
        ("NIR 1 9O l2 2B 4l4 121 68", "FR_NIR", "1 9O l2 2B 4l4 121 68"),
        ("Visa 4S39 l488 O343 6467", "CREDIT_CARD", "4S39 l488 O343 6467"),
        ("Référence 2l OOOOO OOOO3 13947 l43OO O9OI7", "CH_QR_REFERENCE", "2l OOOOO OOOO3 13947 l43OO O9OI7"),
        ("né le OI.O7.1990, Tél 02 98 OS 33 7l", "DATE_OF_BIRTH", "OI.O7.1990"),
        ("né le OI.O7.1990, Tél 02 98 OS 33 7l", "PHONE_NUMBER", "02 98 OS 33 7l"),
        ("Tel. +49 (0) 7I1 B9 40-312 | mobil", "PHONE_NUMBER", "+49 (0) 7I1 B9 40-312"),
        ("name,phone\nNoor Al-Jaziri,077O09O0877", "PHONE_NUMBER", "077O09O0877"),
        ("17 quai Émile-Zola, 3SOO0 Rennes", "ADDRESS", "17 quai Émile-Zola, 3SOO0 Rennes"),
        ("Reisepass Nr. C0lX0oT47", "PASSPORT", "C0lX0oT47"),
        ("carta d'identità CA l2345 XY", "ID_CARD", "CA l2345 XY"),
        ("IBAN NL9l ABNA O4l7 l643 OO", "IBAN_CODE", "NL9l ABNA O4l7 l643 OO"),
        ("IBAN CHg3 x, CH93 OO76 2O1l 6238 S295 7", "IBAN_CODE", "CH93 OO76 2O1l 6238 S295 7"),
    ],
)
def test_digits_taken_for_letters(text: str, kind: str, value: str) -> None:
    assert value in values(text, kind)


@pytest.mark.parametrize(
    "text",
    [
        "Le disque S3 est plein, O2 à 21 %, CO2, H2SO4, 1O, l0ng et l2",
        "Part no. SB10-0452-I2, ZS 1200 SB, 0x1B5S, #B0B0S0, 0o20000200",
        "5B 8B 05 1B 00 B8 58 gate B22, seat 12B, iso 8859-I5, ab-0612345S78",
        "0055 0300 031B ; 066B.0020.0002 and CCITT T.81 / ISO 10918-1",
        "| 0|1S | 12 | 06|12345678 | 2 |",
    ],
)
def test_codes_are_no_numbers(text: str) -> None:
    assert not found(text)


def test_the_second_reading_has_the_same_length() -> None:
    text = "Tel. O6 l2 45 S8 90, né le l2.O3.1979"
    again, places = misread(text)
    assert again == "Tel. 06 12 45 58 90, né le 12.03.1979"
    assert [text[start:end] for start, end in places] == ["O6", "l2", "S8", "l2", "O3"]
    assert misread("Tel. 06 12 45 58 90") == ("Tel. 06 12 45 58 90", [])


@given(st.text(alphabet="019OoIl|SBZAX+-/.; \n", max_size=60))
@example("75010;Paris;7SO10;+336SZ73O9l8;")
def test_whatever_is_read_again_stays_in_its_place(text: str) -> None:
    again, places = misread(text)
    assert len(again) == len(text)
    assert all(end <= start for (_, end), (start, _) in pairwise(places))
