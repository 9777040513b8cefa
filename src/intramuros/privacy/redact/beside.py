"""Persons whom a phrase or another person gives away: "mit Huber telefoniert", "MM. Roux et Blanc", "Jean and Eva".

Called by the tier of names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from intramuros.privacy.redact.around import RELATIONS, VERB_BEGINS
from intramuros.privacy.redact.capitals import UPPER
from intramuros.privacy.redact.finding import Finding
from intramuros.privacy.redact.first_names import FIRST_NAMES, fold
from intramuros.privacy.redact.outline import says
from intramuros.privacy.redact.surnames import is_surname
from intramuros.privacy.redact.words import LEGAL_FORMS, NOT_NAMES, PLACES_BEFORE, TITLES

_PLURAL = re.compile(
    rf"(?<!\w)(?:(?:MM|Mmes|Messrs|Drs|[Ss]igg)\.?|Mmes|Messieurs|Mesdames|Herren|Frauen|[Ss]ignori"
    r"|[Mm]aîtres|Rechtsanwälte)"
    rf" (?:[{UPPER}][\w'-]{{1,30}}(?:,? )){{1,6}}(?:et|und|e|and|&) (?P<last>[{UPPER}][\w'-]{{2,30}})"
)
_SPOKEN = re.compile(
    rf"m(?<!\w.)it (?P<last>[{UPPER}][\w'-]{{2,30}}) (?:telefoniert|gesprochen|besprochen|vereinbart|geredet|abgemacht"
    r"|abgesprochen|abgestimmt|geklärt)(?!\w)"
)
_ASKED = re.compile(
    rf"[Bb](?<!\w.)itte (?P<last>[{UPPER}][\w'-]{{2,30}}(?: [{UPPER}][\w'-]{{2,30}})?) (?:fragen|informieren"
    rf"|anrufen|kontaktieren"
    r"|zurückrufen|ausrichten|melden)(?!\w)"
)
_COMMENTED = re.compile(
    rf"(?:[Kk]ommentar|[Cc]omment(?:aire|o)?|[Nn]ot(?:e|iz|a)|[Rr]eply|[Rr]éponse|[Aa]ntwort|[Rr]isposta"
    rf"|[Ee]ntry) ?[0-9]{{0,3}} ?"
    rf"\((?P<last>[{UPPER}][\w'-]{{1,30}}(?: [{UPPER}][\w'-]{{1,30}}){{0,2}})\) ?:"
)
_ON_THE_PHONE = re.compile(
    rf"(?:eu|avais|avoir) (?P<last>[{UPPER}][\w'-]{{2,30}}(?: [{UPPER}][\w'-]{{2,30}})?) (?:au bout du fil"
    rf"|au téléphone|au tél)"
)
_GATED = (
    (
        _PLURAL,
        (
            "MM",
            "Mmes",
            "Mes",
            "Drs",
            "igg",
            "Herren",
            "Frauen",
            "ignori",
            "aîtres",
            "anwälte",
        ),
    ),
    (_SPOKEN, ("mit ",)),
    (_ASKED, ("itte ",)),
    (_COMMENTED, (") :", "):")),
    (_ON_THE_PHONE, (" au bout", " au tél")),
)
"""Each pattern with literals without one of which it can't match."""
_SMALL_TITLE = re.compile(
    r"[mfhds](?<![\w.@-].)(?:(?<=m)(?:me|lle|rs?)|(?<=f)rau|(?<=h)errn?|(?<=d)(?:r|ott(?:or(?:essa)?)?)|(?<=s)ig(?:nor|\.ra)?)"
    r"\.? (?P<last>[a-zà-ÿ][a-zà-ÿ'-]{3,30})(?![\w@/]|\.\w)"
)
"""As somebody types in haste: "mme keller", "frau hinz"."""
_SMALL_TITLES = ("mme", "mlle", "mr", "frau", "herr", "dr ", "dr.", "dott", "sig ", "sig.", "signor")
_OWNED = re.compile(r"(?<!\w)(?:die|der|eine|einer|meine|deine|seine|ihre|unsere|eure|meiner|deiner|seiner|ihrer) $")
_CHILDREN = re.compile(
    r"[KkEeFfCcTtSsDdGgZzJj](?<!\w.)(?:ind(?:er)?|nfants?|igli[oae]?|hild(?:ren)?|öchter|öhne|ons|aughters"
    r"|eschwister|iblings|ratelli|wins|willinge|umeaux|umelles|emell[ie])"
    rf"(?: ?\(| ?: {{0,2}})(?=[{UPPER}])"
)
_SET_OFF = re.compile(rf"[(:] {{0,2}}[{UPPER}]")
_CHILDREN_SAID = tuple(
    word + space
    for word in (
        *("ind", "inder", "nfant", "nfants", "igli", "iglio", "iglia", "iglie", "hild", "hildren", "öchter", "öhne"),
        *("ons", "aughters", "eschwister", "iblings", "ratelli", "wins", "willinge", "umeaux", "umelles"),
        *("emelli", "emelle"),
    )
    for space in ("", " ")
)
"""How the text before the sign ends where `_CHILDREN` matches: quick to ask."""
_CHILD = re.compile(
    rf"(?P<name>[{UPPER}][\w'-]{{2,24}}(?: [{UPPER}][\w'-]{{2,24}})?)"
    r"(?P<date>,? {1,2}\(?\*? ?[0-9]{1,2}\.[0-9./ ]{3,9}\)?)?"
    r"(?P<next> ?[,/;] {0,2}| (?:und|et|e|and|&) |\)|(?= *(?:\n|$)))"
)
_AND_AFTER = re.compile(rf" (?:and|et|e|&|und) ([{UPPER}]\w[\w'-]{{1,24}})(?![\w'@])(?! [{UPPER}&])")
_AND_BEFORE = re.compile(rf"(?:^|[^{UPPER}\w'.&-] ?|\n)([{UPPER}]\w[\w'-]{{1,24}}) (?:and|et|e|&|und) $")
_AND_BEGINS, _AND_ENDS = frozenset({" a", " e", " &", " u"}), frozenset({"d ", "t ", "e ", "& "})


