"""How much the letters of a word speak for a name: for words no list knows.

Read by `strangers`. Source: the weights of a logistic regression over three and four letters in a row, hashed, that
tells names from words of the four languages; made by scripts/make_name_letters.py.
"""

from __future__ import annotations

import gzip
from importlib import resources
from zlib import crc32

SIZE = 1 << 15
SCALE = 16
"""The weights are kept as whole sixteenths."""


def _weights() -> list[int]:
    packed = (resources.files(__package__) / "letters.gz").read_bytes()
    return [byte - 256 if byte > 127 else byte for byte in gzip.decompress(packed)]


_WEIGHTS = _weights()
_BIAS = _WEIGHTS[SIZE]


def likeness(folded: str) -> float:
    """Logarithmic odds that a folded word is a name and no word: 0 is even; of words 5 % are above, of names 80 %."""
    said = f"^{folded}$".encode()
    mask = SIZE - 1
    met = {crc32(said[i : i + 3]) & mask for i in range(len(said) - 2)}
    met.update([crc32(said[i : i + 4]) & mask for i in range(len(said) - 3)])
    return (sum(map(_WEIGHTS.__getitem__, met)) + _BIAS) / SCALE
