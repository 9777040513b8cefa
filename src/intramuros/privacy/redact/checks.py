"""The check digits of numbers that identify people, firms and accounts: public rules, a few lines each.

Called by the rules with what a pattern matched, separators and all. True means that the number is well formed, not
that anyone has it.

Source: ISO 13616 (IBAN), ISO/IEC 7812-1 annex B (Luhn), GS1 (EAN-13), ISO 7064 (mod 11,10), INSEE and DGFiP for the
French numbers, the Swiss UID register and the Swiss QR-bill guidelines, Directive 2006/112/EC article 215 (VAT).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import cycle

_NOT_ALPHANUMERIC = re.compile(r"[^0-9A-Za-z]+")
_SEPARATORS = re.compile(r"[ .\-/_>\n]+")
_NOT_DIGIT = re.compile(r"[^0-9]+")
_BESIDE_DIGITS = re.compile(r"(?<=[0-9])[OIL]+|[OIL]+(?=[0-9])")
_MISREAD_CAPITALS = str.maketrans("OIL", "011")
_NO_DIGITS = {code: None for code in range(128) if not chr(code).isdigit()}
_DOUBLED = str.maketrans("0123456789", "0246813579")  # twice the digit, its own digits added up
_VALUES = {ord(letter): str(value) for value, letter in enumerate("ABCDEFGHIJKLMNOPQRSTUVWXYZ", 10)}
_MISREAD = str.maketrans("OoQDIl|ZSB", "0000111258")

IBAN_LENGTHS = {
    "AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22, "BR": 29, "BY": 28,
    "CH": 21, "CR": 22, "CY": 28, "CZ": 24, "DE": 22, "DK": 18, "DO": 28, "EE": 20, "EG": 29, "ES": 24, "FI": 18,
    "FO": 18, "FR": 27, "GB": 22, "GE": 22, "GI": 23, "GL": 18, "GR": 27, "GT": 28, "HR": 21, "HU": 28, "IE": 22,
    "IL": 23, "IQ": 23, "IS": 26, "IT": 27, "JO": 30, "KW": 30, "KZ": 20, "LB": 28, "LC": 32, "LI": 21, "LT": 20,
    "LU": 20, "LV": 21, "LY": 25, "MC": 27, "MD": 24, "ME": 22, "MK": 19, "MR": 27, "MT": 31, "MU": 30, "NL": 18,
    "NO": 15, "PK": 24, "PL": 28, "PS": 29, "PT": 25, "QA": 29, "RO": 24, "RS": 22, "SA": 24, "SC": 31, "SE": 24,
    "SI": 19, "SK": 24, "SM": 27, "ST": 25, "SV": 28, "TL": 23, "TN": 24, "TR": 26, "UA": 29, "VA": 22, "VG": 24,
    "XK": 20,
}  # fmt: skip


_IBAN_LETTERS = {"IT": 1, "SM": 1, "BG": 4, "GB": 4, "GI": 4, "IE": 4, "LV": 4, "MT": 4, "NL": 4, "RO": 4}
"""With how many letters of its bank an account number begins after the check digits, by country."""


def compact(text: str) -> str:
    """Letters and digits only, in capitals."""
    return _NOT_ALPHANUMERIC.sub("", text).upper()


def digits(text: str) -> str:
    """The digits only."""
    return text.translate(_NO_DIGITS) if text.isascii() else _NOT_DIGIT.sub("", text)


def reread(text: str) -> str:
    """Digits where text recognition reads letters: O for 0, l for 1. Only a check digit makes such a guess safe."""
    return digits(text.translate(_MISREAD))


def luhn(text: str) -> bool:
    """ISO/IEC 7812-1: every second digit doubled, from the right."""
    number = digits(text)
    total = sum(map(int, number[::-2])) + sum(map(int, number[-2::-2].translate(_DOUBLED)))
    return bool(number) and total % 10 == 0 and len(set(number)) > 1


def ean13(text: str) -> bool:
    """GS1: weights 1 and 3."""
    number = digits(text)
    return len(number) == 13 and sum(int(d) * w for d, w in zip(number, cycle((1, 3)), strict=False)) % 10 == 0


def iban(text: str) -> bool:
    """ISO 13616: the country's length, and 1 modulo 97. Digits that text recognition took for letters count."""
    written = _SEPARATORS.sub("", text)
    number = written.upper().replace("|", "I")
    country, length = number[:2], len(number)
    if IBAN_LENGTHS.get(country) != length:
        return False
    if _mod97(number) or _mod97(country + number[2:].translate(_MISREAD)) or _mod97(_one_by_one(number)):
        return True
    bank = 4 + _IBAN_LETTERS.get(country, 0)
    read = written[2:4].translate(_MISREAD) + written[4:bank] + written[bank:].translate(_MISREAD)
    return _mod97(country + read.upper())


