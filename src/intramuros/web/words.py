"""The words of the interface in each language: texts, plurals, numbers, sizes and dates.

Called by the pages and their templates (as `t`). The texts are in `translations/<language>.json`; a test holds both
files to the same keys. Knows nothing of requests beyond the header that says which languages a browser prefers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib import resources

LANGUAGES = ("fr", "en")
NARROW_SPACE = "\u202f"


@dataclass(frozen=True, slots=True)
class Words:
    """The words of one language."""

    language: str
    table: Mapping[str, str]

    def __call__(self, key: str, **values: object) -> str:
        """The text of a key, with its `{names}` filled in. Raises: KeyError when no such text exists."""
        text = self.table[key]
        return text.format_map(values) if values else text

    def has(self, key: str) -> bool:
        """Whether there is such a text."""
        return key in self.table

    def or_else(self, key: str, fallback: str) -> str:
        """The text of a key, or the fallback when there is none."""
        return self.table.get(key, fallback)

    def count(self, key: str, number: int, **values: object) -> str:
        """The text of `key.one` or `key.other`: French counts zero as one thing, English as several."""
        is_one = number in {0, 1} if self.language == "fr" else number == 1
        return self(f"{key}.{'one' if is_one else 'other'}", number=self.number(number), **values)

    def number(self, value: float, *, decimals: int = 0) -> str:
        """A number as people of this language write it."""
        text = f"{value:,.{decimals}f}"
        return text.replace(",", NARROW_SPACE).replace(".", ",") if self.language == "fr" else text

    def size(self, size_bytes: float) -> str:
        """A size in kB, MB or GB (powers of 1,000, as shops and disks count)."""
        for unit, factor in (("giga", 1e9), ("mega", 1e6), ("kilo", 1e3)):
            if size_bytes >= factor or unit == "kilo":
                value = size_bytes / factor
                text = self.number(value, decimals=1 if value < 10 and unit != "kilo" else 0)
                return f"{text}\u00a0{self(f'unit.{unit}')}"
        raise AssertionError

    def moment(self, seconds: float) -> str:
        """A date with the time of day, in this machine's time zone. Units: seconds since 1970."""
        at = datetime.fromtimestamp(seconds).astimezone()
        return self("date.moment", day=self.day(seconds), time=at.strftime("%H:%M"))

    def day(self, seconds: float) -> str:
        """A date, in this machine's time zone. Units: seconds since 1970."""
        at = datetime.fromtimestamp(seconds).astimezone()
        return self("date.day", day=at.day, month=self(f"month.{at.month}"), year=at.year)


def load() -> dict[str, Words]:
    """The words of every language of the interface."""
    folder = resources.files("intramuros.web") / "translations"
    return {
        language: Words(language, json.loads((folder / f"{language}.json").read_text(encoding="utf-8")))
        for language in LANGUAGES
    }


def preferred(accept_language: str) -> str:
    """The language of the interface that a browser likes best; French when it likes none of them.

    Source: RFC 9110, section 12.5.4 (language ranges with weights).
    """
    best, best_weight = LANGUAGES[0], 0.0
    for part in accept_language.split(",")[:20]:
        name, _, parameters = part.strip().partition(";")
        language = name.strip().lower().split("-")[0]
        weight = _weight(parameters)
        if language in LANGUAGES and weight > best_weight:
            best, best_weight = language, weight
    return best


def _weight(parameters: str) -> float:
    name, _, value = parameters.strip().partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        return float(value)
    except ValueError:
        return 0.0
