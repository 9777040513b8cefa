"""Dates of birth and telephone numbers known by who they stand beside: a person, an age, a number of an insurance.

Called by the redactor after all tiers. A date without a word for birth is one where it follows a person with nothing
but a comma, a bracket or a cell between, where the year is one in which adults of today were born, and where nothing
says that it is the day of something else.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence

from intramuros.privacy.redact.births import MONTHS
from intramuros.privacy.redact.births_in_forms import heads_a_life, is_alone, is_labelled_above
from intramuros.privacy.redact.finding import Finding
from intramuros.privacy.redact.outline import has, outline

_MONTH_FIRST = re.compile(
    r"[JFMASOND](?<![^\W_].)(?:an|eb|ar|pr|ay|un|ul|ug|ep|ct|ov|ec)[a-z]{0,6}\.? [0-3]?[0-9](?:st|nd|rd|th)?,? "
    r"(?P<year>(?:19|20)[0-9]{2})(?![0-9A-Za-z_])"
)
_AND_YEAR = re.compile(r", (?:19|20)[0-9]{2}(?:(?<=[0-9].{6})|(?<=[0-9](?:st|nd|rd|th).{6}))")
_DATE = re.compile(
    r"[0-9](?<![0-9A-Za-z_].)(?<![0-9][./\-].)(?=[0-9Ol]?[ ./\-esnrt°]|[09][0-9]{2}[./\-])(?:"
    r"[0-9Ol]?(?P<sep> ?[./\-] ?| )[0-9Ol]{1,2}(?P=sep)(?P<year>(?:19|20|l9|2O)[0-9Ol]{2}|[0-9]{2})"
    r"|[0-9]?(?:er|\.|st|nd|rd|th|°)?(?:-| {1,2})(?:of |de |di )?"
    rf"(?=[JFMASONDGLjfmasondgl])(?i:{MONTHS})\.?,?(?:-| {{1,2}})(?P<written>(?:19|20)[0-9]{{2}})"
    r"|(?P<first>9[0-9]{2}|0[0-2][0-9])[./\-][01][0-9][./\-][0-3][0-9])"
    r"(?![0-9A-Za-z_])(?![./\-][0-9])(?! ?(?:[-]|bis|au|to|until|al) ?[0-9]{1,2}[./ ])"
    r"(?!,? ?(?:(?:à|um|at|alle|ore|T) ?)?[0-9]{1,2}[:h][0-9]{2})"
)
_OLDEST, _GROWN, _NEWEST = 1908, 2009, 2027
_EVENT = re.compile(
    r"(?<![^\W_])(?:entr[éeè]|eintr|austr|sorti|embauch|engag|hired|joined|start|began|seit|since|depuis"
    r"|dal(?![^\W_])|dès|ab(?![^\W_])"
    r"|vom|du(?= ?$)|le(?= ?$)|il(?= ?$)|am(?= ?$)|on(?= ?$)|del(?= ?$)|from|until|jusqu|bis|sign|unterz|unters"
    r"|datum|date|data|fait|gest"
    r"|décé|mort|died|death|dec[ei]d|†|verst|dépos|reçu|recei|recu|arr[êe]t|urteil|sentenz|judg|loi|gesetz"
    r"|legge|act(?![^\W_])|verord|décret"
    r"|ordonn|beschl|décis|entsch|decis|atf|bge|contrat|vertrag|contratt|contract|facture|rechn|fattur|invoice"
    r"|paie|zahl|pag(?:at|am)"
    r"|paid|assun|dimess|hiring|rdv|termin|appunt|appoint|visit|séance|sitz|sedut|meeting|version|stand|publi"
    r"|edit|éd|aufl|copyright|©"
    r"|mari(?:é|age)|heirat|verheiratet seit|sposat|wed|married (?:on|in)|échéan|fällig|scad|due|deliver|livr"
    r"|liefer|conseg|issued|délivr|ausgest|rilasc"
    r"|gültig|valab|valid|expir|abgel|ablauf|diplôm|diplom|abschluss|laurea|graduat|promo|nommé|élu|gewählt"
    r"|elett|elected"
    r"|geschrieben|schrieb|écrit|wrote|scri(?:tt|ss)|post|créé|erstellt|creat|modif|geänd|commit|merg|revis)",
    re.IGNORECASE,
)
"""What a date is of where it isn't a birth, before it."""
_NAMELIKE = re.compile(
    r"(?:^|[;/|\t] {0,2}|  )(?:[A-ZÀ-Þ][\w'-]{1,24} [A-ZÀ-Þ][\w'.-]{1,24}(?: {0,3}[;/|\t] {0,3}| {2,6})"
    r"|[A-ZÀ-Þ][\w'-]{1,24}, ?[A-Z]\.?(?: ?[A-Z]\.?)? {1,4})$"
    r"|(?<![\w'])[A-ZÀ-Þ][a-zà-ÿ'-]{1,24}, [A-Z]\.? $"
)
"""What has the form of a name in a row, whether any list knows it or not."""
_ENDS = re.compile(r"$|\n| ?[,;|·•(]| [-–] ")
_CHILDREN_SAID = (
    "élève", "enfant", "écol", "crèche", "garderie", "schüler", "schul", "kinder", "kita", "klasse", "alunn", "bambin",
    "figli", "asilo", "scuola", "pupil", "child", "school", "nursery", "mère", "père", "mutter", "vater", "mamma",
    "papà", "mother", "father", "parents", "eltern", "genitori",
)  # fmt: skip
_CHILDREN = re.compile(rf"[abcefgkmnpsvé](?<![^\W_].)(?<=(?={'|'.join(_CHILDREN_SAID)}).)")
"""What a text with dates of children speaks of, in small letters."""
_UNTIL = re.compile(r"[0-9]{2} ?- ?$")
_SEPARATED = re.compile(r"(?:[,;:(|/\t*\[\"'·] {0,3}| - ?|-| {2,}|^ )$")
_AGED = re.compile(
    r"[ ,;(\[/-]{1,4}(?:aged? |(?:âge|età|alter|age) ?:? ?|âgée? de )?[0-9]{1,3} ?(?:ans?(?![^\W_])|j(?:ahre|\."
    r"|(?![^\W_]))|anni|a\.|years|yrs?(?![^\W_])|y\.? ?/?o|jährig)"
    r"|[ ,;(\[]{1,3}(?:aged|âgée? de) [0-9]{1,3}",
    re.IGNORECASE,
)
_AGE_BEFORE = re.compile(
    r"(?<![^\W_])[0-9]{1,3}(?: (?:ans|anni|jahren?|years old|yo|y/o)|-?jährig\w{0,2}"
    r"|[- ]years?[- ]old)[^\n.;0-9]{0,24}?[,(/|] ?$",
    re.IGNORECASE,
)
_CIVIL = re.compile(
    r"\)?[,;/|] ?(?:(?:divorc|célib|mari[ée]|veu[fv]|pacs|ledig|verh|gesch|verw|coniug|celib|nubil|vedov|divorz"
    r"|single|married"
    r"|widow|nationalit|de nationalit|staatsang|cittad|citizen|heimat|origin|attinen|sexe|geschlecht|sesso)"
    r"|(?:[mfwMFWHh]|männl\w*|weibl\w*|male|female)(?![^\W_]))",
    re.IGNORECASE,
)
_SOMEONE = re.compile(
    r"(?<![^\W_])(?:patient\w{0,3}|pat\.|paz\.|paziente|pt\.?|klient\w{0,3}|assuré\w?|versichert\w{0,2}|insured"
    r"|assicurat[oa]|résidente?"
    r"|bewohner\w{0,2}|élève|schüler\w{0,2}|alunn[oa]|pupil|enfants?|kind(?:er)?|child(?:ren)?|bimb[oa]"
    r"|bambin[oaie]|conjointe?"
    r"|ehe(?:frau|mann|partner\w{0,2})|épou(?:x|se)|moglie|marito|coniuge|spouse|wife|husband|fils|fille|sohn"
    r"|tochter|figli[oaie]?|son|daughter"
    r"|sœur|frère|bruder|schwester|fratello|sorella|brother|sister|mère|père|mutter|vater|madre|padre|mother"
    r"|father)(?![^\W_])[^;\n|0-9]{0,60}[,(:/] ?$",
    re.IGNORECASE,
)
_BIRTH = re.compile(
    r"(?<![^\W_])(?:né\(?e?\)?[ -]|née?s?(?![^\W_])|d(?:ate)?\.? ?(?:de )?nais|naiss|geb(?![^\W_])|geb[. ]"
    r"|geburt|gebdat|geboren|nato|nata|nascita|data nas|d\.?n\.|dob(?![^\W_])"
    r"|d\.o\.b|born|birth|ddn|anniv|complean)",
    re.IGNORECASE,
)
_CELLS = re.compile(r"[\t;|,]| {2}")
_OTHER_DATES = re.compile(
    r"dat(?:e|um|a)(?![^\W_])|eintritt|austritt|entrée|sortie|start|end(?![^\W_])|begin|assun", re.IGNORECASE
)
_NUMBERS_OF_PEOPLE = frozenset({"CH_AVS", "FR_NIR", "IT_FISCAL_CODE", "DE_TAX_ID", "PASSPORT", "ID_CARD", "FR_NIF"})
_MISREAD = str.maketrans("Ol", "01")
_FAR, _ROWS, _LINE = 72, 60, 400


