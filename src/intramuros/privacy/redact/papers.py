"""Papers of people and their cars: passports, identity cards, number plates. One tier of the redactor.

Their numbers have no check digit (or only in the machine-readable zone), so each needs a word nearby that says what
it is.

Source: ICAO Doc 9303 (machine-readable zone); Microsoft Purview, definition of the French identity card.
"""

from __future__ import annotations

import re

from intramuros.privacy.redact.outline import says
from intramuros.privacy.redact.rules import CODES, LETTERED, Rule, Words

_PASSPORT = Words(
    "passeport",
    "passport",
    "reisep(?:ass|ässe)",
    "passnummer",
    r"passnr",
    r"pass[ .-]{1,2}(?:n[ro°.]|num)",
    r"pass \(",
    "pass(?:es)? (?:hat|wurde|ist|nr|lautet|num)",
    r"pass ?[:|\t\n]",
    *(
        f"{adjective} pass"
        for adjective in ("schweizer", "deutscher", "österreichischer", "italienischer", "französischer")
    ),
    r"pass ?[:|=]?$",
    "passaporto",
)
_PASSPORT_SAID = (
    "passe",
    "passp",
    "passn",
    "pass-",
    "pass ",
    "pass:",
    "pass.",
    "pass\t",
    "pass\n",
    "pass|",
    "reisep",
    "passaporto",
)
_CARD = Words(
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
    "aufenthaltst",
    "aufenthaltsb",
    "permesso",
    "permit (?:no|nr|number|is)",
    "residence permit",
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
    "licenza di condurre",
    "permis [a-e]",
    "permis n",
    "driving permit",
    "carte d['e ] ?s[ée]jour",
    "carte de r[ée]sident",
    "titre d'identit",
    "permis de s[ée]jour",
    r"permis (?:cat|provisoire|est|n)",
    "num[ée]ro du permis",
    r"n[°o] (?:de |du )?permis",
    r"n[°o] (?:d')?[ée]tranger",
    "r[ée]c[ée]piss[ée]",
    r"identité \(",
    "document d'identit",
    "documento d[i'] ?(?:identità|riconoscimento)",
    r"documento ?[:|\t]",
    r"doc\. identità",
    r"cie?(?= ?(?:n[ro.°]|[:|\t\n]))",
    r"ci (?<=\(ci )",
    r"c\.i",
    "libretto",
    "carta ident",
    r"perso(?:[ :|\t-]|$)",
    r"id(?:k|[ -]n[ro.]|[ -]number|[ -]?nummer| document|s? card)",
    "national id",
    "brp",
    "biometric",
    "permit(?:[ :|\t]|$)",
    "niederlassungsb",
    r"fs-nr",
    "fahrausweis",
    "führersch",
    "licen[cs]e (?:n|shown|is|#|[:|\t])",
    "driver num",
    r"dl (?:n|#)",
    r"pat\. ?n",
    "numero patente",
    "permis(?: de conduire)? ?[:|=]?$",
    "licen[cs]e ?[:|=]?$",
    "aufenthalt",
)
_CARD_SAID = (
    *("carte d'identit", "carte d'", "carte de", "carte n", "cni", "pièce d'identit", "piece d'identit", "titre d"),
    *("identity", "identité (", "id card", "id-karte", "identitätsk", "ausw", "aufenthalt", "permesso"),
    *("permit", "carta d", "carta i", "carte ident", "permis", "führersch", "licen", "patente"),
    *("perso:", "perso-", "perso ", "documento", "document d", "doc. id", "séjour", "étranger"),
    *("national id", "brp", "fs-nr", "bewilligung", "driver num", "dl n", "pat. n", "libretto"),
    *("récépissé", "c.i", "ci n", "ci :", "ci:", "(ci ", "cie", "idk", "id-n"),
    *("id n", "id-d", "id d", "ci|", "ci\t", "ci\n"),
)
_BORDER = r"(?<![0-9A-Za-z_\-].)"
_END = r"(?![0-9A-Za-z_])(?!-[0-9A-Za-z])"
_NO_WORD = (
    r"(?<!(?<![A-Z])[A-Z](?= [A-Z0-9]))(?!(?<=C)(?:NI|I|IE)(?![A-Z0-9])|(?<=I)(?:D|DK)(?![A-Z0-9])"
    r"|(?<=B)RP(?![A-Z])|(?<=D)L(?![A-Z])|(?<=N)[RO](?![A-Z]))"
)
"""No abbreviation of a paper's name, no letter of its kind."""


def _has_digits(text: str) -> bool:
    return sum(map(str.isdigit, text)) >= 4


_OTHERS = re.compile(
    r"(?<![^\W_])(?:t[eé]l|phone|mobil|handy|natel|cell|iban|konto|compte|conto|ahv|avs|client|kunden|ticket"
    r"|factur|rechn|fattur|invoice|montant|betrag|import|commande"
    r"|bestell|ordin|order|plz|vol(?![^\W_])|flug|flight|visa|dossier|polic|poliz|plaque|kennz|targ|steuer|fiscal|tax"
    r"|formul|cerfa|modulo|form(?![^\W_])|artic|art(?![^\W_])|artik|page|seite|annexe|décret|loi|lohn"
    r"|personal-?n|mitarbeiter|matric|mutuelle|adhésion|membre|mitglied|socio|member|badge|salaire|lotto|lot|série|serie|version)"
)
_NUMBERED = re.compile(r"(?:n[°o]|nr|num[eé]ro|nummer|number|n)[ .:]{0,3}$")


