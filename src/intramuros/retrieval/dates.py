"""Finds the dates, times of day and weekdays of a text, as French, German, Italian, English and ISO 8601 write them.

Called by verification (does the source hold this date?) and by the quote mode (does a sentence say when?). Works on
folded text (`numbers.fold`). A date may lack its year or its day; `12.03.2024` is the twelfth of March everywhere,
`03/04/2024` keeps both readings.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

_MONTHS = {
    1: "janvier janv jan januar janner gennaio gen january",
    2: "fevrier fevr fev februar feb febbraio february",
    3: "mars marz mrz mar marzo march",
    4: "avril avr april apr aprile",
    5: "mai maggio mag may",
    6: "juin juni jun giugno giu june",
    7: "juillet juil juli jul luglio lug july",
    8: "aout august aug agosto ago",
    9: "septembre sept sep september settembre set",
    10: "octobre oct oktober okt ottobre ott october",
    11: "novembre nov november novembre",
    12: "decembre dec dezember dez dicembre dic december",
}
_MONTH = {name: number for number, names in _MONTHS.items() for name in names.split()}
# Too short, or too often another word, to be a month without a day or a year.
_NEEDS_COMPANY = frozenset(name for name in _MONTH if len(name) < 4) | {"may", "march", "sept", "janv", "fevr", "juil"}
_WEEKDAYS = (
    "lundi montag lunedi monday",
    "mardi dienstag martedi tuesday",
    "mercredi mittwoch mercoledi wednesday",
    "jeudi donnerstag giovedi thursday",
    "vendredi freitag venerdi friday",
    "samedi samstag sonnabend sabato saturday",
    "dimanche sonntag domenica sunday",
)
_WEEKDAY = {name: number for number, names in enumerate(_WEEKDAYS) for name in names.split()}

_NAMES = "|".join(sorted(_MONTH, key=len, reverse=True))
_DAY = r"(?P<{0}>\d{{1,2}})(?: ?(?:er|re|st|nd|rd|th|o|°)(?![^\W\d_])|\.)?"
_WORDS = re.compile(
    rf"(?<![\w.,])(?:(?:{_DAY.format('first')} ?(?:au|a|to|al|bis|-|–|et|and|und|e) ?(?:le |the |il )?(?:zum )?)?"
    rf"{_DAY.format('day')}\s+(?:de |of |di )?)?"
    rf"(?P<month>{_NAMES})(?!\w)\.?(?:\s+(?P<late>\d{{1,2}})(?:st|nd|rd|th)?(?![\d.,]\d|\d|\w),?)?"
    r"(?:,?\s+(?:de |del |of )?(?P<year>(?:1[5-9]|20|21)\d\d)(?!\d))?"
)
_NUMERIC = re.compile(r"(?<![\w./-])(\d{1,2})([./-])(\d{1,2})\2(\d{4}|\d{2})(?![\w/-]|\.\d)")
_ISO = re.compile(r"(?<![\w./-])(\d{4})-(\d{2})-(\d{2})(?!\d|-\d)")
_TIME = re.compile(
    r"(?<![\w.,:])(?:([01]?\d|2[0-4]) ?(?:h|:|heures? ) ?([0-5]\d)(?![\d:])(?: ?uhr)?|([01]?\d|2[0-3])\.([0-5]\d) uhr)"
)
_LONE_WEEKDAY = re.compile(rf"\b({'|'.join(_WEEKDAY)})s?\b")


@dataclass(frozen=True, slots=True)
class Date:
    """A date at `start` to `end` of the folded text; what is not said is None."""

    year: int | None
    month: int | None
    day: int | None
    start: int
    end: int

    def says(self, other: Date) -> bool:
        """Whether this date says at least what the other one says."""
        pairs = ((self.year, other.year), (self.month, other.month), (self.day, other.day))
        return all(theirs is None or ours == theirs for ours, theirs in pairs)


@dataclass(frozen=True, slots=True)
class Times:
    """What a text says about time. Each item of `dates` is one date with all its readings."""

    dates: tuple[tuple[Date, ...], ...]
    minutes: frozenset[int]
    weekdays: Mapping[int, str]
    rest: str
    """The text with dates and times blanked out, same length: what is left for numbers."""


def times(folded: str) -> Times:
    """Finds the dates, the times of day (minutes since midnight) and the weekdays (0 is Monday) of a folded text."""
    found = sorted(_dates(folded), key=lambda readings: (readings[0].start, -readings[0].end))
    rest, kept = folded, []
    for readings in found:
        start, end = readings[0].start, readings[0].end
        if rest[start:end] == folded[start:end]:
            kept.append(readings)
            rest = _blanked(rest, start, end)
        elif kept and kept[-1][0].start == start:  # the first day of a range that shares its month
            kept.append(readings)
    minutes = set()
    for match in _TIME.finditer(rest):
        hour, minute = (match[1], match[2]) if match[1] else (match[3], match[4])
        minutes.add(int(hour) * 60 + int(minute))
        rest = _blanked(rest, match.start(), match.end())
    weekdays = {_WEEKDAY[match[1]]: match[1] for match in _LONE_WEEKDAY.finditer(folded)}
    return Times(tuple(kept), frozenset(minutes), weekdays, rest)


def _blanked(text: str, start: int, end: int) -> str:
    return text[:start] + " " * (end - start) + text[end:]


def _dates(folded: str) -> Iterator[tuple[Date, ...]]:
    for match in _ISO.finditer(folded):
        yield from _valid((int(match[1]), int(match[2]), int(match[3])), at=match)
    for match in _NUMERIC.finditer(folded):
        first, second, year = int(match[1]), int(match[3]), int(match[4])
        year += 0 if year > 99 else 2000 if year < 70 else 1900
        readings = [(year, second, first)] + ([(year, first, second)] if match[2] == "/" else [])
        yield from _valid(*readings, at=match)
    for match in _WORDS.finditer(folded):
        yield from _in_words(match)


def _in_words(match: re.Match[str]) -> Iterator[tuple[Date, ...]]:
    day, year = match["day"] or match["late"], match["year"]
    if day is None and year is None and match["month"] in _NEEDS_COMPANY:
        return
    month = _MONTH[match["month"]]
    yield from _valid((_number(year), month, _number(day)), at=match)
    if match["first"]:
        yield from _valid((_number(year), month, _number(match["first"])), at=match)


def _number(digits: str | None) -> int | None:
    return None if digits is None else int(digits)


def _valid(*readings: tuple[int | None, int, int | None], at: re.Match[str]) -> Iterator[tuple[Date, ...]]:
    dates = [
        Date(year, month, day, at.start(), at.end())
        for year, month, day in dict.fromkeys(readings)
        if 1 <= month <= 12 and (day is None or 1 <= day <= 31)
    ]
    if dates:
        yield tuple(dates)
