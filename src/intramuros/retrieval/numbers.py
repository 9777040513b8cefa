"""Finds the numbers of a text, whatever the language writes them like, with the unit each one counts.

Called by verification (does the source hold this number?) and by the quote mode (does a sentence name an amount?).
`1 234,50`, `1'234.50` and `1234.5` are the same number; "vingt jours", "20 Tage" and "20 days" the same quantity.
What a notation leaves open (`1.234`) keeps all its readings. Knows no dates: `retrieval.dates` takes those out first.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cache

from intramuros.retrieval.numerals import SPELLED

# A unit is known by any of its spellings, folded (no accents, small letters); plurals are spelled out.
_UNITS = {
    "%": "% pourcent percent prozent",
    "eur": "€ eur euro euros",
    "chf": "chf sfr fr. francs franken franchi",
    "usd": "$ usd dollar dollars dollari",
    "gbp": "£ gbp",
    "year": "an ans annee annees jahr jahre jahren jahres anno anni year years",
    "month": "mois monat monate monaten monats mese mesi month months",
    "week": "semaine semaines woche wochen settimana settimane week weeks",
    "day": "j jour jours tag tage tagen tages giorno giorni day days",
    "hour": "h heure heures stunde stunden std ora ore hour hours",
    "minute": "min minute minutes minuten minuto minuti",
    "second": "s sec seconde secondes sekunde sekunden secondo secondi second seconds",
    "quarter": "trimestre trimestres quartal quartale quartalen trimestri quarter quarters",
    "km": "km kilometre kilometres kilometer chilometro chilometri kilometers",
    "m": "m metre metres meter metern metro metri meters",
    "cm": "cm centimetre centimetres zentimeter centimetri",
    "mm": "mm millimetre millimetres millimeter millimetri",
    "m2": "m2 qm metres-carres quadratmeter metri-quadrati",
    "m3": "m3 metres-cubes kubikmeter metri-cubi",
    "kg": "kg kilo kilos kilogramme kilogrammes kilogramm chili kilograms",
    "g": "g gramme grammes gramm grammi grams",
    "mg": "mg",
    "t": "t tonne tonnes tonnen tonnellate tons",
    "l": "l litre litres liter litri",
    "kw": "kw",
    "kwh": "kwh",
    "°": "° °c degre degres grad gradi degrees",
    "mb": "mo mb",
    "gb": "go gb",
}
_UNIT = {spelling: unit for unit, spellings in _UNITS.items() for spelling in spellings.split()}
_PREFIXED = re.compile(r"(?<!\d )(?<![\dkm])(?P<prefix>[€$£]|\b(?:eur|chf|usd|gbp|fr\.|sfr)) ?$")
_SCALES = {
    **dict.fromkeys(["mille", "mila", "thousand", "tausend", "k"], (3,)),
    **dict.fromkeys(["million", "millions", "millionen", "mio", "milione", "milioni"], (6,)),
    **dict.fromkeys(["milliard", "milliards", "milliarde", "milliarden", "mrd", "miliardo", "miliardi"], (9,)),
    **dict.fromkeys(["billion", "billions", "billionen"], (9, 12)),  # English and German mean different things
}
# Exactly so many of the second make one of the first.
_CONVERSIONS = {"year": ("month", 12), "quarter": ("month", 3), "week": ("day", 7), "hour": ("minute", 60)}
_ORDINALS = frozenset(["er", "re", "e", "eme", "ere", "nd", "nde", "st", "th", "rd", "o", "a"])

_DIGITS = r"(?:\d{1,3}(?:[ '’]\d{3})+(?:[.,]\d+)?|\d+(?:[.,]\d+)*)(?!\d)"
_NUMBER = re.compile(rf"(?<![\w.,])(?P<number>{_DIGITS})(?P<suffix>k?[€%$£°]|[^\W\d_]+)?")
_WORD = re.compile(r"(?<![\w'’-])[^\W\d_]+(?:-[^\W\d_]+)*")
_NEAR = "premier|dernier|prochain|letzte|erste|nachste|ultim|prim|last|first|next"
_AFTER = re.compile(
    rf" *(?:(?:{_NEAR})\w* )?(?:(?:d['’]|de |di |of ) *)?"
    r"(?P<word>[%€$£]|°c?|[km](?=[€$£])|[^\W\d_]+[23]?\.?(?:-[^\W\d_]+)?)"
)
_TWO_WORDS = {"pour cent": "%", "per cento": "%", "metres carres": "m2", "metres cubes": "m3", "metri quadrati": "m2"}
_BETWEEN = re.compile(r"\s*(?:-|–|et|a|au|ou|and|to|or|und|bis|oder|e|o)\s*")
BARE = re.compile(r"\s*(?:$|[\n|;:,.()\[\]\"»”/–-]|\b(?:et|ou|a|au|and|or|to|und|oder|bis|e|o)\b)")


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number as found at `start` to `end` of the folded text: all values its notation may mean, and its unit.

    `unit` is None when no known unit follows; `is_bare` when nothing that it could count follows at all, as in a
    table cell whose unit stands in the header.
    """

    values: frozenset[Decimal]
    unit: str | None
    is_bare: bool
    start: int
    end: int


def plain(text: str) -> str:
    """The text without accents, with plain spaces and digits, capitals kept; characters may move."""
    text = re.sub(r"(?<=[^\sm])[¹²³⁴⁵⁶⁷⁸⁹⁰]+", "", text)  # marks of footnotes, but not m²
    text = text.translate({ord("½"): ".5", ord("¼"): ".25", ord("¾"): ".75", ord("ß"): "ss", ord("…"): " "})
    text = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    return re.sub(r"[^\S\n]+", " ", text)


