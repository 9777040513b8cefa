"""The Anthropic door on the real engine with tiny models: counts are exact, tools hold, and it is said what ended an answer."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from intramuros.accounts.rights import Rights
from tests.asgi import Answer, Client
from tests.support.gateway import EMBEDDER, SPARE, WRITER, Gateway, gateway

pytestmark = pytest.mark.asyncio(loop_scope="module")

HELLO: list[dict[str, Any]] = [{"role": "user", "content": "Bonjour"}]
VERSION = {"anthropic-version": "2026-10-21"}
SCHEMA = {
    "type": "object", "properties": {"town": {"enum": ["Lyon", "Bern"]}, "days": {"type": "integer", "minimum": 1, "maximum": 9}},
    "required": ["town"], "additionalProperties": False,
}  # fmt: skip
TOOLS = [{"name": name, "description": "Says it.", "input_schema": SCHEMA} for name in ("weather", "forecast")]
USE = {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"town": "Bern"}}
RESULT = {"type": "tool_result", "tool_use_id": "toolu_1", "content": [{"type": "text", "text": "Sonne"}]}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def made(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Gateway]:
    with gateway(tmp_path_factory.mktemp("gateway")) as running:
        async with running.app.running():
            yield running


async def send(made: Gateway, path: str = "/v1/messages", **fields: Any) -> Answer:
    asked = {"model": WRITER, "messages": HELLO, "max_tokens": 8} | fields
    return await made.client().post(path, {name: held for name, held in asked.items() if held != ""}, headers=VERSION)


def events(answer: Answer) -> list[dict[str, Any]]:
    return [json.loads(event) for event in answer.events()]


def content(answer: Answer) -> list[dict[str, Any]]:
    """The blocks of a stream, put together as a client does."""
    found: list[dict[str, Any]] = []
    for event in events(answer):
        if event["type"] == "content_block_start":
            found.append(dict(event["content_block"]))
        elif event["type"] == "content_block_delta":
            delta = event["delta"]
            for name in ("text", "thinking", "partial_json"):
                found[-1][name] = found[-1].get(name, "") + delta.get(name, "")
    return found


async def test_a_message_and_the_same_as_a_stream(made: Gateway) -> None:
    whole = await send(made, temperature=0, system="Court.")
    message = whole.json()
    assert whole.status == 200 and message["type"] == "message" and message["model"] == WRITER
    assert message["stop_reason"] == "max_tokens" and message["usage"]["output_tokens"] == 8
    assert whole.headers["request-id"].startswith("req_") and message["id"].startswith("msg_")
    stream = await send(made, temperature=0, system="Court.", stream=True)
    assert stream.headers["content-type"].startswith("text/event-stream") and stream.is_complete
    assert content(stream)[0]["text"] == message["content"][0]["text"]
    last = events(stream)[-2]
    assert last["usage"]["input_tokens"] == message["usage"]["input_tokens"] and last["usage"]["output_tokens"] == 8


@pytest.mark.parametrize(
    "fields",
    [
        {}, {"system": "Parle bien, même de l’été."}, {"tools": TOOLS}, {"tools": TOOLS, "tool_choice": {"type": "none"}},
        {"messages": [*HELLO, {"role": "assistant", "content": "Le"}]},
        {"messages": [*HELLO, {"role": "assistant", "content": [USE]}, {"role": "user", "content": [RESULT]}], "tools": TOOLS},
    ],
)  # fmt: skip
async def test_a_count_is_what_the_usage_says(made: Gateway, fields: dict[str, Any]) -> None:
    counted = await send(made, "/v1/messages/count_tokens", max_tokens="", **fields)
    assert counted.status == 200, counted.body
    answer = await send(made, max_tokens=0, **fields)
    assert answer.status == 200, answer.body
    assert counted.json() == {"input_tokens": answer.json()["usage"]["input_tokens"]}


async def test_a_count_is_exact_for_a_model_that_is_told_of_its_tools(made: Gateway) -> None:
    object.__setattr__(made.app.complete, "knows_tools", lambda _name: False)
    asked: dict[str, Any] = {"tools": TOOLS, "tool_choice": {"type": "any"}}
    try:
        counted = await send(made, "/v1/messages/count_tokens", max_tokens="", **asked)
        answer = await send(made, max_tokens=900, temperature=1, **asked)
        assert counted.json()["input_tokens"] == answer.json()["usage"]["input_tokens"] > 200, (
            "they are in the messages"
        )
    finally:
        object.__setattr__(made.app.complete, "knows_tools", lambda _name: True)


async def test_a_count_says_how_long_too_long_is_and_refuses_a_model_that_does_not_write(made: Gateway) -> None:
    long = [{"role": "user", "content": "mot " * 2000}]
    assert (await send(made, "/v1/messages/count_tokens", max_tokens="", messages=long)).json()["input_tokens"] > 4000
    refused = await send(made, messages=long)
    error = refused.json()["error"]
    assert refused.status == 400 and error["type"] == "invalid_request_error" and error["context_tokens"] == 2048
    assert error["message"].startswith(f"prompt is too long: {error['prompt_tokens']} tokens > 2048 maximum")
    assert (await send(made, "/v1/messages/count_tokens", max_tokens="", model=EMBEDDER)).status == 400


@pytest.mark.parametrize("stream", [False, True])
async def test_what_ended_an_answer(made: Gateway, stream: bool) -> None:
    free = (await send(made, temperature=0, max_tokens=20)).json()["content"][0]["text"]
    sequence = free[6:8]
    answer = await send(made, temperature=0, max_tokens=20, stop_sequences=["\u2603\u2603", sequence], stream=stream)
    ended = events(answer)[-2]["delta"] if stream else answer.json()
    assert (ended["stop_reason"], ended["stop_sequence"]) == ("stop_sequence", sequence)
    said = content(answer)[0]["text"] if stream else answer.json()["content"][0]["text"]
    assert said == free[: free.index(sequence)]
    assert b"__verbose" not in answer.body and b"Bonjour" not in answer.body, "what the engine says besides stays here"


async def test_the_context_may_be_full_before_the_answer_is_long_enough(made: Gateway) -> None:
    answer = await send(made, messages=[{"role": "user", "content": "x" * 1990}], max_tokens=500)
    assert answer.json()["stop_reason"] == "model_context_window_exceeded", answer.body


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("choice", "names", "most"),
    [
        ({"type": "any"}, {"weather", "forecast"}, 8), ({"type": "tool", "name": "forecast"}, {"forecast"}, 1),
        ({"type": "any", "disable_parallel_tool_use": True}, {"weather", "forecast"}, 1),
    ],
)  # fmt: skip
async def test_a_tool_that_must_be_used_is(
    made: Gateway, choice: dict[str, Any], names: set[str], most: int, stream: bool
) -> None:
    object.__setattr__(made.app.complete, "knows_tools", lambda _name: False)
    answer = await send(made, tools=TOOLS, tool_choice=choice, max_tokens=900, temperature=1, stream=stream)
    object.__setattr__(made.app.complete, "knows_tools", lambda _name: True)
    assert answer.status == 200, answer.body
    blocks = content(answer) if stream else answer.json()["content"]
    ended = events(answer)[-2]["delta"] if stream else answer.json()
    assert ended["stop_reason"] == "tool_use" and 1 <= len(blocks) <= most
    for block in blocks:
        given = json.loads(block["partial_json"]) if stream else block["input"]
        assert block["type"] == "tool_use" and block["id"] and block["name"] in names
        assert given["town"] in {"Lyon", "Bern"} and 1 <= given.get("days", 1) <= 9


async def test_a_format_is_held_to(made: Gateway) -> None:
    schema = {"type": "object", "properties": {"town": {"enum": ["Lyon", "Bern"]}}, "required": ["town"], "additionalProperties": False}  # fmt: skip
    answer = await send(made, max_tokens=60, output_config={"format": {"type": "json_schema", "schema": schema}})
    assert json.loads(answer.json()["content"][0]["text"])["town"] in {"Lyon", "Bern"}


async def test_what_is_of_no_use_is_said(made: Gateway) -> None:
    marked = [{"type": "text", "text": "Bonjour", "cache_control": {"type": "ephemeral"}}]
    asked = {"messages": [{"role": "user", "content": marked}], "thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}}  # fmt: skip
    await send(made)
    answer = await made.client().post(
        "/v1/messages", {"model": WRITER, "max_tokens": 2} | asked, headers=VERSION | {"anthropic-beta": "x-2025-01-01"}
    )
    said = set(answer.headers["x-intramuros-not-used"].split(", "))
    assert said == {"cache_control", "thinking", "output_config.effort", "anthropic-beta"}
    usage = answer.json()["usage"]
    assert usage["cache_read_input_tokens"] > 0 and usage["input_tokens"] > 0


async def test_models_in_the_shape_that_is_spoken(made: Gateway) -> None:
    client = made.client()
    assert (await client.call("GET", "/v1/models")).json()["object"] == "list"
    page = (await client.call("GET", "/v1/models", headers=VERSION)).json()
    assert [model["id"] for model in page["data"]] == ["default", SPARE, WRITER], "those that write"
    assert (page["first_id"], page["last_id"], page["has_more"]) == ("default", WRITER, False)
    assert page["data"][0]["type"] == "model" and page["data"][0]["created_at"].endswith("Z")
    first = (await client.call("GET", "/v1/models?limit=1", headers=VERSION)).json()
    assert first["has_more"] and [model["id"] for model in first["data"]] == ["default"]
    after = (await client.call("GET", "/v1/models?limit=1&after_id=default", headers=VERSION)).json()
    assert [model["id"] for model in after["data"]] == [SPARE]
    before = (await client.call("GET", f"/v1/models?limit=1&before_id={WRITER}", headers=VERSION)).json()
    assert [model["id"] for model in before["data"]] == [SPARE] and before["has_more"]
    retired = (await client.call("GET", "/v1/models?lifecycle[]=retired", headers=VERSION)).json()
    assert retired == {"data": [], "has_more": False, "first_id": None, "last_id": None}
    for query in ("limit=0", "limit=x", "after_id=none", "limit=100000"):
        assert (await client.call("GET", f"/v1/models?{query}", headers=VERSION)).json()["type"] == "error", query
    one = (await client.call("GET", f"/v1/models/{WRITER}", headers=VERSION)).json()
    assert one["id"] == one["display_name"] == WRITER and one["max_input_tokens"] == 2048
    missing = await client.call("GET", "/v1/models/claude", headers=VERSION)
    assert missing.status == 404 and missing.json()["error"]["type"] == "not_found_error"
    assert "request_id" not in (await client.call("GET", "/v1/models/claude")).json()


async def test_a_key_for_one_model_sees_and_gets_no_other(made: Gateway) -> None:
    person = made.app.users.by_email("alice@firm.example")
    assert person is not None
    key, _ = made.app.api_keys.create("x", person.id, rights=Rights(models=frozenset({SPARE})))
    client = Client(made.guard, x_api_key=key)
    page = (await client.call("GET", "/v1/models", headers=VERSION)).json()
    assert [model["id"] for model in page["data"]] == [SPARE]
    for path in ("/v1/messages", "/v1/messages/count_tokens"):
        asked = {"model": WRITER, "messages": HELLO} | ({"max_tokens": 3} if path.endswith("messages") else {})
        answer = await client.post(path, asked, headers=VERSION)
        assert answer.status == 403 and answer.json()["error"]["type"] == "permission_error"
