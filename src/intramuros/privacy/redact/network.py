"""Addresses of machines: IPv4, IPv6, MAC. Handed to the redactor as one tier with the other numbers."""

from __future__ import annotations

import ipaddress
import re

from intramuros.privacy.redact.outline import has
from intramuros.privacy.redact.rules import Rule, Words, shape

_ADDRESS_WORDS = Words(
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


_NO_ADDRESS = Words(
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
_IS_DOTTED = re.compile(r"\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]").search
_MAY_BE_DOTTED = has(b".0.", b".00.", b".000.")


def _is_dotted(text: str) -> bool:
    return _MAY_BE_DOTTED(text) and _IS_DOTTED(text) is not None


_HAS_COLONS = re.compile(r":[0-9A-Fa-f]{0,4}:").search
_HAS_PAIR = re.compile(r"[:-][0-9A-Fa-f]{2}[:-]").search


def _may_be_ipv6(text: str) -> bool:
    return text.count(":") > 2 and _HAS_COLONS(text) is not None


def _may_be_mac(text: str) -> bool:
    return (text.count(":") > 4 or text.count("-") > 4) and _HAS_PAIR(text) is not None


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
        form=_is_dotted,
    ),
    Rule(
        "IP_ADDRESS",
        re.compile(r"[0-9]" + _VERSION + r"[0-9]{0,2}(?:\.[0-9]{1,3}){3}(?<=[.0-9]{8})(?![\w-])(?!\.[0-9])"),
        is_ipv4,
        0.85,
        unless=_NO_ADDRESS,
        form=_is_dotted,
    ),
    Rule(
        "IP_ADDRESS",
        re.compile(r"[0-9]" + _VERSION + r"(?:\.[0-9]){3}(?![\w-])(?!\.[0-9])"),
        is_ipv4,
        0.3,
        _ADDRESS_WORDS,
        before=20,
        after=0,
        form=_is_dotted,
    ),
    Rule(
        "IP_ADDRESS",
        re.compile(
            r"[0-9A-Fa-f:](?<![\w:.].)(?=[0-9A-Fa-f]{0,3}:)[0-9A-Fa-f:]{5,38}(?:[0-9]{1,3}(?:\.[0-9]{1"
            r",3}){3})?(?![\w:])"
        ),
        _is_ipv6,
        0.9,
        form=_may_be_ipv6,
    ),
    Rule(
        "MAC_ADDRESS",
        re.compile(r"[0-9A-Fa-f](?<![\w:-].)[0-9A-Fa-f](?:([:-])[0-9A-Fa-f]{2})(?:\1[0-9A-Fa-f]{2}){4}(?![\w:-])"),
        None,
        0.95,
        form=_may_be_mac,
    ),
    Rule(
        "MAC_ADDRESS",
        re.compile(r"[0-9A-Fa-f](?<![\w.].)[0-9A-Fa-f]{3}(?:\.[0-9A-Fa-f]{4}){2}(?![\w.])"),
        _is_mac,
        0.4,
        Words("mac", "ethernet", "hardware", "wlan", "lan"),
        form=re.compile(r"\.[0-9A-Fa-f]{4}\.").search,
    ),
)
