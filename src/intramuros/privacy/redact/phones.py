"""Telephone numbers. Handed to the redactor as one tier with the other numbers.

They follow the numbering plans of France, Switzerland, Germany, Italy, Belgium and Luxembourg, or begin and are grouped
as numbers are that people dial; abroad, the international form with its country code (ITU-T E.164).
"""

from __future__ import annotations

import re

from intramuros.privacy.redact.checks import digits
from intramuros.privacy.redact.rules import DIGIT, END, Rule, Words, shape

_PHONE = Words(
    "t[eé]l",
    "tph",
    "phone",
    "fon",
    "fax",
    "mob",
    "portable",
    "natel",
    "cell",
    "gsm",
    "handy",
    "ligne directe",
    "ligne",
    "call",
    "appel",
    "ring",
    "joindre",
    "joignable",
    "reach",
    "anruf",
    "rufnummer",
    "rufen",
    "erreichbar",
    "erreichen",
    "reperibil",
    "raggiungibil",
    "hotline",
    "direktwahl",
    "durchwahl",
    "whatsapp",
    "sms",
    "chiam",
    "contat",
    "contact",
    "kontakt",
    "numero",
    "numero verde",
    "cellulare",
    "port\\.",
    "mobile",
    "mobil",
    "recapito",
    "help ?desk",
    "assistenza",
    "direct",
    "☎",
    "✆",
    "📞",
)
_NO_PHONE = Words(
    "n\\.", "nr", "num", "fattura", "ordine", "ticket", "pratica", "contratto", "rif", "ref", "art", "lot"
)
_GROUPS = re.compile(r"\d+")
_COUNTRY_LENGTHS = {
    "33": (9, 9), "41": (9, 9), "49": (5, 12), "39": (6, 11), "32": (8, 9), "352": (4, 9), "44": (9, 10), "1": (10,
    10), "43": (6, 11), "34": (9, 9), "351": (9, 9), "31": (9, 9), "423": (7, 7), "377": (8, 9), "7": (10, 10),
    "262": (9, 9),
}  # fmt: skip
_OTHER_COUNTRIES = frozenset(
    [
        "20",
        "27",
        "30",
        "36",
        "40",
        "45",
        "46",
        "47",
        "48",
        "51",
        "52",
        "53",
        "54",
        "55",
        "56",
        "57",
        "58",
        "60",
        "61",
        "62",
        "63",
        "64",
        "65",
        "66",
        "81",
        "82",
        "84",
        "86",
        "90",
        "91",
        "92",
        "93",
        "94",
        "95",
        "98",
    ]
)


def is_international(text: str) -> bool:
    """A number with its country code: `+41 …`, `0033 …`, also with the zero of the national form in brackets."""
    number = digits(text.replace("(0)", ""))
    if text.lstrip("(").startswith("00"):
        number = number[2:]
    for length in (3, 2, 1):
        code = number[:length]
        if bounds := _COUNTRY_LENGTHS.get(code):
            national = number[length:].removeprefix("0") if code not in {"39", "352"} else number[length:]
            return bounds[0] <= len(national) <= bounds[1]
    is_known = number[:2] in _OTHER_COUNTRIES or number[:1] == "2" or number[:2] in {"35", "37", "38", "42", "50", "59"}
    is_known = is_known or number[:2] in {"67", "68", "69", "85", "88", "96", "97", "99"}
    return is_known and 8 <= len(number) <= 15


_AREA = re.compile(r"\(0[0-9]{2,4}\)|0[0-9]{1,4} ?/|0[0-9]{2,4} [0-9]{3,8}-[0-9]{1,5}$")
"""The code of an area set off from the number, or an extension: 030/1234567, (0341) 90 93 511, 0431 5580-213."""


_GERMAN = re.compile(r"0[2-9][0-9]{2,3}(?: [0-9]{2,3}){2,4}$")
"""A long area code and small groups: 04921 330 87."""


