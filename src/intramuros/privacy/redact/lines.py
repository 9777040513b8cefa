"""Names that a line gives away: a signature, the sender above an address, a row of a list, "Müller, Anna".

Called by `names`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from intramuros.privacy.redact.capitals import RUN, UPPER, name_length, tokens_of
from intramuros.privacy.redact.finding import Finding
from intramuros.privacy.redact.first_names import FIRST_NAMES, fold
from intramuros.privacy.redact.surnames import is_surname
from intramuros.privacy.redact.words import CLOSINGS, COMMON_SURNAMES, GREETINGS, NOT_NAMES

_STREET = re.compile(r"(?<![\w.,])[0-9]{1,4}(?: ?(?:bis|ter|[a-hA-H]))?(?![\w.,%][0-9])(?!\w)")
_POSTCODE = re.compile(rf"(?<![\w.,])[0-9]{{4,5}} [{UPPER}]|[A-Z]{{1,2}}[0-9]{{1,2}}[A-Z]? [0-9][A-Z]{{2}}")
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
_CLOSING = frozenset(CLOSINGS)


def signatures(text: str) -> Iterator[Finding]:
    """A line that holds nothing but a name: after "Cordialement", above an address, or at the very end."""
    if "\n" not in text:
        return
    lines = text.rstrip().split("\n")
    place, to_look = 0, 0
    for number, line in enumerate(lines):
        content = line.strip(" \t>*_,.!-")
        if content and len(content) < 200:
            is_expected, to_look = to_look > 0, to_look - 1
            if len(content) < 60 and (is_expected or _is_sender(lines, number) or _is_last(lines, number)):
                finding = _signed(line, place, is_sure=is_expected)
                if finding:
                    yield finding
                    to_look = 0
            if _is_closing(content.lower()):
                to_look = 2
        place += len(line) + 1


def _is_closing(line: str) -> bool:
    return line in _CLOSING or line.endswith(_CLOSING_ENDS) or (len(line) < 48 and line.startswith(_CLOSING_ENDS))


def _is_sender(lines: list[str], number: int) -> bool:
    """Whether a street with its number, then or at once a post code, stand under this line."""
    below = lines[number + 1 : number + 3]
    return bool(below) and _STREET.search(below[0]) is not None and any(_POSTCODE.search(line) for line in below)


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
    if run is None or line[run.end() :].strip(" \t,.*_-\r") not in {"", "PhD", "MBA"}:
        return None
    tokens = tokens_of(line, run)
    while tokens and tokens[0].is_title:
        tokens.pop(0)
    if not tokens or name_length(tokens, 0) != len(tokens) or len(tokens) > 4:
        return None
    if len(tokens) == 1 and not is_sure:
        return None
    if len(tokens) == 1 and tokens[0].text.isupper() and len(tokens[0].text) > 3:
        return None
    return Finding("PERSON", place + tokens[0].start, place + tokens[-1].end, 0.8)


_TURNED = re.compile(rf"([{UPPER}][\w'-]{{1,30}}(?: [{UPPER}][\w'-]{{1,30}})?), ([{UPPER}][\w'-]{{1,30}})(?![\w'])")


def turned(text: str) -> Iterator[Finding]:
    """ "Müller, Anna": a surname, a comma, a first name; where a line begins or the surname is a common one."""
    if ", " not in text:
        return
    for match in _TURNED.finditer(text):
        surname, first = fold(match.group(1)), fold(match.group(2))
        if (
            first.split("-")[0] not in FIRST_NAMES
            or match.group(2).isupper()
            or surname in NOT_NAMES
            or surname.split(" ")[0] in GREETINGS
            or surname in FIRST_NAMES
        ):
            continue
        if match.start() and (text[match.start() - 1].isalnum() or text[match.start() - 1] in "_-'"):
            continue
        starts = (
            match.start() == 0
            or text[match.start() - 1] in '\n|\t"'
            or text[match.start() - 2 : match.start()] in {": ", "; "}
        )
        if (
            surname.split(" ")[0] in COMMON_SURNAMES
            or is_surname(surname)
            or (starts and not text[match.end() : match.end() + 2].startswith(","))
        ):
            yield Finding("PERSON", match.start(), match.end(), 0.7)
