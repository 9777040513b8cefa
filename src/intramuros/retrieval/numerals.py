"""Numbers spelled out in French, German, Italian and English, from two to a hundred and a few round ones.

Called by `retrieval.numbers`. "Un", "ein", "uno" and "one" are left out: they are articles more often than numbers.
All spellings are folded (small letters, no accents, ß as ss).
"""

from __future__ import annotations

_FR_UNITS = "deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze quinze seize"
_FR_TENS = {20: "vingt", 30: "trente", 40: "quarante", 50: "cinquante", 60: "soixante"}
_SWISS_TENS = {70: "septante", 80: "huitante", 90: "nonante"}
_DE_UNITS = (
    "zwei drei vier funf sechs sieben acht neun zehn elf zwolf dreizehn vierzehn funfzehn sechzehn siebzehn achtzehn "
    "neunzehn"
)
_DE_TENS = "zwanzig dreissig vierzig funfzig sechzig siebzig achtzig neunzig"
_IT_UNITS = (
    "due tre quattro cinque sei sette otto nove dieci undici dodici tredici quattordici quindici sedici diciassette "
    "diciotto diciannove"
)
_IT_TENS = "venti trenta quaranta cinquanta sessanta settanta ottanta novanta"
_EN_UNITS = (
    "two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen "
    "nineteen"
)
_EN_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
_ROUND = {100: "cent hundert cento hundred einhundert", 1000: "mille tausend thousand eintausend"}


def _from_two(words: str) -> dict[str, int]:
    return {word: number for number, word in enumerate(words.split(), 2)}


def _tens(words: str) -> dict[str, int]:
    return {word: number * 10 for number, word in enumerate(words.split(), 2)}


def _french() -> dict[str, int]:
    small = _from_two(_FR_UNITS) | {"dix-sept": 17, "dix-huit": 18, "dix-neuf": 19}
    digits = {word: number for word, number in small.items() if number < 10}
    words = small | {"soixante-et-onze": 71, "quatre-vingts": 80, "quatre-vingt": 80, "quatre-vingt-un": 81}
    for ten, name in (_FR_TENS | _SWISS_TENS).items():
        words |= {name: ten, f"{name}-et-un": ten + 1, f"{name}-et-une": ten + 1}
        words |= {f"{name}-{word}": ten + number for word, number in (small if ten == 60 else digits).items()}
    return words | {f"quatre-vingt-{word}": 80 + number for word, number in small.items()}


def _german() -> dict[str, int]:
    words = _from_two(_DE_UNITS)
    digits = {"ein": 1} | {word: number for word, number in words.items() if number < 10}
    for ten, number in _tens(_DE_TENS).items():
        words |= {ten: number} | {f"{word}und{ten}": number + digit for word, digit in digits.items()}
    return words


def _italian() -> dict[str, int]:
    words = _from_two(_IT_UNITS)
    digits = {"uno": 1} | {word: number for word, number in words.items() if number < 10}
    for ten, number in _tens(_IT_TENS).items():
        words[ten] = number
        words |= {(ten[:-1] if word[0] in "uo" else ten) + word: number + digit for word, digit in digits.items()}
    return words


def _english() -> dict[str, int]:
    words = _from_two(_EN_UNITS)
    digits = {"one": 1} | {word: number for word, number in words.items() if number < 10}
    for ten, number in _tens(_EN_TENS).items():
        words |= {ten: number} | {f"{ten}-{word}": number + digit for word, digit in digits.items()}
    return words


SPELLED: dict[str, int] = {
    **_italian(),
    **_english(),
    **_german(),
    **_french(),
    **{word: number for number, words in _ROUND.items() for word in words.split()},
}
"""Folded spelling to number. A spelling that two languages share ("six") means the same in both."""
