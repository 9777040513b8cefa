"""What API keys use, and whether they may use more: the one place that counts.

Called by the guard, before a key's request (`admit`) and after it (`spend`), and by whoever shows usage. Counting goes
on in memory and is written together now and then, so that a request costs no write and no read; what a crash loses is
what was counted since the last writing. Tokens are counted when an answer ends: what began within its limits is
finished, so a key may pass them by the answers that were under way at once. Requests a minute refill steadily.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import NamedTuple

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.sqlite import insert

from intramuros.accounts.rights import Quota
from intramuros.errors import IntramurosError, QuotaReached, TooMany
from intramuros.storage.database import Database
from intramuros.storage.schema import api_keys, key_usage, now

log = logging.getLogger(__name__)

WRITE_EVERY_S = 10.0
KEPT_DAYS = 400

Headers = list[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Used:
    """What a key has used today and this month (UTC)."""

    requests_today: int = 0
    tokens_today: int = 0
    tokens_this_month: int = 0


class Admission(NamedTuple):
    """Whether a request is let in, and the headers that say what is left."""

    headers: Headers
    refusal: TooMany | None


@dataclass(slots=True)
class _Count:
    """One key's counts in memory: `stored` is on disk or on its way there, `waiting` is not, by day."""

    day: str
    stored: Used
    waiting: dict[str, list[int]] = field(default_factory=dict)  # day → requests, tokens
    left: float | None = None  # requests that may come at once; None: as many as the limit
    left_at: float = 0.0

    def used(self) -> Used:
        """Both together."""
        return self._with(self.waiting)

    def take(self) -> dict[str, list[int]]:
        """What is to be written; it counts as stored from here on."""
        taken, self.stored, self.waiting = self.waiting, self.used(), {}
        return taken

    def give_back(self, days: dict[str, list[int]]) -> None:
        """Takes back what could not be written."""
        self.stored = self._with({day: [-requests, -tokens] for day, (requests, tokens) in days.items()})
        for day, (requests, tokens) in days.items():
            counted = self.waiting.setdefault(day, [0, 0])
            counted[0] += requests
            counted[1] += tokens

    def turn(self, day: str) -> None:
        """Another day has begun, perhaps another month."""
        month = self.stored.tokens_this_month if day[:7] == self.day[:7] else 0
        self.day, self.stored = day, Used(0, 0, month)

    def _with(self, days: dict[str, list[int]]) -> Used:
        requests, tokens = days.get(self.day, (0, 0))
        month = sum(tokens for day, (_, tokens) in days.items() if day[:7] == self.day[:7])
        return Used(
            self.stored.requests_today + requests,
            self.stored.tokens_today + tokens,
            self.stored.tokens_this_month + month,
        )


class KeyUsage:
    """The usage of this installation's keys."""

    def __init__(self, database: Database, clock: Callable[[], float] = now) -> None:
        self._database, self._clock = database, clock
        self._lock = threading.Lock()
        self._flushing = threading.Lock()
        self._counts: dict[str, _Count] = {}

    def admit(self, key_id: str, quota: Quota, *, spends: bool) -> Admission:
        """Lets one request in and counts it, or says why not. `spends`: it may cost tokens."""
        at = self._clock()
        with self._lock:
            count = self._count(key_id, at)
            headers, refusal = _requests(count, quota, at)
            if spends and refusal is None:
                more, refusal = _tokens(count, quota, at)
                headers += more
            if refusal is None:
                if count.left is not None:
                    count.left -= 1
                _waiting(count)[0] += 1
        return Admission(headers, refusal)

    def spend(self, key_id: str, tokens: int) -> None:
        """Counts tokens."""
        if tokens <= 0:
            return
        with self._lock:
            _waiting(self._count(key_id, self._clock()))[1] += tokens

    def used(self, key_id: str) -> Used:
        """What a key has used, what is not written yet included."""
        with self._lock:
            count = self._count(key_id, self._clock())
            return count.used()

    def flush(self) -> None:
        """Writes what was counted. What can't be written now is kept for the next time."""
        with self._flushing:
            with self._lock:
                taken = {key_id: count.take() for key_id, count in self._counts.items() if count.waiting}
            if not taken:
                return
            try:
                self._write(taken)
            except IntramurosError as error:
                log.warning("The usage of keys can't be written: %s", error.message)
                with self._lock:
                    for key_id, days in taken.items():
                        self._counts[key_id].give_back(days)

    def _write(self, taken: dict[str, dict[str, list[int]]]) -> None:
        oldest = (datetime.fromtimestamp(self._clock(), UTC) - timedelta(days=KEPT_DAYS)).strftime("%Y-%m-%d")
        with self._database.write() as connection:
            there = set(connection.scalars(select(api_keys.c.id).where(api_keys.c.id.in_(taken))))
            rows = [
                {"key_id": key_id, "day": day, "requests": requests, "tokens": tokens}
                for key_id, days in taken.items()
                if key_id in there
                for day, (requests, tokens) in days.items()
            ]
            if rows:
                statement = insert(key_usage)
                added = {name: key_usage.c[name] + statement.excluded[name] for name in ("requests", "tokens")}
                connection.execute(statement.on_conflict_do_update(index_elements=["key_id", "day"], set_=added), rows)
            connection.execute(delete(key_usage).where(key_usage.c.day < oldest))

    def _count(self, key_id: str, at: float) -> _Count:
        day = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d")
        count = self._counts.get(key_id)
        if count is None:
            count = self._counts[key_id] = _Count(day, self._stored(key_id, day))
        elif count.day != day:
            count.turn(day)
        return count

    def _stored(self, key_id: str, day: str) -> Used:
        today = key_usage.c.day == day
        statement = select(
            func.coalesce(func.sum(key_usage.c.requests).filter(today), 0),
            func.coalesce(func.sum(key_usage.c.tokens).filter(today), 0),
            func.coalesce(func.sum(key_usage.c.tokens), 0),
        ).where(key_usage.c.key_id == key_id, key_usage.c.day.startswith(day[:7]))
        with self._database.read() as connection:
            return Used(*connection.execute(statement).one())


