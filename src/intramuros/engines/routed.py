"""The engine of a route: tries its targets one after the other until one begins to answer. No other part retries.

Made by the router for the length of one request. Before the first token another target may take over; after it the
error goes to who asked, for the end of one answer never fits the beginning of another. Errors that the request itself
causes are nobody's to mend and are never tried elsewhere.
"""

from __future__ import annotations

import math
import secrets
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar, cast

import orjson

from intramuros.engines.adapters import FIELD
from intramuros.engines.asked import Asked
from intramuros.engines.breaker import CLOSED
from intramuros.engines.comparing import SERVED, SHADOW, Outcome, agreement
from intramuros.engines.engine import INSIDE, ChatRequest, CountsPrompts, Engine, Health, Reply, Usage
from intramuros.engines.line import OF_THE_REQUEST
from intramuros.engines.openai_http import usage_in
from intramuros.engines.route import Route, Target, prefix_of
from intramuros.engines.upstream import LOCAL
from intramuros.errors import BadRequest, ContextOverflow, IntramurosError, NoBackEnd, NoTarget, OutsideNotAllowed

if TYPE_CHECKING:
    from intramuros.engines.router import Router

T = TypeVar("T")
BYTES_PER_TOKEN = 3
"""What a token of a model elsewhere takes at least, on average: nothing is sent only to be counted."""
WHY = {
    "policy": "the administrator has not opened the way out",
    "consent": "nobody has agreed to it",
    "nobody": "it is not known who asks",
}


