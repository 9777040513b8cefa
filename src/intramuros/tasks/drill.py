"""The fallback drill: makes each target of a route fail, one way after the other, and measures what takes over.

Called by the command line. It works on the live configuration: the targets that are not made to fail are really asked,
with one fixed sentence and nothing of anybody. Only the failing is played, by what it puts around a target's engine.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import asdict, dataclass, field, replace
from typing import Any, cast

from intramuros.engines.asked import Asked, asking
from intramuros.engines.engine import ChatRequest, Engine, Health, Reply
from intramuros.engines.route import Route, Target, prefix_of
from intramuros.engines.router import Router
from intramuros.engines.trial import SENTENCE
from intramuros.errors import ContextOverflow, IntramurosError, UpstreamFailed

WELL, BEFORE, MIDDLE, OVERFLOW, RESTS = "none", "before_first_token", "mid_stream", "overflow", "breaker_open"
FAULTS = {
    WELL: "nothing fails",
    BEFORE: "fails before the first token",
    MIDDLE: "breaks off after the first token",
    OVERFLOW: "says that the prompt is too long",
    RESTS: "rests, because it failed before",
}
HELD, BROKEN, GAP = "held", "broken", "gap"
CODE = "drill"


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """One way of failing. `expected` and `answered` are targets; empty: nobody, and who asked is told.

    `switch_ms` is from the failure to the first token of who took over. A gap is a failure the plan has nobody for.
    """

    route: str
    fault: str
    failing: tuple[str, ...]
    expected: str
    answered: str
    verdict: str
    switch_ms: float | None = None
    error: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """What was rehearsed."""

    rehearsals: tuple[Rehearsal, ...]
    at: float

    def count(self, verdict: str) -> int:
        """How many went this way."""
        return sum(rehearsal.verdict == verdict for rehearsal in self.rehearsals)

    def to_json(self) -> dict[str, Any]:
        """For programs."""
        counts = {verdict: self.count(verdict) for verdict in (HELD, BROKEN, GAP)}
        return {"at": self.at, **counts, "rehearsals": [asdict(rehearsal) for rehearsal in self.rehearsals]}

    def to_markdown(self) -> str:
        """For people."""
        when = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(self.at))
        lines = [
            "# Fallback drill",
            "",
            f"{when}: {self.count(HELD)} held, {self.count(BROKEN)} broken, {self.count(GAP)} without a successor.",
            "",
            "| route | what fails | how | should answer | answered | switch | verdict |",
            "| --- | --- | --- | --- | --- | --- | --- |",
        ]
        for one in self.rehearsals:
            switch = "" if one.switch_ms is None else f"{one.switch_ms:.0f} ms"
            answered = one.answered or f"nobody ({one.error})"
            cells = (one.route, ", ".join(one.failing) or "nothing", FAULTS[one.fault], one.expected or "nobody")
            lines.append(f"| {' | '.join(cells)} | {answered} | {switch} | {one.verdict} |")
        return "\n".join(lines) + "\n"


@dataclass(frozen=True, slots=True)
class Drill:
    """Rehearses routes on a router of its own that is like the server's."""

    router: Router

    async def run(self, routes: Sequence[Route], asked: Asked) -> Report:
        """Every fault of every route. Raises nothing that a target does."""
        rehearsals: list[Rehearsal] = []
        for route in routes:
            for fault, failing, expected in self._scenes(route, asked):
                rehearsals.append(await self._rehearse(route, fault, failing, expected, asked))
        return Report(tuple(rehearsals), time.time())

    def _scenes(self, route: Route, asked: Asked) -> list[tuple[str, tuple[Target, ...], Target | None]]:
        """What is made to fail, and who should answer then: by the plan, and by what may go outside."""

        def allowed(targets: Sequence[Target]) -> list[Target]:
            return [target for target in targets if self.router.reason_against(target, asked) is None]

        order = allowed([*self._order(route), *route.fallbacks])
        if not order:
            return [(WELL, (), None)]
        first, larger = order[0], allowed(route.overflows)
        following = [*order[1:], None]
        scenes: list[tuple[str, tuple[Target, ...], Target | None]] = [(WELL, (), first)]
        scenes += [(BEFORE, tuple(order[: n + 1]), following[n]) for n in range(len(order))]
        scenes.append((MIDDLE, (first,), None))
        scenes.append((OVERFLOW, (first,), next((target for target in larger if target.name != first.name), None)))
        scenes.append((RESTS, (first,), following[0]))
        return scenes

    def _order(self, route: Route) -> list[Target]:
        return route.order(prefix_of(SENTENCE, key=self.router.key))

    async def _rehearse(
        self, route: Route, fault: str, failing: tuple[Target, ...], expected: Target | None, asked: Asked
    ) -> Rehearsal:
        first, *rest = self._order(route)
        plan = replace(route, targets=(first,), fallbacks=(*rest, *route.fallbacks), shadow=None)
        stage = _Stage(fault, tuple(target.name for target in failing))
        router = self.router.apart(stage.around)
        if fault == RESTS:
            for target in failing:
                _tire(router, target)
        error, switch_ms = "", None
        try:
            switch_ms = await _listened(router, plan, stage, asked)
        except IntramurosError as raised:
            error = raised.code
        finally:
            await router.close_lines()
        answered = "" if error else stage.asked[-1]
        wanted = expected.name if expected else ""
        verdict = stage.verdict(wanted, answered, error=error)
        return Rehearsal(route.name, fault, stage.failing, wanted, answered, verdict, switch_ms, error)


