"""Aliases: what stands in a text in place of a value, the same through a whole conversation, and the way back.

Called by the redactor and the restorer. An alias looks like `⟦PERSON_k7m⟧`: it says of what kind the value is, so a
model can write a sentence around it; it ends with a sign that stands nowhere in it, so none is the beginning of
another; and its letters come from an HMAC under the conversation's key, so that nobody without the key can tell
whether two conversations speak of the same person, and destroying the key (and the map sealed with it) destroys the
way back. Values are pseudonymised, not more: who knows the circumstances may recognise the person.
"""

from __future__ import annotations

import hmac
import json
import re
import secrets
import threading
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext

from intramuros.errors import BadRequest
from intramuros.privacy.redact.people import name_words
from intramuros.security.crypto import open_sealed, seal

ALIAS = re.compile("⟦[A-Z][A-Z0-9_]{0,39}_[b-z2-9]{3,16}⟧")
"""The form of every alias, ours or not."""
LITERAL = "LITERAL"
"""The kind of what only looks like an alias in the original text: it gets one itself, so that nothing is confused."""

_LETTERS = "bcdfghjkmnpqrstvwxz23456789"
_SHORTEST = 3
_NOT_ALPHANUMERIC = re.compile(r"[\W_]+")
_BY_LETTERS = frozenset({"EMAIL_ADDRESS", "ADDRESS", "SECRET", "URL_CREDENTIALS", LITERAL})


class Aliases:
    """The aliases of one conversation. Threads may share it.

    `letters`: how many an alias has at least; with few, what was met before decides which of two values has the same.
    """

    def __init__(self, key: bytes | None = None, *, letters: int = _SHORTEST) -> None:
        self.key = key or secrets.token_bytes(32)
        self._letters = letters
        self._values: dict[str, str] = {}
        self._by_value: dict[tuple[str, str], str] = {}
        self._people: dict[str, tuple[str, ...]] = {}
        self._lock = threading.Lock()

    @property
    def values(self) -> Mapping[str, str]:
        """What stands behind each alias."""
        return self._values

    @property
    def people(self) -> frozenset[str]:
        """The persons met so far, by their fullest names."""
        return frozenset(self._values[alias] for alias in list(self._people))

    def alias(self, entity_type: str, value: str) -> str:
        """The alias of a value: however it is spaced or capitalised, and whichever part of a person's name it is."""
        with self._lock:
            same = _canonical(entity_type, value)
            if known := self._by_value.get((entity_type, same)):
                return known
            alias = self._known_person(value) if entity_type == "PERSON" else None
            if alias is None:
                alias = self._new(entity_type, same)
                self._values[alias] = value
            self._remember(entity_type, same, alias, value)
            return alias

    def learn(self, names: Iterable[str]) -> None:
        """Meets persons by their fullest name first, so that "Dupont" before "Jean Dupont" is the same."""
        for name in sorted(set(names), key=lambda name: (-len(name_words(name)), name)):
            self.alias("PERSON", name)

    def _remember(self, entity_type: str, same: str, alias: str, value: str) -> None:
        self._by_value[entity_type, same] = alias
        if entity_type == "PERSON":
            words = name_words(value)
            if alias not in self._people or _letters(words) > _letters(self._people[alias]):
                self._people[alias], self._values[alias] = words, value

    def _known_person(self, value: str) -> str | None:
        """The one person this name can be; None where there is none, or more than one."""
        words = name_words(value)
        candidates = [alias for alias, full in self._people.items() if _fits(words, full) or _fits(full, words)]
        return candidates[0] if len(candidates) == 1 else None

    def _new(self, entity_type: str, same: str) -> str:
        digest = hmac.digest(self.key, f"{entity_type}\0{same}".encode(), "sha256")
        number, letters = int.from_bytes(digest, "big"), ""
        while True:
            number, at = divmod(number, len(_LETTERS))
            letters += _LETTERS[at]
            alias = f"⟦{entity_type}_{letters}⟧"
            if len(letters) >= self._letters and alias not in self._values:
                return alias

    def refresh(self) -> None:
        """Takes over what others added meanwhile: nothing here, for this map has one holder."""

    def changing(self) -> AbstractContextManager[object]:
        """Within it aliases are added; at its end all who share the conversation have them."""
        return nullcontext()

    def take(self, other: Aliases) -> None:
        """Becomes the same as another map of this conversation."""
        with self._lock:
            self.key, self._values = other.key, other._values
            self._by_value, self._people = other._by_value, other._people

    def dump(self) -> dict[str, object]:
        """Everything needed to go on with the conversation, as plain JSON values."""
        with self._lock:
            return {
                "format": "intramuros-aliases-1",
                "key": b64encode(self.key).decode(),
                "values": dict(self._values),
                "spellings": [[entity, same, alias] for (entity, same), alias in self._by_value.items()],
                "people": {alias: list(words) for alias, words in self._people.items()},
            }

    @classmethod
    def load(cls, stored: object) -> Aliases:
        """The conversation `dump` stored. Raises: BadRequest when it is something else."""
        try:
            return cls._loaded(stored)
        except (KeyError, TypeError, ValueError, AttributeError):
            raise BadRequest("This is not a map of aliases that Intramuros wrote.") from None

    @classmethod
    def _loaded(cls, stored: object) -> Aliases:
        if not isinstance(stored, dict) or stored["format"] != "intramuros-aliases-1":
            raise ValueError
        aliases = cls(b64decode(stored["key"], validate=True))
        values = {str(alias): str(value) for alias, value in stored["values"].items()}
        if not all(ALIAS.fullmatch(alias) for alias in values) or len(aliases.key) != 32:
            raise ValueError
        aliases._values = values
        aliases._by_value = {(str(entity), str(same)): str(alias) for entity, same, alias in stored["spellings"]}
        aliases._people = {str(alias): tuple(map(str, words)) for alias, words in stored["people"].items()}
        if not {*aliases._by_value.values(), *aliases._people} <= values.keys():
            raise ValueError
        return aliases

    def sealed(self, key: bytes, *, context: bytes) -> bytes:
        """The conversation encrypted, for whoever keeps it without being meant to read it."""
        return seal(key, json.dumps(self.dump(), ensure_ascii=False).encode(), context=context)

    @classmethod
    def opened(cls, key: bytes, stored: bytes, *, context: bytes) -> Aliases:
        """What `sealed` made. Raises: StorageCorrupt for another key, another context or a changed bit."""
        return cls.load(json.loads(open_sealed(key, stored, context=context)))


def _canonical(entity_type: str, value: str) -> str:
    """What two spellings of one value have in common."""
    if entity_type == "PERSON":
        return " ".join(sorted(name_words(value))) or value
    if entity_type in {LITERAL, "SECRET", "URL_CREDENTIALS", "DOCUMENT"}:
        return value
    if entity_type in _BY_LETTERS:
        return " ".join(value.casefold().split())
    return _NOT_ALPHANUMERIC.sub("", value).upper() or value


def _letters(words: tuple[str, ...]) -> int:
    return sum(map(len, words))


def _fits(short: tuple[str, ...], long: tuple[str, ...]) -> bool:
    """Whether each word of the short name is a word of the long one, or its initial; one at least in full."""
    left, in_full = list(long), 0
    for word in short:
        match = next((other for other in left if other == word), None)
        if match is None and len(word) == 1:
            match = next((other for other in left if other[0] == word), None)
        if match is None:
            return False
        left.remove(match)
        in_full += len(word) > 1 and match == word
    return in_full > 0