def fold(text: str) -> str:
    """The plain text in small letters: what dates, times and quantities are found in."""
    return plain(text).lower()


def quantities(folded: str) -> list[Quantity]:
    """The quantities of a folded text, in order: in digits, and spelled out where a unit follows."""
    found: list[Quantity] = []
    for quantity in sorted((*_in_digits(folded), *_spelled(folded)), key=lambda quantity: quantity.start):
        if not found or quantity.start >= found[-1].end:
            found.append(quantity)
    for index in range(len(found) - 2, -1, -1):
        first, second = found[index], found[index + 1]
        if first.unit is None and second.unit and _BETWEEN.fullmatch(folded, first.end, second.start):
            found[index] = replace(first, unit=second.unit, is_bare=False)
    return found


def counted(number: int, *, at: int) -> Quantity:
    """A plain number, such as the year of a date that stands `at` a place."""
    return Quantity(frozenset([Decimal(number)]), None, False, at, at)


def holds(source: list[Quantity], claim: Quantity) -> bool:
    """Whether the source has the number that the claim has, counted in the same unit.

    A claim without a known unit matches the number alone; a bare number of the source (a table cell) matches any unit.
    """
    return any(_matches(quantity, claim) for quantity in source)


def _matches(source: Quantity, claim: Quantity) -> bool:
    if (claim.unit is None or source.unit == claim.unit or source.is_bare) and source.values & claim.values:
        return True
    return any(a[1] == b[1] and a[0] & b[0] for a in _in_small_units(source) for b in _in_small_units(claim))


def _in_small_units(quantity: Quantity) -> Iterator[tuple[frozenset[Decimal], str]]:
    if quantity.unit:
        yield quantity.values, quantity.unit
    if quantity.unit in _CONVERSIONS:
        smaller, factor = _CONVERSIONS[quantity.unit]
        yield frozenset(value * factor for value in quantity.values), smaller


def _in_digits(folded: str) -> Iterator[Quantity]:
    for match in _NUMBER.finditer(folded):
        values, end, suffix = readings(match["number"]), match.end("number"), match["suffix"] or ""
        if not values or (suffix and not _is_countable(suffix)):
            continue
        if suffix in _ORDINALS and suffix not in _UNIT:
            end = match.end()
        yield _with_unit(folded, values, match.start(), end)


def _is_countable(suffix: str) -> bool:
    return suffix in _UNIT or suffix in _ORDINALS or suffix[0] in "k€%$£°" or suffix in _SCALES


def _spelled(folded: str) -> Iterator[Quantity]:
    for match in _WORD.finditer(folded):
        value = SPELLED.get(match.group())
        if value is None:
            continue
        quantity = _with_unit(folded, frozenset([Decimal(value)]), match.start(), match.end())
        if quantity.unit is not None:
            yield quantity


def _with_unit(folded: str, values: frozenset[Decimal], start: int, end: int) -> Quantity:
    after = _AFTER.match(folded, end)
    if after and (powers := _scale(folded, after)):
        values = frozenset(value.scaleb(power) for value in values for power in powers)
        end = after.end()
        after = _AFTER.match(folded, end)
    prefix = _PREFIXED.search(folded, max(0, start - 5), start)
    if prefix:
        return Quantity(values, _UNIT[prefix["prefix"]], False, start, end)
    for words, unit in _TWO_WORDS.items():
        if folded.startswith(words, end + 1):
            return Quantity(values, unit, False, start, end)
    word = after["word"] if after else ""
    unit_found = _UNIT.get(word) or _UNIT.get(word.rstrip("."))
    return Quantity(values, unit_found, BARE.match(folded, end) is not None, start, end)


def _scale(folded: str, after: re.Match[str]) -> tuple[int, ...]:
    word = after["word"].rstrip(".")
    return (6,) if word == "m" and folded[after.end() : after.end() + 1] in {"€", "$", "£"} else _SCALES.get(word, ())


@cache
def readings(digits: str) -> frozenset[Decimal]:
    """All numbers that one notation may mean; none for what is no number, such as a version `1.2.3`.

    `1.234` and `1,234` may be a thousand or a decimal fraction; a notation with two kinds of separators, or with a
    space or an apostrophe between groups, means one number only.
    """
    plain = re.sub(r"[ '’]", "", digits)
    is_grouped = plain != digits
    marks = re.findall(r"[.,]", plain)
    if not marks:
        return frozenset([Decimal(plain)])
    if len(set(marks)) == 2:
        whole, fraction = plain.rsplit(marks[-1], 1)
        return frozenset([Decimal(f"{re.sub(r'[.,]', '', whole)}.{fraction}")]) if marks[:-1] else frozenset()
    if len(marks) > 1:
        is_thousands = re.fullmatch(r"\d{1,3}(?:[.,]\d{3})+", plain)
        return frozenset([Decimal(re.sub(r"[.,]", "", plain))]) if is_thousands else frozenset()
    as_fraction = Decimal(plain.replace(",", "."))
    if not is_grouped and re.fullmatch(r"[1-9]\d{0,2}[.,]\d{3}", plain):
        return frozenset([as_fraction, Decimal(re.sub(r"[.,]", "", plain))])
    return frozenset([as_fraction])
