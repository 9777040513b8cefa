"""What keys, people, groups and projects use, and whether they may use more: the one place that counts.

Called by the guard, before a request (`admit`) and after it (`spend`), by the answer task for its project, and by
whoever shows usage. Counting goes on in memory and is written together now and then, so that a request costs no write
and no read; what a crash loses is what was counted since the last writing. Tokens and money are counted when an answer
ends: what began within its limits is finished, so a limit may be passed by the answers that were under way at once.
Requests a minute refill steadily.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from math import ceil
from typing import NamedTuple

from sqlalchemy import Connection, delete, func, select
from sqlalchemy.dialects.sqlite import insert

from intramuros.accounts.limited import refused
from intramuros.accounts.rights import Limit, Quota
from intramuros.errors import IntramurosError, TooMany
from intramuros.storage.database import Database
from intramuros.storage.schema import api_keys, groups, now, projects, usage, users

log = logging.getLogger(__name__)

WRITE_EVERY_S = 10.0
KEPT_DAYS = 400
DAY_S = 86_400

Headers = list[tuple[bytes, bytes]]
Subject = tuple[str, str]
"""A kind (key, user, group, project) and an id."""

_OWNERS = {"key": api_keys, "user": users, "group": groups, "project": projects}


class Used(NamedTuple):
    """What was used today and this month (UTC)."""

    requests_today: int = 0
    tokens_today: int = 0
    tokens_this_month: int = 0
    euros_today: float = 0.0
    euros_this_month: float = 0.0


class Admission(NamedTuple):
    """Whether a request is let in, and the headers that say what is left."""

    headers: Headers
    refusal: TooMany | None


class Room(NamedTuple):
    """What one limit leaves: `period` is minute, day or month; it is full again after `reset_s`."""

    what: str
    period: str
    limit: float
    left: float
    reset_s: float

    @property
    def is_used_up(self) -> bool:
        """Whether nothing more may begin."""
        return self.left < 1 if self.what == "requests" else self.left <= 0


@dataclass(slots=True)
class _Amount:
    requests: int = 0
    tokens: int = 0
    euros: float = 0.0

    def add(self, other: _Amount, *, sign: int = 1) -> None:
        self.requests += sign * other.requests
        self.tokens += sign * other.tokens
        self.euros += sign * other.euros


@dataclass(slots=True)
class _Count:
    """The counts of one subject in memory: `stored` is on disk or on its way there, `waiting` is not, by day."""

    day: str
    stored: Used
    waiting: dict[str, _Amount] = field(default_factory=dict)
    left: float | None = None  # requests that may come at once; None: as many as the limit
    left_at: float = 0.0

    def used(self) -> Used:
        """Both together."""
        return self._with(self.waiting, sign=1) if self.waiting else self.stored

    def take(self) -> dict[str, _Amount]:
        """What is to be written; it counts as stored from here on."""
        taken, self.stored, self.waiting = self.waiting, self.used(), {}
        return taken

    def give_back(self, days: dict[str, _Amount]) -> None:
        """Takes back what could not be written."""
        self.stored = self._with(days, sign=-1)
        for day, amount in days.items():
            self.waiting.setdefault(day, _Amount()).add(amount)

    def turn(self, day: str) -> None:
        """Another day has begun, perhaps another month."""
        same = day[:7] == self.day[:7]
        month = (self.stored.tokens_this_month, self.stored.euros_this_month) if same else (0, 0.0)
        self.day, self.stored = day, Used(0, 0, month[0], 0.0, month[1])

    def today(self) -> _Amount:
        """What was counted today and not written yet."""
        amount = self.waiting.get(self.day)
        if amount is None:
            amount = self.waiting[self.day] = _Amount()
        return amount

    def _with(self, days: dict[str, _Amount], *, sign: int) -> Used:
        requests, tokens, tokens_of_month, euros, euros_of_month = self.stored
        for day, amount in days.items():
            if day == self.day:
                requests += sign * amount.requests
                tokens += sign * amount.tokens
                euros += sign * amount.euros
            if day[:7] == self.day[:7]:
                tokens_of_month += sign * amount.tokens
                euros_of_month += sign * amount.euros
        return Used(requests, tokens, tokens_of_month, euros, euros_of_month)


class Usage:
    """The usage of this installation."""

    def __init__(self, database: Database, clock: Callable[[], float] = now) -> None:
        self._database, self._clock = database, clock
        self._lock = threading.Lock()
        self._flushing = threading.Lock()
        self._counts: dict[Subject, _Count] = {}

    def admit(self, limits: Sequence[Limit], *, spends: bool) -> Admission:
        """Lets one request in and counts it for each of these, or says which limit is in its way.

        All have to have room; of several that have none, the one that lasts longest is named. `spends`: the request
        may cost tokens and money.
        """
        at = self._clock()
        day = _day(at)
        counts: list[_Count] = []
        rooms: list[Room] = []
        used_up: list[tuple[Limit, Room]] = []
        with self._lock:
            for limit in limits:
                count = self._count(limit.subject, day)
                counts.append(count)
                for room in _rooms(count, limit.quota, at, spends=spends):
                    rooms.append(room)
                    if room.is_used_up:
                        used_up.append((limit, room))
            if not used_up:
                for count in counts:
                    if count.left is not None:
                        count.left -= 1
                    count.today().requests += 1
        if used_up:
            limit, room = max(used_up, key=lambda each: each[1].reset_s)
            return Admission(_headers(rooms, first=room), refused(limit, room, at=at))
        return Admission(_headers(rooms), None)

    def spend(self, subjects: Iterable[Subject], tokens: int, euros: float = 0.0) -> None:
        """Counts tokens, and what they cost."""
        if tokens <= 0:
            return
        spent, day = _Amount(0, tokens, euros), _day(self._clock())
        with self._lock:
            for subject in subjects:
                self._count(subject, day).today().add(spent)

    def used(self, subject: Subject) -> Used:
        """What a subject has used, what is not written yet included."""
        with self._lock:
            return self._count(subject, _day(self._clock())).used()

    def flush(self) -> None:
        """Writes what was counted. What can't be written now is kept for the next time."""
        with self._flushing:
            with self._lock:
                taken = {subject: count.take() for subject, count in self._counts.items() if count.waiting}
            if not taken:
                return
            try:
                self._write(taken)
            except IntramurosError as error:
                log.warning("Usage can't be written: %s", error.message)
                with self._lock:
                    for subject, days in taken.items():
                        self._counts[subject].give_back(days)

    def _write(self, taken: dict[Subject, dict[str, _Amount]]) -> None:
        oldest = _day(self._clock() - KEPT_DAYS * DAY_S)
        with self._database.write() as connection:
            there = _still_there(connection, taken)
            rows = [
                {
                    "kind": subject[0],
                    "subject": subject[1],
                    "day": day,
                    "requests": amount.requests,
                    "tokens": amount.tokens,
                    "euros": amount.euros,
                }
                for subject, days in taken.items()
                if subject in there
                for day, amount in days.items()
            ]
            if rows:
                statement = insert(usage)
                added = {name: usage.c[name] + statement.excluded[name] for name in ("requests", "tokens", "euros")}
                keys = ["kind", "subject", "day"]
                connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=added), rows)
            connection.execute(delete(usage).where(usage.c.day < oldest))

    def _count(self, subject: Subject, day: str) -> _Count:
        count = self._counts.get(subject)
        if count is None:
            count = self._counts[subject] = _Count(day, self._stored(subject, day))
        elif count.day != day:
            count.turn(day)
        return count

    def _stored(self, subject: Subject, day: str) -> Used:
        today = usage.c.day == day
        statement = select(
            func.coalesce(func.sum(usage.c.requests).filter(today), 0),
            func.coalesce(func.sum(usage.c.tokens).filter(today), 0),
            func.coalesce(func.sum(usage.c.tokens), 0),
            func.coalesce(func.sum(usage.c.euros).filter(today), 0.0),
            func.coalesce(func.sum(usage.c.euros), 0.0),
        ).where(usage.c.kind == subject[0], usage.c.subject == subject[1], usage.c.day.startswith(day[:7]))
        with self._database.read() as connection:
            return Used(*connection.execute(statement).one())


