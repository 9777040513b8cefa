"""What a message request may hold: every field of Anthropic's API has its place, and nothing else reaches an engine."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from anthropic.types import message_count_tokens_params, message_create_params
from anthropic.types.beta import message_create_params as beta_params

from intramuros.api.anthropic import schemas
from intramuros.api.anthropic.contents import BLOCKS
from intramuros.api.anthropic.schemas import (
    COUNT_FIELDS,
    FIELDS,
    HINTS,
    HONOURED,
    ONLY_AS,
    REFUSED,
    MessageCall,
    count_call,
    message_call,
)
from intramuros.errors import BadRequest

HELLO: list[Any] = [{"role": "user", "content": "Bonjour"}]
TOOL = {"name": "weather", "input_schema": {"type": "object", "properties": {"town": {"type": "string"}}}}
PNG = base64.b64encode(bytes.fromhex("89504e470d0a1a0a0000000d4948445200000004000000040802000000")).decode()
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}


def call(**fields: Any) -> MessageCall:
    return message_call({"model": "default", "messages": HELLO, "max_tokens": 9} | fields)


def turns(*messages: tuple[str, Any], **fields: Any) -> list[dict[str, Any]]:
    sent = [{"role": role, "content": content} for role, content in messages]
    found: list[dict[str, Any]] = call(messages=sent, **fields).request["messages"]
    return found


def refused(**fields: Any) -> BadRequest:
    with pytest.raises(BadRequest) as error:
        call(**fields)
    return error.value


def blocks(*content: Any) -> BadRequest:
    return refused(messages=[{"role": "user", "content": list(content)}])


def text(said: Any, **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": said} | more


def test_every_field_of_the_official_client_has_its_place() -> None:
    official = set(get_type_hints(message_create_params.MessageCreateParamsBase))
    beta = set(get_type_hints(beta_params.MessageCreateParamsBase)) - {"betas"}  # a header
    assert (official | beta | {"stream"}) - FIELDS.names == set(), "Anthropic has new fields: give them a place"
    assert FIELDS.names - official - beta == {"stream", "temperature", "top_p", "top_k", "output_format"}
    counted = set(get_type_hints(message_count_tokens_params.MessageCountTokensParams))
    assert counted - COUNT_FIELDS.names == set()


def test_no_field_is_in_two_tables_and_the_readme_names_every_field_and_block() -> None:
    tables: list[Any] = [HONOURED, HINTS, ONLY_AS, REFUSED]
    assert sum(len(table) for table in tables) == len(FIELDS.names)
    readme = (Path(schemas.__file__).parent / "README.md").read_text(encoding="utf-8")
    assert [name for name in {*FIELDS.names, *BLOCKS} if f"`{name}`" not in readme] == []


def test_a_plain_request() -> None:
    made = call(temperature=0.5, top_p=0.9, top_k=40, stop_sequences=["FIN"], stream=True)
    assert made.request == {
        "model": "default", "messages": HELLO, "max_tokens": 9,
        "temperature": 0.5, "top_p": 0.9, "top_k": 40, "stop": ["FIN"],
    }  # fmt: skip
    assert made.stream and made.not_used == () and not made.tells_cache


def test_what_is_of_no_use_is_reported_and_a_mark_for_the_cache_tells_it_apart() -> None:
    marked = text("a", cache_control={"type": "ephemeral"})
    made = call(messages=[{"role": "user", "content": [marked, marked]}], metadata={"user_id": "u"})
    assert set(made.not_used) == {"cache_control", "metadata"} and made.tells_cache
    assert "metadata" not in made.request


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"temprature": 1}, "temprature"), ({"max_tokens": None}, "max_tokens"), ({"max_tokens": "9"}, "max_tokens"),
        ({"max_tokens": -1}, "max_tokens"), ({"messages": []}, "messages"), ({"messages": "Bonjour"}, "messages"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": []}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": None}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": "x", "name": "y"}]}, "messages[0].name"),
        ({"system": 3}, "system"), ({"system": [IMAGE]}, "system[0].type"), ({"stop_sequences": [""]}, "stop_sequences[0]"),
        ({"stop_sequences": ["x"] * 17}, "stop_sequences"), ({"container": "c"}, "container"),
        ({"service_tier": "priority"}, "service_tier"), ({"speed": "fast"}, "speed"), ({"inference_geo": "us"}, "inference_geo"),
        ({"mcp_servers": [{}]}, "mcp_servers"), ({"thinking": {"type": "enabled"}}, "thinking.budget_tokens"),
        ({"thinking": {"type": "adaptive", "budget_tokens": 2000}}, "thinking.budget_tokens"),
        ({"thinking": {"type": "enabled", "budget_tokens": 3}}, "thinking.budget_tokens"),
        ({"thinking": {"type": "much"}}, "thinking.type"), ({"thinking": True}, "thinking"),
        ({"output_config": {"effort": "none"}}, "output_config.effort"),
        ({"output_config": {"format": {"type": "text"}}}, "output_config.format.type"),
        ({"context_management": {"edits": [{"type": "compact_20260112"}]}}, "context_management.edits"),
        ({"tools": {}}, "tools"), ({"tools": [{"name": "a b", "input_schema": {}}]}, "tools[0].name"),
        ({"tools": [{"name": "a"}]}, "tools[0].input_schema"), ({"tools": [TOOL, TOOL]}, "tools"),
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "tools[0].type"),
        ({"tools": [TOOL | {"input_schema": {"type": 3}}]}, "tools[0].input_schema.type"),
        ({"tools": [TOOL | {"allowed_callers": ["code_execution_20250825"]}]}, "tools[0].allowed_callers"),
        ({"tool_choice": {"type": "any"}}, "tool_choice"), ({"tool_choice": "any"}, "tool_choice"),
        ({"tools": [TOOL], "tool_choice": {"type": "tool", "name": "other"}}, "tool_choice.name"),
        ({"tools": [TOOL], "tool_choice": {"type": "tool", "name": []}}, "tool_choice.name"),
    ],
)  # fmt: skip
def test_what_is_refused_and_where(fields: dict[str, Any], param: str) -> None:
    assert refused(**fields).details["param"] == param


def test_the_system_prompt_comes_first_and_texts_are_joined() -> None:
    system = [text("Un."), text("Deux.", citations=[])]
    assert turns(("user", [text("a"), text("b")]), system=system) == [
        {"role": "system", "content": "Un.\nDeux."}, {"role": "user", "content": "a\nb"},
    ]  # fmt: skip
    assert turns(("user", "a"), ("user", "b"))[0]["content"] == "a\nb", "turns of one role are one"


def test_control_tokens_are_made_plain_wherever_text_stands() -> None:
    bad = "<|im_end|>"
    use = {"type": "tool_use", "id": bad, "name": bad, "input": {"x": bad}}
    document = {"type": "document", "title": bad, "source": {"type": "text", "media_type": "text/plain", "data": bad}}
    made = turns(
        ("user", [text(bad), document]), ("assistant", [text(bad), use]),
        ("user", [{"type": "tool_result", "tool_use_id": bad, "content": [text(bad)]}]), system=bad,
    )  # fmt: skip
    assert bad not in str(made) and str(made).count("(|im_end|>") == 10


def test_tools_and_their_results() -> None:
    use = {"type": "tool_use", "id": "t1", "name": "weather", "input": {"town": "Lyon"}}
    result = {"type": "tool_result", "tool_use_id": "t1", "is_error": True, "content": [text("none"), IMAGE]}
    thought = {"type": "thinking", "thinking": "Hm.", "signature": ""}
    made = turns(("user", "?"), ("assistant", [thought, use]), ("user", [result, text("And now?")]))
    assert made[1]["content"] is None and made[1]["tool_calls"][0]["function"] == {
        "name": "weather", "arguments": '{"town":"Lyon"}',
    }  # fmt: skip
    assert made[2] == {"role": "tool", "tool_call_id": "t1", "content": "Error:\nnone"}
    assert [part["type"] for part in made[3]["content"]] == ["text", "image_url"], "a tool's pictures follow it"
    assert "Hm." not in str(made)


def test_a_result_belongs_to_a_call_and_a_call_to_a_result() -> None:
    assert blocks({"type": "tool_result", "tool_use_id": "t9"}).details["param"] == "messages[0].content[0].tool_use_id"
    use = {"type": "tool_use", "id": "t1", "name": "weather", "input": {}}
    error = refused(messages=[*HELLO, {"role": "assistant", "content": [use]}, *HELLO])
    assert "no 'tool_result'" in error.message


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ({"type": "auto"}, {"tool_choice": "auto"}), ({"type": "any"}, {"tool_choice": "required"}),
        ({"type": "none"}, {"tool_choice": "none"}),
        ({"type": "tool", "name": "weather"}, {"tool_choice": {"type": "function", "function": {"name": "weather"}}}),
        ({"type": "any", "disable_parallel_tool_use": True}, {"tool_choice": "required", "parallel_tool_calls": False}),
    ],
)  # fmt: skip
def test_the_choice_of_tools(choice: Any, expected: Any) -> None:
    request = call(tools=[TOOL | {"description": "d", "type": "custom"}], tool_choice=choice).request
    assert {name: request[name] for name in expected} == expected
    assert request["tools"] == [
        {"type": "function", "function": {"name": "weather", "parameters": TOOL["input_schema"], "description": "d"}}
    ]


def test_documents_are_text_and_others_are_refused() -> None:
    plain = {"type": "text", "media_type": "text/plain", "data": "Le bail."}
    assert turns(("user", [{"type": "document", "title": "Bail", "source": plain}, text("?")])) == [
        {"role": "user", "content": "Bail\nLe bail.\n?"}
    ]
    result = {"type": "search_result", "title": "T", "source": "s", "content": [text("c")]}
    assert turns(("user", [result]))[0]["content"] == "T\ns\nc"
    pdf = {"type": "base64", "media_type": "application/pdf", "data": ""}
    assert blocks({"type": "document", "source": pdf}).code == "unsupported_content"
    cited = blocks({"type": "document", "source": plain, "citations": {"enabled": True}})
    assert cited.code == "unsupported_parameter" and "/ask" in cited.message
    assert blocks({"type": "server_tool_use"}).code == blocks({"type": 3}).code == "unsupported_content"
    assert blocks(text("a", extra=1)).code == "unknown_parameter"


@pytest.mark.parametrize(
    "source",
    [
        {"type": "base64", "media_type": "image/jpeg", "data": PNG}, {"type": "base64", "media_type": "image/png", "data": "%"},
        {"type": "url", "url": "https://example.org/a.png"}, {"type": "file", "file_id": "f"}, None, [],
    ],
)  # fmt: skip
def test_images_that_lie_or_are_elsewhere(source: Any) -> None:
    assert blocks({"type": "image", "source": source}).code == "invalid_image"


def test_too_many_images() -> None:
    assert "more than 16 images" in blocks(*[IMAGE] * 17).message


def test_thinking_and_effort_go_to_the_template() -> None:
    made = call(
        thinking={"type": "enabled", "budget_tokens": 2048, "display": "omitted"}, output_config={"effort": "low"}
    )
    assert made.request["chat_template_kwargs"] == {"enable_thinking": True, "reasoning_effort": "low"}
    assert made.hides_thinking and made.not_used == ("thinking.budget_tokens",)
    assert call(thinking={"type": "disabled"}).request["chat_template_kwargs"] == {"enable_thinking": False}
    begun = [*HELLO, {"role": "assistant", "content": "Le"}]
    assert call(messages=begun).request["chat_template_kwargs"] == {"enable_thinking": False}


@pytest.mark.parametrize("field", ["output_config", "output_format"])
def test_a_format_is_a_schema_that_is_held_to(field: str) -> None:
    good = {"type": "json_schema", "schema": {"type": "object", "properties": {"a": {"type": "integer"}}}}
    asked = call(**{field: {"format": good} if field == "output_config" else good}).request
    assert asked["response_format"]["json_schema"]["schema"]["properties"] == {"a": {"type": "integer"}}
    bad = {"type": "json_schema", "schema": {"type": "object", "properties": {"a": {"multipleOf": 3}}}}
    assert refused(output_config={"format": bad}).code == "unsupported_schema"


def test_a_count_takes_what_makes_the_prompt() -> None:
    made = count_call({"model": "default", "messages": HELLO, "system": "s", "tools": [TOOL]})
    assert len(made.request["messages"]) == 2 and made.request["tools"]
    with pytest.raises(BadRequest):
        count_call({"model": "default", "messages": HELLO, "max_tokens": 3})
