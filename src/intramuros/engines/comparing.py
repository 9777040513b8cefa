"""What the targets of a route did, side by side, in numbers: to judge an A/B by weights, or a shadow. Never content.

Called by the router, which hands over one outcome for each attempt of a compared route; written in batches, and read by
`intramuros routes compare`. How far a shadow agrees with the answer is a number made in memory; the words are let go.
"""

from __future__ import annotations

import re
import statistics
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, TypedDict

from sqlalchemy import delete, func, insert, select

from intramuros.errors import IntramurosError
from intramuros.storage.database import Database
from intramuros.storage.schema import comparisons, now

SERVED, SHADOW = "served", "shadow"
MOST_KEPT = 100_000
MOST_WAITING = 10_000
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Outcome:
    """One attempt. `pair` is the same for an answer and its shadow; `agreement` goes from 0 to 1."""

    route: str
    target: str
    role: str
    pair: str
    duration_ms: float
    first_token_ms: float | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    finish_reason: str | None = None
    error: str | None = None
    agreement: float | None = None
    at: float = field(default_factory=now)


class ComparedObject(TypedDict):
    """One target of a route in one role: how many requests, how many failed, medians, and the mean agreement."""

    role: str
    target: str
    requests: int
    failed: int
    first_token_ms: float | None
    duration_ms: float | None
    completion_tokens: float | None
    agreement: float | None


class Comparisons:
    """The outcomes of compared routes."""

    def __init__(self, database: Database, *, most: int = MOST_KEPT) -> None:
        self._database, self._most = database, most
        self._waiting: list[Outcome] = []
        self._lock = threading.Lock()

    def add(self, outcome: Outcome) -> None:
        """Keeps one until the next `flush`; beyond what fits, the newest is dropped."""
        with self._lock:
            if len(self._waiting) < MOST_WAITING:
                self._waiting.append(outcome)

    def flush(self) -> None:
        """Writes what waits, and forgets what is oldest beyond the limit. What can't be written waits on."""
        with self._lock:
            waiting, self._waiting = self._waiting, []
        if not waiting:
            return
        try:
            self._write(waiting)
        except IntramurosError:
            with self._lock:
                self._waiting = [*waiting, *self._waiting][:MOST_WAITING]
            raise

    def summary(self, route: str) -> list[ComparedObject]:
        """Of each target of a route and role: how many, how many failed, medians, and the mean agreement."""
        self.flush()
        with self._database.read() as connection:
            rows = connection.execute(select(comparisons).where(comparisons.c.route == route)).all()
        kinds = sorted({(row.role, row.target) for row in rows})
        return [
            _summed(role, target, [r for r in rows if (r.role, r.target) == (role, target)]) for role, target in kinds
        ]

    def _write(self, waiting: Sequence[Outcome]) -> None:
        with self._database.write() as connection:
            connection.execute(insert(comparisons), [asdict(outcome) for outcome in waiting])
            last = connection.scalar(select(func.max(comparisons.c.id))) or 0
            connection.execute(delete(comparisons).where(comparisons.c.id <= last - self._most))


def agreement(one: str, other: str) -> float:
    """How many words two answers share, of all words in either: 1 for the same words, 0 for none.

    Source: Jaccard, "The distribution of the flora in the alpine zone" (1912).
    """
    ours, theirs = (set(_WORD.findall(text.casefold())) for text in (one, other))
    return round(len(ours & theirs) / len(ours | theirs), 4) if ours | theirs else 1.0


def _summed(role: str, target: str, rows: Sequence[Any]) -> ComparedObject:
    good = [row for row in rows if row.error is None]
    return {
        "role": role,
        "target": target,
        "requests": len(rows),
        "failed": len(rows) - len(good),
        "first_token_ms": _median([row.first_token_ms for row in good]),
        "duration_ms": _median([row.duration_ms for row in good]),
        "completion_tokens": _median([row.completion_tokens for row in good]),
        "agreement": _mean([row.agreement for row in good]),
    }


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(statistics.median(known), 1) if known else None


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(statistics.fmean(known), 3) if known else None
