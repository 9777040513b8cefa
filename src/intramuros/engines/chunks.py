"""Says whether what came from a stranger is an answer, or a chunk of one, of OpenAI's form, before it is passed on.

Called by `engines.remote`. A number where a list begins may not be a million: whoever gathers fills the list up to it.
"""

from __future__ import annotations

from typing import Any

import orjson

from intramuros.engines.openai_http import error_from

MOST_CHOICES, MOST_CALLS, MOST_TOKENS = 128, 256, 1 << 40
TEXTS = ("role", "content", "refusal", "reasoning_content", "reasoning")


def check_chunk(data: bytes, *, who: str) -> None:
    """Raises: ValueError for what is no chunk; the error that the chunk carries, as ours and as `who`'s."""
    if not _is_chunk(_read(data, who)):
        raise ValueError("it is no chunk of a chat completion")


def chunk_of(answer: bytes, *, who: str) -> dict[str, Any]:
    """A whole answer as the one chunk of a stream that says all of it. Raises: as `check_chunk`."""
    whole = _read(answer, who)
    choices = whole.get("choices") if isinstance(whole, dict) else None
    chunk = {**whole, "choices": [_as_part(choice) for choice in choices]} if isinstance(choices, list) else None
    if chunk is None or not chunk["choices"] or not _is_chunk(chunk):
        raise ValueError("it is no answer to a chat")
    return chunk


def _read(data: bytes, who: str) -> Any:
    said = orjson.loads(data)
    if isinstance(said, dict) and (error := said.get("error")):
        code = error.get("code") if isinstance(error, dict) else None
        raise error_from(code if type(code) is int else 500, data, who=who)
    return said


def _as_part(choice: Any) -> Any:
    """A choice as a chunk has it, where calls have a place; None for what is none."""
    if not isinstance(choice, dict) or isinstance(choice.get("text"), str):
        return choice
    message = choice.get("message")
    if not isinstance(message, dict):
        return None
    delta, calls = dict(message), message.get("tool_calls")
    if isinstance(calls, list):
        delta["tool_calls"] = [
            {**call, "index": place} if isinstance(call, dict) else call for place, call in enumerate(calls)
        ]
    return {**{name: held for name, held in choice.items() if name != "message"}, "delta": delta}


def _is_chunk(chunk: Any) -> bool:
    if not isinstance(chunk, dict):
        return False
    choices, usage = chunk.get("choices"), chunk.get("usage")
    if not isinstance(choices, list):
        return False
    for choice in choices:  # plain loops: this runs for every token
        if not _is_choice(choice):
            return False
    return not usage or _is_usage(usage)


def _is_choice(choice: Any) -> bool:
    if not isinstance(choice, dict) or not _is_index(choice.get("index"), MOST_CHOICES):
        return False
    for name in ("text", "finish_reason"):
        if not _is_text(choice.get(name)):
            return False
    delta = choice.get("delta")
    return not delta or _is_delta(delta)


def _is_delta(delta: Any) -> bool:
    if not isinstance(delta, dict):
        return False
    for name in TEXTS:
        if name in delta and not _is_text(delta[name]):
            return False
    calls = delta.get("tool_calls") or []
    return isinstance(calls, list) and all(map(_is_call, calls))


def _is_call(call: Any) -> bool:
    if not _is_object(call) or not _is_index(call.get("index"), MOST_CALLS):
        return False
    function = call.get("function") or {}
    named = (function.get("name"), function.get("arguments"), call.get("id")) if _is_object(function) else (0,)
    return all(map(_is_text, named))


def _is_usage(usage: Any) -> bool:
    if not _is_object(usage):
        return False
    details = usage.get("prompt_tokens_details") or {}
    counts = [usage.get(name) or 0 for name in ("prompt_tokens", "completion_tokens", "total_tokens")]
    cached = [details.get("cached_tokens") or 0] if _is_object(details) else [-1]
    return all(_is_index(count, MOST_TOKENS) for count in (*counts, *cached))


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)


def _is_text(value: Any) -> bool:
    return value is None or isinstance(value, str)


def _is_index(value: Any, most: int) -> bool:
    return type(value) is int and 0 <= value < most