def births_beside(text: str, findings: Sequence[Finding]) -> Iterator[Finding]:
    """Dates of birth that no tier found, by what stands around them."""
    ends: list[int] | None = None
    taken: _Taken | None = None
    is_of_children: bool | None = None
    for date in _dates(text):
        year = _year(date)
        if not _OLDEST <= year <= _NEWEST:
            continue
        taken = taken or _Taken(findings)
        if date in taken:
            continue
        if ends is None:
            ends = sorted([f.end for f in findings if f.entity_type == "PERSON"])
            numbers = sorted([(f.start, f.end) for f in findings if f.entity_type in _NUMBERS_OF_PEOPLE])
        line = text.rfind("\n", max(0, date.start() - _LINE), date.start()) + 1
        if year > _GROWN and is_of_children is None:
            is_of_children = _speaks_of_children(text.lower())
        if _is_of_someone(text, date, line) or (
            (year <= _GROWN or is_of_children)
            and (_follows_a_person(text, date, line, ends) or _has_number_beside(text, date, numbers))
        ):
            yield Finding("DATE_OF_BIRTH", *date.span(), 0.7)
        elif line and _CELLS.search(text, line, date.start()) and _is_headed(text, date, line):
            yield Finding("DATE_OF_BIRTH", *date.span(), 0.75)
        elif is_alone(text, date, line) and (
            is_labelled_above(text, line) or (year <= _GROWN and heads_a_life(text, line))
        ):
            yield Finding("DATE_OF_BIRTH", *date.span(), 0.65)


