"""The task behind chat completions: from a model's name to a reply, with its usage metered.

Called by the OpenAI door. Takes a request already checked by the door, finds the engine, and forwards what it says. A
stream's chunks pass as the engine's own bytes; they are parsed only where they carry usage. Knows no HTTP.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, aclosing, contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

import orjson

from intramuros.accounts.caller import Caller
from intramuros.audit.entry import Entry
from intramuros.engines.engine import INSIDE, Engine, Usage
from intramuros.errors import BadRequest, TooMany
from intramuros.observability.metrics import Metrics

DEFAULT_MODEL = "default"
USAGE = b'"usage":'
TOOL_CALLS = b'"tool_calls":'


class Pool(Protocol):
    """Where engines come from: `engines.pool`, or a stand-in that measures everything else."""

    def engine(self, name: str) -> AbstractAsyncContextManager[Engine]:
        """The engine that runs this model, loaded if need be. Raises: ModelNotFound, EngineLoadFailed."""
        ...


class Turnstile:
    """Lets a bounded number of generations in: those that run and those that wait for a slot of an engine."""

    def __init__(self, limit: int = 128) -> None:
        self.limit = limit
        self.inside = 0

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Holds a place. Raises: TooMany when all are taken."""
        if self.inside >= self.limit:
            raise TooMany(f"{self.limit} requests are being answered or waiting; try again in a moment.")
        self.inside += 1
        try:
            yield
        finally:
            self.inside -= 1


@dataclass(frozen=True, slots=True)
class CompleteTask:
    """Completes a chat with an installed model."""

    pool: Pool
    metrics: Metrics
    turnstile: Turnstile = field(default_factory=Turnstile)
    knows_tools: Callable[[str], bool] = lambda _name: True
    """Whether the template of this model writes tools: `default` is a name too. Raises: ModelNotFound."""
    named: Callable[[str], str] = lambda name: name
    """The name of the model that answers under this name, such as `default`. Raises: ModelNotFound."""

    async def run(self, request: Mapping[str, Any], *, by: Caller, entry: Entry) -> dict[str, Any]:
        """The whole reply, as a `chat.completion` object that names the model that answered.

        Raises: ModelNotFound, NotAllowed for a model the key may not use, ContextOverflow, TooMany, BadRequest,
        EngineError.
        """
        entry.note(route=INSIDE)
        self._check_model(request, by)
        self._check_tools(request)
        with self.turnstile.entered(), _Meter(self.metrics, entry) as meter:
            async with self.pool.engine(request.get("model", DEFAULT_MODEL)) as engine:
                meter.begin(engine.model)
                reply = await engine.generate({**request, "model": engine.model})
                meter.first_token()
                meter.usage = reply.usage
        numbers = _detailed(dict(reply.raw.get("usage") or {}), reply.usage)
        whole = reply.raw | {"model": meter.model, "usage": numbers}
        if must_call_tool(request) and not any(choice["message"].get("tool_calls") for choice in whole["choices"]):
            raise no_tool_called(meter.model)
        return whole

    async def stream(
        self, request: Mapping[str, Any], *, by: Caller, entry: Entry, with_usage: bool = False
    ) -> AsyncGenerator[bytes]:
        """The reply chunk by chunk: the JSON of each `chat.completion.chunk`. Closing it frees the engine's slot.

        Shape: with `with_usage`, one more chunk at the end has no choices and the usage, as OpenAI's
        `stream_options.include_usage` says.
        Raises: as `run`; after the first chunk only EngineError and, for a tool that was not called, BadRequest.
        """
        entry.note(route=INSIDE)
        self._check_model(request, by)
        self._check_tools(request)
        with self.turnstile.entered(), _Meter(self.metrics, entry) as meter:
            async with self.pool.engine(request.get("model", DEFAULT_MODEL)) as engine:
                meter.begin(engine.model)
                named = _Renamer(engine.model)
                tool_missing = must_call_tool(request)
                chunks = cast("AsyncGenerator[bytes]", engine.stream({**request, "model": engine.model}))
                async with aclosing(chunks):
                    async for chunk in chunks:
                        meter.chunk()
                        if tool_missing and TOOL_CALLS in chunk:
                            tool_missing = False
                        forwarded = meter.settle(chunk, with_usage=with_usage) if USAGE in chunk else chunk
                        if forwarded:
                            yield named(forwarded)
                if tool_missing:
                    raise no_tool_called(engine.model)

    def _check_model(self, request: Mapping[str, Any], by: Caller) -> None:
        if by.rights.models is not None:
            by.rights.check_model(self.named(request.get("model", DEFAULT_MODEL)))

    def _check_tools(self, request: Mapping[str, Any]) -> None:
        """Refuses tools that the model would never hear of, before anything is loaded or generated."""
        if not request.get("tools") or request.get("tool_choice") == "none":
            return
        name = request.get("model", DEFAULT_MODEL)
        if not self.knows_tools(name):
            raise BadRequest(
                "This model can't use tools: its chat template has no place for them.",
                hint="Leave 'tools' out, or choose a model made for tools: intramuros models list",
                code="tools_not_supported",
                param="tools",
            )


