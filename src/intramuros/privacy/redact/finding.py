"""What a detector finds, and what a detector is: the seam further tiers plug into.

Used by every module of this package. The names of entities are Presidio's where it has one, and a finding has the
shape of its results, so that its recognisers, or a model such as GLiNER, become a tier with a few lines.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

LEAST = 0.5
"""The least score of what is a finding; rules keep to themselves what they are less sure of."""


@dataclass(slots=True, unsafe_hash=True)
class Finding:
    """A piece of text that says something of someone. Nobody changes one: it isn't frozen, for speed alone.

    Units: `start` and `end` count characters (code points), `end` is the first one after it; `score` is 0 to 1.
    """

    entity_type: str
    start: int
    end: int
    score: float


class Recogniser(Protocol):
    """One tier of detection. It sees the normalised text and must not keep it."""

    @property
    def name(self) -> str:
        """What it is called when it fails."""
        ...

    def analyse(self, text: str, language: str) -> Sequence[Finding]:
        """What it finds. `language` is fr, de, it, en, or empty when nobody knows.

        Raises: anything; the redactor then lets nothing through.
        """
        ...
