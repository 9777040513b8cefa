"""A second reading of numbers in which text recognition took digits for letters: O for 0, l for 1, S for 5.

Called by the redactor after all tiers. Only stretches made of digits and letters that look like digits are read again,
with the same length, so that places stay; what the rules then find there counts only where it covers such a letter.
Text without a digit beside such a letter costs one search.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence

from intramuros.privacy.redact.finding import Finding
from intramuros.privacy.redact.outline import has

_DIGITS = str.maketrans("OoIl|SBZ", "00111582")
_SMALL = str.maketrans("lo", "10")
_ALIKE = "OoIl|SBZ"
_MIXED = re.compile(rf"[0-9](?:(?<=[{_ALIKE}].)|(?=[{_ALIKE}]))")
_MAY_BE_MIXED = has(b"0A", b"0a", b"A0", b"a0", b"0|", b"|0")
_SIGN = rf"(?:[0-9{_ALIKE}](?<!\|(?![0-9OIl]))|(?<=2)A)"
_TOKEN = rf"{_SIGN}{{1,20}}[a-d]?(?!\w)"
_STRETCH = re.compile(
    rf"[0-9{_ALIKE}](?<![\w#$@&%=\\].)(?:(?<=(?={_TOKEN}).){_SIGN}*[a-d]?)"
    rf"(?:(?: ?[.\-/()+] ?| {{1,3}}){_TOKEN}){{0,12}}(?![\-/][^\W\d_])"
)
_AFTER_CODE = re.compile(
    r"(?<!\w)(?!(?:CH|DE?|FR?|IT?|B|L|A)-)\w*[^\W\d_]\w*[-/]$"
    r"|(?<!\w)(?=[A-Za-z]{0,8}[0-9])(?=[0-9]{0,8}[A-Za-z])[0-9A-Za-z]{2,9}[ \-.]$"
)
"""A word or a code against the stretch: it is part of one."""
_PAPER = re.compile(
    r"[0-9A-Z](?<!\w.)(?=[A-Z0-9lo]{5,11}(?!\w))(?=(?:[A-Zlo]*[0-9]){3})(?=[0-9lo]*[A-Z]|(?<=[A-Z]))[A-Z0-9]*[lo][A-Z0-9lo]*"
)
"""A number of a paper, with capitals of its own: only its small letters are digits."""
_LETTER = re.compile(rf"[{_ALIKE}]")
_PART = re.compile(rf"[0-9{_ALIKE}]+")
_GOES_ON = re.compile(r"[ \-.](?=[A-Za-z]{0,8}[0-9])(?=[0-9]{0,8}[A-Za-z])[0-9A-Za-z]{2,9}(?!\w)")
_LETTERS = re.compile(rf"[{_ALIKE}]*[SBZ][{_ALIKE}]*")
_SHORT = re.compile(r"(?=[OIl]*[0-9])[0-9OIl]{3,5}|(?=(?:[OIlSBZ]*[0-9]){2})[0-9OIlSBZ]{4,5}")
_CODE = re.compile(r"[SBZ]{2}|(?:0[oO][0-7]{2,}|0B[01]{2,})$")
"""What codes and numbers in programs begin with."""
_CORSICA = re.compile(rf"[0-9{_ALIKE}](?:[ .\-/]?[0-9{_ALIKE}]){{4}}[ .\-/]?2(B)")
"""The department in an insurance number."""
_LONG = 12
_BEFORE, _AFTER = 240, 160


def misread(text: str) -> tuple[str, list[tuple[int, int]]]:
    """The text with digits in place of letters that look like them, and where they stand, in order."""
    if not _MAY_BE_MIXED(text) or _MIXED.search(text) is None:
        return text, []
    places = [part for stretch in _STRETCH.finditer(text) for part in _parts(text, stretch)]
    places = sorted([*places, *(paper.span() for paper in _PAPER.finditer(text))])
    pieces: list[str] = []
    read: list[tuple[int, int]] = []
    copied = 0
    for start, end in places:
        if start < copied:  # a part of what was read already
            continue
        value = text[start:end]
        is_number = _PART.fullmatch(value) is not None
        pieces += (text[copied:start], value.translate(_DIGITS if is_number else _SMALL))
        read.append((start, end))
        copied = end
    return "".join([*pieces, text[copied:]]), read


def _parts(text: str, stretch: re.Match[str]) -> list[tuple[int, int]]:
    """The pieces of a stretch to be read again: none where it looks like a code, a serial number or hexadecimal."""
    value = stretch.group()
    figures = sum(map(str.isdigit, value))
    letters = _LETTER.findall(value)
    is_long = figures + len(letters) >= _LONG
    if not letters or (figures * (2 if is_long else 1) < len(letters) and not _SHORT.fullmatch(value)):
        return []
    parts = [part.span() for part in _PART.finditer(value)]
    if _is_code(value, parts, letters) or _is_part_of_more(text, stretch):
        return []
    if is_long and (island := _CORSICA.match(value)):
        parts = [piece for part in parts for piece in _without(island.start(1), *part)]
    has_digit = [any(map(str.isdigit, value[start:end])) for start, end in parts]
    first, last = has_digit.index(True), len(parts) - has_digit[::-1].index(True)
    chosen = []
    for number, (start, end) in enumerate(parts):
        part = value[start:end]
        is_inside = first <= number < last or (number == 0 and (is_long or value[end : end + 1] in {".", "/", "-"}))
        is_bare = len(part) == 1 and not has_digit[number] and number and value[start - 1] == " "
        if not part.isdigit() and not is_bare and (is_inside or part in {"OO", "OOO"}):
            chosen.append((stretch.start() + start, stretch.start() + end))
    return chosen


def _is_code(value: str, parts: Sequence[tuple[int, int]], letters: Sequence[str]) -> bool:
    """Whether words, numbers of programs or hexadecimal groups stand in it, or it is but a letter and a digit."""
    words = [value[start:end] for start, end in parts]
    longest = 2 if len(value) - len(letters) >= 6 else 1
    if _CODE.match(value) or any(len(word) > longest and _LETTERS.fullmatch(word) for word in words):
        return True
    if len(words) == 1:
        return len(words[0]) == 1 or (len(words[0]) == 2 and words[0][0] in "SBZ")
    is_hexadecimal = len(words) != 4 and all(len(word) == 4 for word in words)
    return set(letters) == {"B"} and (len(letters) > 1 or is_hexadecimal)


def _is_part_of_more(text: str, stretch: re.Match[str]) -> bool:
    """Whether a code goes on before or after it, or it is several cells of a table."""
    start, end = stretch.span()
    if _AFTER_CODE.search(text, max(0, start - 10), start) or _GOES_ON.match(text, end):
        return True
    bars = stretch.group().count("|")
    return bars > 0 and text.count("|", max(0, start - 60), end + 60) > bars


def _without(place: int, start: int, end: int) -> list[tuple[int, int]]:
    """A piece in two, without one place."""
    if not start <= place < end:
        return [(start, end)]
    return [(at, stop) for at, stop in ((start, place), (place + 1, end)) if at < stop]


def read_again(
    text: str, again: str, places: Sequence[tuple[int, int]], find: Callable[[str], Iterable[Finding]]
) -> Iterator[Finding]:
    """What is found near the places in the second reading, where it covers one of them."""
    found = []
    for start, end in _windows(text, places):
        found += [Finding(f.entity_type, f.start + start, f.end + start, f.score) for f in find(again[start:end])]
    return covering(places, found)


def covering(places: Sequence[tuple[int, int]], findings: Iterable[Finding]) -> Iterator[Finding]:
    """Those of the findings that cover one of the places, which stand in order."""
    starts = [at for at, _ in places]
    for finding in findings:
        before = bisect_left(starts, finding.end)
        if before and places[before - 1][1] > finding.start:
            yield finding


def _windows(text: str, places: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Pieces of the text around the places, none overlapping another."""
    start, end = 0, -1
    for at, stop in places:
        if at - _BEFORE > end >= 0:
            yield start, end
            end = -1
        if end < 0:
            line = text.rfind("\n", max(0, at - 2 * _BEFORE), max(0, at - _BEFORE)) + 1
            start = line or max(0, at - _BEFORE)
        end = min(len(text), stop + _AFTER)
    if end >= 0:
        yield start, end