def _mod97(number: str) -> bool:
    moved = number[4:] + number[:4]
    return number[2:4].isdigit() and int(moved.translate(_VALUES)) % 97 == 1


def _one_by_one(number: str) -> str:
    """O, I and L beside digits read as digits; the letters of a bank's code stay."""
    return number[:2] + _BESIDE_DIGITS.sub(lambda match: match.group().translate(_MISREAD_CAPITALS), number[2:])


def qr_reference(text: str) -> bool:
    """Swiss QR-bill: 27 digits, modulo 10 recursive, not all zeros."""
    number = digits(text)
    carry = 0
    for digit in number:
        carry = (0, 9, 4, 6, 8, 2, 7, 1, 3, 5)[(carry + int(digit)) % 10]
    return len(number) == 27 and carry == 0 and len(set(number)) > 2


def card(text: str) -> bool:
    """A payment card: an issuer's range, its length, Luhn."""
    number = digits(text)
    return _card_shape.fullmatch(number) is not None and luhn(number)


_card_shape = re.compile(
    r"4\d{12}(?:\d{3})?(?:\d{3})?|5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}|3[47]\d{13}"
    r"|6(?:011|4[4-9]\d|5\d\d)\d{12}|3(?:0[0-5]|[68]\d)\d{11}|35(?:2[89]|[3-8]\d)\d{12}"
)


def avs(text: str) -> bool:
    """The Swiss insurance number (AVS, AHV): 756 and an EAN-13 check digit."""
    number = reread(text)
    return number.startswith("756") and ean13(number)


def nir(text: str) -> bool:
    """The French social security number: a plausible sex, month and department, and its key modulo 97."""
    number = compact(text.replace("l", "1").replace("|", "1"))
    number = number[:5].translate(_MISREAD) + number[5:7].replace("O", "0") + number[7:].translate(_MISREAD)
    if len(number) not in {13, 15} or not re.fullmatch(_NIR, number[:13]):
        return False
    department = number[5:7].replace("2A", "19").replace("2B", "18")
    return len(number) == 13 or int(number[13:]) == 97 - int(number[:5] + department + number[7:13]) % 97


_NIR = r"[123478]\d\d(?:0[1-9]|1[0-2]|[2-4]\d|[5-9]\d)(?:0[1-9]|[1-8]\d|9[0-9]|2[AB])\d{6}"


def siren(text: str) -> bool:
    """Nine digits, Luhn."""
    return len(digits(text)) == 9 and luhn(text)


def siret(text: str) -> bool:
    """A SIREN and five digits, Luhn; La Poste's offices add up to a multiple of 5 instead."""
    number = digits(text)
    if len(number) != 14 or not luhn(number[:9]):
        return False
    return luhn(number) or (number.startswith("356000000") and sum(map(int, number)) % 5 == 0)


def nif(text: str) -> bool:
    """The French tax number (SPI): 13 digits, the last three are the first ten modulo 511."""
    number = digits(text)
    return len(number) == 13 and number[0] in "0123" and int(number[:10]) % 511 == int(number[10:])


def uid(text: str) -> bool:
    """The Swiss firm number CHE-…: weights 5 4 3 2 7 6 5 4, modulo 11."""
    number = digits(text)
    if len(number) != 9:
        return False
    check = 11 - sum(int(d) * w for d, w in zip(number, (5, 4, 3, 2, 7, 6, 5, 4), strict=False)) % 11
    return (0 if check == 11 else check) == int(number[8])


