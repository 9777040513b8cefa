"""Streams in Anthropic's events: what the official client makes of them is what the model said."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intramuros.api.anthropic.events import Events
from intramuros.api.anthropic.replies import ending, message, usage
from intramuros.api.anthropic.schemas import MessageCall

CALL = MessageCall({}, stream=True, not_used=(), max_tokens=50)
NUMBERS = {"prompt_tokens": 12, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 8}}


def chunk(delta: dict[str, Any], finish: str | None = None, **choice: Any) -> bytes:
    part = {"finish_reason": finish, "index": 0, "delta": delta} | choice
    return orjson.dumps({"choices": [part], "created": 1, "id": "c", "model": "m"})


LAST = orjson.dumps({"choices": [], "model": "m", "usage": NUMBERS})
ROLE = chunk({"role": "assistant", "content": None})


def made(*chunks: bytes, call: MessageCall = CALL) -> list[dict[str, Any]]:
    events = Events(call, "msg_1")
    body = b"".join([*(events.take(one) for one in chunks), events.end()])
    found = []
    for event in body.split(b"\n\n")[:-1]:
        name, data = event.split(b"\n")
        value = orjson.loads(data.removeprefix(b"data: "))
        assert name == b"event: " + value["type"].encode()
        found.append(value)
    return found


def kinds(events: list[dict[str, Any]]) -> list[str]:
    return [event["type"].replace("content_block_", "") for event in events]


def test_the_whole_sequence() -> None:
    events = made(ROLE, chunk({"content": "Bon"}), chunk({"content": "jour"}), chunk({}, "stop"), LAST)
    assert kinds(events) == [
        "message_start",
        "ping",
        "start",
        "delta",
        "delta",
        "stop",
        "message_delta",
        "message_stop",
    ]
    assert events[0]["message"] | {"usage": None} == {
        "id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [], "stop_reason": None,
        "stop_sequence": None, "usage": None,
    }  # fmt: skip
    assert events[3] == {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Bon"}}
    assert events[-2]["delta"] == {"stop_reason": "end_turn", "stop_sequence": None}
    assert events[-2]["usage"] == {
        "input_tokens": 12, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": 3,
    }  # fmt: skip


def test_thoughts_words_and_calls_are_blocks_of_their_own() -> None:
    calls = [{"id": f"t{n}", "index": n, "function": {"name": "w", "arguments": '{"a":1}'}} for n in range(2)]
    events = made(
        ROLE, chunk({"reasoning_content": "Hm"}), chunk({"reasoning_content": "."}), chunk({"content": "Je regarde."}),
        chunk({"tool_calls": calls}), chunk({}, "tool_calls"), LAST,
    )  # fmt: skip
    assert kinds(events)[2:-2] == [
        "start", "delta", "delta", "delta", "stop", "start", "delta", "stop", "start", "delta", "stop", "start", "delta", "stop",
    ]  # fmt: skip
    starts = [event for event in events if event["type"] == "content_block_start"]
    assert [start["content_block"]["type"] for start in starts] == ["thinking", "text", "tool_use", "tool_use"]
    assert [start["index"] for start in starts] == [0, 1, 2, 3]
    assert starts[2]["content_block"] == {"type": "tool_use", "id": "t0", "name": "w", "input": {}}
    deltas = [event["delta"]["type"] for event in events if event["type"] == "content_block_delta"]
    assert deltas == ["thinking_delta", "thinking_delta", "signature_delta", "text_delta", *["input_json_delta"] * 2]
    assert events[-2]["delta"]["stop_reason"] == "tool_use"


def test_thoughts_that_are_not_to_be_shown() -> None:
    hidden = MessageCall({}, stream=True, not_used=(), hides_thinking=True)
    events = made(chunk({"reasoning_content": "secret"}), chunk({"content": "x"}), LAST, call=hidden)
    assert "secret" not in str(events) and kinds(events)[2:5] == ["start", "delta", "stop"]


def test_an_answer_without_a_word() -> None:
    assert kinds(made(ROLE, chunk({}, "stop"), LAST)) == ["message_start", "ping", "message_delta", "message_stop"]


@given(st.lists(st.text(min_size=1), min_size=1, max_size=8))
def test_words_cut_out_of_bytes_are_the_words(words: list[str]) -> None:
    events = made(ROLE, *(chunk({"content": word}) for word in words), chunk({}, "stop"), LAST)
    assert [event["delta"]["text"] for event in events if event["type"] == "content_block_delta"] == words


@pytest.mark.parametrize(
    "odd",
    [
        chunk({"content": 'b","x":"'}), chunk({"content": "b", "tool_calls": []}), chunk({"content": "b"}, "length"),
        chunk({"content": "b"}, logprobs=None), b'{"choices":[{"index":0,"delta":{"content":"b"}}],"model":"other"}',
    ],
)  # fmt: skip
def test_a_chunk_that_is_not_like_the_others_is_read(odd: bytes) -> None:
    events = made(ROLE, chunk({"content": "a"}), odd, chunk({"content": "c"}), LAST)
    texts = [event["delta"]["text"] for event in events if event["type"] == "content_block_delta"]
    assert texts == ["a", orjson.loads(odd)["choices"][0]["delta"]["content"], "c"]
    assert events[-2]["delta"]["stop_reason"] in {"end_turn", "model_context_window_exceeded"}


def test_words_alike_are_not_read_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    events = Events(CALL, "msg_1")
    events.take(ROLE)
    events.take(chunk({"content": "a"}))
    monkeypatch.setattr("intramuros.api.anthropic.events.orjson", None)
    assert b'"text":"b"}}\n\n' in events.take(chunk({"content": "b"}))


@pytest.mark.parametrize(
    ("choice", "completion", "reason", "sequence"),
    [
        ({"finish_reason": "stop"}, 3, "end_turn", None), ({"finish_reason": "length"}, 50, "max_tokens", None),
        ({"finish_reason": "length"}, 49, "model_context_window_exceeded", None),
        ({"finish_reason": "stop", "stop_reason": "FIN"}, 3, "stop_sequence", "FIN"),
        ({"finish_reason": "stop", "stop_reason": 128009}, 3, "end_turn", None),  # vLLM: a token
        ({"finish_reason": "tool_calls", "stop_reason": "x"}, 3, "tool_use", None), ({}, 3, "end_turn", None),
        ({"finish_reason": "content_filter"}, 3, "refusal", None),
    ],
)  # fmt: skip
def test_why_an_answer_ended(choice: dict[str, Any], completion: int, reason: str, sequence: str | None) -> None:
    numbers = {"prompt_tokens": 1, "completion_tokens": completion}
    assert ending(choice, numbers, CALL) == {"stop_reason": reason, "stop_sequence": sequence}


def test_the_cache_is_told_apart_for_whoever_asked() -> None:
    assert usage(NUMBERS, CALL)["input_tokens"] == 12
    told = usage(NUMBERS, MessageCall({}, stream=False, not_used=(), tells_cache=True))
    assert (told["input_tokens"], told["cache_read_input_tokens"]) == (4, 8)


def test_a_whole_message() -> None:
    said = {
        "content": "Je regarde.", "reasoning_content": "Hm.",
        "tool_calls": [{"id": "t", "function": {"name": "w", "arguments": '{"a":1}'}}],
    }  # fmt: skip
    reply = {"model": "m", "choices": [{"message": said, "finish_reason": "tool_calls"}], "usage": NUMBERS}
    whole = message(reply, CALL, message_id="msg_1")
    assert [block["type"] for block in whole["content"]] == ["thinking", "text", "tool_use"]
    assert whole["content"][2]["input"] == {"a": 1} and whole["stop_reason"] == "tool_use"
