"""Whole replies put together from chunks."""

from __future__ import annotations

from typing import Any

from intramuros.engines.gathered import Gathered


def gathered(*deltas: dict[str, Any], **ending: Any) -> dict[str, Any]:
    found = Gathered()
    for delta in deltas:
        part = {"index": delta.pop("at", 0), "delta": delta, "finish_reason": None}
        found.add({"id": "1", "object": "chat.completion.chunk", "model": "m", "choices": [part]})
    found.add({"id": "1", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], **ending})
    return found.reply()


def test_texts_are_joined_and_the_usage_is_kept() -> None:
    reply = gathered({"role": "assistant", "content": None}, {"content": "un"}, {"content": " deux"}, usage={"x": 1})
    assert reply == {
        "id": "1",
        "object": "chat.completion",
        "model": "m",
        "usage": {"x": 1},
        "choices": [
            {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "un deux"}},
        ],
    }


def test_tool_calls_are_put_together_by_number() -> None:
    def call(index: int, *, arguments: str = "", **head: Any) -> dict[str, Any]:
        return {"tool_calls": [{"index": index, "function": {"arguments": arguments, **head.pop("named", {})}, **head}]}

    reply = gathered(
        call(0, id="a", type="function", named={"name": "look"}),
        call(0, arguments='{"n":'),
        call(0, arguments=" 1}"),
        call(1, id="b", type="function", named={"name": "add"}, arguments="{}"),
    )
    message = reply["choices"][0]["message"]
    assert message["content"] is None
    assert message["tool_calls"] == [
        {"id": "a", "type": "function", "function": {"name": "look", "arguments": '{"n": 1}'}},
        {"id": "b", "type": "function", "function": {"name": "add", "arguments": "{}"}},
    ]


def test_thoughts_stay_apart_from_the_answer() -> None:
    message = gathered({"reasoning_content": "hm"}, {"reasoning_content": "m"}, {"content": "42"})["choices"][0][
        "message"
    ]
    assert (message["reasoning_content"], message["content"]) == ("hmm", "42")


def test_several_choices_stay_apart_and_in_order() -> None:
    reply = gathered({"at": 1, "content": "b"}, {"at": 0, "content": "a"}, {"at": 1, "content": "b"})
    assert [choice["message"]["content"] for choice in reply["choices"]] == ["a", "bb"]


def test_probabilities_are_joined() -> None:
    found = Gathered()
    for token in "ab":
        part = {"index": 0, "delta": {"content": token}, "logprobs": {"content": [{"token": token}]}}
        found.add({"choices": [part]})
    assert found.reply()["choices"][0]["logprobs"] == {"content": [{"token": "a"}, {"token": "b"}]}


def test_an_empty_answer_is_an_empty_text() -> None:
    assert gathered()["choices"][0]["message"]["content"] == ""


def test_what_ended_a_choice_is_kept() -> None:
    found = Gathered()
    found.add({"choices": [{"index": 0, "delta": {"content": "a"}, "finish_reason": None}]})
    found.add({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop", "stop_reason": "FIN"}]})
    assert found.reply()["choices"][0]["stop_reason"] == "FIN"