def mod11_10(number: str) -> bool:
    """ISO 7064 mod 11,10."""
    product = 10
    for digit in number[:-1]:
        product = ((int(digit) + product) % 10 or 10) * 2 % 11
    return (11 - product) % 10 == int(number[-1])


def de_tax_id(text: str) -> bool:
    """The German Steuer-ID: eleven digits, not beginning with 0, one digit twice or thrice among the first ten."""
    number = digits(text)
    if len(number) != 11 or number[0] == "0":
        return False
    return sorted(number[:10].count(d) for d in set(number[:10]))[-1] in {2, 3} and mod11_10(number)


def it_fiscal_code(text: str) -> bool:
    """The Italian codice fiscale: its last letter is a sum modulo 26."""
    code = compact(text.upper() if text.islower() else text.replace("l", "1"))
    if len(code) != 16:
        return False
    code = "".join(c.translate(_MISREAD) if i in _FISCAL_DIGITS and c in "OI" else c for i, c in enumerate(code))
    odd = (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23)
    values = [int(c) if c.isdigit() else ord(c) - 65 for c in code[:15]]
    return sum(odd[v] if i % 2 == 0 else v for i, v in enumerate(values)) % 26 == ord(code[15]) - 65


_FISCAL_DIGITS = frozenset({6, 7, 9, 10, 12, 13, 14})


def vat(text: str) -> bool:
    """A European VAT number: the country's shape, and its check digits where they are published here."""
    number = compact(text)
    country, rest = number[:2], number[2:]
    shape = _VAT_SHAPES.get(country)
    if shape is None or not re.fullmatch(shape, rest):
        return False
    check = _VAT_CHECKS.get(country)
    return check is None or check(rest)


def _vat_fr(rest: str) -> bool:
    if not luhn(rest[2:]) and rest[2:5] != "000":  # Monaco has no SIREN
        return False
    return not rest[:2].isdigit() or int(rest[:2]) == int(rest[2:] + "12") % 97


def _vat_at(rest: str) -> bool:
    doubled = sum(sum(divmod(int(d) * w, 10)) for d, w in zip(rest[1:8], cycle((1, 2)), strict=False))
    return (96 - doubled) % 10 == int(rest[8])


_VAT_SHAPES = {
    "AT": r"U\d{8}",
    "BE": r"[01]\d{9}",
    "BG": r"\d{9,10}",
    "CY": r"\d{8}[A-Z]",
    "CZ": r"\d{8,10}",
    "DE": r"\d{9}",
    "DK": r"\d{8}",
    "EE": r"\d{9}",
    "EL": r"\d{9}",
    "ES": r"[A-Z0-9]\d{7}[A-Z0-9]",
    "FI": r"\d{8}",
    "FR": r"[0-9A-HJ-NP-Z]{2}\d{9}",
    "GB": r"\d{9}(?:\d{3})?",
    "HR": r"\d{11}",
    "HU": r"\d{8}",
    "IE": r"\d[0-9A-Z]\d{5}[A-Z]{1,2}",
    "IT": r"\d{11}",
    "LT": r"\d{9}(?:\d{3})?",
    "LU": r"\d{8}",
    "LV": r"\d{11}",
    "MT": r"\d{8}",
    "NL": r"\d{9}B\d\d",
    "PL": r"\d{10}",
    "PT": r"\d{9}",
    "RO": r"\d{6,10}",
    "SE": r"\d{10}01",
    "SI": r"\d{8}",
    "SK": r"\d{10}",
}
_VAT_CHECKS: dict[str, Callable[[str], bool]] = {
    "AT": _vat_at,
    "BE": lambda rest: int(rest[:8]) % 97 == 97 - int(rest[8:]),
    "DE": mod11_10,
    "FR": _vat_fr,
    "HR": mod11_10,
    "IT": luhn,
    "LU": lambda rest: int(rest[:6]) % 89 == int(rest[6:]),
}