def _last(words: Words, text: str) -> int:
    """Where the last of the words begins, -1 if there is none."""
    return max(
        (
            match.start()
            for match in words.pattern.finditer(text)
            if not match.start() or not (text[match.start() - 1].isalnum() or text[match.start() - 1] == "_")
        ),
        default=-1,
    )


def _said(words: Words, others: Words, near: str) -> bool:
    """Whether the paper is named not far before, or further off where "number" stands before; nothing else between.

    Near is the text before the number, a NUL in its place and what follows.
    """
    before = near.partition("\x00")[0].rstrip()
    reach = before if _NUMBERED.search(before) else before[-64:]
    place = _last(words, reach)
    return place >= 0 and place >= _last(others, reach) and not _OTHERS.search(reach, place)


def _is_of_passport(near: str) -> bool:
    return says(near, _PASSPORT_SAID) and _said(_PASSPORT, _CARD, near)


def _is_of_card(near: str) -> bool:
    """Whether the words around say it: also "Flüchtlingsausweis"."""
    before = near.partition("\x00")[0][-64:]
    place = before.rfind("ausweis")
    if place >= 0 and place >= _last(_PASSPORT, before):
        return not _OTHERS.search(before, place)
    return says(near, _CARD_SAID) and _said(_CARD, _PASSPORT, near)


def _is_card(text: str) -> bool:
    """Whether it can be a card's number: the French ones since 2021 are nine letters and digits, few of them digits."""
    plain = text.replace(" ", "")
    return _has_digits(text) or (len(plain) == 9 and plain.isupper() and sum(map(str.isdigit, plain)) >= 2)


_GERMAN = (
    r"[CFGHJKLMNPRTVWXYZ]"
    + _BORDER
    + r"(?: ?[0-9CFGHJKLMNPRTVWXYZ]){8}(?: {0,2}[0-9](?: ?<+| ?D)?)?"
    + _END
    + r"(?! [0-9])"
)


PAPERS = (
    Rule(
        "PASSPORT",  # German ones in any groups
        re.compile(_GERMAN),
        _has_digits,
        0.2,
        _is_of_passport,
        0.9,
        before=110,
        after=0,
        said=_PASSPORT_SAID,
        within=CODES,
    ),
    Rule(
        "ID_CARD",  # German ones in any groups
        re.compile(_GERMAN),
        _has_digits,
        0.2,
        _is_of_card,
        0.9,
        before=110,
        after=0,
        said=_CARD_SAID,
        within=CODES,
    ),
    Rule(
        "PASSPORT",
        re.compile(r"[A-Z0-9]" + _BORDER + r"[A-Z0-9]{0,2} ?[A-Z0-9]{5,8}" + _END),
        _has_digits,
        0.2,
        _is_of_passport,
        0.86,
        before=110,
        after=0,
        said=_PASSPORT_SAID,
        within=CODES,
    ),
    Rule(
        "PASSPORT",
        re.compile(r"P(?<![0-9A-Za-z_].)[<A-Z][A-Z]{3}[A-Z]{1,39}<<?[A-Z<]{3,39}(?:\s{1,2}[A-Z0-9<]{40,44})?"),
        lambda text: "<<" in text,
        1.0,
        gates=("<<",),
    ),
    Rule(
        "ID_CARD",
        re.compile(r"I(?<![0-9A-Za-z_].)[D<A-Z][A-Z]{3}[A-Z0-9<]{20,31}(?:\s{1,2}[A-Z0-9<]{30,36}){1,2}"),
        lambda text: "<<" in text,
        1.0,
        gates=("<<",),
    ),
    Rule(
        "ID_CARD",
        re.compile(
            r"[A-Z0-9]" + _BORDER + _NO_WORD + r"(?:[A-Z] ?[0-9]{5} ?[A-Z]{2}|[A-Z0-9]{0,3} ?[A-Z0-9]{4,11})" + _END
        ),
        _is_card,
        0.2,
        _is_of_card,
        0.85,
        before=110,
        after=0,
        said=_CARD_SAID,
        within=CODES,
    ),
    Rule(
        "ID_CARD",  # the Swiss driving licence
        re.compile(r"[0-9]" + _BORDER + r"[0-9]{2}(?: ?[0-9]{3}){3}" + _END),
        None,
        0.2,
        _is_of_card,
        0.95,
        before=45,
        after=0,
        said=_CARD_SAID,
        within=CODES,
    ),
    Rule(
        "ID_CARD",  # the Swiss permit of a foreigner
        re.compile(r"[0-9]" + _BORDER + r"[0-9]{2}(?:\.[0-9]{3}){2,3}" + _END),
        None,
        0.2,
        _is_of_card,
        0.97,
        before=64,
        after=0,
        said=_CARD_SAID,
        within=CODES,
    ),
    Rule(
        "ID_CARD",  # Belgium
        re.compile(r"[0-9]" + _BORDER + r"[0-9]{2}-[0-9]{7}-[0-9]{2}" + _END),
        None,
        0.2,
        _is_of_card,
        0.95,
        before=45,
        after=0,
        said=_CARD_SAID,
        within=CODES,
    ),
    Rule(
        "ID_CARD",  # the British driving licence
        re.compile(r"[A-Z]" + _BORDER + r"[A-Z9]{4}[0-9OIl]{6}[A-Z9O][A-Z9O][0-9OIl][A-Z]{2}" + _END),
        None,
        0.85,
        within=LETTERED,
    ),
)
