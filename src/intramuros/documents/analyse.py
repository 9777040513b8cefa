"""Text to search terms: the same for documents and questions, or they would not meet.

Lower case, elided articles off (l'employeur, dell'azienda), Snowball stem of the language, then accents off. Numbers
and references are kept in parts and joined (A-1234/2024 gives a, 1234, 2024 and a12342024; 1 200 gives 1200). Called
by ingestion for documents and by retrieval for questions. Terms are [a-z0-9] only (and letters of other scripts).
"""

from __future__ import annotations

import re
import threading
import unicodedata
from collections.abc import Collection, Iterator
from functools import lru_cache

import Stemmer

from intramuros.documents.language import LANGUAGES, STOP_WORDS, detect

_SNOWBALL = {"fr": "french", "de": "german", "it": "italian", "en": "english"}
_MAX_TERM = 40  # characters: longer runs are no words

_GROUPED = re.compile(r"(?<![\w.,])\d{1,3}(?:[ \u00a0\u202f'’]\d{3})+(?![\w])")
_PHONE = re.compile(r"(?<!\d)(?:\+\d{2} ?\(?0?\)?)?\d{1,3}(?:[ .\u00a0]\d{2,3}){3,4}(?!\d)")
_ELISION = re.compile(
    r"\b(?:[cdjlmnst]|qu|jusqu|lorsqu|puisqu|quoiqu|presqu|un|dell|all|nell|sull|dall|coll|quest|quell|sant|bell|anch|com|dov)"
    r"['’](?=[^\W\d_])"
)
_POSSESSIVE = re.compile(r"['’]s\b")
_TOKEN = re.compile(r"[^\W_]+(?:[-/._–][^\W_]+)*")
_PART = re.compile(r"[^\W_]+")
_DIGITS = re.compile(r"\d+")
_LIGATURES = str.maketrans({"œ": "oe", "æ": "ae", "ß": "ss", "\u00ad": "", "ø": "o", "ł": "l", "đ": "d"})


def terms(text: str, language: str) -> list[str]:
    """The terms of a text in one language, in its order, stop words included."""
    stem = _stemmer(language)
    found: list[str] = []
    for word in _words(text):
        found.extend(stem(word))
    return found


def query_terms(text: str, languages: Collection[str]) -> list[str]:
    """The terms of a question, for an index that holds documents in `languages`: each word's stem in each of them.

    Stop words of the question's own language are left out, unless written in capitals (IT, SA). Each term once.
    """
    stemmers = [_stemmer(language) for language in LANGUAGES if language in languages] or [_stemmer("fr")]
    own = detect(text, default=next(iter(languages), "fr"))
    capitals = (
        {word.lower() for word in _PART.findall(text) if len(word) > 1 and word.isupper()}
        if not text.isupper()
        else set()
    )
    kept = [word for word in _words(text) if word not in STOP_WORDS[own] or word in capitals]
    return list(dict.fromkeys(term for word in kept for stem in stemmers for term in stem(word)))


def fold(text: str) -> str:
    """Without accents and ligatures: what the index holds."""
    if text.isascii():
        return text
    decomposed = unicodedata.normalize("NFKD", text.translate(_LIGATURES))
    return "".join(letter for letter in decomposed if letter.isalnum())


def _words(text: str) -> Iterator[str]:
    """Lower-case words, numbers and references, in order; a joined form follows its parts."""
    text = unicodedata.normalize("NFC", text).lower().replace("\u00ad", "")
    text = _GROUPED.sub(lambda number: re.sub(r"\D", "", number[0]), text)
    text = _PHONE.sub(lambda number: number[0] + " " + re.sub(r"\D", "", number[0]), text)
    text = _POSSESSIVE.sub("", _ELISION.sub("", text))
    for match in _TOKEN.finditer(text):
        token = match[0]
        parts = _PART.findall(token)
        yield from parts
        if len(parts) > 1:
            if any(part.isdigit() for part in parts) or len(parts[0]) == 1:
                yield "".join(parts)
        elif not token.isalpha():
            yield from (digits for digits in _DIGITS.findall(token) if digits != token)


class _Stems:
    """One language's stemmer with a memory: texts repeat their words. PyStemmer objects are not thread-safe."""

    def __init__(self, language: str) -> None:
        self._stemmer = Stemmer.Stemmer(_SNOWBALL.get(language, "french"))
        self._lock = threading.Lock()
        self._cached = lru_cache(maxsize=50_000)(self._terms)

    def __call__(self, word: str) -> tuple[str, ...]:
        return self._cached(word)

    def _terms(self, word: str) -> tuple[str, ...]:
        plain = fold(word)
        if len(plain) > _MAX_TERM or not plain:
            return ()
        if not word.isalpha():
            return (plain,)
        with self._lock:
            stem = fold(self._stemmer.stemWord(word))
        return (stem,) if stem else ()


@lru_cache(maxsize=8)
def _stemmer(language: str) -> _Stems:
    return _Stems(language)
