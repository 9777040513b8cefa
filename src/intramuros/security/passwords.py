"""Passwords: hashed with Argon2id, verified with the same work whether or not the account exists.

Called by `accounts.users`. It knows no users and no throttling. Each hash takes tens of MiB for a moment, so at most a
few run at once: a rush of sign-ins waits instead of filling the memory, and a rush that is too long is sent away
instead of holding every thread of the server.
"""

from __future__ import annotations

import re
import threading
import unicodedata
from base64 import b64encode
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError

from intramuros.errors import BadRequest, TooMany
from intramuros.security.common_passwords import is_common

MIN_CHARACTERS = 12
MAX_CHARACTERS = 1024


@dataclass(frozen=True, slots=True)
class HashCost:
    """What one hash costs. The default is above OWASP's minimum (19 MiB, 2 passes): about 0.15 s on a slow core.

    Units: KiB. Source: RFC 9106, section 4; OWASP Password Storage Cheat Sheet.
    """

    memory_kib: int = 46 * 1024
    passes: int = 2
    lanes: int = 1


class Passwords:
    """Hashes and verifies passwords, at most `at_once` together, with at most `waiting` more that wait.

    Raises: from both, TooMany when more come.
    """

    def __init__(self, cost: HashCost | None = None, *, at_once: int = 2, waiting: int = 16) -> None:
        cost = cost or HashCost()
        self._hasher = PasswordHasher(
            time_cost=cost.passes, memory_cost=cost.memory_kib, parallelism=cost.lanes, type=Type.ID
        )
        self._places = threading.BoundedSemaphore(at_once)
        self._queue = threading.BoundedSemaphore(at_once + waiting)
        self._nobody = _hash_nobody_has(cost)

    def hash(self, text: str) -> str:
        """The encoded hash to store; it carries its own salt and cost."""
        with self._place():
            return self._hasher.hash(_normal(text))

    def verify(self, stored: str | None, text: str) -> bool:
        """Whether `text` is the password of `stored`; for no account (None) it works as long and says no."""
        if len(text) > MAX_CHARACTERS:
            return False
        with self._place():
            try:
                return self._hasher.verify(stored or self._nobody, _normal(text)) and stored is not None
            except (VerificationError, InvalidHashError):
                return False

    @contextmanager
    def _place(self) -> Iterator[None]:
        if not self._queue.acquire(blocking=False):
            raise TooMany("Too many people sign in at this moment.", hint="Try again in a few seconds.", code="busy")
        try:
            with self._places:
                yield
        finally:
            self._queue.release()

    def is_outdated(self, stored: str) -> bool:
        """Whether the hash was made at another cost and should be made again at the next sign-in."""
        return self._hasher.check_needs_rehash(stored)


def check_strength(text: str, *, about: Iterable[str] = ()) -> None:
    """Refuses a password that is short, common, or made of the person's own name or address (`about`).

    Raises: BadRequest that says which rule it breaks, never the password.
    Source: NIST SP 800-63B, 5.1.1.2: length and blocklists, no rules of composition.
    """
    if len(text) < MIN_CHARACTERS:
        raise _weak(f"The password is too short: {MIN_CHARACTERS} characters at least.")
    if len(text) > MAX_CHARACTERS:
        raise _weak(f"The password is too long: {MAX_CHARACTERS} characters at most.")
    folded = _normal(text).casefold()
    letters = "".join(c for c in folded if c.isalpha())
    if len(set(folded)) < 5 or is_common(folded) or letters[: len(letters) // 2] * 2 == letters != "":
        raise _weak("The password is too easy to guess.")
    if folded.isdigit() and folded in "01234567890123456789" * 3:
        raise _weak("The password is too easy to guess.")
    rest = folded
    for word in re.split(r"[\W_]+", " ".join(about).casefold()):
        rest = rest.replace(word, "") if len(word) >= 4 else rest
    if rest != folded and len(rest) < 8:
        raise _weak("The password is made of your own name or address.")


def _weak(message: str) -> BadRequest:
    return BadRequest(message, code="weak_password", hint="Take four or more words that don't belong together.")


def _normal(text: str) -> str:
    """The same password from every keyboard, however it composes its accents."""
    return unicodedata.normalize("NFKC", text)


def _hash_nobody_has(cost: HashCost) -> str:
    salt, value = (b64encode(bytes(size)).decode().rstrip("=") for size in (16, 32))
    return f"$argon2id$v=19$m={cost.memory_kib},t={cost.passes},p={cost.lanes}${salt}${value}"
