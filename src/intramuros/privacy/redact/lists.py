"""The published lists of first names and surnames, folded. Read by `first_names` and `surnames`.

Source: Faker (MIT licence), the names of its locales in Latin letters, without what is a word, a place or a month in
one of the four languages; made by scripts/make_name_lists.py.
"""

from __future__ import annotations

import gzip
from importlib import resources


def listed(name: str) -> frozenset[str]:
    """The list `first_names` or `surnames`."""
    packed = (resources.files(__package__) / f"{name}.txt.gz").read_bytes()
    return frozenset(gzip.decompress(packed).decode("utf-8").split())