def _speaks_of_children(lowered: str) -> bool:
    for word in _CHILDREN_SAID:
        if word in lowered:
            return _CHILDREN.search(lowered) is not None
    return False


_HOME = re.compile(
    r"(?:\n|, )(?=[A-ZÀ-Þ])(?!(?:[\w.-]+ ){0,3}(?:SA|AG|GmbH|S[àa]rl|Ltd|Srl|SpA|e\.V\."
    r"|KG)(?!\w))[A-ZÀ-Þ][\w'-]{2,24}(?:[ -][A-ZÀ-Þ][\w'-]{1,24}){0,2}(?:,? [0-9]{1,4}[a-z]?)?(?:\n|, )"
    r"(?:[A-Z]{1,2}-)?[0-9]{4,5} [A-ZÀ-Þ][\w'-]{2,30}(?:(?: |/|-)(?:[A-ZÀ-Þ][\w'.-]*|im|am|an der|in|ob|bei|sur"
    r"|sous|les?|la|de|du|d'|en|\([\w ]{2,16}\))){0,5}"
)
"""A place of any name between a person and a post code."""
_MAY_HAVE_POSTCODE = has(b"0000 A", "0000 ×".encode("latin-1"))


def homes_beside(text: str, findings: Sequence[Finding]) -> Iterator[Finding]:
    """Addresses right after a person whose first line is the bare name of a farm, a house or a hamlet."""
    if "\n" not in text and ", " not in text:
        return
    if not _MAY_HAVE_POSTCODE(text):
        return
    people = [f for f in findings if f.entity_type == "PERSON"]
    starts = {f.start for f in people if f.score > 0.6}
    for end in [f.end for f in people if text.startswith(("\n", ", "), f.end)]:
        if (home := _HOME.match(text, end)) and not any(start in starts for start in range(end + 1, end + 3)):
            yield Finding("ADDRESS", home.start() + (1 if text[end] == "\n" else 2), home.end(), 0.8)


