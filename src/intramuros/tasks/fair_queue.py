"""A fair queue: whose request is next, when several people want more than there is.

Called by `tasks.lane`. Each flow (a person) has a virtual finish time: the tokens it was given, divided by its weight.
The flow that was given least is next, its oldest request first. What a request was taken to cost is charged when it
begins and corrected when it has ended. A flow that comes back from a pause starts level with the others: it keeps no
credit, and it keeps its debt. It knows no clock, no models and no events.

Two flows of equal weight that always have a request waiting differ, from the moment both have, by at most the cost of
the dearest request; between any two later moments by at most one such request of each.

Source: Goyal, Vin, Cheng, Start-time fair queueing (SIGCOMM 1996); for tokens: Sheng et al., Fairness in serving large
language models (OSDI 2024).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from heapq import heapify, heappop, heapreplace
from itertools import count


@dataclass(eq=False, slots=True)
class Share:
    """One request's share: whose it is, what it is taken to cost, and how much its flow weighs.

    Units: `cost` in tokens. `since` and `begun` are the lane's.
    """

    flow: str
    cost: float
    weight: float = 1.0
    is_batch: bool = False
    number: int = 0
    since: float = 0.0
    begun: float | None = None


@dataclass(slots=True)
class _Flow:
    finish: float = 0.0
    line: deque[Share] = field(default_factory=deque)
    running: int = 0


class FairQueue:
    """Requests that wait and requests that run, by flow."""

    def __init__(self) -> None:
        self._flows: dict[str, _Flow] = {}
        self._virtual = 0.0
        self._numbers = count(1)
        self.waiting = 0
        self.running = 0

    @property
    def flows(self) -> int:
        """How many flows it remembers: none when nothing waits or runs."""
        return len(self._flows)

    def waiting_of(self, flow: str) -> int:
        """How many requests of a flow wait."""
        found = self._flows.get(flow)
        return len(found.line) if found else 0

    def push(self, share: Share) -> None:
        """Puts a request behind those of its flow."""
        flow = self._flows.setdefault(share.flow, _Flow())
        if not flow.line:
            flow.finish = max(flow.finish, self._virtual)
        share.number = next(self._numbers)
        flow.line.append(share)
        self.waiting += 1

    def running_of(self, flow: str) -> int:
        """How many requests of a flow run."""
        found = self._flows.get(flow)
        return found.running if found else 0

    def pop(self, *, of_newcomers: bool = False) -> Share | None:
        """Begins the next request, or the next of a flow that has none running; None if there is none."""
        backlogged = [flow for flow in self._flows.values() if flow.line and not (of_newcomers and flow.running)]
        if not backlogged:
            return None
        flow = min(backlogged, key=lambda each: (each.finish, each.line[0].number))
        share = flow.line.popleft()
        self.waiting -= 1
        self._charge(flow, share)
        return share

    def begin(self, share: Share) -> None:
        """Begins a request that needs not wait."""
        flow = self._flows.setdefault(share.flow, _Flow())
        if not flow.line:
            flow.finish = max(flow.finish, self._virtual)
        self._charge(flow, share)

    def end(self, share: Share, used: float) -> None:
        """A request has ended: its flow pays what was really used."""
        flow = self._flows[share.flow]
        flow.finish += (used - share.cost) / share.weight
        flow.running -= 1
        self.running -= 1
        self._forget(share.flow, flow)

    def remove(self, share: Share) -> None:
        """Takes out a request that waits; it costs nothing."""
        flow = self._flows[share.flow]
        flow.line.remove(share)
        self.waiting -= 1
        self._forget(share.flow, flow)

    def order(self) -> Iterator[Share]:
        """Those that wait, in the order in which they would begin if nothing else came."""
        lines = {id(flow): iter(flow.line) for flow in self._flows.values() if flow.line}
        heads = []
        for flow in self._flows.values():
            if flow.line:
                share = next(lines[id(flow)])
                heads.append((flow.finish, share.number, id(flow), share))
        heapify(heads)
        while heads:
            finish, _, key, share = heads[0]
            yield share
            following = next(lines[key], None)
            if following is None:
                heappop(heads)
            else:
                heapreplace(heads, (finish + share.cost / share.weight, following.number, key, following))

    def _charge(self, flow: _Flow, share: Share) -> None:
        self._virtual = max(self._virtual, flow.finish)
        flow.finish += share.cost / share.weight
        flow.running += 1
        self.running += 1

    def _forget(self, name: str, flow: _Flow) -> None:
        """Forgets a flow that neither has nor owes anything, and all of them when nobody competes any more."""
        if not self.waiting and not self.running:
            self._flows.clear()
            self._virtual = 0.0
        elif not flow.line and not flow.running and flow.finish <= self._virtual:
            del self._flows[name]
