"""The text as detectors read it, and the way back to the text as it was written.

Called by the redactor. A number with no-break spaces, a name with a zero-width space in it, an address in full-width
letters are the same thing to a reader, so they are the same to the patterns: NFKC, one kind of space, dash and
apostrophe, nothing invisible. It knows no entity.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from dataclasses import dataclass

_SPACES = "\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
_DASHES = "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63\uff0d"
_APOSTROPHES = "\u2018\u2019\u201b\u02bc\u2032\uff07"
_ONE_FOR_ONE = [(c, to) for chars, to in ((_SPACES, " "), (_DASHES, "-"), (_APOSTROPHES, "'")) for c in chars]
_UNSEEN = "\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufe00-\ufe0f\ufeff"
_INVISIBLE = re.compile(f"[{_UNSEEN}]")
_TO_CHANGE = re.compile(f"[{_SPACES[1:]}{_DASHES}{_APOSTROPHES}{_UNSEEN}]")
"""What is replaced or taken away, but for the no-break space."""
_MARKS = "\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff"
_CLUSTER = re.compile(f"[^{_MARKS}][{_MARKS}]+|[^\x00-\x7f\u00c0-\u017f{_MARKS}]", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Normalised:
    """A normalised text. Each place where it has another length than the original is one entry of the four lists."""

    text: str
    starts: tuple[int, ...] = ()
    ends: tuple[int, ...] = ()
    original_starts: tuple[int, ...] = ()
    original_ends: tuple[int, ...] = ()

    def original(self, start: int, end: int) -> tuple[int, int]:
        """Where a piece of the normalised text stands in the original: all characters it was made of, and no more."""
        if not self.starts:
            return start, end
        return self._first(start), self._last(end - 1)

    def _first(self, place: int) -> int:
        change = bisect_right(self.starts, place) - 1
        if change < 0:
            return place
        if place < self.ends[change]:
            return self.original_starts[change]
        return self.original_ends[change] + place - self.ends[change]

    def _last(self, place: int) -> int:
        change = bisect_right(self.starts, place) - 1
        if change >= 0 and place < self.ends[change]:
            return self.original_ends[change]
        return self._first(place) + 1


def normalise(text: str) -> Normalised:
    """The text with one spelling for everything that looks the same."""
    if text.isascii():
        return Normalised(text)
    plain = text.replace("\u00a0", " ")
    if _TO_CHANGE.search(plain) is None:
        return Normalised(plain) if unicodedata.is_normalized("NFKC", plain) else _changed(plain)
    for char, to in _ONE_FOR_ONE:
        plain = plain.replace(char, to)
    if unicodedata.is_normalized("NFKC", plain) and not _INVISIBLE.search(plain):
        return Normalised(plain)
    return _changed(plain)


def _changed(text: str) -> Normalised:
    pieces: list[str] = []
    changes: list[tuple[int, int, int, int]] = []
    copied = length = 0
    for match in _CLUSTER.finditer(text):
        before = match.group()
        after = _INVISIBLE.sub("", unicodedata.normalize("NFKC", _INVISIBLE.sub("", before)))
        if after == before:
            continue
        start, end = match.span()
        pieces += (text[copied:start], after)
        length += start - copied
        changes.append((length, length + len(after), start, end))
        length += len(after)
        copied = end
    pieces.append(text[copied:])
    starts, ends, original_starts, original_ends = zip(*changes, strict=True) if changes else ((), (), (), ())
    return Normalised("".join(pieces), starts, ends, original_starts, original_ends)
