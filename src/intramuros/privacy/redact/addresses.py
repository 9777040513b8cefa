"""Postal addresses: street and number, post code and town, of France and Switzerland first, Germany, Italy, Britain.

One tier of the redactor. There is no list of towns: a street word with a number is what an address is known by, or a
post code with the country before it, or a post-office box.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from intramuros.privacy.redact.births import MONTHS
from intramuros.privacy.redact.finding import Finding
from intramuros.privacy.redact.outline import outline, says
from intramuros.privacy.redact.posted import LIVING, begins, homes, rooms_before
from intramuros.privacy.redact.small_letters import small_addresses
from intramuros.privacy.redact.words import alternatives, by_first_letter

_W = r"[^\W_][\w'.\-]{0,30}"
_HOUSE = (
    r"[0-9]{1,4}(?: ?(?:bis|ter|quater"
    r"|[a-hA-H])(?!\w))?(?:/[a-hA-H](?!\w))?(?:/[0-9]{1,3}(?=/[0-9])){0,2}"
    r"(?: ?[-/] ?(?![0-9]{4,5} [A-ZÀ-Þ])[0-9]{1,4}[a-hA-H]?)?(?![\w.,%€]?[0-9])"
)
_PLACE_NAME = r"(?:St\. |Ste\. |L'|La |Le |Les |Bad )?[A-ZÀ-ÖØ-Þ][\w'\-]{1,30}"
_LINK = (
    rf"(?:sur|sous|la|le|les|lès|lez|de|du|des|en|aux?|am|an|auf|der|im|in|bei|ob|di|del|della|(?:d|l|nell|dell|sull"
    rf"|all)'[\w\-]{{2,20}}|a\."
    rf"[MRd]\.|i\.(?:Br|Ü)\.|{_PLACE_NAME})"
)
_TOWN = rf"{_PLACE_NAME}(?: {_LINK}(?![\w'])){{0,4}}(?<! de)(?<! du)(?<! en)(?: [0-9]{{1,2}}(?![\w.,/]))?"
_BOX = r"(?:BP|B\.P\.|CS|CP|C\.P\.|[Cc]ase postale|Postfach|Casella postale)(?: [0-9][0-9 ]{0,7})?"
_POSTCODE = r"(?:(?:F|CH|D|I|B|L|A|FL|FR|DE|IT)[ ]?-[ ]?)?[0-9]{4,5}"
_GAP = r"(?:[,;]? ?\n[ \t>]*|[,;]? (?:à |in |a |at )?|,? ?[-|·•] ?| / )"
_INNER = (
    r"(?:,? (?:(?:bus|bte|boîte|bo[iî]te|scala|sc\.|int\.|interno|piano|étage|Whg\.?|Wohnung|App\.|Apt\."
    r"|lot) ?[\w°]{1,5}"
    r"|HH|VH|EG|OG|DG)(?![\w])){0,3}"
)
"""What of a building stands between its number and the town."""
_PLACE = rf"(?:{_INNER}{_GAP}(?:{_BOX}{_GAP})?{_POSTCODE} {_TOWN})?"
_BRITISH = (
    r"(?:,? ?\n?[ ]?(?:PO Box [0-9]{1,5}|[A-Z][^\W\d_](?:[^\W\d_]|['\-]){0,23}(?: (?:upon|on|by|le|the"
    r"|under|in|of)(?: the)?(?= [A-Z]))?)(?![\w])){0,5}(?:,? ?\n?[ ]?[A-Z]{1,2}[0-9][0-9A-Z]? [0-9][A-Z]{2}(?!\w))?"
)

_FRENCH = (
    r"a(?:v(?:enue|\.|e)|ll(?:ées?|ee))|b(?:oul(?:evard|\.)|d\.?|lvd|vd\.?)|c(?:h(?:emin|aussée|\.)|ours|ité"
    r"|los|arrefour|ôte)|d(?:omaine|rève)"
    r"|esplanade|f(?:aubourg|bg)|hameau|imp(?:asse|\.)|l(?:otissement|evée)|montée|p(?:l(?:ace|\.)|assage"
    r"|romenade|arvis)|quai"
    r"|r(?:u(?:e|elle)|oute|te\.?|ésidence|ond-point|ampe)|s(?:quare|q\.|ent(?:ier|e))|traverse|v(?:enelle|illa|oie)"
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
    rf"(?:(?:de la|de l'|de|du|des|d'|la|le|les|l'|aux?|en|à la) ?)?(?![0-9]+(?!\w"
    rf"| [A-ZÀ-ÿ]))(?:[A-ZÀ-ÖØ-Þ0-9][\w'.\-]{{0,30}})(?: "
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
_QUARTER = re.compile(
    r"(?:,? à [A-ZÀ-Þ][\w'-]{2,30}|, [A-ZÀ-Þ][\w'-]{2,20},? [0-9]{1,2}(?:er|e|[eè]me)(?: arr(?:ondissement"
    r"|\.)?)?)(?!\w)"
)
"""A town after a street and its number, without a post code."""
_TOWN_ALONE = re.compile(r", [A-ZÀ-Þ][\w'-]{2,24}(?=\)|\n|$)")

_GERMAN = (
    "strasse", "straße", "str.", "gasse", "gässli", "weg", "platz", "allee", "ring", "damm", "ufer", "graben", "rain",
    "matte", "halde", "steig", "stieg", "kamp", "twiete", "chaussee", "promenade", "brücke", "büel", "rüti", "acker",
    "wiese",
)  # fmt: skip
"""How names of streets end; none of them is the end of another."""
_SPACE_AND_DIGIT = re.compile(r" [0-9]")
_GERMAN_BEFORE = re.compile(r"(?<![\w.])[A-ZÄÖÜ][\w'.\-]{0,30}(?:[ \-][A-ZÄÖÜ][\w.\-]{1,20}){0,2}[ \-]?$")
_NO_STREET = re.compile(
    r"(?:[Pp]ark|[Ss]tell|[Ss]itz|[Aa]rbeits|[Ss]teh|[Aa]bstell|[Ss]peicher|[Ee]rsatz|[Ee]inkaufs|[Ss]tudien"
    r"|[Ll]agerp?|[Ll]iege)(?:platz|markt)$|(?:[Aa]us|[Dd]ienst|[Rr]echts|[Uu]m|[Ff]lucht|[Ww]erde)weg$"
    r"|^(?:[Tt]|[Tt]er|[Dd]|[Ss]t|[Rr]ef|[Ee]nt|[Ss]outer)rain$|[sS][tp]ring$"
)
_UNIT = re.compile(r" (?:Min|Uhr|Std|Sek|km|Meter|Stück|Stk|Personen|Prozent|Grad)(?![a-z])")
_HOUSE_ALONE = re.compile(_HOUSE)

_ITALIAN = (
    r"borgo|c(?:alle|ascina|irconvallazione|\.so|orso|ontrada)|f(?:razione|raz\.|ondamenta)|galleria"
    r"|l(?:ungo[a-z]{3,8}|\.go|oc\.|ocalità|argo)|masseria|p(?:odere|asseggiata|iazzetta|\.(?:zza|za|le)"
    r"|iazza|iazzale)"
    r"|quartiere|r(?:ione|onco|iva)|s(?:tradone|entiero|\.da|tr\.|trada|alita)|traversa"
    r"|v(?:ico|ia privata|ia|\.l[eo]|iale|icolo)|z(?:ona industriale|\. ?i\.)"
)
_STREET_WORD = re.compile(rf"[^a-zà-öø-ÿ0-9_-](?:(?:{_FRENCH})|(?P<italian>{_ITALIAN}))(?= )")
"""A word for a street after a sign that no word goes on over."""
_ITALIAN_NAME = re.compile(
    r"(?:[A-ZÀ-Þ0-9]|d(?:[aei]|e[il]|ell[aeo]|egli|all?a?|ai|agli) |a(?:l|lla|lle|i|gli) |(?:dell|dall|all)')"
    rf"[\w'.\-]{{0,24}}(?: {_W}){{0,4}}?,? (?:n[.°]{{0,2}} ?|nr\.? ?|civico )?{_HOUSE}"
)

_ENGLISH_ANYWHERE = (
    r"s(?:treet|quare)|r(?:o(?:ad|w)|ise)|avenue|lane|drive|c(?:lose|r(?:escent|oft)|o(?:urt"
    r"|ttages))|terrace|g(?:ardens|r(?:ove|een))|w(?:a(?:lk|y)|harf|ynd)|me(?:ws|adows)|h(?:ill|eights)"
    r"|p(?:lace|arade)|quay|yard|broadway|vale"
)
_ENGLISH_LAST = (
    r"st\.?(?=,|\n|$)|rd\.?(?=,|\n|$)|ave\.?(?=,|\n|$)|view|fields|mount|end|bank|d(?:ale|rove)|gate|pa(?:th"
    r"|rk)|circus"
)
_ENGLISH = re.compile(rf" (?:(?:{_ENGLISH_ANYWHERE})|(?:{_ENGLISH_LAST})(?=[,.;\n)]|$))(?![\w])")
_WORDS = (
    *(f"{word} " for words in (_FRENCH, _ITALIAN) for word in alternatives(words)),
    *alternatives(LIVING),
    *(f"{word[0]}(?<= .){word[1:]}" for words in (_ENGLISH_ANYWHERE, _ENGLISH_LAST) for word in alternatives(words)),
)
_WORD_BEGINS = re.compile(rf"[^a-zà-öø-ÿ0-9_-](?={by_first_letter(_WORDS)})")
"""Where a word of addresses begins, in small letters: one search, for few characters of a text are such signs."""
_ENGLISH_BEFORE = re.compile(r"(?<![\w,.€$£/])[0-9]{1,4}[A-Ha-h]?,? [A-Z][\w'\-]{1,24}(?: [A-Z][\w'\-]{1,24}){0,2}$")
_ENGLISH_AFTER = re.compile(_BRITISH)

_FLAT_BEFORE = re.compile(
    r"(?:(?:Flat|Apartment|Apt\.?|Unit|Suite|Floor|Room) [0-9]{1,4}[A-Za-z]?,? ?\n?"
    r"|(?<![\w'])(?:[A-Z][a-z]{1,20} )?(?:Gate|Dock|Block|Building|Tower|Wharf|Pier|Bay|Plot) [0-9A-Z]{1,4},(?: |\n)"
    r"|(?<![\w'])(?:[A-Z][\w'-]{1,20} ){0,3}(?:Building|Centre|Tower|Works|Flat|Cottage|House|Library|Hall"
    r"|Lodge|Barn|Mill|Manor|Farm|Court"
    r"|Rectory|Forge|Bungalow|Grange|Granary|Vicarage|Stables|Croft|Oast|Orchard|Gatehouse|Chapel|Priory|Cabin"
    r"|Brewery|Bakery|Parsonage|Manse|Steading),(?: |\n)|(?<![\w'])The(?: [A-Z][\w'-]{1,20}){1,3},(?: |\n))$"
)
_HOME_BEFORE = re.compile(
    r"(?<![\w'-])(?:Alters(?:zentrum|heim)|(?:Wohn|Pflege|Senioren)(?:heim|zentrum)|Haus|Residenz|Stift|Foyer"
    r"|Home|EMS"
    r"|Immeuble|Villa|Chalet|Mas|Maison|Condominio|Palazzo|Cascina|Casa)(?: [A-ZÀ-ÖØ-Þ][\w'-]{1,24}){1,3}, $"
)
"""The name of a house or home before the street."""
_JOINED = re.compile(
    r"(?<![\w'-])(?:(?:[Vv]ia|[Pp]iazza|[Vv]iale|[Vv]icolo|[Cc]orso|[Ll]argo)(?: [\w'.]{1,20}){1,4}"
    r"|Am [A-Z][\w-]{2,20}"
    r"|(?:[A-ZÄÖÜ][\w.-]{1,20}[ -])?[A-ZÄÖÜ][\w-]{0,24}(?:stra(?:ss|ß)e|weg|platz|gasse|allee|str\.|ring)"
    r"|(?:[Rr]ue|[Aa]venue|[Cc]hemin)(?: [\w'.]{1,20}){1,4}) ?[/-] ?$"
)
"""The same street in the other language before it."""
_EIRCODE = re.compile(
    r"[ACDEFHKNPRTVWXY](?<![\w].)[0-9](?:[0-9]|(?<=D6)W) ?(?=[A-Z0-9]{0,3}[0-9])[0-9ACDEFHKNPRTVWXY]{4}(?!\w)"
)
_IRISH_LINES = re.compile(
    r"(?<![\w'])(?:[0-9]{1,4}[a-zA-Z]?,? )?(?:(?:Co\.?|[A-Z][\w'-]{1,23}(?: [0-9]{1,2}(?!\w))?)"
    r"(?:, ?\n?|\n| )(?:(?:upon|on|by|the|of|na|an) )?){1,10}$"
)
_IS_IRISH = re.compile(r"Co\.? [A-Z]|Dublin|[0-9][a-zA-Z]?,? [A-Z].*[,\n]", re.DOTALL)
_BRITISH_CODE = re.compile(r"[A-Z](?<![\w].)[A-Z]?[0-9][0-9A-Z]? [0-9][ABD-HJLNP-UW-Z]{2}(?![\w])")
_BRITISH_ENDS = b" 0AA"
_BRITISH_LINES = re.compile(
    r"(?<![\w'])(?:[0-9]{1,4}[a-zA-Z]? )?[A-Z][^\W\d_](?:[^\W\d_]|['\-]){0,23}"
    r"(?:(?:, ?\n?|,?\n| )(?:(?:upon|on|by|le|the|under|in|of|y|yr|na|ar)(?: the)? )?[A-Z][^\W\d_]"
    r"(?:[^\W\d_]|['\-]){0,23}){0,7},?[ \n]$"
)

_Gated = tuple[tuple[str, ...], re.Pattern[str]]
"""A pattern with literals without one of which it can't match."""
_PLACES: tuple[_Gated, ...] = (
    (("Box ",), re.compile(r"P\.? ?O\.? Box [0-9]{1,6}" + _BRITISH)),
    (
        ("Straße ", "Strasse ", "Platz ", "Allee ", "Weg ", "Ufer "),
        re.compile(
            rf"(?:Straße|Strasse|Platz|Allee|Weg|Ufer) (?:des|der|am|zum"
            rf"|zur) (?:[0-9]{{1,2}}\. )?[A-ZÄÖÜ][\w\-]{{2,24}} {_HOUSE}{_PLACE}"
        ),
    ),
)
_WITH_POSTCODE: tuple[_Gated, ...] = (
    (
        ("-",),
        re.compile(rf"(?:F|CH|D|FL|FR|DE|IT|I|B|L)(?<![\w].)(?<![\w]..)[ ]?-[ ]?[0-9]{{4,5}} {_TOWN}"),
    ),
    (
        ("BP", "CS", "CP", "C.P.", "ostale", "Postfach"),
        re.compile(
            rf"(?:BP|CS|C\.P\.|CP|Case postale|case postale|Postfach|Casella postale)(?: [0-9][0-9 ]{{0,7}})?{_GAP}"
            rf"{_POSTCODE} {_TOWN}"
        ),
    ),
)
"""What has a post code and a town."""
_BEFORE_TOWN = b"0000 A"
"""The end of a post code, and where its town begins."""
_POSTED = re.compile(
    r"[0-9A-Z](?<=[ \n\t|;,].)(?:(?<=[0-9])[0-9]{3,4}|(?<=[A-Z])[A-Z]?[ ]?-[ ]?[0-9]{4,5}) [A-ZÀ-ÖØ-Þ]"
)
_LONGEST_COUNTRY = 6
"""At most so many characters of it stand before the last four digits."""
_TOWN_FROM_POSTCODE = re.compile(rf"{_POSTCODE} {_TOWN}")
_BARE = re.compile(
    r"(?:^|\n)[ \t]*(?!(?:[\w.-]+ ){0,3}(?:SA|AG|GmbH|S[àa]rl|SARL|Ltd|Srl|SpA|KG)(?!\w))"
    r"(?P<place>[A-ZÀ-Þ][\w'-]{2,24}(?: [A-ZÀ-Þ][\w'-]{1,20})?, )$"
)
"""A hamlet alone with its post code and town on a line."""
_DAY = re.compile(rf"(?i:{MONTHS})\.? [0-9]{{1,2}},? ?$")
_IS_TOWN = re.compile(r" (?:[A-ZÀ-ÖØ-Þ][^\W\d_]{2}|[A-ZÀ-ÖØ-Þ][a-zà-ÿ]|(?:La|Le|Les|St|L|Bad)[ '.-])")
_LUXEMBOURG = re.compile(
    rf"[0-9](?<![\w.,].)[0-9]{{0,3}}[A-Za-z]?, ?(?:um|op|am|an|bei|beim|op der|an der|bei der|rue|route"
    rf"|cité) [^\n,]{{2,40}},?[ \n]"
    rf"L ?- ?[0-9]{{4}} {_TOWN}"
)
_GERMAN_PLACES = re.compile(
    rf"(?:Am|Im|An der|An den|Auf der|Auf dem|In der|In den|Zum|Zur|Unter der|Unter den|Beim|Hinter der|Vor"
    rf" dem)(?<![\w]Am)(?<![\w]Im) (?:[A-ZÄÖÜ][\w\-]{{2,24}} ){{1,2}}{_HOUSE}{_GAP}{_POSTCODE} {_TOWN}"
)


