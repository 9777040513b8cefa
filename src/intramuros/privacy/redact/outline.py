"""Where digits, capitals and small letters stand in a text: what a pattern needs is asked of it before it is tried.

Used by the tiers of this package. To look for a few bytes in an outline is many times quicker than a pattern that
begins with any digit, and most texts have no place at which it could match.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

_CLASSES = ((b"0", "0123456789"), (b"A", "ABCDEFGHIJKLMNOPQRSTUVWXYZ"), (b"a", "abcdefghijklmnopqrstuvwxyz"))
_LATIN = bytearray(range(256))
for sign, members in _CLASSES:
    for member in members:
        _LATIN[ord(member)] = ord(sign)
for code in (*range(0xC0, 0xD7), *range(0xD8, 0xDF)):
    _LATIN[code] = ord("A")
for code in (*range(0xE0, 0xF7), *range(0xF8, 0x100)):
    _LATIN[code] = ord("a")
_TABLE = bytes(_LATIN)


class Text(str):
    """A text that makes its small letters and its outline once, for several tiers ask for them."""

    _lowered: str | None = None
    _outline: bytes | None = None

    def lower(self) -> str:
        """Its small letters."""
        if self._lowered is None:
            self._lowered = super().lower()
        return self._lowered

    def outline(self) -> bytes:
        """Its outline, see `outline`."""
        if self._outline is None:
            self._outline = _drawn(self)
        return self._outline


def outline(text: str) -> bytes:
    """A byte for each character: `0` for 0-9, `A` for A-Z and À-Þ, `a` for a-z and à-ÿ, `?` above ÿ, else itself."""
    return text.outline() if isinstance(text, Text) else _drawn(text)


def _drawn(text: str) -> bytes:
    return text.encode("latin-1", "replace").translate(_TABLE)


def says(text: str, literals: Sequence[str]) -> bool:
    """Whether one of some literals stands in a text."""
    for literal in literals:  # noqa: SIM110 quicker than any()
        if literal in text:
            return True
    return False


def has(*pieces: bytes) -> Callable[[str], bool]:
    """Whether one of some pieces stands in the outline of a text."""

    def is_there(text: str) -> bool:
        drawn = outline(text)
        for piece in pieces:  # noqa: SIM110 quicker than any()
            if piece in drawn:
                return True
        return False

    return is_there