_DIALLED = re.compile(
    r"[+(03](?<![0-9A-Za-z_].)(?<![0-9][.,/\-+].)"
    r"(?:[ ./\-]{0,2}\(?[0-9]\)?){7,12}(?<=[0-9])(?![0-9A-Za-z_])(?![.\-/][0-9])"
)
_DAY = re.compile(
    r"[0-9]{1,2}([./ -])[0-9]{1,2}\1(?:19|20)?[0-9]{2}(?![0-9])|(?:19|20)[0-9]{2}[./-][0-9]{2}[./-][0-9]{2}"
)
_AND = re.compile(r" ?(?:[/,;|]|- |ou|oder|oppure|or|et|und|e|and|bzw\.?) ?(?:au |al |on |unter )?$")
_NOT_DIALLED = re.compile(
    r"(?<![^\W_])(?:n[°o]|nr|r[ée]f|rif|art|konto|compte|conto|account|kunden|client|factur|rechn|fattur"
    r"|invoice|dossier|polic|poliz"
    r"|vertrag|contrat|matricul|badge|pers(?:onal)?-?nr|order|ticket|commande|bestell|ordin|iban|id(?![^\W_]))",
    re.IGNORECASE,
)


_BEFORE_NUMBERS = frozenset({"PERSON", "EMAIL_ADDRESS", "PHONE_NUMBER"})


def phones_beside(text: str, findings: Sequence[Finding]) -> Iterator[Finding]:
    """What can be dialled right after a person or a mail address, in the same line or alone on one of the next."""
    ends: list[int] | None = None
    for number in _DIALLED.finditer(text):
        if ends is None:
            ends = sorted([f.end for f in findings if f.entity_type in _BEFORE_NUMBERS])
            numbers = {f.end for f in findings if f.entity_type == "PHONE_NUMBER"}
            taken = _Taken(findings)
        at = bisect_right(ends, number.start())
        if not at or number in taken or _DAY.match(number.group()):
            continue
        gap = text[ends[at - 1] : number.start()]
        if ends[at - 1] in numbers:
            if _AND.fullmatch(gap):
                yield Finding("PHONE_NUMBER", *number.span(), 0.6)
            continue
        is_alone = gap.count("\n") <= 2 and gap.endswith("\n") and text[number.end() : number.end() + 1] in {"", "\n"}
        if (
            len(gap) <= _FAR
            and (is_alone or ("\n" not in gap and (_SEPARATED.search(gap) or gap in {" ", ""})))
            and not _NOT_DIALLED.search(gap)
            and len(set(number.group())) > 3
        ):
            yield Finding("PHONE_NUMBER", *number.span(), 0.6)


def _dates(text: str) -> Iterator[re.Match[str]]:
    yield from _DATE.finditer(text)
    for year in _AND_YEAR.finditer(text) if b", 0000" in outline(text) else ():
        day = year.start() - (1 if text[year.start() - 1].isdigit() else 3)
        if date := _MONTH_FIRST.search(text, max(0, day - 14), year.end()):
            yield date


def _year(date: re.Match[str]) -> int:
    if date.re is _MONTH_FIRST:
        return int(date["year"])
    if first := date["first"]:
        return int(date.group()[0] + first)
    year = int((date["year"] or date["written"]).translate(_MISREAD))
    return year if year > 99 else year + (1900 if year > 26 else 2000)