_POSTED_PLACES: tuple[_Gated, ...] = (
    *_WITH_POSTCODE,
    (("Am ", "Im ", "An d", "Auf d", "In d", "Zum ", "Zur ", "Unter d", "Beim ", "Hinter d", "Vor d"), _GERMAN_PLACES),
    (("L-", "L -"), _LUXEMBOURG),
)


class Addresses:
    """Finds a street word, reads on to both sides."""

    name = "postal addresses"

    def analyse(self, text: str, language: str) -> Sequence[Finding]:
        """What it finds, with post code and town where they follow."""
        lowered = text.lower()
        if len(lowered) != len(text):  # a letter whose small form is two characters: offsets would be off
            lowered = text
        after_line = "\n" + lowered  # one character further on than in the text
        begin = [word.start() for word in _WORD_BEGINS.finditer(after_line)]
        found = [*self._streets(text, after_line, begin), *self._german(text, lowered)]
        found += self._english(text, after_line, begin)
        patterns = _PLACES
        drawn = outline(text)
        if _BEFORE_TOWN in drawn:
            patterns += _POSTED_PLACES
            found += self._posted(text)
        for literals, pattern in patterns:
            if says(text, literals):
                found += [Finding("ADDRESS", *match.span(), 0.8) for match in pattern.finditer(text)]
        found += [Finding("ADDRESS", *place, 0.75) for place in homes(text, after_line, begin)]
        found += [Finding("ADDRESS", *place, 0.75) for place in small_addresses(text, lowered)]
        return found

    def _posted(self, text: str) -> Iterator[Finding]:
        for code in _posted_codes(text):
            town = _TOWN_FROM_POSTCODE.match(text, code.start())
            if town is None or not _IS_TOWN.search(town.group()):
                continue
            start = begins(text, code.start())
            if start is None and (bare := _BARE.search(text[max(0, code.start() - 50) : code.start()])):
                is_whole = text[town.end() : town.end() + 1] in {"", "\n"}
                start = code.start() - len(bare.group("place")) if is_whole else None
            if start is not None and not _DAY.match(text[start : code.start()]):
                yield Finding("ADDRESS", start, town.end(), 0.8)

    def _streets(self, text: str, after_line: str, begin: Sequence[int]) -> Iterator[Finding]:
        for start in begin:
            word = _STREET_WORD.match(after_line, start)
            if word is None or _is_inside_word(text, start):
                continue
            end = word.end()  # after the space
            if word.lastgroup:
                if name := _ITALIAN_NAME.match(text, end):
                    yield _address(text, start, name.end())
                continue
            before = _FRENCH_NUMBER_BEFORE.search(text[max(0, start - 14) : start])
            if before and (name := _FRENCH_NAME.match(text, end)):
                yield _address(text, _from_zone(text, start - len(before.group())), name.end())
            elif name := _NUMBER_AFTER.match(text, end):
                yield _address(text, start, name.end())

    def _german(self, text: str, lowered: str) -> Iterator[Finding]:
        for number in _SPACE_AND_DIGIT.finditer(text):
            end = number.start()
            if not lowered.endswith(_GERMAN, 0, end):
                continue
            place = end - next(len(word) for word in _GERMAN if lowered.endswith(word, 0, end))
            before = _GERMAN_BEFORE.search(text[max(0, place - 70) : place])
            house = _HOUSE_ALONE.match(text, end + 1) if before else None
            if (
                before
                and house
                and not _UNIT.match(text, house.end())
                and not _NO_STREET.search(before.group() + text[place:end])
            ):
                start = place - len(before.group())
                is_in_home = _HOME_BEFORE.search(text[max(0, start - 64) : start])
                yield _address(text, start if is_in_home else rooms_before(text, start), house.end())

    def _english(self, text: str, after_line: str, begin: Sequence[int]) -> Iterator[Finding]:
        drawn = outline(text)
        for place in begin:
            word = _ENGLISH.match(after_line, place)
            if word is None:
                continue
            at, end = place - 1, word.end() - 1
            if before := _ENGLISH_BEFORE.search(text[max(0, at - 90) : at]):
                after = _ENGLISH_AFTER.match(text, end)
                start = at - len(before.group())
                for _ in range(2):
                    start = rooms_before(text, start)
                    flat = _FLAT_BEFORE.search(text[max(0, start - 48) : start])
                    start -= len(flat.group()) if flat else 0
                start = rooms_before(text, start)
                yield Finding("ADDRESS", start, after.end() if after else end, 0.8)
        for code in _BRITISH_CODE.finditer(text) if _BRITISH_ENDS in drawn else ():
            if lines := _BRITISH_LINES.search(text[max(0, code.start() - 90) : code.start()]):
                yield Finding("ADDRESS", code.start() - len(lines.group()), code.end(), 0.7)
        for code in _EIRCODE.finditer(text) if b"A00" in drawn or b"A0A" in drawn else ():
            above = text[max(0, code.start() - 90) : code.start()]
            if (lines := _IRISH_LINES.search(above)) and _IS_IRISH.search(lines.group()):
                yield Finding("ADDRESS", code.start() - len(lines.group()), code.end(), 0.75)


