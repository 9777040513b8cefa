"""Numbers as people type them, in the language of the page. Called by the forms that have some."""

from __future__ import annotations

import re

from intramuros.web.words import Words

LARGEST = 1e12
THOUSANDS = re.compile(r"[+-]?[1-9][0-9]{0,2}(,[0-9]{3})+([.][0-9]*)?")
"""As English has them; a comma elsewhere is a decimal one."""
COUNT = re.compile(r"[0-9]{1,12}|[0-9]{1,3}([,.][0-9]{3}){1,3}")


def number(text: str, words: Words) -> float | None:
    """A number, if there is one. Raises: ValueError."""
    plain = _plain(text)
    has_thousands = words.language == "en" and THOUSANDS.fullmatch(plain)
    found = float(plain.replace(",", "" if has_thousands else ".")) if plain else None
    if found is not None and not abs(found) < LARGEST:
        raise ValueError
    return found


def count(text: str) -> int | None:
    """A whole number from 0, if there is one, however its thousands are marked. Raises: ValueError."""
    plain = _plain(text)
    if plain and not COUNT.fullmatch(plain):
        raise ValueError
    return int(re.sub("[,.]", "", plain)) if plain else None


def _plain(text: str) -> str:
    return re.sub("['\u2019]", "", "".join(text.split()))
