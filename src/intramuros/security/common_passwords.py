"""Passwords that many people have: a list, and the ways in which people stretch a word of it.

Called by `security.passwords`. Few of the published passwords have twelve characters, so a list of those that have
would stop little. What is refused is every word of the list with digits and signs around it, in whatever spelling
(`p@ssw0rd2026`), and every word doubled.

Source: the lists of Django 5.2 and zxcvbn 4.5 (`common_passwords.LICENSE.txt`); OWASP ASVS 5.0, 6.2.4 and 6.2.12.
"""

from __future__ import annotations

import gzip
import string
from functools import lru_cache
from importlib import resources

MOST_AROUND = 8
"""So many digits and signs don't make a word a good password; more may."""
OWN = frozenset({
    "abcdefghijkl", "administrateur", "administrator", "azertyazerty", "azertyuiop", "benvenuto", "bienvenue",
    "changeme", "intramuros", "motdepasse", "passwort", "qwertyqwerty", "qwertzuiop", "willkommen",
})  # fmt: skip
_AROUND = string.digits + string.punctuation
_SPELLED = str.maketrans("013457@$", "oleastas")


@lru_cache(maxsize=1)
def words() -> frozenset[str]:
    """The list, in small letters: whole passwords of twelve characters and more, and the words in shorter ones."""
    packed = (resources.files(__package__) / "common_passwords.txt.gz").read_bytes()
    return OWN | frozenset(gzip.decompress(packed).decode("ascii").split())


def is_common(folded: str) -> bool:
    """Whether a password, in small letters, is of the list or little more than a word of it."""
    known, inner, letters = words(), folded.strip(_AROUND), "".join(filter(str.isalpha, folded))
    candidates = {folded}
    if len(folded) - len(inner) <= MOST_AROUND:
        candidates |= {inner, inner.translate(_SPELLED)}
    if len(folded) - len(letters) <= MOST_AROUND:
        candidates.add(letters)
    return any(candidate in known or _half(candidate) in known for candidate in candidates)


def _half(text: str) -> str:
    """The word that was written twice; nothing where none was."""
    middle = len(text) // 2
    return text[:middle] if text[:middle] * 2 == text else ""
