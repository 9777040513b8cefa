"""Tool calls: held to their schemas on every model, passed on whole or not at all."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intramuros.engines.schema import checked_schema
from intramuros.errors import BadRequest
from intramuros.tasks.calling import Calling, Gate, with_tools
from intramuros.tasks.unquoted import Unquoted
from tests.scripted import chunk, reply

WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather of a town",
        "parameters": {
            "type": "object",
            "properties": {"town": {"type": "string"}, "days": {"type": "integer", "minimum": 1}},
            "required": ["town"],
        },
    },
}
CLOCK = {"type": "function", "function": {"name": "clock", "parameters": {"type": "object", "properties": {}}}}
HELLO: list[dict[str, Any]] = [{"role": "user", "content": "Lyon ?"}]
LYON = {"name": "weather", "arguments": {"town": "Lyon"}}


def prepared(knows_tools: bool = False, **more: Any) -> tuple[dict[str, Any], Calling]:
    return with_tools({"messages": HELLO, "tools": [WEATHER, CLOCK]} | more, knows_tools=knows_tools)


def written(calling: Calling, *pieces: str, finish: str = "stop") -> list[dict[str, Any]]:
    """The choices that go out for these pieces of an answer."""
    gate = Gate(calling)
    chunks = [chunk(piece) for piece in pieces]
    chunks.append(chunk(choices=[{"index": 0, "delta": {}, "finish_reason": finish}]))
    return [orjson.loads(out)["choices"][0] for one in chunks for out in gate.take(one)]


def refused(calling: Calling, *pieces: str, finish: str = "stop") -> BadRequest:
    with pytest.raises(BadRequest) as error:
        written(calling, *pieces, finish=finish)
    return error.value


def schema_of(request: dict[str, Any]) -> dict[str, Any]:
    schema: dict[str, Any] = request["response_format"]["json_schema"]["schema"]
    return schema


def test_a_model_that_knows_tools_gets_them_as_its_template_has_them() -> None:
    request, calling = prepared(True)
    assert request["tools"] == [WEATHER, CLOCK] and request["tool_choice"] == "auto" and not calling.is_held
    assert request["messages"] == HELLO and "response_format" not in request


@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "clock"}}])
def test_a_call_that_must_be_made_is_held_by_a_schema_on_every_model(choice: Any) -> None:
    """Its template shows the tools, but no engine enforces a choice for a format it does not know."""
    request, calling = prepared(True, tool_choice=choice)
    tools = [WEATHER, CLOCK] if choice == "required" else [CLOCK]
    assert request["tools"] == tools and request["tool_choice"] == "none" and request["messages"] == HELLO
    assert calling.is_held and calling.must and calling.only_one == (choice != "required")
    assert checked_schema(schema_of(request), "schema") == schema_of(request)


@pytest.mark.parametrize(
    ("more", "kind"),
    [
        ({}, "anyOf"), ({"tool_choice": "auto"}, "anyOf"), ({"tool_choice": "required"}, "array"),
        ({"tool_choice": "required", "parallel_tool_calls": False}, "one of"),
        ({"tool_choice": {"type": "function", "function": {"name": "clock"}}}, "object"),
    ],
)  # fmt: skip
def test_any_other_model_is_told_of_them_and_held_by_a_schema(more: dict[str, Any], kind: str) -> None:
    request, calling = prepared(**more)
    assert not {"tools", "tool_choice", "parallel_tool_calls"} & set(request) and calling.is_held
    system = request["messages"][0]
    assert system["role"] == "system" and "clock" in system["content"] and request["messages"][1:] == HELLO
    schema = schema_of(request)
    assert checked_schema(schema, "schema") == schema, "the engine's grammar holds all of it"
    shapes = {"anyOf": "anyOf" in schema and {"type": "string"} in schema["anyOf"], "array": schema.get("type") == "array",
              "one of": "anyOf" in schema and {"type": "string"} not in schema["anyOf"], "object": schema.get("type") == "object"}  # fmt: skip
    assert [name for name, holds in shapes.items() if holds] == [kind]


def test_definitions_of_several_tools_keep_apart() -> None:
    def tool(name: str, kind: str) -> dict[str, Any]:
        parameters = {"type": "object", "properties": {"a": {"$ref": "#/$defs/A"}}, "$defs": {"A": {"type": kind}}}
        return {"type": "function", "function": {"name": name, "parameters": parameters}}

    request, _ = prepared(tools=[tool("one", "string"), tool("two", "integer")], tool_choice="required")
    schema = schema_of(request)
    assert checked_schema(schema, "schema") == schema
    assert {key: held["type"] for key, held in schema["$defs"].items()} == {
        "t0-defs-A": "string",
        "t1-defs-A": "integer",
    }
    assert "#/$defs/t1-defs-A" in json.dumps(schema)


def test_parameters_no_grammar_holds_are_free_there_and_checked_after() -> None:
    parameters = {"type": "object", "properties": {"n": {"type": "number", "multipleOf": 5}}}
    tool = {"type": "function", "function": {"name": "f", "parameters": parameters}}
    request, calling = prepared(tools=[tool], tool_choice="required", parallel_tool_calls=False)
    assert schema_of(request)["properties"]["arguments"] == {"type": "object", "additionalProperties": True}
    assert "multipleOf" in refused(calling, '{"name": "f", "arguments": {"n": 7}}').message
    assert written(calling, '{"name": "f", "arguments": {"n": 10}}')[-1]["finish_reason"] == "tool_calls"


def test_earlier_calls_and_results_are_text_for_a_template_without_tools() -> None:
    call = {"id": "1", "type": "function", "function": {"name": "weather", "arguments": '{"town": "Lyon"}'}}
    messages = [
        {"role": "system", "content": "Sois bref."},
        *HELLO,
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "1", "content": "12 degrés"},
    ]
    told = prepared(messages=messages)[0]["messages"]
    assert [message["role"] for message in told] == ["system", "user", "assistant", "user"]
    assert told[0]["content"].startswith("Sois bref.") and "weather" in told[0]["content"]
    assert json.loads(told[2]["content"]) == [LYON] and told[3]["content"] == "Result of weather: 12 degrés"


@pytest.mark.parametrize("name", ["logprobs", "response_format", "stop"])
def test_what_can_not_be_had_beside_a_schema_is_refused(name: str) -> None:
    values: dict[str, Any] = {"logprobs": True, "response_format": {"type": "json_object"}, "stop": ["x"]}
    with pytest.raises(BadRequest) as error:
        prepared(False, **{name: values[name]})
    assert error.value.details["param"] == name
    assert "stop" not in prepared(True, tool_choice="required", stop=["}"])[0], "a call would be cut in the middle"
    assert prepared(True, **{name: values[name]})[0][name], "a template with tools has both"


def test_calls_are_held_back_until_they_are_whole() -> None:
    _, calling = prepared()
    text = json.dumps([LYON, {"name": "clock", "arguments": {}}])
    *before, calls, end = written(calling, *text)
    assert before == [], "nothing of a call goes out before it was checked"
    assert [call["function"] for call in calls["delta"]["tool_calls"]] == [
        {"name": "weather", "arguments": '{"town":"Lyon"}'}, {"name": "clock", "arguments": "{}"},
    ]  # fmt: skip
    assert [call["index"] for call in calls["delta"]["tool_calls"]] == [0, 1] and end["finish_reason"] == "tool_calls"
    assert all(call["id"].startswith("call_") for call in calls["delta"]["tool_calls"])


def test_words_pass_as_they_come() -> None:
    _, calling = prepared()
    out = written(calling, '"Il', " fait\\", 'n 12\\u00b0"')
    assert [part["delta"].get("content") for part in out] == ["Il", " fait", "\n 12°", None]
    assert out[-1]["finish_reason"] == "stop"


@pytest.mark.parametrize(
    ("pieces", "finish", "said"),
    [
        (['[{"name": "weather", "arg'], "length", "max_tokens"),
        (["nonsense"], "stop", "neither"),
        (['[{"name": "other", "arguments": {}}]'], "stop", "not in 'tools'"),
        (['[{"name": "weather", "arguments": {}}]'], "stop", "required (town)"),
        (['[{"name": "weather", "arguments": {"town": "x", "days": 0}}]'], "stop", "minimum"),
        (['[{"name": "weather", "arguments": 3}]'], "stop", "not an object"),
        (["[3]"], "stop", "neither"),
    ],
)
def test_a_call_that_is_none_is_an_error(pieces: list[str], finish: str, said: str) -> None:
    _, calling = prepared(tool_choice="required")
    error = refused(calling, *pieces, finish=finish)
    assert error.code == "invalid_tool_call" and said in error.message
    with pytest.raises(BadRequest):
        calling.reply(
            reply("".join(pieces)) | {"choices": [{**reply("".join(pieces))["choices"][0], "finish_reason": finish}]}
        )


def test_what_a_model_wrote_is_not_in_the_error() -> None:
    empty = {"type": "object", "additionalProperties": False}
    _, calling = prepared(tools=[{"type": "function", "function": {"name": "weather", "parameters": empty}}])
    error = refused(calling, '[{"name": "weather", "arguments": {"secret word": 1}}]')
    assert "secret" not in error.message + error.hint


def test_log_probabilities_come_once() -> None:
    _, calling = prepared(True)
    spoken = {"index": 0, "delta": {"content": "a"}, "finish_reason": "stop", "logprobs": {"content": [1]}}
    assert [part.get("logprobs") for part in Gate(calling).choice(spoken)] == [{"content": [1]}, None]


def native(*parts: dict[str, Any]) -> list[bytes]:
    deltas = [chunk(choices=[{"index": 0, "delta": {"tool_calls": [part]}, "finish_reason": None}]) for part in parts]
    return [*deltas, chunk(choices=[{"index": 0, "delta": {}, "finish_reason": "tool_calls"}])]


def test_calls_that_the_engine_read_are_gathered_and_checked() -> None:
    _, calling = prepared(True)
    gate = Gate(calling)
    head = {"index": 0, "id": "a", "type": "function", "function": {"name": "weather", "arguments": ""}}
    parts = [{"index": 0, "function": {"arguments": piece}} for piece in ('{"town"', ': "Lyon"}')]
    out = [orjson.loads(piece)["choices"][0] for one in native(head, *parts) for piece in gate.take(one)]
    assert len(out) == 2 and out[0]["delta"]["tool_calls"][0]["function"]["arguments"] == '{"town": "Lyon"}'
    with pytest.raises(BadRequest):
        bad = Gate(calling)
        _ = [bad.take(one) for one in native(head)]


def test_parallel_calls_that_are_not_wanted_are_one() -> None:
    _, calling = prepared(True, parallel_tool_calls=False)
    calls = [{"id": str(n), "type": "function", "function": {"name": "clock", "arguments": "{}"}} for n in range(3)]
    raw = calling.reply(reply("", tool_calls=calls))
    assert len(raw["choices"][0]["message"]["tool_calls"]) == 1 and raw["choices"][0]["finish_reason"] == "tool_calls"


def test_a_whole_reply_is_what_its_stream_would_be() -> None:
    _, calling = prepared()
    message = calling.reply(reply(json.dumps([LYON])))["choices"][0]["message"]
    assert message["content"] is None and message["tool_calls"][0]["function"]["arguments"] == '{"town":"Lyon"}'
    assert "index" not in message["tool_calls"][0]
    assert calling.reply(reply(json.dumps("Bonjour")))["choices"][0]["message"]["content"] == "Bonjour"
    assert calling.reply(reply('""'))["choices"][0]["message"]["content"] == ""


@given(st.text(), st.lists(st.integers(1, 7), min_size=1), st.booleans())
def test_a_text_is_the_same_however_it_is_cut(text: str, sizes: list[int], is_ascii: bool) -> None:
    encoded = json.dumps(text, ensure_ascii=is_ascii)[1:] + " rest"
    reader, out, place = Unquoted(), "", 0
    for size in sizes * len(encoded):
        if place >= len(encoded):
            break
        out, place = out + reader.feed(encoded[place : place + size]), place + size
    assert out == text and reader.is_over
