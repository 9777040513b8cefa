"""What a model's tokens cost, in euros for a million: what budgets count with.

Set by administrators with `intramuros models price`; a model without a price costs nothing. Called by the guard when an
answer has ended.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from intramuros.errors import BadRequest
from intramuros.storage import facts
from intramuros.storage.database import Database

FACT = "prices"
READ_EVERY_S = 5.0
MILLION = 1_000_000
MOST_EUR = 10_000.0


@dataclass(frozen=True, slots=True)
class Price:
    """Euros for a million tokens of prompts (`input`) and of answers (`output`)."""

    input: float = 0.0
    output: float = 0.0

    def of(self, prompt_tokens: int, completion_tokens: int) -> float:
        """What so many tokens cost, in euros."""
        return (prompt_tokens * self.input + completion_tokens * self.output) / MILLION


FREE = Price()
PriceOf = Callable[[Mapping[str, Any]], Price]
"""The price of an answer, from what its audit record says of the model that wrote it."""


class Prices:
    """The prices of this installation, read again every few seconds."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.monotonic) -> None:
        self._database, self._clock = database, clock
        self._known: dict[str, Price] = {}
        self._read_at = -math.inf

    def of(self, model: str) -> Price:
        """A model's price."""
        if self._clock() - self._read_at > READ_EVERY_S:
            self._known, self._read_at = self.all(), self._clock()
        return self._known.get(model, FREE)

    def all(self) -> dict[str, Price]:
        """Every price that is set, by model, as it is stored now."""
        with self._database.read() as connection:
            found = facts.get(connection, FACT, {})
        return {model: Price(*pair) for model, pair in found.items()}

    def set(self, model: str, price: Price) -> None:
        """Sets a model's price. Raises: BadRequest for one that can't be."""
        for euros in (price.input, price.output):
            if not (math.isfinite(euros) and 0 <= euros <= MOST_EUR):
                raise BadRequest(f"A price is 0 to {MOST_EUR:.0f} euros for a million tokens.", code="bad_price")
        with self._database.write(durable=True) as connection:
            found = facts.get(connection, FACT, {})
            found[model] = [price.input, price.output]
            facts.put(connection, FACT, found)
        self._read_at = -math.inf
