"""One model's lane: as many requests run as its engine has slots, the others wait in fair order.

Called by `tasks.admission`. The last of three or more slots is kept for people who have nothing running, so that a
flood by one does not have others wait for its answers to end. Batches take the slots that people leave free, but never
the last of several, and every `AGE_S` one batch request begins whoever waits, so that none waits for ever. Queues are
bounded, for each person and for all. It says how many are before a request and about how long that takes, from how
fast this lane has been lately. The clock is injected; it knows no events and no engines.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil

from intramuros.errors import TooMany
from intramuros.tasks.fair_queue import FairQueue, Share

AGE_S = 30.0
KEPT_FROM = 2
"""With more slots than these, the last is kept for people who have nothing running."""
SHARE_OF_NEW = 0.2
"""How much the newest request counts in what the lane expects of the next."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How many requests may wait: of one person, and of all; batches are counted apart."""

    per_person: int = 64
    total: int = 512


@dataclass(frozen=True, slots=True)
class Ahead:
    """What is before a request: how many others, and about how long."""

    position: int
    expected_wait_s: float


class Lane:
    """Those who run and those who wait for one model."""

    def __init__(self, clock: Callable[[], float], bounds: Bounds, *, slots: int = 1) -> None:
        self.slots = slots
        self.model = ""  # not known before an engine came
        self.people, self.batches = FairQueue(), FairQueue()
        self.expected_completion = 200.0
        self._clock, self._bounds = clock, bounds
        self._s_per_token = 0.01
        self._running: set[Share] = set()
        self._batch_began = 0.0

    @property
    def running(self) -> int:
        """How many have a slot."""
        return len(self._running)

    @property
    def waiting(self) -> int:
        """How many have none."""
        return self.people.waiting + self.batches.waiting

    def enter(self, share: Share) -> bool:
        """Begins a request, or has it wait: whether it began. Raises: TooMany with the time to come back after."""
        share.since = self._clock()
        queue = self._queue(share)
        if self._may_begin(share):
            queue.begin(share)
            self._began(share)
            return True
        if queue.waiting_of(share.flow) >= self._bounds.per_person:
            raise self._full(f"{self._bounds.per_person} of your requests are waiting for this model.", share, "yours")
        if queue.waiting >= self._bounds.total:
            raise self._full(f"{self._bounds.total} requests are waiting for this model.", share, "everyones")
        queue.push(share)
        return False

    def leave(self, share: Share, *, used: float | None, completion: int | None = None) -> None:
        """Ends a request, or takes one that waits out. Units: `used` in tokens; None: as was expected."""
        if share.begun is None:
            self._queue(share).remove(share)
            return
        self._running.remove(share)
        self._queue(share).end(share, share.cost if used is None else used)
        if completion:
            self.expected_completion += SHARE_OF_NEW * (completion - self.expected_completion)
        if used:
            pace = (self._clock() - share.begun) / used
            self._s_per_token += SHARE_OF_NEW * (pace - self._s_per_token)

    def ready(self) -> Share | None:
        """Begins the next that may, if any."""
        if self.running >= self.slots or not self.waiting:
            return None
        share = None
        if self.batches.waiting and not self._is_last_kept and self._batch_is_due():
            share = self.batches.pop()
        if share is None:
            share = self.people.pop(of_newcomers=self._is_last_kept)
        if share is None and self.running < max(1, self.slots - 1):
            share = self.batches.pop()
        if share is not None:
            self._began(share)
        return share

    def ahead(self, share: Share) -> Ahead:
        """How many begin before this request that waits, and about how long that takes."""
        at, before, tokens = self._clock(), 0, 0.0
        for queue in (self.people, self.batches) if share.is_batch else (self.people,):
            for other in queue.order():
                if other is share:
                    break
                before += 1
                tokens += other.cost
        left_s = sum(max(each.cost * self._s_per_token - (at - (each.begun or at)), 0.0) for each in self._running)
        return Ahead(before, (left_s + tokens * self._s_per_token) / max(self.slots, 1))

    def _queue(self, share: Share) -> FairQueue:
        return self.batches if share.is_batch else self.people

    @property
    def _is_last_kept(self) -> bool:
        """Whether no slot is free but one that is kept for who has none."""
        return self.slots > KEPT_FROM and self.running >= self.slots - 1

    def _may_begin(self, share: Share) -> bool:
        """Whether a request that has just come need not wait."""
        if self._queue(share).waiting_of(share.flow):
            return False
        if share.is_batch:
            return not self.waiting and self.running < max(1, self.slots - 1)
        return self.running < self.slots and not (self._is_last_kept and self.people.running_of(share.flow))

    def _began(self, share: Share) -> None:
        share.begun = self._clock()
        self._running.add(share)
        if share.is_batch:
            self._batch_began = share.begun

    def _batch_is_due(self) -> bool:
        oldest = min(share.since for share in self.batches.order())
        return self._clock() - max(oldest, self._batch_began) >= AGE_S

    def _full(self, message: str, share: Share, queue: str) -> TooMany:
        """Come back when the next of one's own requests begins, or the next of anyone's."""
        waiting = list(self._queue(share).order())
        nearest = next((other for other in waiting if other.flow == share.flow), waiting[0])
        wait_s = max(1, ceil(self.ahead(nearest).expected_wait_s))
        return TooMany(message, hint=f"Try again in {wait_s} s.", code="queue_full", retry_after_s=wait_s, queue=queue)