class _Taken:
    """Where findings lie that are no persons; few of them lie one inside the other."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        self._spans = sorted([(f.start, f.end) for f in findings if f.entity_type != "PERSON"])
        self._starts = [start for start, _ in self._spans]

    def __contains__(self, match: re.Match[str]) -> bool:
        """Whether one of them covers some of it."""
        at = bisect_left(self._starts, match.end())
        return any(stop > match.start() for _, stop in self._spans[max(0, at - 4) : at])


def _is_of_someone(text: str, date: re.Match[str], line: int) -> bool:
    """Whether an age, a civil state or a word such as "patient" stands beside."""
    before = text[max(line, date.start() - _FAR) : date.start()]
    if _AGED.match(text, date.end()):
        return not _EVENT.search(before[-24:])
    if not _SEPARATED.search(before[-4:]):
        return False
    if _AGE_BEFORE.search(before):
        return not _EVENT.search(before[-24:])
    if (match := _SOMEONE.search(before)) and not _EVENT.search(match.group()):
        return True
    return _CIVIL.match(text, date.end()) is not None and not _EVENT.search(before)


def _follows_a_person(text: str, date: re.Match[str], line: int, ends: Sequence[int]) -> bool:
    """Whether a person is named before it in the line, or alone on the line above, and nothing says what happened."""
    at = bisect_right(ends, date.start())
    before = text[max(line, date.start() - 60) : date.start()]
    if (
        _year(date) <= _GROWN
        and _may_end_a_name(before)
        and _NAMELIKE.search(before)
        and not _is_headed_otherwise(text, date, line)
    ):
        return True
    if not at:
        return False
    gap = text[ends[at - 1] : date.start()]
    if "\n" in gap:
        return _year(date) <= _GROWN and gap.strip(" \t") == "\n" and _ENDS.match(text, date.end()) is not None
    return (
        len(gap) <= _FAR
        and _SEPARATED.search(gap) is not None
        and not _EVENT.search(gap)
        and not _UNTIL.search(gap)
        and ". " not in gap.rstrip(" (")
        and not _is_headed_otherwise(text, date, line)
    )


def _may_end_a_name(before: str) -> bool:
    """Whether what stands before a date ends as a name in a row does: with a separator, spaces or an initial."""
    last = before.rstrip(" ")[-1:]
    return last.isupper() or (last and last in ";/|\t.") or before.endswith("  ")


def _has_number_beside(text: str, date: re.Match[str], numbers: Sequence[tuple[int, int]]) -> bool:
    """Whether a number that only persons have stands right before or after."""
    at = bisect_left(numbers, date.span())
    for start, end in numbers[max(0, at - 1) : at + 1]:
        gap = text[date.end() : start] if start >= date.end() else text[end : date.start()]
        if len(gap) <= 24 and "\n" not in gap and not any(c.isdigit() for c in gap):
            before = text[max(0, date.start() - 24) : date.start()]
            return not _EVENT.search(before)
    return False


def _headings(text: str, line: int) -> str:
    """The first line of the rows this line is one of."""
    heading = ""
    for _ in range(_ROWS):
        if line <= 0:
            break
        above = text.rfind("\n", 0, line - 1) + 1
        row = text[above : line - 1]
        if not row.strip(" -=|+") or len(row) > 400:
            if row.strip(" -=|+\t") or not row.strip():
                break
            line = above
            continue
        heading, line = row, above
    return heading


def _cell_heading(text: str, date: re.Match[str], line: int, heading: str) -> str | None:
    """What stands over it, if it is a cell under headings."""
    end = text.find("\n", date.end())
    row = text[line : end if end >= 0 else len(text)]
    for separator in ("\t", ";", "|", ","):
        count = row.count(separator)
        if count and heading.count(separator) == count:
            return heading.split(separator)[row[: date.start() - line].count(separator)]
    return None


def _is_headed(text: str, date: re.Match[str], line: int) -> bool:
    """Whether the column is one of births."""
    heading = _headings(text, line)
    if not _BIRTH.search(heading):
        return False
    cell = _cell_heading(text, date, line, heading)
    if cell is not None:
        return _BIRTH.search(cell) is not None
    if len(re.split(r"\t| {2,}|[;|]", heading.strip())) < 2:
        return False
    rest = _BIRTH.sub("", heading, count=1)
    place = date.start() - line
    is_alone = _OTHER_DATES.search(rest) is None
    return is_alone or abs(_BIRTH.search(heading).start() - place) < 8  # type: ignore[union-attr]


def _is_headed_otherwise(text: str, date: re.Match[str], line: int) -> bool:
    """Whether the column is one of other days."""
    if line == 0:
        return False
    heading = _headings(text, line)
    cell = _cell_heading(text, date, line, heading) if heading else None
    if cell is None:
        return False
    return not _BIRTH.search(cell) and (_OTHER_DATES.search(cell) is not None or _EVENT.search(cell) is not None)
