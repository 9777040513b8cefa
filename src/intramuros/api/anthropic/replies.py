"""Answers in Anthropic's shape: a whole message, how it ended, and what it took.

Called by the routes of messages, and by `events` for the same of a stream.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, NotRequired, TypedDict

import orjson

from intramuros.api.anthropic.schemas import MessageCall

REASONS = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use", "content_filter": "refusal"}


class BlockObject(TypedDict):
    """A part of what was said: text, thinking, or the call of a tool."""

    type: Literal["text", "thinking", "tool_use"]


ShownBlock = Annotated[dict[str, Any], BlockObject]


class MessageUsage(TypedDict):
    """The tokens of a message."""

    input_tokens: int
    cache_creation_input_tokens: int
    cache_read_input_tokens: int
    output_tokens: int
    service_tier: NotRequired[str]


class EndingOfMessage(TypedDict):
    """Why a message ended."""

    stop_reason: str | None
    stop_sequence: str | None


class OpeningOfMessage(EndingOfMessage):
    """A message of which nothing has been said yet."""

    id: str
    type: Literal["message"]
    role: Literal["assistant"]
    model: str
    content: list[ShownBlock]


class MessageObject(OpeningOfMessage):
    """A whole message."""

    usage: MessageUsage


def message(reply: Mapping[str, Any], call: MessageCall, *, message_id: str) -> MessageObject:
    """A whole answer, from a `chat.completion` object."""
    choice = reply["choices"][0]
    said = choice["message"]
    blocks: list[ShownBlock] = []
    if thought := thought_in(said):
        blocks.append({"type": "thinking", "thinking": "" if call.hides_thinking else thought, "signature": ""})
    if said.get("content"):
        blocks.append({"type": "text", "text": said["content"], "citations": None})
    blocks += [
        tool_use(called) | {"input": orjson.loads(called["function"].get("arguments") or "{}")}
        for called in said.get("tool_calls") or ()
    ]
    numbers = reply.get("usage") or {}
    head = opening(message_id, str(reply.get("model", "")))
    return {**head, "content": blocks, **ending(choice, numbers, call), "usage": usage(numbers, call)}


def opening(message_id: str, model: str) -> OpeningOfMessage:
    """A message of which nothing has been said yet."""
    return {
        "id": message_id,
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
    }


def thought_in(said: Mapping[str, Any]) -> str:
    """What a model thought before it answered, as servers name it."""
    return str(said.get("reasoning_content") or said.get("reasoning") or "")


def tool_use(called: Mapping[str, Any]) -> dict[str, Any]:
    """A call of a tool, without what it is called with."""
    return {"type": "tool_use", "id": called["id"], "name": called["function"]["name"], "input": {}}


def ending(choice: Mapping[str, Any], numbers: Mapping[str, Any], call: MessageCall) -> EndingOfMessage:
    """Why an answer ended. One that ends for its length before `max_tokens` has filled what the model can read."""
    finish = choice.get("finish_reason") or "stop"
    stopped_by = choice.get("stop_reason") if finish == "stop" else None  # the engine says which
    reason = "stop_sequence" if isinstance(stopped_by, str) else REASONS.get(finish, "end_turn")
    if reason == "max_tokens" and numbers and numbers.get("completion_tokens", 0) < call.max_tokens:
        reason = "model_context_window_exceeded"
    return {"stop_reason": reason, "stop_sequence": stopped_by if isinstance(stopped_by, str) else None}


def usage(numbers: Mapping[str, Any], call: MessageCall) -> MessageUsage:
    """The tokens. What came from the cache is told apart for whoever marked something with `cache_control`."""
    prompt = numbers.get("prompt_tokens", 0)
    cached = (numbers.get("prompt_tokens_details") or {}).get("cached_tokens", 0) if call.tells_cache else 0
    return {
        "input_tokens": prompt - cached,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": cached,
        "output_tokens": numbers.get("completion_tokens", 0),
        "service_tier": "standard",
    }
