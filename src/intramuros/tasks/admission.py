"""Lets generations in, in fair order: the one place where requests wait for a slot of an engine.

Called by every task that generates. Each model has a lane (`tasks.lane`) as wide as its engine has slots, so that this
queue decides the order and not the engine's. Where nobody waits it costs some microseconds: no lock, no database. It
belongs to one event loop. Leaving the `with` block frees the place or the slot at once, however it is left.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from typing import Any

import orjson

from intramuros.accounts.caller import Caller
from intramuros.audit.entry import Entry
from intramuros.engines.engine import Engine, Usage
from intramuros.engines.loading import Coming
from intramuros.engines.routed import BYTES_PER_TOKEN
from intramuros.tasks.fair_queue import Share
from intramuros.tasks.lane import Ahead, Bounds, Lane

SLOTS_UNKNOWN = 64
"""How many run at once in an engine that does not say: a server elsewhere, which has a queue of its own."""
LOOK_EVERY_S = 0.5
TELL_EVERY_S = 10.0
"""How long a client that waits hears nothing, though its place has not changed."""
CHARACTERS_PER_TOKEN = 4
MESSAGE_TOKENS = 16
"""What a template puts around a message, at most."""
PART_TOKENS = 300
"""What a picture or another part without text is taken to be."""

OnWait = Callable[[Ahead | Coming], Awaitable[None]]
"""Hears what is before a request, and how far its model's load is."""


