"""Papers of people and their cars: passports, identity cards, number plates. One tier of the redactor.

Their numbers have no check digit (or only in the machine-readable zone), so each needs a word nearby that says what
it is.

Source: ICAO Doc 9303 (machine-readable zone); Microsoft Purview, definition of the French identity card.
"""

from __future__ import annotations

import re

from intramuros.privacy.redact.rules import Rule, words

_PASSPORT = words("passeport", "passport", "reisepass", "passnummer", "pass-nr", "pass nr", "passaporto")
_CARD = words(
    "carte d'identité",
    "carte d'identite",
    "carte nationale",
    "cni",
    "cnie",
    "pièce d'identité",
    "piece d'identite",
    "titre de séjour",
    "identity card",
    "id card",
    "identitätskarte",
    "personalausweis",
    "ausweis",
    "id-karte",
    "carta d'identità",
    "carta di identità",
    "carta identità",
    r"c\.i\.",
    "permis de conduire",
    "führerausweis",
    "führerschein",
    "driving licen",
    "driver's licen",
    "patente",
)
_PLATE = words(
    "immatricul",
    "plaque",
    "véhicule",
    "vehicule",
    "voiture",
    "kennzeichen",
    "kontrollschild",
    "nummernschild",
    "targ",
    "number plate",
    "licence plate",
    "license plate",
    "registration",
    "fahrzeug",
    "wagen",
    "auto",
    "veicol",
    "carte grise",
    "camion",
    "furgon",
    "autocarro",
    "veicolo",
    "moto",
    "lieferwagen",
    "camionnette",
    "vehicle",
    "car ",
    "parking",
    "parkplatz",
    "garage",
    "plates",
    "plate",
)
_CANTONS = "AG|AI|AR|BE|BL|BS|FR|GE|GL|GR|JU|LU|NE|NW|OW|SG|SH|SO|SZ|TG|TI|UR|VD|VS|ZG|ZH"
_FR = "[A-HJ-NP-TV-Z]{2}"
_BORDER = r"(?<![0-9A-Za-z_\-].)"
_END = r"(?![0-9A-Za-z_])(?!-[0-9A-Za-z])"


def _has_digits(text: str) -> bool:
    return sum(c.isdigit() for c in text) >= 4


def _is_card(text: str) -> bool:
    """Whether it can be a card's number: the French ones since 2021 are nine letters and digits, few of them digits."""
    plain = text.replace(" ", "")
    return _has_digits(text) or (len(plain) == 9 and plain.isupper() and sum(c.isdigit() for c in plain) >= 2)


PAPERS = (
    Rule(
        "PASSPORT",
        re.compile(r"[A-Z0-9]" + _BORDER + r"[A-Z0-9]{0,2} ?[A-Z0-9]{5,8}" + _END),
        _has_digits,
        0.2,
        _PASSPORT,
        0.86,
        before=45,
        after=0,
    ),
    Rule(
        "PASSPORT",
        re.compile(r"P(?<![0-9A-Za-z_].)[<A-Z][A-Z]{3}[A-Z]{1,39}<<?[A-Z<]{3,39}(?:\s{1,2}[A-Z0-9<]{40,44})?"),
        lambda text: "<<" in text,
        1.0,
        gate="<<",
    ),
    Rule(
        "ID_CARD",
        re.compile(r"I(?<![0-9A-Za-z_].)[D<A-Z][A-Z]{3}[A-Z0-9<]{20,31}(?:\s{1,2}[A-Z0-9<]{30,36}){1,2}"),
        lambda text: "<<" in text,
        1.0,
        gate="<<",
    ),
    Rule(
        "ID_CARD",
        re.compile(r"[A-Z0-9]" + _BORDER + r"[A-Z0-9]{0,3} ?[A-Z0-9]{4,11}" + _END),
        _is_card,
        0.2,
        _CARD,
        0.85,
        before=45,
        after=0,
    ),
    Rule(
        "LICENSE_PLATE",
        re.compile(r"[A-Z]" + _BORDER + rf"(?<=[A-HJ-NP-TV-Z])[A-HJ-NP-TV-Z][ \-]?[0-9]{{3}}[ \-]?{_FR}" + _END),
        None,
        0.45,
        _PLATE,
        0.9,
    ),
    Rule(
        "ID_CARD",  # the Swiss driving licence
        re.compile(r"[0-9]" + _BORDER + r"[0-9]{2}(?: [0-9]{3}){3}" + _END),
        None,
        0.2,
        _CARD,
        0.95,
        before=45,
        after=0,
    ),
    Rule(
        "LICENSE_PLATE",  # Britain
        re.compile(r"[A-Z]" + _BORDER + r"[A-Z][0-9]{2} ?[A-Z]{3}" + _END),
        None,
        0.3,
        _PLATE,
        0.85,
    ),
    Rule(
        "LICENSE_PLATE",
        re.compile(r"[0-9]" + _BORDER + r"[0-9]{0,3} [A-HJ-NP-TV-Z]{2,3} (?:[0-9]{2}|2[AB]|97[1-6])" + _END),
        None,
        0.2,
        _PLATE,
        0.85,
    ),
    Rule(
        "LICENSE_PLATE",
        re.compile(rf"(?:{_CANTONS})(?<![0-9A-Za-z_\-]..)[ \-·]{{0,3}}[0-9]{{1,3}}['. ]?[0-9]{{1,3}}" + _END),
        None,
        0.2,
        _PLATE,
        0.85,
        before=35,
        after=0,
    ),
    Rule(
        "LICENSE_PLATE",
        re.compile(r"[A-ZÄÖÜ]" + _BORDER + r"[A-ZÄÖÜ]{0,2}[\-:][A-Z]{1,2}[ \-]?[1-9][0-9]{0,3}[EH]?" + _END),
        None,
        0.3,
        _PLATE,
        0.85,
    ),
)
