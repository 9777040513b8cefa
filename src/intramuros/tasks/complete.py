"""The task behind chat completions: from a model's name to a reply, with its usage metered.

Called by the doors. Takes a request already checked by the door, finds the engine, and forwards what it says. A request
has `messages`, or `prompt` to have a text continued. A stream's chunks pass as the engine's own bytes; they are parsed
only where they carry usage or may carry tool calls. Knows no HTTP.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, aclosing, suppress
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

import orjson

from intramuros.accounts.caller import Caller
from intramuros.audit.entry import Entry
from intramuros.engines.adapters import FIELD
from intramuros.engines.engine import INSIDE, CountsPrompts, Engine, Usage
from intramuros.engines.loading import Coming
from intramuros.errors import BadRequest, NoBackEnd
from intramuros.models.presets import Preset
from intramuros.observability.metrics import Metrics
from intramuros.tasks import several
from intramuros.tasks.admission import (
    Admission,
    OnWait,
    Ticket,
    most_prompt_tokens_of,
    most_tokens_of,
    prompt_tokens_of,
)
from intramuros.tasks.calling import Calling, Gate, with_tools, without_tools

DEFAULT_MODEL = "default"
USAGE = b'"usage":'
NOTED_LOAD_S = 0.01
"""An engine that is there comes sooner."""


class Pool(Protocol):
    """Where engines come from: `engines.pool`, or a stand-in that measures everything else."""

    def engine(self, name: str) -> AbstractAsyncContextManager[Engine]:
        """The engine that runs this model, loaded if need be. Raises: ModelNotFound, EngineLoadFailed."""
        ...


@dataclass(frozen=True, slots=True)
class Count:
    """How many tokens a prompt is."""

    tokens: int
    is_exact: bool = True


@dataclass(frozen=True, slots=True)
class CompleteTask:
    """Completes a chat with an installed model."""

    pool: Pool
    metrics: Metrics
    admission: Admission = field(default_factory=Admission)
    knows_tools: Callable[[str], bool] = lambda _name: True
    """Whether the template of this model writes tools: `default` is a name too. Raises: ModelNotFound."""
    sees_images: Callable[[str], bool] = lambda _name: False
    """Whether this model reads images. Raises: ModelNotFound."""
    weighs_effort: Callable[[str], bool] = lambda _name: False
    """Whether the template of this model says how much to think. Raises: ModelNotFound."""
    named: Callable[[str], str] = lambda name: name
    """The name of the model that answers under this name, such as `default`. Raises: ModelNotFound."""
    presets: Callable[[Mapping[str, Any], Caller], tuple[Mapping[str, Any], Preset | None]] = lambda asked, _by: (
        asked,
        None,
    )
    """The request for the model itself that a request for a preset means, and that preset."""
    split: Callable[[str], tuple[str, str | None]] = lambda name: (name, None)
    """The model and the adapter that a name such as `model:adapter` means. Raises: ModelNotFound."""
    loading: Callable[[str], AsyncGenerator[Coming] | None] = lambda _name: None
    """How far a model that is asked for is on its way to memory; None if it is there."""

    async def run(
        self, request: Mapping[str, Any], *, by: Caller, entry: Entry, is_batch: bool = False
    ) -> dict[str, Any]:
        """The whole reply, as a `chat.completion` object that names the model that answered; with `n`, several choices.

        `is_batch` requests wait for slots that people leave free.

        Raises: ModelNotFound, NotAllowed for a model the key may not use, ContextOverflow, TooMany, BadRequest (also
        for tool calls that don't keep to their schemas), EngineError.
        """
        if request.get("n", 1) > 1:
            return several.merged(
                [await self.run(one, by=by, entry=entry, is_batch=is_batch) for one in several.each(request)]
            )
        entry.note(route=INSIDE)
        request = self.resolved(request, by, entry)
        asked, calling = self._prepared(request, by)
        with self._ticket(request, by, is_batch=is_batch) as ticket, _Meter(self.metrics, entry, ticket) as meter:
            await ticket.turn(entry)
            asked_at = time.perf_counter()
            async with self.pool.engine(ticket.name) as engine:
                await ticket.runs_on(engine)
                meter.begin(engine.model, load_s=time.perf_counter() - asked_at)
                reply = await engine.generate({**asked, "model": engine.model})
                meter.first_token()
                meter.usage = reply.usage
        raw = calling.reply(reply.raw) if calling else reply.raw
        return {
            **raw,
            "model": _answered(meter.model, asked),
            "usage": _detailed(dict(raw.get("usage") or {}), reply.usage),
        }

    async def stream(
        self,
        request: Mapping[str, Any],
        *,
        by: Caller,
        entry: Entry,
        with_usage: bool = False,
        on_wait: OnWait | None = None,
        is_batch: bool = False,
    ) -> AsyncGenerator[bytes]:
        """The reply chunk by chunk: the JSON of each `chat.completion.chunk`. Closing it frees the engine's slot.

        Shape: with `with_usage`, one more chunk at the end has no choices and the usage, as OpenAI's
        `stream_options.include_usage` says. Several choices come one after the other. `on_wait` hears what is before a
        request that has to wait, and how far the load of its model is.
        Raises: as `run`; after the first chunk only EngineError and, for tool calls, BadRequest.
        """
        if request.get("n", 1) > 1:
            streams = (
                self.stream(one, by=by, entry=entry, with_usage=with_usage, on_wait=on_wait, is_batch=is_batch)
                for one in several.each(request)
            )
            async for chunk in several.joined(streams):
                yield chunk
            return
        entry.note(route=INSIDE)
        request = self.resolved(request, by, entry)
        asked, calling = self._prepared(request, by)
        with self._ticket(request, by, is_batch=is_batch) as ticket, _Meter(self.metrics, entry, ticket) as meter:
            await ticket.turn(entry, on_wait)
            asked_at = time.perf_counter()
            if on_wait is not None and (coming := self.loading(ticket.name)) is not None:
                async with aclosing(coming) as moments:
                    async for moment in moments:
                        await on_wait(moment)
            async with self.pool.engine(ticket.name) as engine:
                await ticket.runs_on(engine)
                meter.begin(engine.model, load_s=time.perf_counter() - asked_at)
                named, gate = _Renamer(_answered(engine.model, asked)), Gate(calling) if calling else None
                chunks = cast("AsyncGenerator[bytes]", engine.stream({**asked, "model": engine.model}))
                async with aclosing(chunks):
                    async for chunk in chunks:
                        meter.chunk()
                        forwarded = meter.settle(chunk, with_usage=with_usage) if USAGE in chunk else chunk
                        if not forwarded:
                            continue
                        if gate is None:
                            yield named(forwarded)
                            continue
                        for piece in gate.take(forwarded):
                            yield named(piece)
                for piece in gate.end() if gate else ():
                    yield named(piece)

    async def count(self, request: Mapping[str, Any], *, by: Caller, entry: Entry) -> Count:
        """How many tokens the prompt of this request is, template and tools and all. Nothing is generated.

        Where the model is elsewhere nothing is sent to be counted, and the number is an estimate. Raises: as `run`.
        """
        entry.note(route=INSIDE)
        request = self.resolved(request, by, entry)
        asked, _ = self._prepared(request, by)
        async with self.pool.engine(request.get("model", DEFAULT_MODEL)) as engine:
            entry.note(model=engine.model)
            with suppress(NoBackEnd):
                if isinstance(engine, CountsPrompts):
                    return Count(await engine.prompt_tokens({**asked, "model": engine.model}))
        return Count(most_prompt_tokens_of(asked), is_exact=False)

    def _ticket(self, request: Mapping[str, Any], by: Caller, *, is_batch: bool = False) -> Ticket:
        return self.admission.ticket(
            request.get("model", DEFAULT_MODEL),
            by=by,
            prompt_tokens=prompt_tokens_of(request),
            max_completion=most_tokens_of(request),
            is_batch=is_batch,
        )

    def resolved(self, request: Mapping[str, Any], by: Caller, entry: Entry) -> Mapping[str, Any]:
        """The request as the model of its preset gets it, with its adapter, before anything else is decided about it.

        Raises: ModelNotFound for an adapter that its model does not have.
        """
        request, preset = self.presets(request, by)
        if preset is not None:
            entry.note(preset=preset.id)
        name, adapter = self.split(request.get("model", DEFAULT_MODEL))
        if adapter is None:
            return {key: value for key, value in request.items() if key != FIELD} if FIELD in request else request
        entry.note(adapter=adapter)
        return {**request, "model": name, FIELD: adapter}

    def model_of(self, name: str, by: Caller) -> str:
        """The name of the model itself, where the name is that of a preset or has an adapter."""
        return self.split(str(self.presets({"model": name}, by)[0]["model"]))[0]

    def check_model(self, name: str, by: Caller) -> None:
        """Raises: NotAllowed for a model that the caller's key may not use."""
        if by.rights.models is not None:
            by.rights.check_model(self.named(name))

    def _prepared(self, request: Mapping[str, Any], by: Caller) -> tuple[Mapping[str, Any], Calling | None]:
        """What the engine gets: checked before anything is loaded or generated."""
        name = request.get("model", DEFAULT_MODEL)
        self.check_model(name, by)
        if has_images(request) and not self.sees_images(name):
            raise BadRequest(
                "This model reads text only.",
                hint="Leave the images out, or choose a model that sees: intramuros models list",
                code="unsupported_content",
                param="messages",
            )
        if not request.get("tools") or request.get("tool_choice") == "none":
            return without_tools(request), None
        return with_tools(request, knows_tools=self.knows_tools(name))


def has_images(request: Mapping[str, Any]) -> bool:
    """Whether a message has one."""
    for message in request.get("messages", ()):
        content = message.get("content")
        if isinstance(content, list) and any(part.get("type") == "image_url" for part in content):
            return True
    return False


def _answered(model: str, asked: Mapping[str, Any]) -> str:
    """The name that a reply gives: with the adapter, if one acted."""
    return f"{model}:{asked[FIELD]}" if FIELD in asked else model


class _Meter:
    """What one generation cost: noted in its audit record, counted, and paid for in the queue, however it ends."""

    def __init__(self, metrics: Metrics, entry: Entry, ticket: Ticket) -> None:
        self.metrics, self.entry, self.ticket = metrics, entry, ticket
        self.model = ""
        self.usage: Usage | None = None
        self.chunks = 0
        self.first_token_s: float | None = None
        self.started = time.perf_counter()

    def begin(self, model: str, *, load_s: float) -> None:
        """The engine is there; its model is the one that answers. `load_s`: how long it took to be there."""
        self.model = model
        self.entry.note(model=model, load_ms=round(1000 * load_s, 1) if load_s >= NOTED_LOAD_S else None)

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
        if self.usage:
            self.ticket.pays(self.usage)
            self._add(
                prompt_tokens=usage.prompt_tokens,
                cached_tokens=usage.cached_tokens,
                completion_tokens=usage.completion_tokens,
            )
        elif self.chunks:
            self.ticket.was_cut(self.chunks)
            self._add(completion_tokens=usage.completion_tokens)
        outcome = "ok" if kind is None else "failed" if issubclass(kind, Exception) else "cancelled"
        self.metrics.generation(model=self.model, outcome=outcome, usage=usage, first_token_s=self.first_token_s)

    def _add(self, **tokens: int) -> None:
        """One request may be several generations."""
        before = self.entry.facts
        self.entry.note(**{name: before.get(name, 0) + number for name, number in tokens.items()})


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


def _detailed(numbers: dict[str, Any], usage: Usage) -> dict[str, Any]:
    numbers.setdefault("prompt_tokens", usage.prompt_tokens)
    numbers.setdefault("completion_tokens", usage.completion_tokens)
    numbers.setdefault("total_tokens", usage.prompt_tokens + usage.completion_tokens)
    if not isinstance(numbers.get("prompt_tokens_details"), dict):
        numbers["prompt_tokens_details"] = {"cached_tokens": usage.cached_tokens}
    return numbers
