"""Names that a line gives away: a signature, the sender above an address, a row of a list, "Müller, Anna".

Called by `names`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from intramuros.privacy.redact.capitals import RUN, UPPER, name_length, tokens_of
from intramuros.privacy.redact.finding import Finding
from intramuros.privacy.redact.first_names import FIRST_NAMES, fold
from intramuros.privacy.redact.outline import has
from intramuros.privacy.redact.surnames import is_surname
from intramuros.privacy.redact.words import CLOSINGS, COMMON_SURNAMES, GREETINGS, NOT_NAMES, TITLES

_STREET = re.compile(r"[0-9](?<![\w.,].)[0-9]{0,3}(?: ?(?:bis|ter|[a-hA-H]))?(?![\w.,%][0-9])(?!\w)")
_POSTCODE = re.compile(
    rf" (?:[{UPPER}](?:(?<=[0-9]{{4}}..)(?<![\w.,].{{6}})|(?<=[0-9]{{5}}..)(?<![\w.,].{{7}}))"
    r"|[0-9](?:(?<=[A-Z][0-9]..)|(?<=[A-Z][0-9]{2}..)|(?<=[A-Z][0-9][A-Z]..)|(?<=[A-Z][0-9]{2}[A-Z]..))[A-Z]{2})"
)
"""Where a post code ends: the engine is quick at finding a space."""
_HAS_POSTCODE = has(b"0000 A", b"0000 ?", b" 0AA")
_CLOSING_ENDS = (
    "salutations distinguées",
    "sentiments distingués",
    "sentiments les meilleurs",
    "salutations les meilleures",
    "freundlichen grüssen",
    "freundlichen grüßen",
    "sincères salutations",
    "meilleures salutations",
    "distinti saluti",
    "cordiali saluti",
    "kind regards",
    "best regards",
)
_BEGINS, _ENDS = frozenset(end[0] for end in _CLOSING_ENDS), frozenset(end[-1] for end in _CLOSING_ENDS)
_CLOSING = frozenset(CLOSINGS)


def signatures(text: str) -> Iterator[Finding]:
    """A line that holds nothing but a name: after "Cordialement", above an address, or at the very end."""
    if "\n" not in text:
        return
    lines = text.rstrip().split("\n")
    has_address = _HAS_POSTCODE(text) and _POSTCODE.search(text) is not None
    place, to_look = 0, 0
    for number, line in enumerate(lines):
        content = line.strip(" \t>*_,.!-")
        if content and len(content) < 200:
            is_expected, is_first, to_look = to_look > 0, to_look == 2, to_look - 1
            if (
                len(content) < 60
                and content[0].isupper()
                and (is_expected or (has_address and _is_sender(lines, number)) or _is_last(lines, number))
            ):
                finding = _signed(line, place, is_sure=is_expected and (is_first or not number))
                if finding:
                    yield finding
                    to_look = 0
            lowered = content.lower()
            if lowered in _CLOSING or lowered[-1] in _ENDS or lowered[0] in _BEGINS:
                to_look = 2 if _is_closing(lowered) else to_look
        place += len(line) + 1


def _is_closing(line: str) -> bool:
    if line in _CLOSING or (line[-1] in _ENDS and line.endswith(_CLOSING_ENDS)):
        return True
    return len(line) < 48 and line[0] in _BEGINS and line.startswith(_CLOSING_ENDS)


def _is_sender(lines: list[str], number: int) -> bool:
    """Whether a street with its number, then or at once a post code, stand under this line."""
    below = lines[number + 1 : number + 4]
    if not below or _STREET.search(below[0]) is None:
        return False
    return any(_POSTCODE.search(line) for line in below[:2]) or (
        len(below) == 3 and _STREET.search(below[1]) is not None and _POSTCODE.search(below[2]) is not None
    )


def _is_last(lines: list[str], number: int) -> bool:
    """Whether it is the last line, under a sentence."""
    if number != len(lines) - 1:
        return False
    before = next((line.strip() for line in reversed(lines[:number]) if line.strip()), "")
    return len(before) > 40 and before.endswith((".", "!", "?"))


def _signed(line: str, place: int, *, is_sure: bool) -> Finding | None:
    match = re.match(r"[ \t>*_\-]*", line)
    start = match.end() if match else 0
    run = RUN.match(line, start)
    if run is None or not _AFTER_SIGNED.fullmatch(line, run.end()):
        return None
    tokens = tokens_of(line, run)
    while tokens and tokens[0].is_title:
        tokens.pop(0)
    if not tokens or name_length(tokens, 0) != len(tokens) or len(tokens) > 4:
        return None
    if len(tokens) == 1 and not is_sure and not tokens[0].is_first_name:
        return None
    if len(tokens) == 1 and tokens[0].text.isupper() and len(tokens[0].text) > 3:
        return None
    return Finding("PERSON", place + tokens[0].start, place + tokens[-1].end, 0.8)


_AFTER_SIGNED = re.compile(
    r"[ \t,.*_\-\r]*(?:PhD|MBA|\((?:Mrs?|Ms|Miss|Mme|Mlle|M|Frau|Herr|Sig(?:\.ra)?|she/her|he/him|they/them)\.?\))?"
    r"[ \t,.*_\-\r]*"
)
_SMALL_BEFORE = re.compile(r"(?<!\w)(?:van der|van den|van de|van|von der|von|de la|de|di|da|du|del|della|el|al|ben) $")
_COMMA_CAPITAL = re.compile(f", [{UPPER}]")
_SMALL = r"(?:(?:van der|van den|van de|van|von der|von|de la|de|di|da|du|del|della|el|al|ben) )"
_TURNED = re.compile(rf"([{UPPER}][\w'-]{{1,30}}(?: [{UPPER}][\w'-]{{1,30}})?), ([{UPPER}][\w'-]{{1,30}})(?![\w'])")


_LONGEST_SURNAME = 63


_STREET_AFTER = re.compile(r"\.|-?(?:[Ss]tr|[Gg]asse|[Ww]eg|[Pp]latz)| [0-9]")
_HEADER = re.compile(
    r"^[> \t]{0,6}(?:From|To|TO|Cc|CC|Bcc|BCC|Cci|Von|An|AN|Kopie|De|À|A|Da)[ ]?:[ \t]*([^\n]{3,400})$", re.MULTILINE
)
_LAST_FIRST = re.compile(
    rf"[ \t]*(?:(?:Dr|Prof|Mr|Mrs|Ms|Mme|Dott|Ing|Avv)\.? )*"
    rf"(?P<name>{_SMALL}?[{UPPER}][\w'-]{{1,30}}(?: [{UPPER}][\w'-]{{1,30}})?"
    rf", [{UPPER}][\w'-]{{1,30}}(?: [{UPPER}](?:\.|\w{{1,20}}))?)[ \t]*(?:[<(\[][^;\n]{{0,120}})?$"
)


def addressed(text: str) -> Iterator[Finding]:
    """ "An: Nwosu, Chidi; Graf, Uli": in the heading of a mail even names that no list knows."""
    for header in _HEADER.finditer(text) if _COMMA_CAPITAL.search(text) else ():
        place = header.start(1)
        for part in header.group(1).split(";"):
            match = _LAST_FIRST.match(part)
            if match and NOT_NAMES.isdisjoint(fold(word) for word in match.group("name").replace(",", "").split()):
                yield Finding("PERSON", place + match.start("name"), place + match.end("name"), 0.8)
            place += len(part) + 1


def turned(text: str) -> Iterator[Finding]:
    """ "Müller, Anna": a surname, a comma, a first name; where a line begins or the surname is a common one."""
    place = 0
    for comma in _COMMA_CAPITAL.finditer(text):
        at = comma.start()
        if at < place or not (match := _TURNED.search(text, max(place, at - _LONGEST_SURNAME), at + 40)):
            continue
        if match.end(1) != at:
            continue
        place = match.end()
        surname, first = fold(match.group(1)), fold(match.group(2))
        if (
            first.split("-")[0] not in FIRST_NAMES
            or match.group(2).isupper()
            or surname in NOT_NAMES
            or surname.split(" ")[0] in GREETINGS
            or surname.split(" ")[0] in TITLES
            or _STREET_AFTER.match(text, match.end())
            or surname in FIRST_NAMES
        ):
            continue
        small = _SMALL_BEFORE.search(text[max(0, match.start() - 9) : match.start()])
        start = match.start() - len(small.group()) if small else match.start()
        if start and (text[start - 1].isalnum() or text[start - 1] in "_-'"):
            continue
        starts = start == 0 or text[start - 1] in '\n|\t"' or text[start - 2 : start] in {": ", "; "}
        if (
            surname.split(" ")[0] in COMMON_SURNAMES
            or is_surname(surname)
            or (starts and not text[match.end() : match.end() + 2].startswith(","))
        ):
            yield Finding("PERSON", start, match.end(), 0.7)