def is_national(text: str) -> bool:
    """A number as it is dialled at home, grouped as people of that country group it."""
    number, groups = digits(text), [len(group) for group in _GROUPS.findall(text)]
    if 8 <= len(number) <= 12 and number[1] != "0" and 3 <= groups[0] <= 5 and _AREA.match(text):
        return True
    if 9 <= len(number) <= 12 and _GERMAN.match(text):
        return True
    if len(number) == 10 and re.match(r"0[1-9]", number):
        if groups in (
            [2] * 5,
            [4, 2, 2, 2],
            [4, 3, 3],
            [1, 3, 3, 3],
            [3, 3, 2, 2],
            [3, 3, 4],
            [2, 4, 4],
            [3, 2, 2, 3],
            [4, 6],
        ):
            return True
        return groups == [10] and re.match(r"0[67]", number) is not None
    if (
        len(number) == 11
        and re.match(r"0[1237]", number)
        and groups in ([5, 6], [5, 3, 3], [3, 4, 4], [4, 3, 4], [4, 4, 3])
    ):
        return True  # Britain
    if re.match(r"01[567]", number) and 11 <= len(number) <= 12:  # German mobiles, however grouped
        return True
    if len(number) == 9 and number[0] == "0":  # Belgium
        return groups in ([2, 3, 2, 2], [3, 2, 2, 2], [3, 6])
    return groups == [11] and re.match(r"07[1-9]", number) is not None  # British mobiles


def is_grouped(text: str) -> bool:
    """A number that begins as one dialled at home and has groups of two digits or more, whatever the plan."""
    number, groups = digits(text), [len(group) for group in _GROUPS.findall(text)]
    return (
        9 <= len(number) <= (13 if text[-6:].count("-") else 12)
        and number[0] == "0"
        and number[1] != "0"
        and 2 <= len(groups) <= 6
        and 2 <= groups[0] <= 6
        and min(groups[1:]) >= 2
        and max(groups) <= 8
        and len(set(number)) > 2
        and not _ZIP.match(text)
    )


_ZIP = re.compile(r"[0-9]{5}-[0-9]{4}$")
_THINGS = (
    r"r[ée]f\w*|rif\w*|article|artikel\w*|articolo|commande|auftrags?\w*|bestell\w*|ordine|order|dossier"
    r"|contrat\w*|vertrag\w*"
    r"|facture|rechnung\w*|fattura|invoice|s[ée]rie\w*|serial|lotto|ean|gtin|isbn|issn|zähler\w*|compteur"
    r"|contatore|sendung\w*"
    r"|colis|tracking|pratica|imei|mandat\w*|beleg\w*|akten\w*"
)
_MORE_THINGS = (
    r"ticket|polic[eyn]\w*|polizza|konto\w*|compte|conto|account|kunden\w*|client\w*|lot|charge\w*|version"
    r"|id|s/?n|p/n|meter|cig|cup|badge|matricul\w|code|codice|paket\w*|az"
)
_AFTER_WORD = r"[ .:#°]{0,3}(?:n[°or.]{0,2}[ .:]{0,2})?$"
_OF_A_THING = shape(rf"(?<![^\W_])(?:(?:{_THINGS}|{_MORE_THINGS})(?![^\W_]){_AFTER_WORD}|r[ée]f\w* [a-zà-ÿ]{{3,10}} $)")
_REFERENCE = shape(rf"(?<![^\W_])(?:n[°o]|nr|num|art|{_THINGS}|{_MORE_THINGS})(?![^\W_]){_AFTER_WORD}")
"""Words before numbers that aren't dialled."""
_WITHOUT_PLUS = re.compile(
    r"33 [1-9](?: ?[0-9]{2}){4}|41 [2-9][0-9] ?[0-9]{3} ?[0-9]{2} ?[0-9]{2}"
    r"|39 3[2-9][0-9] ?(?:[0-9]{3} ?[0-9]{4}|[0-9]{7})"
    r"|44 (?:7[0-9]{3} ?[0-9]{3} ?[0-9]{3}|[12][0-9]{2,3} ?[0-9]{3} ?[0-9]{3,4}|20 [0-9]{4} [0-9]{4})"
    r"|49 1[567][0-9] ?[0-9]{3,4} ?[0-9]{3,4}|32 4[5-9][0-9] ?[0-9]{2} ?[0-9]{2} ?[0-9]{2}"
)


def is_without_plus(text: str) -> bool:
    """An international number that lost its sign: 41 79 612 30 45."""
    return _WITHOUT_PLUS.fullmatch(text) is not None


