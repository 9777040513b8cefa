"""Where someone can be reached: mail addresses, telephone numbers, network addresses.

Handed to the redactor as one tier. Telephone numbers follow the numbering plans of France, Switzerland, Germany,
Italy, Belgium and Luxembourg; abroad, the international form with its country code (ITU-T E.164).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Sequence

from intramuros.privacy.redact.checks import digits
from intramuros.privacy.redact.finding import Finding
from intramuros.privacy.redact.rules import DIGIT, END, Rule, shape, words

_LOCAL_PART = re.compile(r"(?<![\w.+-])[\w][\w.+%'&/=-]{0,63}$")
_HOST = re.compile(
    r"(?:[^\W_](?:[\w-]{0,62}[^\W_])?\.){0,8}[^\W\d_](?:[\w-]{0,61}[^\W_])(?![\w@])|\[?\d{1,3}(?:\.\d{1,3}){3}\]?"
)
_SPELLED_AT = re.compile(
    r"[A-Za-z0-9](?<![\w.].)[\w.+-]{1,40} ?[\[({] ?(?:at|arobase|ät|chiocciola) ?[\])}] ?[\w-]{1,40}"
    r"(?: ?(?:[\[({] ?(?:dot|point|punkt|punto) ?[\])}]|\.) ?[\w-]{2,20}){1,4}",
    re.IGNORECASE,
)
_NO_PERSON = frozenset({"git", "hg", "svn"})  # git@host:path is the address of a repository


class MailAddresses:
    """Mail addresses, also of hosts that exist only inside: `jean@intranet`, `a.b@corp.lan`."""

    name = "mail addresses"

    def analyse(self, text: str, language: str) -> Sequence[Finding]:
        """Looks around every at sign, so that text without one costs nothing."""
        return [*self._written(text), *self._spelled(text)]

    def _written(self, text: str) -> Iterator[Finding]:
        place = text.find("@")
        while place >= 0:
            local = _LOCAL_PART.search(text[max(0, place - 65) : place])
            host = _HOST.match(text, place + 1, place + 260)
            if local and host and (len(host.group() + local.group()) > 4) and local.group() not in _NO_PERSON:
                start = place - len(local.group())
                yield Finding("EMAIL_ADDRESS", start, host.end(), 1.0)
            place = text.find("@", place + 1)

    def _spelled(self, text: str) -> Iterator[Finding]:
        if any(
            f"{bracket}{space}" in text for bracket in "[({" for space in ("at", "AT", " at", "arobase", "ät", "chio")
        ):
            for match in _SPELLED_AT.finditer(text):
                yield Finding("EMAIL_ADDRESS", *match.span(), 0.8)


_PHONE = words(
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
    "direct",
    "[☎✆📞]",
)
_GROUPS = re.compile(r"\d+")
_COUNTRY_LENGTHS = {
    "33": (9, 9), "41": (9, 9), "49": (6, 11), "39": (6, 11), "32": (8, 9), "352": (4, 9), "44": (9, 10), "1": (10,
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


def is_national(text: str) -> bool:
    """A number as it is dialled at home, grouped as people of that country group it."""
    number, groups = digits(text), [len(group) for group in _GROUPS.findall(text)]
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
    if len(number) == 11 and re.match(r"0[1237]", number) and groups in ([5, 6], [5, 3, 3], [3, 4, 4], [4, 3, 4]):
        return True  # Britain
    if re.match(r"01[567]", number) and 11 <= len(number) <= 12:  # German mobiles, however grouped
        return True
    if len(number) == 9 and number[0] == "0":  # Belgium
        return groups in ([2, 3, 2, 2], [3, 2, 2, 2], [3, 6])
    return (
        "/" in text and re.match(r"0[1-9]", number) is not None and 3 <= groups[0] <= 5 and 8 <= len(number) <= 12
    )  # Germany: 030/1234567


def is_dialled(text: str) -> bool:
    """Anything that can be dialled: for numbers after a word such as "tel."."""
    number = digits(text)
    return 6 <= len(number) <= 13 and len(set(number)) > 1 and not re.match(r"(?:19|20)\d\d\d{2,4}$", number)


_SEPARATED = r"(?:[ .\-/]{0,3}\(?[0-9]\)?)"
_LAST = r"(?<=[0-9])"
PHONES = (
    Rule(
        "PHONE_NUMBER",
        re.compile(
            r"(?:[+](?<![\w+].)|00(?<![\w.,+]..)|\(\+)[ ]?[1-9]\d{0,2}(?:\(0\)| ?\(0\))?"
            + _SEPARATED
            + r"{4,14}"
            + _LAST
            + END
        ),
        is_international,
        0.9,
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
        is_national,
        0.75,
        _PHONE,
        before=30,
        after=0,
    ),
    Rule(
        "PHONE_NUMBER",
        re.compile(
            r"\(?[0-9](?<![0-9A-Za-z_].)(?<![0-9][.,/\-+].)"
            + _SEPARATED
            + r"{5,12}"
            + r"(?<=[0-9])(?:-\d{1,4})?(?![0-9A-Za-z_])(?![.,\-/][0-9])"
        ),
        is_dialled,
        0.3,
        shape(
            r"(?:t[eé]l[eé]?(?:ph|f)?[a-z]{0,4}|phone|fon|fax|mobil\w{0,3}|portable|natel|cell\w{0,5}|gsm"
            r"|handy|direct\w?|ligne|whatsapp|sms"
            r"|rufnummer|durchwahl|direktwahl|hotline|recapito|appel\w{0,2}|call|joindre|joignable|anrufen"
            r"|chiam\w{2,4}|[☎✆📞])"
            r"(?: (?:number|no|nr|num[eé]ro|pro|privé|privat|fixe|direct\w?|geschäft|bureau|portable|au|at"
            r"|me at|me on|us on|unter|allo|al|le))?"
            r"[ .:°\t|]{0,4}(?:n[°or]?[ .:]{0,2})? \x00"
        ),
        0.8,
        before=40,
        after=0,
    ),
    Rule(
        "PHONE_NUMBER",  # digits that text recognition took for letters
        re.compile(r"[0O](?<![0-9A-Za-z_].)[1-9Il](?:[ .\-]?[0-9OIlSB]{2}){4}" + END),
        lambda text: sum(c.isdigit() for c in text) >= 7,
        0.3,
        _PHONE,
        0.8,
        before=30,
    ),
    Rule(
        "PHONE_NUMBER",  # Italian mobiles: no leading zero
        re.compile(DIGIT + r"(?<=3)[0-9]{2}[ ./-][0-9]{3}[ ]?[0-9]{2}[ ]?[0-9]{2}" + END),
        lambda text: len(digits(text)) == 10,
        0.45,
        _PHONE,
        0.85,
    ),
)

_ADDRESS_WORDS = words(
    "ip",
    "adresse",
    "address",
    "indirizzo",
    "host",
    "serv",
    "ping",
    "dns",
    "client",
    "from",
    "gateway",
    "inet",
    "remote",
)


_NO_ADDRESS = words(
    "version",
    "release",
    "firmware",
    "build",
    "section",
    "paragraph",
    "art",
    "kapitel",
    "chapitre",
    "ziff",
    "punto",
    "capitolo",
    "§",
)


def is_ipv4(text: str) -> bool:
    """Four octets that name a machine: not this one, not all of them."""
    try:
        address = ipaddress.IPv4Address(text)
    except ValueError:
        return False
    return not (address.is_loopback or address.is_unspecified or address.is_multicast) and text != "255.255.255.255"


def _is_ipv6(text: str) -> bool:
    try:
        address = ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return (
        not (address.is_loopback or address.is_unspecified) and text.count(":") >= 3 and any(c.isdigit() for c in text)
    )


def _is_mac(text: str) -> bool:
    return len(set(re.sub(r"[:.\-]", "", text).upper())) > 1


_NAMED_HOST = shape(r"(?:host|addr|address|server|bind|listen|dns|gateway|ip)[\"']? ?[=:] ?[\"']?(?: \x00)")
_VERSION = r"(?<![vV§].)(?<![0-9A-Za-z_].)(?<![.\-/=].)"
NETWORK = (
    Rule(
        "IP_ADDRESS",
        re.compile(r"[0-9](?<=[=:\"' ].)[0-9]{0,2}(?:\.[0-9]{1,3}){3}(?![\w.-])"),
        is_ipv4,
        0.1,
        _NAMED_HOST,
        0.85,
        before=32,
        after=0,
    ),
    Rule(
        "IP_ADDRESS",
        re.compile(r"[0-9]" + _VERSION + r"[0-9]{0,2}(?:\.[0-9]{1,3}){3}(?<=[.0-9]{8})(?![\w-])(?!\.[0-9])"),
        is_ipv4,
        0.85,
        unless=_NO_ADDRESS,
    ),
    Rule(
        "IP_ADDRESS",
        re.compile(r"[0-9]" + _VERSION + r"(?:\.[0-9]){3}(?![\w-])(?!\.[0-9])"),
        is_ipv4,
        0.3,
        _ADDRESS_WORDS,
        before=20,
        after=0,
    ),
    Rule(
        "IP_ADDRESS",
        re.compile(
            r"[0-9A-Fa-f:](?<![\w:.].)(?=[0-9A-Fa-f]{0,3}:)[0-9A-Fa-f:]{5,38}(?:[0-9]{1,3}(?:\.[0-9]{1"
            r",3}){3})?(?![\w:])"
        ),
        _is_ipv6,
        0.9,
        gate=":",
    ),
    Rule(
        "MAC_ADDRESS",
        re.compile(r"[0-9A-Fa-f](?<![\w:-].)[0-9A-Fa-f](?:([:-])[0-9A-Fa-f]{2})(?:\1[0-9A-Fa-f]{2}){4}(?![\w:-])"),
        None,
        0.95,
    ),
    Rule(
        "MAC_ADDRESS",
        re.compile(r"[0-9A-Fa-f](?<![\w.].)[0-9A-Fa-f]{3}(?:\.[0-9A-Fa-f]{4}){2}(?![\w.])"),
        _is_mac,
        0.4,
        words("mac", "ethernet", "hardware", "wlan", "lan"),
    ),
)
