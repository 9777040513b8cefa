"""Slows down guessing: after a few failures each further try waits twice as long as the one before.

Called by `accounts.users`. Counts failures per account and address, per address, and per account, in memory; it
knows no passwords. A try counts as failed until it has succeeded, so that many at once gain nothing.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from intramuros.errors import TooMany

_MAX_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class Limit:
    """`free` failures cost nothing; then 1 s, 2 s, 4 s … up to `longest_s`. Forgotten after `forget_s` without one."""

    free: int
    longest_s: float
    forget_s: float = 3600.0


PAIR = Limit(free=5, longest_s=900)
ADDRESS = Limit(free=20, longest_s=900)
# Generous and short: or anybody could lock somebody else out.
ACCOUNT = Limit(free=50, longest_s=30)


@dataclass(slots=True)
class _Failures:
    count: int = 0
    last: float = 0.0


class Throttle:
    """Remembers failures of the last hour."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, *, account_limit: Limit = ACCOUNT) -> None:
        self._clock = clock
        self._account_limit = account_limit
        self._lock = threading.Lock()
        self._failures: OrderedDict[tuple[str, ...], _Failures] = OrderedDict()

    def begin(self, account: str, address: str | None) -> None:
        """Counts a try, before the password is looked at.

        Raises: TooMany with `retry_after_s`; the try is then not counted.
        """
        now = self._clock()
        with self._lock:
            rules = self._rules(account, address)
            wait_s = max(self._wait(key, limit, now) for key, limit in rules)
            if wait_s > 0:
                raise TooMany(
                    "Too many failed sign-ins.",
                    hint=f"Try again in {_words(wait_s)}.",
                    code="too_many_sign_ins",
                    retry_after_s=round(wait_s) + 1,
                )
            for key, limit in rules:
                self._count(key, limit, now)

    def succeed(self, account: str, address: str | None) -> None:
        """Takes back this try, and forgets the failures of this account from this address."""
        with self._lock:
            for key, _ in self._rules(account, address):
                failures = self._failures.get(key)
                if failures is not None:
                    failures.count -= 1
            self._failures.pop(("pair", account, address or ""), None)

    def _rules(self, account: str, address: str | None) -> list[tuple[tuple[str, ...], Limit]]:
        rules = [(("pair", account, address or ""), PAIR), (("account", account), self._account_limit)]
        return [*rules, (("address", address), ADDRESS)] if address else rules

    def _wait(self, key: tuple[str, ...], limit: Limit, now: float) -> float:
        failures = self._failures.get(key)
        if failures is None or failures.count < limit.free or now - failures.last > limit.forget_s:
            return 0.0
        pause_s = min(limit.longest_s, 2.0 ** min(failures.count - limit.free, 30))
        return failures.last + pause_s - now

    def _count(self, key: tuple[str, ...], limit: Limit, now: float) -> None:
        failures = self._failures.setdefault(key, _Failures())
        if now - failures.last > limit.forget_s:
            failures.count = 0
        failures.count += 1
        failures.last = now
        self._failures.move_to_end(key)
        if len(self._failures) > _MAX_REMEMBERED:
            self._failures.popitem(last=False)


def _words(wait_s: float) -> str:
    return f"{round(wait_s) + 1} seconds" if wait_s < 90 else f"{round(wait_s / 60) + 1} minutes"
