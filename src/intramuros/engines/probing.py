"""Looks at upstreams in the background: each is asked for its models now and then, and what came of it is kept.

Run by the router's server; read by the page, the commands and `/metrics`. No text is sent. Upstreams inside are looked
at unless they were described otherwise; one outside only if it was described so and texts may go outside at all, and
each time is in the audit. Of those inside the audit has the changes. What is found moves no breaker: a server that
lists its models may still fail to answer.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from intramuros.accounts.caller import LOCAL
from intramuros.audit.entry import Entry
from intramuros.audit.record import Audit
from intramuros.engines.remote import RemoteEngine
from intramuros.engines.routing import Routing
from intramuros.engines.trial import missing_in
from intramuros.engines.upstream import Upstream
from intramuros.errors import IntramurosError, UpstreamTimeout

log = logging.getLogger(__name__)

LOOK_S = 5.0
INSIDE_S, OUTSIDE_S = 30.0, 300.0
ANSWER_S = 5.0
READY, FAILED = "ready", "failed"


@dataclass(frozen=True, slots=True)
class Seen:
    """What came of the last look at one upstream. Units: seconds since the epoch, `took_ms` milliseconds.

    `failures`: looks in a row that failed; `missing`: models it was described with and does not list.
    """

    upstream: str
    state: str
    checked_at: float
    last_seen_at: float | None
    failures: int = 0
    error: str = ""
    missing: tuple[str, ...] = ()
    took_ms: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """As it is shown."""
        return asdict(self)


class Probes:
    """What is known of each upstream, and the looking."""

    def __init__(
        self,
        routing: Routing,
        audit: Audit,
        *,
        lets_outside: Callable[[], bool],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.routing, self.audit, self.lets_outside, self.clock = routing, audit, lets_outside, clock
        self.seen: dict[str, Seen] = {}
        self._engines: dict[str, RemoteEngine] = {}

    async def run(self) -> None:
        """Looks until cancelled."""
        try:
            while True:
                try:
                    await self.look()
                except IntramurosError as error:  # the store is busy, or no record can be written: nothing was asked
                    log.warning("upstreams were not looked at: %s", error.message)
                await asyncio.sleep(LOOK_S)
        finally:
            for name in tuple(self._engines):
                await self._forget(name)

    async def look(self) -> None:
        """One round: every upstream that may be asked and is due. Raises: StorageError, AuditUnavailable."""
        table = await asyncio.to_thread(lambda: self.routing.table)
        watched = {name: one for name, one in table.upstreams.items() if self.may_ask(one)}
        for name in {*self.seen, *self._engines} - set(watched):
            self.seen.pop(name, None)
            await self._forget(name)
        await asyncio.gather(*(self._ask(one) for one in watched.values() if self._is_due(one)))

    def may_ask(self, upstream: Upstream) -> bool:
        """Whether this one is looked at."""
        return upstream.is_probed and (self.lets_outside() or not upstream.is_outside)

    def _is_due(self, upstream: Upstream) -> bool:
        seen, engine = self.seen.get(upstream.name), self._engines.get(upstream.name)
        if seen is None or engine is None or engine.upstream != upstream:  # new, or described in another way
            return True
        return self.clock() - seen.checked_at >= (OUTSIDE_S if upstream.is_outside else INSIDE_S)

    async def _ask(self, upstream: Upstream) -> None:
        """Asks one; a look at the outside has its record before anything leaves."""
        if not upstream.is_outside:
            before, seen = self.seen.get(upstream.name), await self._answer(upstream)
            if before is None or (before.state, before.error, before.missing) != (seen.state, seen.error, seen.missing):
                async with self.audit.entry("upstream.probe", by=LOCAL, object=upstream.name, via="schedule") as entry:
                    _note(entry, seen)
                log.info("upstream %s: %s %s", upstream.name, seen.state, seen.error)
            return
        async with self.audit.entry("upstream.probe", by=LOCAL, object=upstream.name, via="schedule") as entry:
            entry.note(route="outside", upstream=upstream.name)
            seen = await self._answer(upstream)
            _note(entry, seen)

    async def _answer(self, upstream: Upstream) -> Seen:
        engine = await self._engine(upstream)
        before, began, error = self.seen.get(upstream.name), time.perf_counter(), ""
        missing: tuple[str, ...] = ()
        try:
            async with asyncio.timeout(ANSWER_S):
                offered = {entry["id"] for entry in await engine.models()}
            missing = missing_in(upstream.models, offered)
        except TimeoutError:
            error = UpstreamTimeout.code
        except IntramurosError as found:
            error = found.code
        now = self.clock()
        self.seen[upstream.name] = seen = Seen(
            upstream.name,
            FAILED if error else READY,
            checked_at=now,
            last_seen_at=(before.last_seen_at if before else None) if error else now,
            failures=(before.failures if before else 0) + 1 if error else 0,
            error=error,
            missing=missing,
            took_ms=round(1000 * (time.perf_counter() - began), 1),
        )
        return seen

    async def _engine(self, upstream: Upstream) -> RemoteEngine:
        found = self._engines.get(upstream.name)
        if found is not None and found.upstream == upstream:
            return found
        await self._forget(upstream.name)
        self._engines[upstream.name] = made = RemoteEngine(upstream, "")
        return made

    async def _forget(self, name: str) -> None:
        if (engine := self._engines.pop(name, None)) is not None:
            await engine.close()


def _note(entry: Entry, seen: Seen) -> None:
    if seen.error:
        entry.note(error=seen.error)
        entry.outcome = "failed"
