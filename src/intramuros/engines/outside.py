"""The one way to a model outside the walls: what goes out is pseudonymised, what comes back has its values again.

Wraps any engine of the contract for the length of one request of one conversation. Called by whatever routes a request
to an engine that is not on this machine; it knows no routes. It fails closed: a detector that fails, a secret, an image
or a field that nobody knows how to hide stops the request before anything is sent. `counts` and `unknown` are what a
record may say of it; values are never logged.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from typing import Any, TypeVar, cast

import orjson

from intramuros.engines.engine import OUTSIDE, ChatRequest, Engine, Health, Reply
from intramuros.errors import BadRequest
from intramuros.privacy.redact.aliases import Aliases
from intramuros.privacy.redact.chat import ChatHider
from intramuros.privacy.redact.redactor import Redactor
from intramuros.privacy.redact.restore import Restorer

Given = TypeVar("Given")
Sent = TypeVar("Sent")

SPOKEN = ("content", "refusal", "reasoning_content", "reasoning")
"""Fields of a message that are text a model wrote."""
ENVELOPE = frozenset({"id", "object", "created", "model", "choices", "usage"})
"""What is kept of a reply's envelope: nothing else of it is passed on."""


class OutsideEngine:
    """An engine outside, as the rest of the product sees it: it takes and gives real values."""

    def __init__(self, engine: Engine, redactor: Redactor, aliases: Aliases) -> None:
        self._engine, self._aliases = engine, aliases
        self._hider = ChatHider(redactor, aliases)
        self._policy = redactor.policy.version
        self.restored = 0
        self.unknown = 0
        self.is_sent = False

    @property
    def model(self) -> str:
        """The name of the model it runs."""
        return self._engine.model

    @property
    def counts(self) -> Counter[str]:
        """How much was hidden, by type."""
        return self._hider.counts

    @property
    def facts(self) -> dict[str, Any]:
        """What the audit notes of a request that went out: that it did, under which policy, and how much was hidden."""
        return {
            "route": OUTSIDE,
            "policy": self._policy,
            "masked": dict(self.counts),
            "restored": self.restored,
            "unknown": self.unknown,
        }

    async def generate(self, request: ChatRequest) -> Reply:
        """The whole reply, restored. Raises: DetectorFailed, TextBlocked, BadRequest before anything is sent."""
        reply = await self._engine.generate(await self._hidden(self._hider.hide, request))
        raw = {name: value for name, value in reply.raw.items() if name in ENVELOPE}
        raw["choices"] = [self._whole(choice) for choice in reply.raw.get("choices") or []]
        return Reply(self._restored(reply.text, counts=False), reply.finish_reason, reply.usage, raw)

    async def stream(self, request: ChatRequest) -> AsyncIterator[bytes]:
        """The reply chunk by chunk, restored. Raises: as `generate`."""
        hidden = await self._hidden(self._hider.hide, request)
        spoken = _Spoken(self._aliases)
        last: dict[str, Any] = {}
        try:
            async with aclosing(cast("AsyncGenerator[bytes]", self._engine.stream(hidden))) as chunks:
                async for chunk in chunks:
                    parsed = orjson.loads(chunk)
                    last = {name: value for name, value in parsed.items() if name in ENVELOPE}
                    last["choices"] = [spoken.choice(choice) for choice in parsed.get("choices") or []]
                    yield orjson.dumps(last)
            if left := spoken.left():
                yield orjson.dumps({**last, "choices": left} | ({"usage": None} if "usage" in last else {}))
        finally:
            self.restored, self.unknown = self.restored + spoken.restored, self.unknown + spoken.unknown

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """One vector for each text, hidden. Raises: as `generate`."""
        return await self._engine.embed(await self._hidden(self._hider.hide_texts, _only_text(texts)))

    async def rerank(self, query: str, texts: Sequence[str]) -> list[float]:
        """How well each text answers the query, all hidden. Raises: as `generate`."""
        hidden = await self._hidden(self._hider.hide_texts, _only_text([query, *texts]))
        return await self._engine.rerank(hidden[0], hidden[1:])

    async def tokenise(self, text: str) -> list[int]:
        """The token numbers of the hidden text. Raises: as `generate`."""
        hidden = await self._hidden(self._hider.hide_texts, _only_text([text]))
        return await self._engine.tokenise(hidden[0])

    async def health(self) -> Health:
        """How it is now; never raises."""
        return await self._engine.health()

    async def close(self) -> None:
        """Closes the engine."""
        await self._engine.close()

    async def _hidden(self, hide: Callable[[Given], Sent], text: Given) -> Sent:
        """What is sent. From then on it counts as sent: whether it arrived can't be known."""
        hidden = await asyncio.to_thread(hide, text)
        self.is_sent = True
        return hidden

    def _whole(self, choice: dict[str, Any]) -> dict[str, Any]:
        message = dict(choice.get("message") or {})
        for name in SPOKEN:
            if isinstance(message.get(name), str):
                message[name] = self._restored(message[name])
        if message.get("tool_calls"):
            message["tool_calls"] = [self._call(call) for call in message["tool_calls"]]
        return {**choice, "message": message}

    def _call(self, call: dict[str, Any]) -> dict[str, Any]:
        function = dict(call.get("function") or {})
        if isinstance(function.get("arguments"), str):
            function["arguments"] = self._restored(function["arguments"], in_json=True)
        return {**call, "function": function}

    def _restored(self, text: str, *, in_json: bool = False, counts: bool = True) -> str:
        restorer = Restorer(self._aliases.values, in_json=in_json)
        whole = restorer.feed(text) + restorer.close()
        if counts:
            self.restored, self.unknown = self.restored + restorer.restored, self.unknown + restorer.unknown
        return whole