def _posted_codes(text: str) -> Iterator[re.Match[str]]:
    """What `_POSTED` finds."""
    drawn, done = outline(text), 0
    place = drawn.find(_BEFORE_TOWN)
    while place >= 0:
        if code := _POSTED.search(text, max(done, place - _LONGEST_COUNTRY), place + len(_BEFORE_TOWN)):
            yield code
            done = code.end()
        place = drawn.find(_BEFORE_TOWN, place + 1)


def _from_zone(text: str, start: int) -> int:
    """Where the address begins: a zone, a building or a flat may stand before the street."""
    before = text[max(0, start - 64) : start]
    zone = _ZONE_BEFORE.search(before)
    return start - len(before) + zone.start() if zone else rooms_before(text, start)


def _address(text: str, start: int, end: int) -> Finding:
    before = text[max(0, start - 2) : start]
    if (before in {"/ ", "- "} or before.endswith(("/", "-"))) and (
        other := _JOINED.search(text[max(0, start - 64) : start])
    ):
        start -= len(other.group())
    if before == ", " and (home := _HOME_BEFORE.search(text[max(0, start - 64) : start])):
        start -= len(home.group())
    place = _AFTER.match(text, end)
    if place and place.end() > end:
        end = place.end()
    elif quarter := (_QUARTER if text[start].isdigit() else _TOWN_ALONE).match(text, end):
        end = quarter.end()
    return Finding("ADDRESS", start, end, 0.85)


def _is_inside_word(text: str, place: int) -> bool:
    return place > 0 and (text[place - 1].isalnum() or text[place - 1] in "-_")