class RoutedEngine:
    """A route as an engine of the contract; `model` is the route's name, whoever answers."""

    def __init__(self, router: Router, route: Route, asked: Asked | None) -> None:
        self._router, self._route, self._asked = router, route, asked

    @property
    def model(self) -> str:
        """The name it was asked for."""
        return self._route.name

    async def generate(self, request: ChatRequest) -> Reply:
        """Completes a chat with the first target that can. Raises: as the target; NoTarget, OutsideNotAllowed."""
        trying = _Trying(self._router, self._route, self._asked, request)
        reply = await trying.until_one(lambda engine, target: engine.generate({**request, "model": target.model}))
        trying.answered(reply.text, reply.usage, reply.finish_reason)
        return reply

    async def stream(self, request: ChatRequest) -> AsyncGenerator[bytes]:
        """The chunks of the first target that says something. Raises: as `generate`; later what ends the answer."""
        trying = _Trying(self._router, self._route, self._asked, request)
        while (target := trying.next()) is not None:
            heard = _Heard(trying)
            try:
                async with trying.at(target) as engine:
                    chunks = cast("AsyncGenerator[bytes]", engine.stream({**request, "model": target.model}))
                    async with aclosing(chunks):
                        async for chunk in chunks:
                            for ready in heard.take(chunk):
                                yield ready
                for ready in heard.rest():
                    yield ready
                trying.answered(heard.text, heard.usage, heard.finish_reason)
                return
            except IntramurosError as error:
                if heard.has_spoken:
                    raise
                trying.failed(error)

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """One vector for each text. Raises: as `generate`."""
        trying = _Trying(self._router, self._route, self._asked, {"input": list(texts[:1])})
        return await trying.until_one(lambda engine, _target: engine.embed(texts))

    async def rerank(self, query: str, texts: Sequence[str]) -> list[float]:
        """How well each text answers the query. Raises: as `generate`."""
        trying = _Trying(self._router, self._route, self._asked, {"input": query})
        return await trying.until_one(lambda engine, _target: engine.rerank(query, texts))

    async def tokenise(self, text: str) -> list[int]:
        """The tokens of a model of this machine; elsewhere as many numbers as there are tokens at most, about."""
        first = self._route.targets[0]
        if first.is_local:
            async with self._router.pool.engine(first.model) as engine:
                return await engine.tokenise(text)
        return list(range(-(-len(text.encode()) // BYTES_PER_TOKEN)))

    async def prompt_tokens(self, request: ChatRequest) -> int:
        """How long a chat's prompt is for a model of this machine; elsewhere nothing is sent only to be counted."""
        first = self._route.targets[0]
        if not first.is_local:
            raise NoBackEnd(
                "The model that answers first under this name is elsewhere: its tokens aren't counted here."
            )
        async with self._router.pool.engine(first.model) as engine:
            if not isinstance(engine, CountsPrompts):
                raise NoBackEnd("This model's engine can't count a prompt.")
            return await engine.prompt_tokens(request)

    async def health(self) -> Health:
        """How the first target is: nothing is sent for it, and what its breaker holds back is not loaded for it."""
        first = self._route.targets[0]
        line = self._router.line(first)
        tokens = line.upstream.context_tokens if line.upstream else 0
        if line.breaker.state != CLOSED:
            return Health("failed", line.last_error, context_tokens=tokens)
        if first.is_local:
            try:
                async with self._router.pool.engine(first.model) as engine:
                    return await engine.health()
            except IntramurosError as error:
                return Health("failed", error.message)
        return Health("ready", line.last_error, context_tokens=tokens)

    async def close(self) -> None:
        """Nothing: the lines are the router's."""


@dataclass(slots=True)
class _Trying:
    """The attempts of one request."""

    router: Router
    route: Route
    asked: Asked | None
    request: ChatRequest
    pair: str = field(default_factory=lambda: secrets.token_hex(8))
    left: list[Target] = field(init=False)
    target: Target | None = None
    attempts: int = 0
    error: IntramurosError | None = None
    is_free: bool = True
    has_overflown: bool = False
    is_shadowed: bool = False
    reasons: list[str] = field(default_factory=list)
    rests: list[float] = field(default_factory=list)
    began: float = 0.0
    first_token_s: float | None = None

    def __post_init__(self) -> None:
        one = len(self.route.targets) == 1
        prefix = b"" if one else prefix_of(self.request, key=self.router.key)
        self.left = [*self.route.order(prefix), *self.route.fallbacks]
        self.is_shadowed = (
            FIELD not in self.request and self.route.shadow is not None and self.router.draw() < self.route.shadow_share
        )

    def next(self) -> Target | None:
        """The next target that may be asked. Raises: what ends the trying, when there is none."""
        while self.left:
            target = self.left.pop(0)
            if FIELD in self.request and target.upstream != LOCAL:  # adapters act on this machine only
                continue
            if reason := self.router.reason_against(target, self.asked):
                self.reasons.append(reason)
                continue
            breaker = self.router.line(target).breaker
            if not breaker.admits():
                self.rests.append(breaker.retry_in_s)
                continue
            if not self.is_free and not self.router.budget.withdraw():
                breaker.left()
                break
            self.target, self.attempts, self.is_free = target, self.attempts + 1, False
            self.began, self.first_token_s = time.perf_counter(), None
            if self.asked is not None:
                self.asked.entry.note(upstream=target.name, attempts=self.attempts)
            return target
        raise self.error or self._nothing()

    @asynccontextmanager
    async def at(self, target: Target) -> AsyncIterator[Engine]:
        """One attempt: its engine inside, its verdict afterwards."""
        async with self.router.line(target).judged(), self.router.connected(target, self.asked) as engine:
            yield engine

    def failed(self, error: IntramurosError) -> None:
        """Goes on to another target where that can help. Raises: the error, where it can't."""
        self._count(error=error.code)
        if isinstance(error, ContextOverflow) and self.route.overflows and not self.has_overflown:
            asked = {self.target.name} if self.target else set()
            self.left = [target for target in self.route.overflows if target.name not in asked]
            self.has_overflown = self.is_free = True
        elif isinstance(error, OF_THE_REQUEST):
            raise error
        self.error = error

    async def until_one(self, ask: Callable[[Engine, Target], Awaitable[T]]) -> T:
        """What the first target says that can. Raises: as `next`, as `failed`."""
        while True:
            target = self.next()
            assert target is not None
            try:
                async with self.at(target) as engine:
                    return await ask(engine, target)
            except IntramurosError as error:
                self.failed(error)

    def spoke(self) -> None:
        """The first token has come."""
        self.first_token_s = time.perf_counter() - self.began

    def answered(self, text: str, usage: Usage | None, finish_reason: str) -> None:
        """Counts the answer, and sends the request to the shadow if it was drawn."""
        self._count(usage=usage, finish_reason=finish_reason)
        if self.is_shadowed and self.route.shadow is not None:
            self.router.shadow(self._shadow(self.route.shadow, text))

    async def _shadow(self, target: Target, text: str) -> None:
        """What the shadow makes of the same request, in numbers; its words are compared and let go."""
        if self.router.reason_against(target, self.asked) or not self.router.line(target).breaker.admits():
            return
        self.target, self.began, self.first_token_s = target, time.perf_counter(), None
        with suppress(IntramurosError):
            async with self._recorded():
                try:
                    async with self.at(target) as engine:
                        reply = await engine.generate({**self.request, "model": target.model})
                except IntramurosError as error:
                    self._count(role=SHADOW, error=error.code)
                    raise
            alike = agreement(text, reply.text)
            self._count(role=SHADOW, usage=reply.usage, finish_reason=reply.finish_reason, agreement=alike)

    @asynccontextmanager
    async def _recorded(self) -> AsyncIterator[None]:
        """A record of its own: the request's is written by then, and what leaves the walls is never without one."""
        by = self.asked.by if self.asked else None
        async with self.router.audit.entry("shadow", by=by, via="schedule") as entry:
            assert self.target is not None
            entry.note(model=self.route.name, upstream=self.target.name, route=INSIDE)
            if self.asked is not None:
                self.asked = replace(self.asked, entry=entry)
            yield

    def _count(self, *, role: str = SERVED, usage: Usage | None = None, **values: Any) -> None:
        if not self.route.is_compared or self.target is None:
            return
        first = self.first_token_s
        self.router.comparisons.add(
            Outcome(
                self.route.name,
                self.target.name,
                role,
                self.pair,
                duration_ms=round(1000 * (time.perf_counter() - self.began), 1),
                first_token_ms=None if first is None else round(1000 * first, 1),
                prompt_tokens=usage.prompt_tokens if usage else None,
                completion_tokens=usage.completion_tokens if usage else None,
                **values,
            )
        )

    def _nothing(self) -> IntramurosError:
        """Why nobody was asked."""
        if FIELD in self.request and not self.rests:
            return BadRequest(
                f"{self.route.name} is answered by others: its adapters act only where it runs on this machine.",
                param="model",
            )
        if self.rests:
            return NoTarget(
                f"Nothing that answers as {self.route.name} can be asked now; it is tried again in a moment.",
                retry_after_s=max(1, math.ceil(min(self.rests))),
            )
        reason = self.reasons[0] if self.reasons else "policy"
        return OutsideNotAllowed(
            f"Only a model outside could answer as {self.route.name}, and {WHY[reason]}: nothing was sent.",
            reason=reason,
        )


class _Heard:
    """What one target's stream has said so far: nothing is passed on before it says something."""

    def __init__(self, trying: _Trying) -> None:
        self._trying = trying
        self._held: list[bytes] = []
        self._listens = trying.route.is_compared
        self._texts: list[str] = []
        self.has_spoken = False
        self.usage: Usage | None = None
        self.finish_reason = ""

    @property
    def text(self) -> str:
        """What the first choice said, where somebody compares."""
        return "".join(self._texts)

    def take(self, chunk: bytes) -> Sequence[bytes]:
        """The next chunk: what may be passed on now."""
        if self.has_spoken and not self._listens:
            return (chunk,)
        parsed = orjson.loads(chunk)
        if self._listens:
            self._listen(parsed)
        if self.has_spoken:
            return (chunk,)
        self._held.append(chunk)
        if not _says_something(parsed):
            return ()
        self._trying.spoke()
        return self.rest()

    def rest(self) -> Sequence[bytes]:
        """What was held back."""
        self.has_spoken = True
        held, self._held = self._held, []
        return held

    def _listen(self, parsed: dict[str, Any]) -> None:
        if parsed.get("usage"):
            self.usage = usage_in(parsed)
        for choice in parsed.get("choices") or ():
            self.finish_reason = choice.get("finish_reason") or self.finish_reason
            if self._trying.is_shadowed and not choice.get("index"):
                said = (choice.get("delta") or {}).get("content") or choice.get("text")
                if said:
                    self._texts.append(said)


def _says_something(chunk: dict[str, Any]) -> bool:
    """Whether a chunk has more than who speaks: words, a tool call, or the end."""
    for choice in chunk.get("choices") or ():
        delta = choice.get("delta") or {}
        if choice.get("text") or choice.get("finish_reason") or any(v for k, v in delta.items() if k != "role"):
            return True
    return False