class _Spoken:
    """The streams inside a stream: each choice's fields, and each of its tool calls' arguments."""

    def __init__(self, aliases: Aliases) -> None:
        self._values = dict(aliases.values)
        self._streams: dict[tuple[int, str, int], Restorer] = {}
        self._closed: list[Restorer] = []

    @property
    def restored(self) -> int:
        """How many aliases got their values back."""
        return sum(stream.restored for stream in (*self._streams.values(), *self._closed))

    @property
    def unknown(self) -> int:
        """How many aliases were none of this conversation's."""
        return sum(stream.unknown for stream in (*self._streams.values(), *self._closed))

    def choice(self, choice: dict[str, Any]) -> dict[str, Any]:
        """One choice of a chunk with what can be given out of it; with all that is left where the choice ends."""
        index, delta = int(choice.get("index") or 0), dict(choice.get("delta") or {})
        for name in SPOKEN:
            if isinstance(delta.get(name), str):
                delta[name] = self._stream(index, name, 0).feed(delta[name])
        if delta.get("tool_calls"):
            delta["tool_calls"] = [self._call(index, call) for call in delta["tool_calls"]]
        if choice.get("finish_reason"):
            for (_, name, number), left in self._close(index):
                _append(delta, name, number, left)
        return {**choice, "delta": delta}

    def left(self) -> list[dict[str, Any]]:
        """What was held back when the stream ended without saying so."""
        choices: dict[int, dict[str, Any]] = {}
        for (index, name, number), left in self._close(None):
            _append(choices.setdefault(index, {}), name, number, left)
        return [{"index": index, "delta": delta, "finish_reason": None} for index, delta in choices.items()]

    def _call(self, index: int, call: dict[str, Any]) -> dict[str, Any]:
        function = dict(call.get("function") or {})
        if isinstance(function.get("arguments"), str):
            stream = self._stream(index, "arguments", int(call.get("index") or 0))
            function["arguments"] = stream.feed(function["arguments"])
        return {**call, "function": function}

    def _stream(self, index: int, name: str, number: int) -> Restorer:
        key = (index, name, number)
        if key not in self._streams:
            self._streams[key] = Restorer(self._values, in_json=name == "arguments")
        return self._streams[key]

    def _close(self, index: int | None) -> list[tuple[tuple[int, str, int], str]]:
        ended = [key for key in self._streams if index is None or key[0] == index]
        left = []
        for key in ended:
            stream = self._streams.pop(key)
            self._closed.append(stream)
            if held := stream.close():
                left.append((key, held))
        return left


def _append(delta: dict[str, Any], name: str, number: int, text: str) -> None:
    if name != "arguments":
        delta[name] = (delta.get(name) or "") + text
        return
    calls = delta.setdefault("tool_calls", [])
    for call in calls:
        if int(call.get("index") or 0) == number:
            call.setdefault("function", {})
            call["function"]["arguments"] = (call["function"].get("arguments") or "") + text
            return
    calls.append({"index": number, "function": {"arguments": text}})


def _only_text(texts: Sequence[Any]) -> list[str]:
    """Raises: BadRequest for token numbers: nobody here knows what they say."""
    if not all(isinstance(text, str) for text in texts):
        raise BadRequest("Token numbers can't be sent outside: what they say can't be hidden.")
    return list(texts)