class _Meter:
    """What one generation cost, noted in its audit record and counted, however it ends."""

    def __init__(self, metrics: Metrics, entry: Entry) -> None:
        self.metrics, self.entry = metrics, entry
        self.model = ""
        self.usage: Usage | None = None
        self.chunks = 0
        self.first_token_s: float | None = None
        self.started = time.perf_counter()

    def begin(self, model: str) -> None:
        """The engine is there; its model is the one that answers."""
        self.model = model
        self.entry.note(model=model)

    def first_token(self) -> None:
        """The first token, or the whole reply, has come."""
        self.first_token_s = time.perf_counter() - self.started

    def chunk(self) -> None:
        """One more chunk has come."""
        if not self.chunks:
            self.first_token()
        self.chunks += 1

    def settle(self, chunk: bytes, *, with_usage: bool) -> bytes:
        """Takes the usage out of the chunk that carries it: what is left to forward, perhaps nothing."""
        parsed = orjson.loads(chunk)
        numbers = parsed.get("usage")
        if numbers:
            details = numbers.get("prompt_tokens_details") or {}
            self.usage = Usage(
                numbers.get("prompt_tokens", 0), numbers.get("completion_tokens", 0), details.get("cached_tokens", 0)
            )
            _detailed(numbers, self.usage)
        if with_usage:
            return orjson.dumps(parsed)
        if not parsed.get("choices"):
            return b""
        parsed.pop("usage", None)
        return orjson.dumps(parsed)

    def __enter__(self) -> _Meter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if not self.model:
            return
        # A stream cut short brings no usage: about one token came with each chunk, and the rest is not known.
        usage = self.usage or Usage(completion_tokens=self.chunks)
        self.entry.note(
            prompt_tokens=usage.prompt_tokens if self.usage else None,
            completion_tokens=usage.completion_tokens if self.usage or self.chunks else None,
            cached_tokens=usage.cached_tokens if self.usage else None,
        )
        outcome = "ok" if kind is None else "failed" if issubclass(kind, Exception) else "cancelled"
        self.metrics.generation(model=self.model, outcome=outcome, usage=usage, first_token_s=self.first_token_s)


class _Renamer:
    """Puts the model's name into chunks of an engine that calls it something else; others pass untouched.

    Inside a JSON string quotation marks are escaped, so the bytes `"model":"` are never part of what a model wrote.
    """

    def __init__(self, model: str) -> None:
        self.model = model
        self.wanted = b'"model":' + orjson.dumps(model)
        self.found = b""

    def __call__(self, chunk: bytes) -> bytes:
        if self.wanted in chunk:
            return chunk
        if self.found and self.found in chunk:
            return chunk.replace(self.found, self.wanted, 1)
        parsed = orjson.loads(chunk)
        self.found = b'"model":' + orjson.dumps(parsed.get("model"))
        return orjson.dumps(parsed | {"model": self.model})


def must_call_tool(request: Mapping[str, Any]) -> bool:
    """Whether the request says that the reply has to call a tool."""
    choice = request.get("tool_choice")
    return choice == "required" or isinstance(choice, dict)


def no_tool_called(model: str) -> BadRequest:
    """The model answered in words where a tool call was asked for: engines don't enforce it on every model."""
    return BadRequest(
        f"The model {model} answered without calling a tool, which 'tool_choice' asks for.",
        hint="Use a model that supports tools, or set tool_choice to 'auto'.",
        code="tool_not_called",
        param="tool_choice",
    )


def _detailed(numbers: dict[str, Any], usage: Usage) -> dict[str, Any]:
    numbers.setdefault("prompt_tokens", usage.prompt_tokens)
    numbers.setdefault("completion_tokens", usage.completion_tokens)
    numbers.setdefault("total_tokens", usage.prompt_tokens + usage.completion_tokens)
    if not isinstance(numbers.get("prompt_tokens_details"), dict):
        numbers["prompt_tokens_details"] = {"cached_tokens": usage.cached_tokens}
    return numbers