def told_of(text: str) -> Iterator[Finding]:
    """The last of several after a title for all of them, and whom somebody spoke with."""
    for pattern, gates in _GATED:
        if not says(text, gates):
            continue
        for match in pattern.finditer(text):
            if fold(match.group("last")) not in NOT_NAMES or pattern is _COMMENTED:
                yield Finding("PERSON", *match.span("last"), 0.7)


def hasty(text: str) -> Iterator[Finding]:
    """A name in small letters after a title in small letters."""
    for match in _SMALL_TITLE.finditer(text) if says(text, _SMALL_TITLES) else ():
        folded = fold(match.group("last"))
        is_word = folded in NOT_NAMES or folded in VERB_BEGINS or folded in RELATIONS
        if not is_word and not _OWNED.search(text[max(0, match.start() - 9) : match.start()]):
            yield Finding("PERSON", *match.span("last"), 0.65)


def children(text: str) -> Iterator[Finding]:
    """ "zwei Kinder (Ole und Ida)", "Enfants : Léa, 3.4.2017 / Tom": several, or one that a list or a date tells."""
    for sign in _SET_OFF.finditer(text):
        if text.endswith(_CHILDREN_SAID, 0, sign.start()):
            break
    else:
        return
    for match in _CHILDREN.finditer(text):
        named: list[Finding] = []
        is_sure, place = False, match.end()
        while len(named) < 8 and (child := _CHILD.match(text, place)):
            first = fold(child.group("name").split(" ")[0])
            if first in NOT_NAMES:
                break
            named.append(Finding("PERSON", *child.span("name"), 0.7))
            is_sure |= first in FIRST_NAMES or child.group("date") is not None
            place = child.end()
            if not child.group("next") or child.group("next") == ")":
                break
        if is_sure:
            yield from named


def joined(text: str, found: Sequence[Finding]) -> Iterator[Finding]:
    """Who stands beside a person with an "and" between: "Jean and Wiktoria"."""
    for person in found:
        if person.entity_type != "PERSON" or person.score < 0.55:
            continue
        if (
            text[person.end : person.end + 2] not in _AND_BEGINS
            and text[person.start - 2 : person.start] not in _AND_ENDS
        ):
            continue
        after = _AND_AFTER.match(text, person.end)
        before_start = max(0, person.start - 40)
        before = (
            _AND_BEFORE.search(text, before_start, person.start)
            if text[person.start - 1 : person.start] == " "
            else None
        )
        for match in (after, before):
            if match and _can_stand_beside(text, match):
                yield Finding("PERSON", *match.span(1), 0.6)


def _can_stand_beside(text: str, match: re.Match[str]) -> bool:
    folded = fold(match.group(1))
    if (
        folded in NOT_NAMES
        or folded in LEGAL_FORMS
        or folded in PLACES_BEFORE
        or folded in TITLES
        or folded in RELATIONS
    ):
        return False
    if match.group(1).isupper():
        return False
    return " und " not in match.group() or folded in FIRST_NAMES or is_surname(folded)
