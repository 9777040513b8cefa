"""A circuit breaker: stops asking a target that keeps failing, and tries it again with one request after a rest.

Called by the router, one for each target. It knows a clock and what happened; no targets, no errors.

    closed ──failures in a row──► open ──rest over──► half open ──one success──► closed
                                   ▲                     │
                                   └────── a failure ────┘   and rests twice as long
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

CLOSED, OPEN, HALF_OPEN = "closed", "open", "half_open"


@dataclass(slots=True)
class Breaker:
    """One target's. Whoever is admitted says afterwards how it went: `succeeded`, `failed`, or `left` for neither."""

    clock: Callable[[], float] = time.monotonic
    most_failures: int = 3
    first_rest_s: float = 5.0
    longest_rest_s: float = 300.0
    failures: int = 0
    rest_s: float = 0.0
    opened_at: float | None = None
    is_tried: bool = False

    @property
    def state(self) -> str:
        """closed, open or half open."""
        if self.opened_at is None:
            return CLOSED
        return OPEN if self.clock() < self.opened_at + self.rest_s else HALF_OPEN

    @property
    def retry_in_s(self) -> float:
        """Seconds until it may be tried again; 0 when it may."""
        return 0.0 if self.opened_at is None else max(0.0, self.opened_at + self.rest_s - self.clock())

    def admits(self) -> bool:
        """Whether a request may go there now; in half open it is the one that tries."""
        state = self.state
        if state == CLOSED:
            return True
        if state == OPEN or self.is_tried:
            return False
        self.is_tried = True
        return True

    def succeeded(self) -> None:
        """It works."""
        self.failures, self.rest_s, self.opened_at, self.is_tried = 0, 0.0, None, False

    def failed(self) -> None:
        """It failed; late news of a request from before it opened changes nothing."""
        if self.state == OPEN:
            return
        self.failures += 1
        if self.opened_at is not None or self.failures >= self.most_failures:
            self.rest_s = min(self.rest_s * 2 or self.first_rest_s, self.longest_rest_s)
            self.opened_at, self.is_tried = self.clock(), False

    def left(self) -> None:
        """The request ended before it said anything of the target: somebody else may try."""
        self.is_tried = False


@dataclass(slots=True)
class RetryBudget:
    """How many second attempts are made: a share of all requests, and a few a minute where there are few.

    When everything fails, attempts grow by this share and not by the number of targets.
    Source: Google, Site Reliability Engineering, chapter 21, "Handling overload": a retry budget of 10 %.
    """

    share: float = 0.2
    a_minute: float = 10.0
    most: float = 100.0
    clock: Callable[[], float] = time.monotonic
    left: float = 10.0
    since: float | None = None

    def deposit(self) -> None:
        """One more request came."""
        self._pass_time()
        self.left = min(self.most, self.left + self.share)

    def withdraw(self) -> bool:
        """Whether one more attempt may be made."""
        self._pass_time()
        if self.left < 1:
            return False
        self.left -= 1
        return True

    def _pass_time(self) -> None:
        now = self.clock()
        if self.since is not None and self.left < self.a_minute:
            self.left = min(self.a_minute, self.left + (now - self.since) * self.a_minute / 60)
        self.since = now
