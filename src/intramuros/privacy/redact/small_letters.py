"""Postal addresses as people type them in a chat: small letters, no commas, "lindenstr 14 50674 köln".

Called by `addresses`. A post code with a word after it is where one ends; what stands before has to be a word for a
street with a name and a number. Read backwards over few characters, so that the time is linear.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from intramuros.privacy.redact.outline import outline

_NAME = r"[^\W\d_][\w'.\-]{0,24}"
_HOUSE = r"[0-9]{1,4}(?: ?(?:bis|ter|quater|[a-h])(?!\w))?(?:[/-][0-9a-z]{1,4}(?!\w))?"
_FRENCH = (
    r"rue|av(?:enue|\.)?|bo?u?l?e?v?a?r?d\.?|bd\.?|bvd|chemin|ch\.?|all[ée]es?|all\.?|place|pl\.?|impasse|imp\.?|quai|cours"
    r"|square|passage|route|rte|sentier|mont[ée]e|ruelle|faubourg|fbg|esplanade|venelle|clos|chauss[ée]e|r[ée]sidence"
    r"|lotissement|hameau|promenade"
)
_ITALIAN = (
    r"via(?! (?:e-?mail|mail|sms|posta?|whatsapp|internet|fax|web|chat|app)(?!\w))|viale|v\.le|piazza|p\.zza|p\.za"
    r"|piazzale|corso|c\.so|vicolo|largo|strada|contrada|salita|borgo|lungo\w{3,8}"
)
_GERMAN = (
    r"[^\W\d_][\w-]{1,24}?(?:stra(?:ss|ß)e|str\.?|gasse|weg|platz|allee|ring|damm|ufer|graben|rain|halde|steig"
    r"|chaussee|hof|berg)"
    r"|(?!(?:der|die|das|den|dem|eine?r?|in|an|auf|nach|von|vom|und|ich|er|sie|wir|mein|dein|unser\w*) )"
    r"[^\W\d_][\w-]{2,20} (?:stra(?:ss|ß)e|str\.?|gasse|weg|platz|allee|ring)"
    r"|(?:am|im|an der|an den|auf der|in der|zum|zur|unter den) (?:[a-zäöü]{2,8}e[nr] )?[^\W\d_][\w-]{2,20}"
    r"(?<!strasse)(?<!straße)(?<!str)(?<!gasse)(?<!allee)"
)
_STREET = re.compile(
    rf"(?<![\w.'-])(?:{_HOUSE},? (?:{_FRENCH}) {_NAME}(?: {_NAME}){{0,5}}"
    rf"|(?:{_FRENCH}|{_ITALIAN}) {_NAME}(?: {_NAME}){{0,5}},? (?:n\.? ?)?{_HOUSE}"
    rf"|(?:{_GERMAN}) {_HOUSE})(?: (?:eg|og|[0-9]\. ?(?:og|stock)|app?t? ?[0-9]{{1,3}}|int\.? ?[0-9]{{1,3}}))?"
    r"(?:,| -)? (?:in |à |a )?$"
)
_TOWN = re.compile(
    r"(?:(?:st|ste|saint|sainte|bad|la|le|les|san|santa|reggio)(?:[ -]|\. ))?(?P<first>[^\W\d_][\w'-]{2,24})"
    r"(?: (?:sur|sous|am|an der|im|ob|en|bei|les|lès|de la|del|di) [^\W\d_][\w'-]{2,20})?"
)
_NO_TOWN = frozenset(
    """
    personnes pers personen persone people euro euros eur chf franken francs franchi stück pièces pezzi kilometer heures
    stunden ore fois mal volte leute arbeiter schafe gäste passi iscritti allievi metri mètres étudiants lignes
    zeilen jours tage giorni habitants einwohner abitanti users kcal watt liter litres litri mots
    """.split()  # noqa: SIM905
)
_CODE = b"0000 a"
_POSTCODE = re.compile(r"(?<= )(?:(?:d|ch|f|i|b|l|a)-)?(?!19[5-9][0-9]$|20[0-3][0-9]$)[0-9]{4,5}$")
_FAR = 84

_BRITISH_STREET = (
    r"(?:street|road|lane|avenue|close|drive|crescent|terrace|gardens|grove|court|place|square|hill|way|row|walk|mews"
    r"|green|park|rise|view|rd|st|ave|ln|dr|cres)"
)
_BRITISH_CODE = re.compile(r" [0-9](?<=[0-9a-z]..)[abd-hjlnp-uw-z]{2}(?!\w)")
_OUTWARD = re.compile(r"(?<= )[a-z]{1,2}[0-9][0-9a-z]?$")
_LANE = re.compile(
    r"(?<![\w.£$€-])(?:(?:flat|apt|unit|room) [0-9]{1,3}[a-z]?,? )?[0-9]{1,4}[a-z]?,? "
    r"(?:(?!min|mile|day|hour|week|year|metre|yard|of |the |in |on )[a-z][a-z'-]{1,16} ){1,3}"
    rf"{_BRITISH_STREET}(?P<town>,? [a-z][a-z' -]{{2,30}})?,? $"
)
_LANES = ("street", "road", "lane", "avenue", "close", "drive", "crescent", "terrace", "grove", "rd", "ave")
_SMALL_TOWN = re.compile(r", [a-z]{3,20}(?=\n|$|[,.;)!?])")


def small_addresses(text: str, lowered: str) -> Iterator[tuple[int, int]]:
    """Where addresses in small letters stand."""
    drawn = outline(text)
    code = drawn.find(_CODE)
    while code >= 0:
        end = code + 4
        code = drawn.find(_CODE, end)
        postcode = _POSTCODE.search(text, max(0, end - 8), end)
        town = _TOWN.match(text, end + 1) if postcode else None
        if postcode is None or town is None or town["first"] in _NO_TOWN:
            continue
        street = _STREET.search(lowered, _line(text, postcode.start()), postcode.start())
        if street and _is_street(lowered, street, postcode.group()):
            yield street.start(), town.end()
    for inward in _BRITISH_CODE.finditer(text) if b" 0aa" in drawn else ():
        outward = _OUTWARD.search(text, max(0, inward.start() - 5), inward.start())
        if outward and (lane := _LANE.search(text, _line(text, outward.start()), outward.start())):
            yield lane.start(), inward.end()
    for town in _SMALL_TOWN.finditer(text):
        at = town.start()
        if text.endswith(_LANES, 0, at) and (lane := _LANE.search(text[_line(text, at) : at] + " ")):
            start = _line(text, at) + lane.start()
            if _LIVING.search(text, max(0, start - 16), start):
                yield start, town.end()


_LIVING = re.compile(
    r"(?:(?<!\w)(?:at|to|is|it'?s|in|address|lives?|moved|mine|from|near|flat|am|we're|i'm)[ :,]{1,3}|: )$"
)
_SOMEWHERE = re.compile(
    r"(?:^|\n|[:,>] ?|(?<!\w)(?:wohn\w*|adresse|anschrift|bin|jetzt|nun|ist|nach"
    r"|hin|paket|neu|zu|lieferung|neben|bei)[ :])$"
)
_AT_A_PLACE = re.compile(r"(?:am|im|an|auf|in|zum|zur|unter) ")
_FRENCH_STREET = re.compile(rf"(?:{_HOUSE},? )?(?:{_FRENCH}) ")


def _is_street(lowered: str, street: re.Match[str], postcode: str) -> bool:
    """Whether it is no place and no count: "am berg 12 10000 leute"; towns of France alone have such post codes."""
    value = street.group()
    if postcode.endswith("0000") and not _FRENCH_STREET.match(value):
        return False
    start = street.start()
    return not _AT_A_PLACE.match(value) or _SOMEWHERE.search(lowered, max(0, start - 14), start) is not None


def _line(text: str, end: int) -> int:
    """Where the line begins, or not too far before."""
    return max(text.rfind("\n", max(0, end - _FAR), end) + 1, end - _FAR, 0)