def is_mobile_of_italy(text: str) -> bool:
    """An Italian mobile in the groups people write; thousands never end in a group of two, four or seven."""
    number, groups = digits(text), [len(group) for group in _GROUPS.findall(text)]
    return (
        len(number) in {9, 10}
        and number[1] in "2346789"
        and groups in ([3, 7], [3, 3, 4], [3, 2, 2, 3], [3, 3, 2, 2], [3, 4, 3], [3, 2, 5], [3, 5, 2], [3, 6], [6, 4])
    )


_DAY = re.compile(r"(?:19|20)[0-9]{4,6}$")
_WRITTEN_DAY = re.compile(r"[0-9]{1,2}([./-])[0-9]{1,2}\1(?:19|20)[0-9]{2}")


def is_dialled(text: str) -> bool:
    """Anything that can be dialled: for numbers after a word such as "tel."."""
    number = digits(text)
    return 6 <= len(number) <= 13 and len(set(number)) > 1 and not _DAY.match(number) and not _WRITTEN_DAY.match(text)


_SEPARATED = (
    r"(?:(?: [\-/.] (?!(?:[(+]|0|3(?=[0-9]{8})|41 |33 |39 3|49 1|44 )(?:[ .\-/()]{0,2}[0-9]){8})| - ?"
    r"|[ .\-/]{0,2})\(?[0-9]\)?)"
)
"""A further digit; not the first one of another number after a stroke."""
_LAST = r"(?<=[0-9])"
_CALLED = (
    "tel", "tél", "phone", "fon", "fax", "mobil", "portable", "natel", "cell", "gsm", "handy", "direct",
    "direkt", "ligne", "whatsapp", "sms", "rufnummer", "durchwahl", "hotline", "recapito", "appel", "call",
    "joi", "anrufen", "chiam", "☎", "✆", "📞",
)  # fmt: skip
"""Literals without one of which no word before a number says that it is dialled."""
_NO_MORE = r"(?![0-9A-Za-z_])(?!\.[0-9])"
PHONES = (
    Rule(
        "PHONE_NUMBER",
        re.compile(
            r"(?:[+](?<![\w+].)|00(?<![\w.+]..)(?<![0-9],..)|\(\+)[ ]?[1-9][0-9]{0,2}(?:\(0\)| ?\(0\))?"
            + _SEPARATED
            + r"{4,14}"
            + _LAST
            + _NO_MORE
        ),
        is_international,
        0.9,
        digits=6,
    ),
    Rule(
        "PHONE_NUMBER",
        re.compile(
            r"\(?0(?<![0-9A-Za-z_]0)(?<![0-9][.,/\-+]0)[0-9]"
            + _SEPARATED
            + r"{6,11}"
            + _LAST
            + r"(?![0-9A-Za-z_])(?![.,\-/][0-9])"
        ),
        lambda text: is_national(text) or is_grouped(text),
        0.75,
        _PHONE,
        before=30,
        after=0,
        digits=8,
        unless=_OF_A_THING,
    ),
    Rule(
        "PHONE_NUMBER",  # without groups
        re.compile(r"[03](?<![0-9A-Za-z_].)(?<![0-9][.,/\-+].)(?:(?<=3)[2-9]|(?<=0)[1-9])[0-9]{7,8}" + END),
        None,
        0.3,
        _PHONE,
        0.8,
        before=40,
        after=0,
        digits=9,
        unless=_REFERENCE,
    ),
    Rule(
        "PHONE_NUMBER",  # after words and letters that also stand before other numbers
        re.compile(
            r"\(?[038](?<![0-9A-Za-z_].)(?<![0-9][.,/\-+].)"
            + _SEPARATED
            + r"{7,12}"
            + r"(?<=[0-9])(?![0-9A-Za-z_])(?![.,\-/][0-9])"
        ),
        is_dialled,
        0.3,
        shape(
            r"(?<![^\W_])(?:[tmpfhw][.:]{1,2} ?|[tmpfhw]\t|(?:ph|mob|ddi|dir|urgences?|permanence"
            r"|secr[eé]tariat|sekretariat"
            r"|segreteria|centralino|zentrale|switchboard|standard|notfall|domicile|bureau|büro|geschäft|privat"
            r"|priv[eé]|casa"
            r"|ufficio|uff|abitazione|home|work|office|landline|port|festnetz|rückfragen|rückruf|informazioni"
            r"|renseignements"
            r"|queries|nummer|tph|composer?|composez|wählen sie|dial|ring|text|rappeler?"
            r"|rappelez(?:-l[ae])?|richiamare|comporre(?: il)?)[ .:\t|]{1,4}) \x00",
        ),
        0.8,
        before=30,
        after=0,
        digits=8,
        unless=_REFERENCE,
    ),
    Rule(
        "PHONE_NUMBER",  # the sign of the international form is missing
        re.compile(DIGIT + r"(?<=[34])(?<![0-9] .)[12349] ?" + _SEPARATED + r"{8,10}" + _LAST + END + r"(?! [0-9])"),
        is_without_plus,
        0.6,
        digits=10,
        unless=_REFERENCE,
    ),
    Rule(
        "PHONE_NUMBER",
        re.compile(r"\(?" + DIGIT + r"(?<=3)(?<![0-9] .)[0-9]{2}\)?(?:[ ./\-]?[0-9]{1,7}){1,4}" + END + r"(?! [0-9])"),
        is_mobile_of_italy,
        0.6,
        digits=9,
        unless=_REFERENCE,
    ),
    Rule(
        "PHONE_NUMBER",
        re.compile(r"\((?<![\w)].)[2-9][0-9]{2}\) ?[0-9]{3}[ .-][0-9]{4}" + END),
        None,
        0.7,
        digits=8,
    ),
    Rule(
        "PHONE_NUMBER",
        re.compile(DIGIT + r"(?<=[2-9])(?<![0-9][ -].)[0-9]{2}(?:-[2-9][0-9]{2}-|\.[2-9][0-9]{2}\.)[0-9]{4}" + END),
        None,
        0.55,
        digits=10,
        unless=_REFERENCE,
    ),
    Rule(
        "PHONE_NUMBER",
        re.compile(
            r"\(?[0-9](?<![0-9A-Za-z_].)(?<![0-9][.,/\-+].)"
            + _SEPARATED
            + r"{5,12}"
            + r"(?<=[0-9])(?:-[0-9]{1,4})?(?![0-9A-Za-z_])(?![.,\-/][0-9])"
        ),
        is_dialled,
        0.3,
        shape(
            r"(?:t[eé]l[eé]?(?:ph|f)?[a-z]{0,4}|phone|fon|fax|mobil\w{0,3}|portable|natel|cell\w{0,5}|gsm"
            r"|handy|direct\w?|ligne|whatsapp|sms"
            r"|rufnummer|durchwahl|direktwahl|hotline|recapito|appel\w{0,2}|call|joindre|joignable|anrufen"
            r"|chiam\w{2,4}|[☎✆📞])"
            r"(?: (?:[gpmbh]\.?|ab\.?|uff\.?|casa|number|no|nr|num[eé]ro|pro|privé|privat|fixe|direct\w?"
            r"|geschäft|bureau|portable|au|at"
            r"|me at|me on|us on|unter|allo|al|le))?"
            r"[ .:°\t|]{0,4}(?:n[°or]?[ .:]{0,2})? \x00",
            *_CALLED,
        ),
        0.8,
        before=40,
        after=0,
        digits=6,
        said=_CALLED,
    ),
    Rule(
        "PHONE_NUMBER",  # Italian mobiles: no leading zero
        re.compile(DIGIT + r"(?<=3)[0-9]{2}(?:[ ./-][0-9]{2,7}|[0-9]{2}(?=[ ./-]))(?:[ ./-]?[0-9]{2,4}){0,3}" + END),
        lambda text: len(digits(text)) == 10,
        0.45,
        _PHONE,
        0.85,
        digits=10,
    ),
    Rule(
        "PHONE_NUMBER",
        re.compile(DIGIT + r"(?<=3)[2-9][0-9][-/][0-9]{6,7}" + END),
        None,
        0.6,
        digits=9,
        unless=_NO_PHONE,
    ),
    Rule(
        "PHONE_NUMBER",  # free numbers of Italy and Switzerland without a leading zero
        re.compile(DIGIT + r"(?<=8)[0-9]{2}[ .-][0-9]{3}[ .-][0-9]{3}" + END),
        None,
        0.3,
        _PHONE,
        0.8,
        before=40,
        digits=9,
    ),
)
