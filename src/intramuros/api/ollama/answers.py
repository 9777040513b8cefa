"""What the engine says, as Ollama's clients read it: pieces while it is written, and at the end what it cost.

Called by `generating`. Durations are what was measured, in nanoseconds: reading the prompt and writing the answer by
the engine's own clock, the rest by ours; what nobody measured is left out.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Literal, NotRequired, TypedDict

import orjson

from intramuros.errors import EngineError

REASONS = {"length": "length"}
"""How an answer ended, where it isn't that the model was done."""


class PieceObject(TypedDict):
    """A piece of an answer, or all of it: the last has `done`, with counts and durations in nanoseconds."""

    model: str
    created_at: str
    done: bool
    done_reason: NotRequired[str]
    logprobs: NotRequired[list[Any]]
    total_duration: NotRequired[int]
    load_duration: NotRequired[int]
    prompt_eval_count: NotRequired[int]
    prompt_eval_duration: NotRequired[int]
    eval_count: NotRequired[int]
    eval_duration: NotRequired[int]


class SpokenObject(TypedDict):
    """What a model says in a chat."""

    role: Literal["assistant"]
    content: str
    thinking: NotRequired[str]
    tool_calls: NotRequired[list[dict[str, Any]]]


class ChatPiece(PieceObject):
    """A piece of an answer in a chat."""

    message: SpokenObject


class GeneratedPiece(PieceObject):
    """A piece of how a text goes on."""

    response: str
    thinking: NotRequired[str]


class Said:
    """One answer as far as it has come. `name`: the model as the client calls it."""

    def __init__(self, name: str, *, is_chat: bool) -> None:
        self.name, self.is_chat = name, is_chat
        self.started_ns = time.perf_counter_ns()
        self.first_ns = 0
        self.reason = "stop"
        self.usage: Mapping[str, Any] = {}
        self.timings: Mapping[str, Any] = {}
        self._calls: dict[int, dict[str, str]] = {}

    def take(self, chunk: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """The pieces of the next chunk; calls of tools come whole, with the end."""
        self.first_ns = self.first_ns or time.perf_counter_ns()
        self.usage, self.timings = chunk.get("usage") or self.usage, chunk.get("timings") or self.timings
        for choice in chunk.get("choices") or ():
            delta = choice.get("delta") or {}
            self.reason = REASONS.get(choice.get("finish_reason") or "", self.reason)
            for part in delta.get("tool_calls") or ():
                call = self._calls.setdefault(part.get("index", 0), {"name": "", "arguments": ""})
                for name, text in (part.get("function") or {}).items():
                    call[name] = call.get(name, "") + (text or "")
            content, thinking = delta.get("content") or choice.get("text") or "", delta.get("reasoning_content") or ""
            if content or thinking:
                yield self.piece(content, thinking=thinking, logprobs=choice.get("logprobs"))

    def piece(
        self, content: str, *, thinking: str = "", calls: list[Any] | None = None, logprobs: Any = None
    ) -> dict[str, Any]:
        """One piece of the answer."""
        words: dict[str, Any] = {"thinking": thinking} if thinking else {}
        if self.is_chat:
            message = {"role": "assistant", "content": content, **words} | ({"tool_calls": calls} if calls else {})
            words = {"message": message}
        else:
            words = {"response": content, **words}
        more = {"logprobs": logprobs["content"]} if logprobs and logprobs.get("content") else {}
        return {"model": self.name, "created_at": moment(), **words, "done": False, **more}

    def end(self, facts: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """The calls, then the end with its numbers. `facts`: what was noted of the request.

        Raises: EngineError for a call whose arguments are no object.
        """
        if self._calls:
            yield self.piece("", calls=[_call(call) for _, call in sorted(self._calls.items())])
        yield self.piece("") | {"done": True, "done_reason": self.reason} | self.numbers(facts)

    def numbers(self, facts: Mapping[str, Any]) -> dict[str, Any]:
        """Counts and durations."""
        found: dict[str, Any] = {"total_duration": time.perf_counter_ns() - self.started_ns}
        found["load_duration"] = round(facts.get("load_ms", 0) * 1e6)
        if self.usage:
            found["prompt_eval_count"] = self.usage.get("prompt_tokens", 0)
        if "prompt_ms" in self.timings:
            found["prompt_eval_duration"] = round(self.timings["prompt_ms"] * 1e6)
        if self.usage:
            found["eval_count"] = self.usage.get("completion_tokens", 0)
        if "predicted_ms" in self.timings:
            found["eval_duration"] = round(self.timings["predicted_ms"] * 1e6)
        elif self.first_ns:
            found["eval_duration"] = time.perf_counter_ns() - self.first_ns
        return found

    def only(self, reason: str) -> dict[str, Any]:
        """The answer to a request that only loads or unloads."""
        return self.piece("") | {"done": True, "done_reason": reason}


def whole(pieces: list[dict[str, Any]]) -> dict[str, Any]:
    """The pieces of an answer as one."""
    made = dict(pieces[-1])
    parts = [piece.get("message") or {"content": piece["response"], **piece} for piece in pieces]
    words = {"content": "".join(part["content"] for part in parts)}
    if thinking := "".join(part.get("thinking", "") for part in parts):
        words["thinking"] = thinking
    calls = [call for part in parts for call in part.get("tool_calls", ())]
    if "message" in made:
        made["message"] = {"role": "assistant", **words} | ({"tool_calls": calls} if calls else {})
    else:
        made |= {"response": words.pop("content"), **words}
    if logprobs := [entry for piece in pieces for entry in piece.get("logprobs", ())]:
        made["logprobs"] = logprobs
    return made


def moment(seconds: float | None = None) -> str:
    """A time as Ollama writes it; now, if none is given."""
    at = datetime.now(UTC) if seconds is None else datetime.fromtimestamp(seconds, UTC)
    return at.isoformat(timespec="microseconds").replace("+00:00", "Z")


def _call(call: Mapping[str, str]) -> dict[str, Any]:
    try:
        arguments = orjson.loads(call["arguments"] or "{}")
    except orjson.JSONDecodeError:
        arguments = None
    if not isinstance(arguments, dict):
        raise EngineError(
            "The model called a tool with arguments that are no JSON object.", hint="Ask again.", code="bad_tool_call"
        )
    return {"function": {"name": call["name"], "arguments": arguments}}
