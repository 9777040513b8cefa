"""Postal addresses: street and number, post code and town, of France and Switzerland first, Germany, Italy, Britain.

One tier of the redactor. There is no list of towns: a street word with a number is what an address is known by, or a
post code with the country before it, or a post-office box.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from intramuros.privacy.redact.finding import Finding

_W = r"[^\W_][\w'.\-]{0,30}"
_HOUSE = (
    r"[0-9]{1,4}(?: ?(?:bis|ter|quater"
    r"|[a-hA-H])(?!\w))?(?:/[a-hA-H](?!\w))?(?: ?[-/] ?[0-9]{1,4}[a-hA-H]?)?(?![\w.,%€]?[0-9])"
)
_PLACE_NAME = r"(?:St\. |Ste\. |L'|La |Le |Les |Bad )?[A-ZÀ-ÖØ-Þ][\w'\-]{1,30}"
_LINK = (
    rf"(?:sur|sous|la|le|les|lès|lez|de|du|des|en|aux?|am|an|der|im|bei|ob|di|del|della|d'[\w\-]{{2,20}}|a\."
    rf"[MRd]\.|i\.(?:Br|Ü)\.|{_PLACE_NAME})"
)
_TOWN = rf"{_PLACE_NAME}(?: {_LINK}(?![\w'])){{0,4}}(?<! de)(?<! du)(?<! en)(?: [0-9]{{1,2}}(?![\w.,/]))?"
_BOX = r"(?:BP|B\.P\.|CS|CP|C\.P\.|[Cc]ase postale|Postfach|Casella postale)(?: [0-9][0-9 ]{0,7})?"
_POSTCODE = r"(?:(?:F|CH|D|I|B|L|A|FL|FR|DE|IT)[ ]?-[ ]?)?[0-9]{4,5}"
_GAP = r"(?:[,;]? ?\n[ \t>]*|[,;]? (?:à |in |a |at )?|,? ?[-|] ?)"
_PLACE = rf"(?:{_GAP}(?:{_BOX}{_GAP})?{_POSTCODE} {_TOWN})?"
_BRITISH = (
    r"(?:,? ?\n?[ ]?[A-Z][^\W\d_](?:[^\W\d_]"
    r"|['\-]){0,23}(?![\w])){0,3}(?:,? ?\n?[ ]?[A-Z]{1,2}[0-9][0-9A-Z]? [0-9][A-Z]{2}(?!\w))?"
)

_FRENCH = re.compile(
    r"(?:rue|avenue|av\.|ave|boulevard|boul\.|bd|bd\.|blvd|place|pl\.|chemin|ch\.|impasse|allée|allee|allées"
    r"|route|rte|rte\.|quai|cours|square|passage"
    r"|sentier|faubourg|fbg|esplanade|promenade|venelle|ruelle|villa|cité|lotissement|résidence|hameau"
    r"|montée|traverse|rond-point|parvis|domaine) "
)
_FRENCH_NUMBER_BEFORE = re.compile(
    r"(?<![\w,.€$])(?<!\dh )(?<!\d h )(?<!\d:)[0-9]{1,4}(?: ?(?:bis|ter|quater|[A-Ha-h]))?,? $"
)
_ZONE_BEFORE = re.compile(
    r"(?<!\w)(?:Z\.?[AI]\.?C?\.?|ZAC|[Zz]one (?:artisanale|industrielle|d'activités?|commerciale)|Parc d'activités?"
    r"|[Bb]ât(?:iment|\.)|[Rr]és(?:idence|\.)|[Aa]pp?t\.?|[Aa]ppartement|[Ee]scalier|[Ll]ieu-dit)"
    r"(?!\w) ?[^\n,;:]{0,40}[,\n] ?$"
)
_FRENCH_NAME = re.compile(
    rf"(?:(?:de la|de l'|de|du|des|d'|la|le|les|l'|aux?|en|à la) ?)?(?:[A-ZÀ-ÖØ-Þ0-9][\w'.\-]{{0,30}})(?: "
    rf"(?:de|du|des|la|le|les|et|sur|en|aux?|{_W})(?![\w'])){{0,5}}?(?=[,;\n.|)]|$| ?-|[,;]? {_POSTCODE} | "
    rf"[a-zà-ÿ(])"
)
_CAPITALISED = r"[A-ZÀ-ÖØ-Þ0-9][\w'.\-]{0,30}"
_NO_MONTH = (
    r"(?! ?(?:janv|févr|mars|avril|mai|juin|juil|août|sept|octo|nove|déce|genn|febb|marzo|apri|magg|giug"
    r"|lugl|agos|otto|dice|heures|h\b|%))"
)
_NUMBER_AFTER = re.compile(
    rf"(?:(?:de la|de l'|de|du|des|d'|la|le|les|l'|aux?|en) ?)?{_CAPITALISED}(?: (?:de|du|des|la|le|les|et"
    rf"|sur|en|aux?|{_CAPITALISED})(?![\w'])){{0,4}}?,? {_HOUSE}{_NO_MONTH}"
)

_AFTER = re.compile(_PLACE)

_GERMAN = re.compile(
    r"(?:strasse|straße|str\.|gasse|gässli|weg|platz|allee|ring|damm|ufer|graben|rain|matte|halde|steig) [0-9]"
)
_GERMAN_BEFORE = re.compile(r"(?<![\w.])[A-ZÄÖÜ][\w'.\-]{0,30}(?:[ \-][A-ZÄÖÜ][\w.\-]{1,20}){0,2}[ \-]?$")
_HOUSE_ALONE = re.compile(_HOUSE)

_ITALIAN = re.compile(
    r"(?:via|p\.zza|p\.za|c\.so|v\.le|v\.lo|l\.go|p\.le|s\.da|str\.|loc\.|località|borgo|viale|piazza|piazzale"
    r"|corso|vicolo|largo|strada|salita|contrada) "
)
_ITALIAN_NAME = re.compile(
    r"(?:[A-ZÀ-Þ0-9]|d(?:[aei]|e[il]|ell[aeo]|egli|all?a?|ai|agli) |a(?:l|lla|lle|i|gli) |(?:dell|dall|all)')"
    rf"[\w'.\-]{{0,24}}(?: {_W}){{0,4}}?,? (?:n\.? ?)?{_HOUSE}"
)

_ENGLISH = re.compile(r" (?:street|st\.|road|rd\.|avenue|lane|drive|close|crescent|terrace|gardens|court)(?![\w])")
_ENGLISH_BEFORE = re.compile(r"(?<![\w,.€$£/])[0-9]{1,4}[A-Ha-h]?,? [A-Z][\w'\-]{1,24}(?: [A-Z][\w'\-]{1,24}){0,2}$")
_ENGLISH_AFTER = re.compile(_BRITISH)

_FLAT_BEFORE = re.compile(r"(?:Flat|Apartment|Apt\.?|Unit|Suite|Floor|Room) [0-9]{1,4}[A-Za-z]?,? ?\n?$")
_BRITISH_CODE = re.compile(r"[A-Z](?<![\w].)[A-Z]?[0-9][0-9A-Z]? [0-9][ABD-HJLNP-UW-Z]{2}(?![\w])")
_BRITISH_LINES = re.compile(
    r"(?<![\w'])[A-Z][^\W\d_](?:[^\W\d_]|['\-]){0,23}(?:(?:, ?\n?|,?\n| )[A-Z][^\W\d_](?:[^\W\d_]"
    r"|['\-]){0,23}){0,7},?[ \n]$"
)

_PLACES = (
    re.compile(
        r"P\.? ?O\.? Box [0-9]{1,6}(?:, ?[A-Z][\w'\-]{1,24})?" + r"(?:,? [A-Z]{1,2}[0-9][0-9A-Z]? [0-9][A-Z]{2})?"
    ),
    re.compile(
        rf"(?:Straße|Strasse|Platz|Allee|Weg|Ufer) (?:des|der|am|zum"
        rf"|zur) (?:[0-9]{{1,2}}\. )?[A-ZÄÖÜ][\w\-]{{2,24}} {_HOUSE}{_PLACE}"
    ),
    re.compile(rf"(?:F|CH|D|FL|FR|DE|IT|I|B|L)(?<![\w].)(?<![\w]..)[ ]?-[ ]?[0-9]{{4,5}} {_TOWN}"),
    re.compile(
        rf"(?:BP|CS|C\.P\.|CP|Case postale|case postale|Postfach|Casella postale)(?: [0-9][0-9 ]{{0,7}})?{_GAP}"
        rf"{_POSTCODE} {_TOWN}"
    ),
)
_GERMAN_PLACES = re.compile(
    rf"(?:Am|Im|An der|An den|Auf der|Auf dem|In der|In den|Zum|Zur|Unter der|Unter den|Beim|Hinter der|Vor"
    rf" dem)(?<![\w]Am)(?<![\w]Im) [A-ZÄÖÜ][\w\-]{{2,24}} {_HOUSE}{_GAP}{_POSTCODE} {_TOWN}"
)


class Addresses:
    """Finds a street word, reads on to both sides."""

    name = "postal addresses"

    def analyse(self, text: str, language: str) -> Sequence[Finding]:
        """What it finds, with post code and town where they follow."""
        lowered = text.lower()
        if len(lowered) != len(text):  # a letter whose small form is two characters: offsets would be off
            lowered = text
        found = [*self._french(text, lowered), *self._german(text, lowered), *self._italian(text, lowered)]
        found += self._english(text, lowered)
        found += [
            Finding("ADDRESS", *match.span(), 0.8)
            for pattern in (*_PLACES, _GERMAN_PLACES)
            for match in pattern.finditer(text)
        ]
        return found

    def _french(self, text: str, lowered: str) -> Iterator[Finding]:
        for word in _FRENCH.finditer(lowered):
            if _is_inside_word(text, word.start()):
                continue
            before = _FRENCH_NUMBER_BEFORE.search(text[max(0, word.start() - 14) : word.start()])
            if before and (name := _FRENCH_NAME.match(text, word.end())):
                yield _address(text, _from_zone(text, word.start() - len(before.group())), name.end())
            elif name := _NUMBER_AFTER.match(text, word.end()):
                yield _address(text, word.start(), name.end())

    def _german(self, text: str, lowered: str) -> Iterator[Finding]:
        for word in _GERMAN.finditer(lowered):
            before = _GERMAN_BEFORE.search(text[max(0, word.start() - 70) : word.start()])
            if before is None and text[word.start()].isupper() and not _is_inside_word(text, word.start()):
                continue
            house = _HOUSE_ALONE.match(text, word.end() - 1)
            if before and house:
                yield _address(text, word.start() - len(before.group()), house.end())

    def _italian(self, text: str, lowered: str) -> Iterator[Finding]:
        for word in _ITALIAN.finditer(lowered):
            if not _is_inside_word(text, word.start()) and (name := _ITALIAN_NAME.match(text, word.end())):
                yield _address(text, word.start(), name.end())

    def _english(self, text: str, lowered: str) -> Iterator[Finding]:
        for word in _ENGLISH.finditer(lowered):
            if before := _ENGLISH_BEFORE.search(text[max(0, word.start() - 90) : word.start()]):
                after = _ENGLISH_AFTER.match(text, word.end())
                start = word.start() - len(before.group())
                flat = _FLAT_BEFORE.search(text[max(0, start - 24) : start])
                start -= len(flat.group()) if flat else 0
                yield Finding("ADDRESS", start, after.end() if after else word.end(), 0.8)
        for code in _BRITISH_CODE.finditer(text):
            if lines := _BRITISH_LINES.search(text[max(0, code.start() - 90) : code.start()]):
                yield Finding("ADDRESS", code.start() - len(lines.group()), code.end(), 0.7)


def _from_zone(text: str, start: int) -> int:
    """Where the address begins: a zone, a building or a flat may stand before the street."""
    before = text[max(0, start - 64) : start]
    zone = _ZONE_BEFORE.search(before)
    return start - len(before) + zone.start() if zone else start


def _address(text: str, start: int, end: int) -> Finding:
    place = _AFTER.match(text, end)
    return Finding("ADDRESS", start, place.end() if place else end, 0.85)


def _is_inside_word(text: str, place: int) -> bool:
    return place > 0 and (text[place - 1].isalnum() or text[place - 1] in "-_")