def _waiting(count: _Count) -> list[int]:
    return count.waiting.setdefault(count.day, [0, 0])


def _requests(count: _Count, quota: Quota, at: float) -> Admission:
    """Refills what may come at once; refuses when nothing is left."""
    limit = quota.requests_per_minute
    if limit is None:
        count.left = None
        return Admission([], None)
    gained = max(at - count.left_at, 0.0) * limit / 60
    count.left = float(limit) if count.left is None else min(float(limit), count.left + gained)
    count.left_at = at
    if count.left < 1:
        wait_s = (1 - count.left) * 60 / limit
        refusal = TooMany(
            f"This key may send {limit} requests a minute.",
            hint=f"Try again in {ceil(wait_s)} s, or ask an administrator to raise its limit.",
            code="key_requests_per_minute",
            retry_after_s=ceil(wait_s),
        )
        return Admission(_said("requests", limit, 0, wait_s), refusal)
    left = count.left - 1
    return Admission(_said("requests", limit, int(left), (limit - left) * 60 / limit), None)


def _tokens(count: _Count, quota: Quota, at: float) -> Admission:
    """What the tighter of the two limits leaves; refuses when that is nothing."""
    moment = datetime.fromtimestamp(at, UTC)
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    used = count.used()
    periods = (
        ("day", quota.tokens_per_day, used.tokens_today, midnight + timedelta(days=1)),
        (
            "month",
            quota.tokens_per_month,
            used.tokens_this_month,
            (midnight.replace(day=1) + timedelta(31)).replace(day=1),
        ),
    )
    limits = [
        (max(limit - spent, 0), (end - moment).total_seconds(), limit, period)
        for period, limit, spent, end in periods
        if limit is not None
    ]
    if not limits:
        return Admission([], None)
    # Of two that leave nothing, the one that lasts: waiting for the other would be for nothing.
    left, wait_s, limit, period = min(limits, key=lambda each: (each[0], -each[1]))
    refusal = None
    if left == 0:
        refusal = QuotaReached(
            f"This key has used its {limit} tokens of this {period}.",
            hint="Wait until then, or ask an administrator to raise its limit.",
            code=f"key_tokens_per_{period}",
            retry_after_s=ceil(wait_s),
        )
    return Admission(_said("tokens", limit, left, wait_s), refusal)


def _said(what: str, limit: int, left: int, reset_s: float) -> Headers:
    """The headers in the form OpenAI's clients know, such as `6m0s`."""
    minutes, seconds = divmod(ceil(reset_s), 60)
    hours, minutes = divmod(minutes, 60)
    reset = (f"{hours}h" if hours else "") + (f"{minutes}m" if hours or minutes else "") + f"{seconds}s"
    return [
        (f"x-ratelimit-{name}-{what}".encode(), str(value).encode())
        for name, value in (("limit", limit), ("remaining", left), ("reset", reset))
    ]