def _still_there(connection: Connection, subjects: Iterable[Subject]) -> set[Subject]:
    """Those that were not removed since."""
    there: set[Subject] = set()
    for kind, table in _OWNERS.items():
        ids = [subject for of, subject in subjects if of == kind]
        there |= {(kind, id) for id in connection.scalars(select(table.c.id).where(table.c.id.in_(ids)))}
    return there


def _rooms(count: _Count, quota: Quota, at: float, *, spends: bool) -> list[Room]:
    rooms = [*_minute(count, quota.requests_per_minute, at)]
    if spends and quota.is_of_tokens_or_money:
        rooms += _periods(count.used(), quota, at)
    return rooms


def _minute(count: _Count, limit: int | None, at: float) -> list[Room]:
    """Refills what may come at once."""
    if limit is None:
        count.left = None
        return []
    gained = max(at - count.left_at, 0.0) * limit / 60
    count.left = float(limit) if count.left is None else min(float(limit), count.left + gained)
    count.left_at = at
    missing = 1 - count.left if count.left < 1 else limit - count.left + 1
    return [Room("requests", "minute", limit, count.left, missing * 60 / limit)]


def _periods(used: Used, quota: Quota, at: float) -> list[Room]:
    _, day_ends_at, month_ends_at = _calendar(int(at // DAY_S))
    day_s, month_s = day_ends_at - at, month_ends_at - at
    rooms: list[Room] = []
    if (limit := quota.tokens_per_day) is not None:
        rooms.append(Room("tokens", "day", limit, max(limit - used.tokens_today, 0), day_s))
    if (limit := quota.tokens_per_month) is not None:
        rooms.append(Room("tokens", "month", limit, max(limit - used.tokens_this_month, 0), month_s))
    if (budget := quota.euros_per_day) is not None:
        rooms.append(Room("euros", "day", budget, max(budget - used.euros_today, 0), day_s))
    if (budget := quota.euros_per_month) is not None:
        rooms.append(Room("euros", "month", budget, max(budget - used.euros_this_month, 0), month_s))
    return rooms


def _day(at: float) -> str:
    return _calendar(int(at // DAY_S))[0]


@lru_cache(maxsize=4)
def _calendar(day: int) -> tuple[str, float, float]:
    """The name of a day since 1970 (UTC), and when it and its month end: asked several times in every request."""
    midnight = datetime.fromtimestamp(day * DAY_S, UTC)
    next_month = (midnight.replace(day=1) + timedelta(31)).replace(day=1)
    return midnight.strftime("%Y-%m-%d"), float((day + 1) * DAY_S), next_month.timestamp()


def _headers(rooms: list[Room], *, first: Room | None = None) -> Headers:
    """What the tightest limit of each kind leaves, in the form OpenAI's clients know; money has no such header."""
    tightest: dict[str, Room] = {}
    for room in rooms:
        held = tightest.get(room.what)
        if held is None or (room.left, -room.reset_s) < (held.left, -held.reset_s):
            tightest[room.what] = room
    if first is not None:
        tightest[first.what] = first
    headers: Headers = []
    if "requests" in tightest:
        room = tightest["requests"]
        left = int(room.left) - (first is None and room.left >= 1)
        headers += _said(_OF_REQUESTS, int(room.limit), left, room.reset_s)
    if "tokens" in tightest:
        room = tightest["tokens"]
        headers += _said(_OF_TOKENS, int(room.limit), int(room.left), room.reset_s)
    return headers


def _said(names: tuple[bytes, bytes, bytes], limit: int, left: int, reset_s: float) -> Headers:
    """The three headers of one limit."""
    of_limit, of_remaining, of_reset = names
    return [(of_limit, b"%d" % limit), (of_remaining, b"%d" % left), (of_reset, _time(ceil(reset_s)))]


@lru_cache(maxsize=64)
def _time(seconds: int) -> bytes:
    """A time such as `6m0s`."""
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return ((f"{hours}h" if hours else "") + (f"{minutes}m" if hours or minutes else "") + f"{seconds}s").encode()


def _names(what: str) -> tuple[bytes, bytes, bytes]:
    limit, remaining, reset = (f"x-ratelimit-{name}-{what}".encode() for name in ("limit", "remaining", "reset"))
    return limit, remaining, reset


_OF_REQUESTS, _OF_TOKENS = _names("requests"), _names("tokens")