@dataclass(slots=True)
class _Stage:
    """Who fails how, and who was asked."""

    fault: str
    failing: tuple[str, ...]
    asked: list[str] = field(default_factory=list)
    failed_at: float | None = None

    def around(self, target: Target, engine: Engine) -> Engine:
        return _Actor(self, target, engine)

    def fails(self) -> None:
        self.failed_at = time.perf_counter()

    def verdict(self, wanted: str, answered: str, *, error: str) -> str:
        if self.fault == MIDDLE:  # nobody else may be asked, and who asked is told
            return HELD if error == CODE and self.asked == list(self.failing) else BROKEN
        if answered != wanted or (self.fault == RESTS and set(self.failing) & set(self.asked)):
            return BROKEN
        return HELD if wanted else GAP


class _Actor:
    """A target's engine that fails where it was told to."""

    def __init__(self, stage: _Stage, target: Target, engine: Engine) -> None:
        self._stage, self._target, self._engine = stage, target, engine

    @property
    def model(self) -> str:
        """The model's name."""
        return self._engine.model

    async def stream(self, request: ChatRequest) -> AsyncIterator[bytes]:
        """The engine's own stream, or a failure."""
        stage = self._stage
        stage.asked.append(self._target.name)
        is_failing = self._target.name in stage.failing
        if is_failing and stage.fault in {BEFORE, OVERFLOW}:
            stage.fails()
            raise ContextOverflow() if stage.fault == OVERFLOW else UpstreamFailed("It was made to fail.", code=CODE)
        if is_failing and stage.fault == MIDDLE:
            yield b'{"id":"drill","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"Re"}}]}'
            stage.fails()
            raise UpstreamFailed("It was made to break off.", code=CODE)
        async for chunk in self._engine.stream(request):
            yield chunk

    async def generate(self, request: ChatRequest) -> Reply:
        """As the engine."""
        return await self._engine.generate(request)

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """As the engine."""
        return await self._engine.embed(texts)

    async def rerank(self, query: str, texts: Sequence[str]) -> list[float]:
        """As the engine."""
        return await self._engine.rerank(query, texts)

    async def tokenise(self, text: str) -> list[int]:
        """As the engine."""
        return await self._engine.tokenise(text)

    async def health(self) -> Health:
        """As the engine."""
        return await self._engine.health()

    async def close(self) -> None:
        """As the engine."""
        await self._engine.close()


async def _listened(router: Router, plan: Route, stage: _Stage, asked: Asked) -> float | None:
    """Asks the route, to the end: the time from the failure to the first token. Raises: as the route."""
    switch_ms: float | None = None
    began = time.perf_counter()
    with asking(asked):
        async with router.along(plan) as engine, aclosing(cast("Any", engine.stream(SENTENCE))) as chunks:
            async for _ in chunks:
                if switch_ms is None:
                    switch_ms = round(1000 * (time.perf_counter() - (stage.failed_at or began)), 1)
    return switch_ms


def _tire(router: Router, target: Target) -> None:
    breaker = router.line(target).breaker
    for _ in range(breaker.most_failures):
        breaker.failed()
