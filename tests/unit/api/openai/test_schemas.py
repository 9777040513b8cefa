"""What a chat request may hold: every field of OpenAI's API has its place, and nothing else reaches an engine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openai.types.chat import completion_create_params as official

from intramuros.api.openai import schemas
from intramuros.api.openai.schemas import HINTS, HONOURED, ONLY_AS, REFUSED, chat_call
from intramuros.errors import BadRequest

HELLO = [{"role": "user", "content": "Bonjour"}]
TOOL = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}


def checked(**fields: Any) -> dict[str, Any]:
    return chat_call({"model": "default", "messages": HELLO} | fields).request


def refused(**fields: Any) -> BadRequest:
    with pytest.raises(BadRequest) as error:
        checked(**fields)
    return error.value


def test_every_field_of_the_official_client_has_its_place() -> None:
    theirs = {*official.CompletionCreateParamsBase.__annotations__, "stream"}
    ours = {*HONOURED, *HINTS, *ONLY_AS, *REFUSED}
    assert theirs - ours == set(), "OpenAI has new fields: honour them, take them as hints or refuse them"
    assert ours - theirs == {"top_k", "min_p", "repeat_penalty"}


def test_no_field_is_in_two_tables() -> None:
    tables = [HONOURED, HINTS, ONLY_AS, REFUSED]
    assert sum(len(table) for table in tables) == len({name for table in tables for name in table})


def test_the_readme_names_every_field() -> None:
    readme = (Path(schemas.__file__).parent / "README.md").read_text(encoding="utf-8")
    assert [name for name in {*HONOURED, *HINTS, *ONLY_AS, *REFUSED} if f"`{name}`" not in readme] == []


def test_a_plain_request_passes_as_it_is() -> None:
    call = chat_call({"model": "default", "messages": HELLO, "temperature": 0, "max_tokens": 5, "seed": 7})
    assert call.request == {
        "model": "default", "messages": HELLO, "temperature": 0, "max_tokens": 5, "seed": 7, "stream": False,
    }  # fmt: skip
    assert (call.stream, call.with_usage, call.not_used) == (False, False, ())


def test_fields_that_are_null_are_left_out() -> None:
    assert checked(temperature=None, tools=None, stop=None) == checked()


@pytest.mark.parametrize("name", ["n_discard", "id_slot", "cache_prompt", "grammar", "lora", "samplers", "Temperature"])
def test_switches_of_the_engine_are_not_for_clients(name: str) -> None:
    error = refused(**{name: 1})
    assert error.code == "unknown_parameter" and error.details["param"] == name


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"web_search_options": {}}, "web_search_options"),
        ({"moderation": {"model": "m", "policy": {"input": {"mode": "block"}}}}, "moderation.policy.input.mode"),
    ],
)
def test_what_cannot_be_honoured_is_refused_with_its_reason(fields: dict[str, Any], param: str) -> None:
    error = refused(**fields)
    assert error.code == "unsupported_parameter" and error.details["param"] == param
    assert checked(**dict.fromkeys(fields)) == checked()


def test_what_has_no_meaning_in_this_request_is_reported() -> None:
    """A web search that no tool choice allows, options of a stream that is none, a bias of nothing."""
    call = chat_call({
        "model": "m", "messages": HELLO, "tools": [TOOL], "tool_choice": "none", "web_search_options": {},
        "stream_options": {"include_usage": True}, "functions": [{"name": "f"}], "function_call": "none",
        "logit_bias": {"foo": 0}, "moderation": {"model": "m"}, "verbosity": "low", "prediction": {"type": "content"},
    })  # fmt: skip
    assert set(call.not_used) == {
        "web_search_options", "stream_options", "functions", "function_call", "moderation", "verbosity", "prediction",
    }  # fmt: skip
    assert not call.with_usage and call.request["logit_bias"] == []


def test_words_that_no_json_schema_has_are_reported_and_misused_ones_refused() -> None:
    strict = {"name": "f", "strict": True, "parameters": {"type": "object", "x-order": 1}}
    call = chat_call({"model": "m", "messages": HELLO, "tools": [{"type": "function", "function": strict}]})
    assert call.not_used == ("tools[0].function.parameters.x-order",)
    strict["parameters"] = {"type": "object", "minProperties": 1}
    assert refused(tools=[{"type": "function", "function": strict}]).code == "unsupported_schema"
    assert checked(tools=[{"type": "function", "function": strict | {"strict": False}}])["tools"]
    loose = {"name": "f", "parameters": {"type": "nonsense"}}
    assert refused(tools=[{"type": "function", "function": loose}]).code == "invalid_schema"


def test_a_schema_that_no_answer_can_end_is_refused() -> None:
    endless: dict[str, Any] = {
        "$ref": "#/$defs/a",
        "$defs": {"a": {"type": "object", "properties": {"b": {"$ref": "#/$defs/a"}}, "required": ["b"]}},
    }
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": endless}}
    error = refused(response_format=wanted)
    assert error.code == "invalid_schema" and "$defs.a" in str(error.details["param"])
    endless["$defs"]["a"]["required"] = []
    assert checked(response_format=wanted), "a list that may end"


def test_functions_are_tools_by_their_old_name() -> None:
    call = chat_call({"model": "m", "messages": HELLO, "functions": [{"name": "f"}], "function_call": {"name": "f"}})
    assert call.is_legacy and call.request["tools"][0]["function"]["name"] == "f"
    assert call.request["tool_choice"] == {"type": "function", "function": {"name": "f"}}
    assert refused(functions=[{"name": "f"}], tools=[TOOL]).details["param"] == "functions"


def test_allowed_tools_are_the_only_ones() -> None:
    other = {"type": "function", "function": {"name": "other"}}
    named = {"type": "function", "function": {"name": "weather"}}
    choice = {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [named]}}
    request = checked(tools=[TOOL, other], tool_choice=choice)
    assert request["tools"] == [TOOL] and request["tool_choice"] == "required"
    choice["allowed_tools"] = {"mode": "auto", "tools": [{"type": "function", "function": {"name": "nobody"}}]}
    assert refused(tools=[TOOL], tool_choice=choice).details["param"] == "tool_choice"


def test_effort_is_what_templates_read() -> None:
    request = checked(reasoning_effort="none")
    assert request["chat_template_kwargs"] == {"reasoning_effort": "none", "enable_thinking": False}
    assert refused(reasoning_effort="some").details["param"] == "reasoning_effort"


def test_hints_are_taken_and_reported() -> None:
    call = chat_call({"model": "m", "messages": HELLO, "user": "u", "metadata": {"a": "b"}, "prompt_cache_key": None})
    assert call.not_used == ("user", "metadata")
    assert set(call.request) == {"model", "messages", "stream"}
    call = chat_call({"model": "m", "messages": HELLO, "store": True, "metadata": {"a": "b"}})
    assert call.store and call.metadata == {"a": "b"} and call.not_used == ()
    assert set(call.request) == {"model", "messages", "stream"}, "the engine hears nothing of it"


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("service_tier", "auto", "priority"),
        ("modalities", ["text"], ["text", "audio"]),
    ],
)
def test_some_fields_may_only_say_what_happens_anyway(name: str, good: object, bad: object) -> None:
    assert name not in checked(**{name: good})
    assert refused(**{name: bad}).code == "unsupported_value"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("model", 3), ("model", ""), ("model", None), ("model", "x" * 300),
        ("messages", None), ("messages", []), ("messages", {}), ("messages", "hi"), ("messages", [None]),
        ("stream", "true"), ("stream", 1),
        ("temperature", "1"), ("temperature", True), ("temperature", 2.1), ("temperature", -1),
        ("top_p", 1.5), ("max_tokens", -1), ("n", 0), ("n", 129), ("n", True), ("max_tokens", 1.5), ("max_tokens", 1e30),
        ("max_tokens", 10**18), ("seed", 1e30), ("stop", ""), ("stop", [1]), ("stop", ["x"] * 17), ("stop", {}),
        ("logit_bias", {"a": 1}), ("logit_bias", {"1": 101}), ("logit_bias", []), ("logit_bias", {"²": 1}),
        ("response_format", "json"), ("response_format", {"type": "xml"}), ("response_format", {"type": "json_schema"}),
        ("response_format", {"type": "json_schema", "json_schema": {"name": "x", "schema": "y"}}),
        ("response_format", {"type": "json_schema", "json_schema": {"schema": {}, "grammar": "root ::= x"}}),
        ("response_format", {"type": "json_object", "schema": {}}),
        ("tools", []), ("tools", [{}]), ("tools", [{"type": "mcp"}]), ("tools", [TOOL] * 129),
        ("tools", [{"type": "function", "function": {"name": "a b"}}]),
        ("tools", [{"type": "function", "function": {"name": "a", "parameters": []}}]),
        ("tools", [{"type": "function", "function": {"name": "a", "exec": "rm"}}]),
        ("tool_choice", "required"), ("tool_choice", "any"), ("tool_choice", {"type": "function"}),
        ("stream_options", {"include": True}), ("top_logprobs", 3), ("tools", [TOOL, TOOL]), ("parallel_tool_calls", "no"),
    ],
)  # fmt: skip
def test_values_that_are_not_allowed_name_their_field(name: str, value: object) -> None:
    error = refused(**{name: value})
    assert error.status == 400
    assert str(error.details["param"]).startswith(name)


@pytest.mark.parametrize(
    "message",
    [
        {}, {"role": "user"}, {"role": "root", "content": "x"}, {"role": ["user"], "content": "x"},
        {"role": "user", "content": None}, {"role": "user", "content": 3}, {"role": "user", "content": []},
        {"role": "user", "content": ["x"]}, {"role": "user", "content": [{"type": "text"}]},
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:"}}]},
        {"role": "user", "content": [{"type": ["text"], "text": "x"}]},
        {"role": "user", "content": "x", "tool_calls": []}, {"role": "user", "content": "x", "name": 3},
        {"role": "assistant"}, {"role": "assistant", "tool_calls": []}, {"role": "assistant", "tool_calls": [{}]},
        {"role": "assistant", "tool_calls": [{"id": "1", "type": "function", "function": {"name": "f"}}]},
        {"role": "tool", "content": "x"}, {"role": "user", "content": "x", "cache": True},
    ],
)  # fmt: skip
def test_messages_that_are_none(message: dict[str, Any]) -> None:
    error = refused(messages=[*HELLO, message])
    assert str(error.details["param"]).startswith("messages[1]")


def test_a_conversation_with_tools_passes() -> None:
    call = {"id": "1", "type": "function", "function": {"name": "weather", "arguments": '{"town": "Lyon"}'}}
    messages = [
        {"role": "developer", "content": [{"type": "text", "text": "Sois bref."}]},
        {"role": "user", "content": "Le temps ?", "name": "alice"},
        {"role": "assistant", "content": None, "tool_calls": [call], "refusal": None, "annotations": [], "audio": None},
        {"role": "tool", "tool_call_id": "1", "content": "12 degrés"},
    ]
    request = checked(
        messages=messages, tools=[TOOL], tool_choice={"type": "function", "function": {"name": "weather"}}
    )
    assert [message["role"] for message in request["messages"]] == ["system", "user", "assistant", "tool"]
    assert request["messages"][2] == {"role": "assistant", "content": None, "tool_calls": [call]}
    assert request["tools"] == [TOOL]


def test_a_named_tool_must_be_there() -> None:
    choice = {"type": "function", "function": {"name": "other"}}
    assert refused(tools=[TOOL], tool_choice=choice).details["param"] == "tool_choice"


def test_both_names_of_the_token_limit_work_but_must_agree() -> None:
    assert checked(max_completion_tokens=9)["max_tokens"] == 9
    assert checked(max_completion_tokens=9, max_tokens=9)["max_tokens"] == 9
    assert refused(max_completion_tokens=9, max_tokens=8).details["param"] == "max_tokens"


def test_usage_in_a_stream() -> None:
    call = chat_call({"model": "m", "messages": HELLO, "stream": True, "stream_options": {"include_usage": True}})
    assert call.stream and call.with_usage and "stream_options" not in call.request


@pytest.mark.parametrize("seed", [0, 1, -1, 2**32 - 1, 2**63 - 1, -(2**63)])
def test_every_seed_is_one_and_the_same_each_time(seed: int) -> None:
    assert 0 <= checked(seed=seed)["seed"] < 2**32 - 1


def test_token_bias_goes_out_as_the_engine_reads_it() -> None:
    assert checked(logit_bias={"15": -100})["logit_bias"] == [[15, -100]]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip
fields = st.sampled_from(sorted({*HONOURED, *HINTS, *ONLY_AS, *REFUSED, "other"}))
messages = st.lists(
    st.dictionaries(
        st.sampled_from(["role", "content", "tool_calls", "tool_call_id", "name"]), json_values, max_size=4
    ),
    max_size=3,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(fields, json_values, max_size=6), st.none() | messages)
def test_whatever_comes_in_is_checked_or_refused(body: dict[str, Any], said: Any) -> None:
    body = {"model": "default", "messages": HELLO} | body | ({"messages": said} if said is not None else {})
    try:
        call = chat_call(body)
    except BadRequest as error:
        orjson.dumps(error.details)
        return
    assert set(call.request) <= {*HONOURED, "chat_template_kwargs"}
    orjson.dumps(call.request)
