"""The router: from a model's name to an engine, wherever it runs. It has the pool's shape; tasks ask it instead.

A name without a route is the pool's, with nothing added. A route's engine (`engines.routed`) tries its targets in
order. Here are the lines to them, what may go outside, and the numbers of comparisons; no order and no retries.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Protocol, TypedDict

from intramuros.audit.record import Audit
from intramuros.background import begin, begin_always
from intramuros.engines.asked import Asked, asked_now
from intramuros.engines.breaker import Breaker, RetryBudget
from intramuros.engines.comparing import Comparisons
from intramuros.engines.engine import Engine
from intramuros.engines.line import Line, LineObject
from intramuros.engines.listed import check_listed
from intramuros.engines.loading import Coming
from intramuros.engines.outside import OutsideEngine
from intramuros.engines.probing import Probes, Seen
from intramuros.engines.renaming import Renamed, taken
from intramuros.engines.route import Route, Target
from intramuros.engines.routed import RoutedEngine
from intramuros.engines.routing import Routing
from intramuros.engines.trial import Trials
from intramuros.engines.upstream import LOCAL
from intramuros.errors import (
    BadRequest,
    DetectorFailed,
    IntramurosError,
    ModelNotFound,
    NotFound,
    OutsideNotAllowed,
    StorageError,
    UpstreamFailed,
)
from intramuros.privacy.redact.aliases import Aliases
from intramuros.privacy.redact.kept import KeptAliases

log = logging.getLogger(__name__)

FLUSH_S = 5.0
MOST_SHADOWS = 4
"""Shadows that run at once; further ones are left out, so that nobody waits for them."""
POLICY, CONSENT, NOBODY = "policy", "consent", "nobody"
"""Why a text may not go outside: the installation does not let it, who asks has not agreed, nobody asks."""


class Pool(Protocol):
    """The models of this machine."""

    def engine(self, name: str) -> AbstractAsyncContextManager[Engine]:
        """The engine that runs this model, loaded if need be. Raises: ModelNotFound, EngineLoadFailed."""
        ...

    def check(self, name: str) -> None:
        """Raises: ModelNotFound if no model of this name can run here."""
        ...

    def loading(self, name: str) -> AsyncGenerator[Coming] | None:
        """How far the load of a model is, while whoever listens waits for it; None if it is loaded."""
        ...


class LookedAt(TypedDict):
    """How upstreams and targets are, as this process knows them."""

    probes: list[Annotated[dict[str, Any], Seen]]
    targets: list[LineObject]


@dataclass(slots=True)
class Router:
    """Where tasks get their engines from. `outside` makes an engine beyond the walls one that hides and restores."""

    pool: Pool
    routing: Routing
    outside: Callable[[Engine, Aliases], OutsideEngine]
    aliases: KeptAliases
    comparisons: Comparisons
    audit: Audit
    key: bytes
    lets_outside: bool = False
    clock: Callable[[], float] = time.monotonic
    draw: Callable[[], float] = random.random
    wrap: Callable[[Target, Engine], Engine] = lambda _target, engine: engine
    """What a drill puts around the engines of targets."""
    trials: Trials = field(default_factory=Trials)
    budget: RetryBudget = field(init=False)
    probes: Probes = field(init=False)
    _lines: dict[str, Line] = field(default_factory=dict)
    _shadows: set[asyncio.Task[None]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.budget = RetryBudget(clock=self.clock)
        self.probes = Probes(self.routing, self.audit, lets_outside=lambda: self.lets_outside)

    def engine(self, name: str) -> AbstractAsyncContextManager[Engine]:
        """The engine that answers under this name. Raises: as the pool; a route's engine raises when it is asked."""
        route = self.routing.table.routes.get(name)
        return self.pool.engine(name) if route is None else self.along(route)

    def loading(self, name: str) -> AsyncGenerator[Coming] | None:
        """How far a model of this machine is on its way to memory, until it is there; nothing of what a route tries.

        Raises: as `EnginePool.loading`.
        """
        return None if self.has(name) else self.pool.loading(name)

    def has(self, name: str) -> bool:
        """Whether this name is a route."""
        return name in self.routing.table.routes

    def names(self) -> list[str]:
        """Every name that is a route."""
        return sorted(self.routing.table.routes)

    async def set_route(self, route: Route, *, was: str | None = None) -> Route:
        """Keeps a route in place of the one of its name; `was`: as for `Routing.set`.

        Raises: BadRequest for a target that can't be: its model is not installed here, or not listed by its upstream.
        Conflict.
        """
        await asyncio.to_thread(self._check_local, route)
        upstreams = (await asyncio.to_thread(lambda: self.routing.table)).upstreams
        await check_listed(route, upstreams, lets_outside=self.lets_outside)
        return await asyncio.to_thread(self.routing.set, route, was=was)

    def rename(self, name: str, to: str, *, was: str | None = None) -> Renamed:
        """Gives an upstream another name. Raises: as `Routing.rename`."""
        self.comparisons.flush()
        return self.routing.rename(name, to, was=was)

    def rename_route(self, name: str, to: str, *, was: str | None = None) -> Renamed:
        """Gives a route another name, which must not be that of a model of this machine: that would stop answering.

        Raises: as `Routing.rename_route`.
        """
        with suppress(ModelNotFound):
            self.pool.check(to)
            taken(to, by="model")
        self.comparisons.flush()
        return self.routing.rename_route(name, to, was=was)

    def _check_local(self, route: Route) -> None:
        for target in route.all_targets:
            if target.is_local:
                try:
                    self.pool.check(target.model)
                except ModelNotFound as error:
                    raise BadRequest(f"{target.name}: {error.message}", hint=error.hint, code="bad_route") from error

    @property
    def ways_out(self) -> list[str]:
        """The upstreams outside that a text can go to, if who asks agrees."""
        found = self.routing.table.upstreams.values() if self.lets_outside else ()
        return [upstream.name for upstream in found if upstream.is_outside]

    def line(self, target: Target) -> Line:
        """The line to a target; a new one where its upstream is described in another way than before."""
        upstream = self.routing.table.upstreams.get(target.upstream)
        line = self._lines.get(target.name)
        if line is None or line.upstream != upstream:
            if line is not None:
                self._later(line.end(), f"close the line to {target.name}")
            line = self._lines[target.name] = Line(target, upstream, Breaker(clock=self.clock))
        return line

    def reason_against(self, target: Target, asked: Asked | None) -> str | None:
        """Why this request may not go to this target; None if it may."""
        upstream = self.routing.table.upstreams.get(target.upstream)
        if upstream is None or not upstream.is_outside:
            return None
        if not self.lets_outside:
            return POLICY
        if asked is None:
            return NOBODY
        return None if asked.agrees or self.routing.table.has_agreed(upstream.name, asked) else CONSENT

    @asynccontextmanager
    async def connected(self, target: Target, asked: Asked | None) -> AsyncIterator[Engine]:
        """The engine of a target as it may be used: what goes outside is hidden, and noted. Raises: as the engine."""
        if target.upstream == LOCAL:
            async with self.pool.engine(target.model) as engine:
                yield self.wrap(target, engine)
            return
        line = self.line(target)
        if line.upstream is None:
            raise UpstreamFailed(f"There is no upstream {target.upstream} any more.", code="upstream_gone")
        async with line.remote() as remote:
            engine = self.wrap(target, remote)
            if not line.upstream.is_outside:
                yield engine
                return
            if asked is not None and asked.entry.is_closed:  # what leaves is never without an open record
                raise OutsideNotAllowed("The request has ended: nothing was sent.", reason=NOBODY)
            with _failing_closed():
                hiding = await asyncio.to_thread(self._hiding, engine, asked)
            try:
                with _failing_closed(hiding):
                    yield hiding
            finally:
                _note(hiding, target, asked)

    def states(self) -> list[LineObject]:
        """How each target is that was asked since the start, and that is still there."""
        return [line.to_json() for line in self._lines.values() if not self._is_gone(line)]

    def looked_at(self) -> LookedAt:
        """How upstreams and targets are, as this process knows them."""
        return {"probes": [seen.to_json() for seen in self.probes.seen.values()], "targets": self.states()}

    def shadow(self, work: Coroutine[Any, Any, None]) -> None:
        """Runs a shadow beside everything else; not at all when too many run."""
        if len(self._shadows) < MOST_SHADOWS:
            self._later(work, "shadow")
        else:
            work.close()

    async def run(self) -> None:
        """Keeps routes up to date, looks at upstreams and writes comparisons, until cancelled."""
        beside = [
            begin_always(self.routing.watch, name="watch routes"),
            begin_always(self.probes.run, name="look at upstreams"),
        ]
        try:
            while True:
                await asyncio.sleep(FLUSH_S)
                await self._flush()
                self._end_gone()
        finally:
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)

    async def stop(self) -> None:
        """Ends shadows and connections, and writes what was counted."""
        for task in tuple(self._shadows):
            task.cancel()
        await asyncio.gather(*self._shadows, return_exceptions=True)
        await self.close_lines()
        await self._flush()

    async def close_lines(self) -> None:
        """Breaks the connections."""
        for line in self._lines.values():
            await line.close()

    def apart(self, wrap: Callable[[Target, Engine], Engine]) -> Router:
        """A router like this one with lines, breakers and a budget of its own, and something around its engines."""
        return replace(self, wrap=wrap, _lines={}, _shadows=set())

    @asynccontextmanager
    async def along(self, route: Route) -> AsyncIterator[Engine]:
        """An engine that answers along this route."""
        self.budget.deposit()
        yield RoutedEngine(self, route, asked_now())

    def _hiding(self, engine: Engine, asked: Asked | None) -> OutsideEngine:
        """With the conversation's own aliases, so that they stay the same; else with new ones."""
        aliases = Aliases()
        if asked is not None and asked.conversation_id and asked.project_id:
            aliases = self.aliases.of(asked.conversation_id, project_id=asked.project_id, user_id=asked.by.user_id)
        return self.outside(engine, aliases)

    def _is_gone(self, line: Line) -> bool:
        """Whether its upstream was removed, or has another name now."""
        return not line.target.is_local and line.target.upstream not in self.routing.table.upstreams

    def _end_gone(self) -> None:
        for line in [line for line in self._lines.values() if self._is_gone(line)]:
            del self._lines[line.target.name]
            self._later(line.end(), f"close the line to {line.target.name}")

    async def _flush(self) -> None:
        try:
            await asyncio.to_thread(self.comparisons.flush)
        except IntramurosError as error:
            log.warning("comparisons can't be written: %s", error.message)

    def _later(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = begin(work, name=name)
        self._shadows.add(task)
        task.add_done_callback(self._shadows.discard)


@contextmanager
def _failing_closed(hiding: OutsideEngine | None = None) -> Iterator[None]:
    """Aliases that can't be read stop the request, as a failing detector does: it says nothing of the target."""
    try:
        yield
    except (NotFound, StorageError) as error:
        if hiding is not None and hiding.is_sent:
            raise
        raise DetectorFailed("The aliases of this conversation can't be read; nothing was sent.") from error


def _note(hiding: OutsideEngine, target: Target, asked: Asked | None) -> None:
    """What the audit keeps of a text that went outside: where, under which policy, and how much was hidden."""
    if asked is None or not hiding.is_sent:
        return
    facts, earlier = hiding.facts, asked.entry.facts
    if "targets" in earlier:  # it went to another one before
        for name in ("restored", "unknown"):
            facts[name] += earlier.get(name, 0)
        facts["masked"] = dict(Counter(facts["masked"]) | Counter(earlier.get("masked", {})))
    asked.entry.note(**facts, targets=[*earlier.get("targets", ()), target.name])