class Admission:
    """The lanes of all models of this process."""

    def __init__(self, bounds: Bounds | None = None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._bounds, self._clock = bounds or Bounds(), clock
        self._lanes: dict[str, Lane] = {}
        self._calls: dict[Share, asyncio.Future[None]] = {}

    @property
    def running(self) -> int:
        """How many have a slot."""
        return sum(lane.running for lane in self._each())

    @property
    def waiting(self) -> int:
        """How many wait for one."""
        return sum(lane.waiting for lane in self._each())

    @property
    def inside(self) -> int:
        """How many run or wait."""
        return self.running + self.waiting

    def ticket(
        self, name: str, *, by: Caller, prompt_tokens: int, max_completion: int | None = None, is_batch: bool = False
    ) -> Ticket:
        """A slot of the model of this name if one is free, else a place in its queue: then await `Ticket.turn`.

        To be entered with `with`: that takes the slot or the place, leaving frees it.
        Units: `prompt_tokens` an estimate; `max_completion` as the request limits it, 0 for what writes nothing.
        Raises: TooMany with `retry_after_s` when the queue is full.
        """
        lane = self._lanes.get(name)
        if lane is None:
            lane = self._lanes[name] = Lane(self._clock, self._bounds)
        completion = lane.expected_completion
        if max_completion is not None and max_completion < completion:
            completion = max_completion
        ticket = Ticket(self, name, lane, Share(by.user_id, prompt_tokens + completion + 1, by.weight, is_batch))
        ticket.prompt_tokens = prompt_tokens
        return ticket

    def enter(self, ticket: Ticket) -> None:
        """Gives a ticket its slot or its place. Raises: TooMany."""
        if not ticket.lane.enter(ticket.share):
            ticket.call = self._calls[ticket.share] = asyncio.get_running_loop().create_future()

    def learn(self, ticket: Ticket, model: str, slots: int) -> None:
        """An engine is there: its model's lane is as wide as it has slots, by whatever name the model was asked for."""
        lane = ticket.lane
        if lane.model != model:
            if lane.model:  # the name, such as `default`, means another model now
                lane = Lane(self._clock, self._bounds)
            lane = self._lanes.setdefault(model, lane)
            lane.model = model
        self._lanes[ticket.name] = lane
        if lane.slots != (slots or SLOTS_UNKNOWN):
            lane.slots = slots or SLOTS_UNKNOWN
            self._call(lane)

    def leave(self, ticket: Ticket) -> None:
        """Frees it."""
        lane = ticket.lane
        lane.leave(ticket.share, used=ticket.used, completion=ticket.completion)
        if ticket.call is not None:
            del self._calls[ticket.share]
        if lane.waiting:
            self._call(lane)
        elif not lane.model and not lane.running and self._lanes.get(ticket.name) is lane:
            del self._lanes[ticket.name]  # no engine ever came of this name

    def _call(self, lane: Lane) -> None:
        """Lets in whoever may begin."""
        while (share := lane.ready()) is not None:
            self._calls[share].set_result(None)

    def _each(self) -> list[Lane]:
        return list({id(lane): lane for lane in self._lanes.values()}.values())


class Ticket:
    """One request's place or slot."""

    __slots__ = ("_admission", "call", "completion", "lane", "name", "prompt_tokens", "share", "used")

    def __init__(self, admission: Admission, name: str, lane: Lane, share: Share) -> None:
        self._admission, self.name, self.lane, self.share = admission, name, lane, share
        self.call: asyncio.Future[None] | None = None
        self.used: float | None = 0.0  # nothing, until an engine works on it
        self.prompt_tokens = self.completion = 0

    def __enter__(self) -> Ticket:
        self._admission.enter(self)
        return self

    def __exit__(self, *_: object) -> None:
        self._admission.leave(self)

    async def waiting(self, entry: Entry) -> AsyncGenerator[Ahead]:
        """Waits for its turn, and says what is before it whenever that changes; nothing where it need not wait."""
        if self.call is None:
            return
        started = told_at = time.monotonic()
        told: Ahead | None = None
        while not self.call.done():
            ahead = self.lane.ahead(self.share)
            if told is None:
                entry.note(queue_position=ahead.position, expected_wait_s=round(ahead.expected_wait_s, 1))
            if told is None or ahead.position != told.position or time.monotonic() - told_at >= TELL_EVERY_S:
                told, told_at = ahead, time.monotonic()
                yield ahead
            await asyncio.wait({self.call}, timeout=LOOK_EVERY_S)
        entry.note(queue_ms=round(1000 * (time.monotonic() - started), 1))

    async def turn(self, entry: Entry, on_wait: OnWait | None = None) -> None:
        """Waits for its turn; `on_wait` hears what is before it."""
        if self.call is None:
            return
        async for ahead in self.waiting(entry):
            if on_wait is not None:
                await on_wait(ahead)

    async def runs_on(self, engine: Engine) -> None:
        """An engine works on it from now on."""
        self.used = None
        self._admission.learn(self, engine.model, (await engine.health()).slots)

    def pays(self, usage: Usage) -> None:
        """What it really used; what came from the prefix cache cost nothing."""
        self.completion = usage.completion_tokens
        self.used = max(usage.prompt_tokens - usage.cached_tokens, 0) + usage.completion_tokens

    def was_cut(self, completion_tokens: int) -> None:
        """It was cut short, so that the engine told no usage: the prompt counts as estimated."""
        self.used = self.prompt_tokens + completion_tokens


def prompt_tokens_of(request: Mapping[str, Any]) -> int:
    """About how many tokens the messages of a chat are, or the text that is to be continued."""
    if "prompt" in request:
        prompt = request["prompt"]
        return _tokens(prompt) if isinstance(prompt, str) else sum(_tokens(part) or 1 for part in prompt)
    return (
        sum(_tokens(message.get("content")) for message in request.get("messages", ()))
        + len(request.get("tools") or ()) * PART_TOKENS
    )


def most_prompt_tokens_of(request: Mapping[str, Any]) -> int:
    """What the prompt of a chat comes to for most models, rather too many: for one whose tokens can't be counted."""
    messages = request.get("messages", ())
    pictures: int = sum(
        part.get("type") != "text"
        for message in messages
        if isinstance(message.get("content"), list)
        for part in message["content"]
    )
    words = [*map(_without_pictures, messages), *(request.get("tools") or ())]
    size_bytes = sum(len(orjson.dumps(one)) for one in words)
    return -(-size_bytes // BYTES_PER_TOKEN) + MESSAGE_TOKENS * len(messages) + PART_TOKENS * pictures


def most_tokens_of(request: Mapping[str, Any]) -> int | None:
    """How many tokens a chat's answer may have at most, if it says; all its choices together."""
    most = request.get("max_completion_tokens") or request.get("max_tokens")
    return most * (request.get("n") or 1) if isinstance(most, int) and most > 0 else None


def _without_pictures(message: Mapping[str, Any]) -> list[Any]:
    content = message.get("content")
    texts = [part.get("text") for part in content] if isinstance(content, list) else [content]
    return [*filter(None, texts), *(message.get("tool_calls") or ())]


def _tokens(content: Any) -> int:
    if isinstance(content, str):
        return len(content) // CHARACTERS_PER_TOKEN
    if isinstance(content, list):
        return sum(_tokens(part.get("text")) if "text" in part else PART_TOKENS for part in content)
    return 0
