"""Chunks of an engine as Ollama's pieces: words, thoughts, calls, numbers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from intramuros.api.ollama.answers import Said, whole
from intramuros.errors import EngineError


def said(*deltas: dict[str, Any], finish: str = "stop", **last: Any) -> tuple[Said, list[dict[str, Any]]]:
    answer = Said("tiny:latest", is_chat=True)
    chunks: list[dict[str, Any]] = [{"choices": [{"delta": delta}]} for delta in deltas]
    chunks += [{"choices": [{"delta": {}, "finish_reason": finish}]}, {"choices": [], **last}]
    pieces = [piece for chunk in chunks for piece in answer.take(chunk)]
    return answer, [*pieces, *answer.end({"load_ms": 2.5})]


def test_words_and_thoughts() -> None:
    _, pieces = said({"role": "assistant", "content": None}, {"reasoning_content": "Hm."}, {"content": "Yes"})
    assert [piece["message"] for piece in pieces[:-1]] == [
        {"role": "assistant", "content": "", "thinking": "Hm."},
        {"role": "assistant", "content": "Yes"},
    ]
    assert whole(pieces)["message"] == {"role": "assistant", "content": "Yes", "thinking": "Hm."}


def test_numbers_are_those_that_were_measured() -> None:
    usage = {"prompt_tokens": 9, "completion_tokens": 4}
    _, pieces = said({"content": "x"}, usage=usage, timings={"prompt_ms": 1.5, "predicted_ms": 2}, finish="length")
    end = pieces[-1]
    assert end["done"] and end["done_reason"] == "length" and end["load_duration"] == 2_500_000
    assert (end["prompt_eval_count"], end["eval_count"]) == (9, 4)
    assert (end["prompt_eval_duration"], end["eval_duration"]) == (1_500_000, 2_000_000)
    _, pieces = said({"content": "x"}, usage=usage)
    assert "prompt_eval_duration" not in pieces[-1] and pieces[-1]["eval_duration"] > 0, "nobody measured it"


def test_calls_come_whole_before_the_end() -> None:
    def part(index: int, **function: str) -> dict[str, Any]:
        return {"tool_calls": [{"index": index, "function": function}]}

    _, pieces = said(part(0, name="add", arguments='{"a"'), part(0, arguments=":1}"), part(1, name="go", arguments=""))
    assert [piece["done"] for piece in pieces] == [False, True]
    calls = [{"function": {"name": "add", "arguments": {"a": 1}}}, {"function": {"name": "go", "arguments": {}}}]
    assert pieces[0]["message"]["tool_calls"] == calls == whole(pieces)["message"]["tool_calls"]
    for wrong in ("{", "[1]", '"x"'):
        with pytest.raises(EngineError):
            said(part(0, name="add", arguments=wrong))


def test_probabilities_stand_beside_the_words() -> None:
    answer = Said("tiny", is_chat=False)
    entry = {"token": "a", "logprob": -0.5, "top_logprobs": []}
    choice = {"delta": {"content": "a"}, "logprobs": {"content": [entry]}}
    pieces = [*answer.take({"choices": [choice]}), *answer.take({"choices": [choice]}), *answer.end({})]
    assert pieces[0]["logprobs"] == [entry]
    made = whole(pieces)
    assert made["response"] == "aa" and made["logprobs"] == [entry, entry] and json.dumps(made)
