"""A stream in Anthropic's events, made from the chunks of a chat completion.

Called by the routes of messages. Chunks of text are alike but for their words: once one was read, the words of the
next are cut out of its bytes and put into the next event as they are. Everything else is parsed.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any, TypedDict

import orjson

from intramuros.api.anthropic import replies
from intramuros.api.anthropic.schemas import MessageCall

PING = b'event: ping\ndata: {"type": "ping"}\n\n'
WORDS = b'"delta":{"content":'
QUOTE = ord('"')


async def events(chunks: AsyncGenerator[bytes], call: MessageCall, *, message_id: str) -> AsyncGenerator[bytes]:
    """The events of a whole stream, ready to be sent. Raises: what the chunks raise."""
    made = Events(call, message_id)
    async with aclosing(chunks):
        async for chunk in chunks:
            if ready := made.take(chunk):
                yield ready
    yield made.end()


class Events:
    """One message on its way: which block is open, and how it ended."""

    def __init__(self, call: MessageCall, message_id: str) -> None:
        self.call, self.message_id = call, message_id
        self.index, self.kind = -1, ""
        self.numbers: Mapping[str, Any] = {}
        self.last: Mapping[str, Any] = {}
        self._has_begun = False
        self._before = self._after = self._event = b""

    def take(self, chunk: bytes) -> bytes:
        """The events of one chunk, perhaps none."""
        if self._before and chunk.startswith(self._before) and chunk.endswith(self._after):
            words = chunk[len(self._before) : -len(self._after)]
            # A quotation mark inside a JSON text is escaped: with two in all, this is one text and nothing else.
            if words.count(b'"') == 2 and words[0] == words[-1] == QUOTE:
                return self._event + words + b"}}\n\n"
        return self._parsed(orjson.loads(chunk), chunk)

    def end(self) -> bytes:
        """The last events."""
        ending = replies.ending(self.last, self.numbers, self.call)
        usage = replies.usage(self.numbers, self.call)
        del usage["service_tier"]
        return b"".join((
            self._closed(),
            _event({"type": "message_delta", "delta": ending, "usage": usage}),
            _event({"type": "message_stop"}),
        ))  # fmt: skip

    def _parsed(self, parsed: Mapping[str, Any], chunk: bytes) -> bytes:
        out = [] if self._has_begun else [self._begun(str(parsed.get("model", "")))]
        self.numbers = parsed.get("usage") or self.numbers
        for choice in parsed.get("choices") or ():
            delta = choice.get("delta") or {}
            if thought := replies.thought_in(delta):
                out.append(self._in_block("thinking", {"type": "thinking", "thinking": "", "signature": ""}))
                if not self.call.hides_thinking:
                    out.append(self._delta({"type": "thinking_delta", "thinking": thought}))
            if words := delta.get("content"):
                out.append(self._in_block("text", {"type": "text", "text": ""}))
                out.append(self._delta({"type": "text_delta", "text": words}))
                if delta.keys() == {"content"} and not choice.get("finish_reason"):
                    self._learn(chunk, words)
            out += [self._called(called) for called in delta.get("tool_calls") or ()]
            if choice.get("finish_reason"):
                self.last = choice
        return b"".join(out)

    def _begun(self, model: str) -> bytes:
        """The prompt's tokens are known only at the end: `message_delta` tells them."""
        self._has_begun = True
        message = replies.opening(self.message_id, model) | {"usage": replies.usage({}, self.call)}
        return _event({"type": "message_start", "message": message}) + PING

    def _called(self, called: Mapping[str, Any]) -> bytes:
        """A whole call: only whole ones come this far."""
        start = self._in_block("tool_use", replies.tool_use(called), is_new=True)
        arguments = called["function"].get("arguments") or "{}"
        return start + self._delta({"type": "input_json_delta", "partial_json": arguments})

    def _in_block(self, kind: str, block: Mapping[str, Any], *, is_new: bool = False) -> bytes:
        """Opens a block of this kind, unless it is the one that is open."""
        if self.kind == kind and not is_new:
            return b""
        closed = self._closed()
        self.index, self.kind = self.index + 1, kind
        return closed + _event({"type": "content_block_start", "index": self.index, "content_block": block})

    def _closed(self) -> bytes:
        kind, self.kind, self._before = self.kind, "", b""
        if not kind:
            return b""
        signed = self._delta({"type": "signature_delta", "signature": ""}) if kind == "thinking" else b""
        return signed + _event({"type": "content_block_stop", "index": self.index})

    def _delta(self, delta: Mapping[str, Any]) -> bytes:
        return _event({"type": "content_block_delta", "index": self.index, "delta": delta})

    def _learn(self, chunk: bytes, words: str) -> None:
        """How chunks of words begin and end in this stream."""
        head, found, rest = chunk.partition(WORDS)
        written = orjson.dumps(words)
        if found and rest.startswith(written + b"}"):
            self._before, self._after = head + found, rest[len(written) :]
            self._event = self._delta({"type": "text_delta", "text": ""})[: -len(b'""}}\n\n')]


class MessageEvent(TypedDict):
    """One event of a stream."""

    type: str


def _event(value: Mapping[str, Any]) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (value["type"].encode(), orjson.dumps(value))
