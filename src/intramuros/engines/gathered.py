"""Puts the chunks of a stream together into the whole reply that the same request would have got without a stream.

Called by `engines.openai_http`: the engine looks only once a second whether somebody still waits for a whole reply, but
notices at once that a stream is no longer read. So whole replies are streams, too, gathered here.
"""

from __future__ import annotations

from typing import Any

TEXTS = ("content", "reasoning_content", "refusal")


class Gathered:
    """A reply as far as it has come."""

    def __init__(self) -> None:
        self.head: dict[str, Any] = {}
        self.choices: dict[int, dict[str, Any]] = {}

    def add(self, chunk: dict[str, Any]) -> None:
        """Takes in the next chunk."""
        for part in chunk.pop("choices", ()):
            if "text" in part:
                choice = self.choices.setdefault(part["index"], {"text": ""})
                choice["text"] += part["text"]
            else:
                choice = self.choices.setdefault(part["index"], {"message": {"role": "assistant", "content": None}})
                _merge(choice["message"], part.get("delta") or {})
            if part.get("finish_reason"):
                choice["finish_reason"] = part["finish_reason"]
            if part.get("stop_reason") is not None:
                choice["stop_reason"] = part["stop_reason"]
            if part.get("logprobs"):
                _merge_logprobs(choice.setdefault("logprobs", {}), part["logprobs"])
        self.head |= chunk

    def reply(self) -> dict[str, Any]:
        """The whole `chat.completion` or `text_completion` object."""
        choices = [
            {"index": index, "finish_reason": choice.pop("finish_reason", ""), **choice}
            for index, choice in sorted(self.choices.items())
        ]
        for choice in choices:
            message = choice.get("message")
            if message and message["content"] is None and not message.get("tool_calls"):
                message["content"] = ""
        kind = "text_completion" if self.head.get("object") == "text_completion" else "chat.completion"
        return self.head | {"object": kind, "choices": choices}


def _merge(message: dict[str, Any], delta: dict[str, Any]) -> None:
    for name, value in delta.items():
        if name == "tool_calls":
            calls = message.setdefault("tool_calls", [])
            for part in value:
                _merge_call(calls, part)
        elif name in TEXTS and value is not None:
            message[name] = (message.get(name) or "") + value
        elif value is not None:
            message[name] = value


def _merge_call(calls: list[dict[str, Any]], part: dict[str, Any]) -> None:
    while len(calls) <= part["index"]:
        calls.append({"id": "", "type": "function", "function": {"name": "", "arguments": ""}})
    call, function = calls[part["index"]], part.get("function") or {}
    call["id"] = part.get("id") or call["id"]
    call["function"]["name"] += function.get("name") or ""
    call["function"]["arguments"] += function.get("arguments") or ""


def _merge_logprobs(gathered: dict[str, Any], part: dict[str, Any]) -> None:
    for name, entries in part.items():
        if isinstance(entries, list):
            gathered.setdefault(name, []).extend(entries)
