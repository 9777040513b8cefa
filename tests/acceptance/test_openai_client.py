"""The official `openai` client against the real server and the starter model: what it can do, and what it is told."""

from __future__ import annotations

import json
import os
import re
import signal
import threading
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from openai import OpenAI

from tests.acceptance.conftest import Installation

pytestmark = pytest.mark.starter

HELLO = [{"role": "user", "content": "Say hello in one short sentence."}]
COUNT = [{"role": "user", "content": "Count to ten thousand."}]
PERSON: Any = {
    "type": "json_schema",
    "json_schema": {
        "name": "person",
        "strict": True,
        "schema": {
            "type": "object",
            "properties": {"name": {"type": "string", "maxLength": 12}, "age": {"type": "integer", "maximum": 99}},
            "required": ["name", "age"],
            "additionalProperties": False,
        },
    },
}
WEATHER = {
    "type": "function",
    "function": {"name": "weather", "parameters": {"type": "object", "properties": {"town": {"type": "string"}}}},
}


@pytest.fixture(scope="module")
def client(url: str, key: str) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0, timeout=60) as made:
        yield made


def chat(client: OpenAI, **fields: object) -> Any:
    """A reply, or with `stream=True` its chunks."""
    create: Any = client.chat.completions.create
    return create(**{"model": "default", "messages": HELLO, "max_tokens": 6} | fields)


def test_models_are_listed_with_the_default(client: OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["default", "smollm2-135m"]
    assert client.models.retrieve("default").owned_by == "intramuros"


def test_chat(client: OpenAI) -> None:
    reply = chat(client)
    assert reply.model == "smollm2-135m", "the reply names the model that answered"
    assert reply.choices[0].message.content
    assert reply.choices[0].finish_reason in {"stop", "length"}
    assert reply.usage and reply.usage.prompt_tokens > 5 and 0 < reply.usage.completion_tokens <= 6
    assert reply.usage.total_tokens == reply.usage.prompt_tokens + reply.usage.completion_tokens


def test_the_same_seed_says_the_same_and_the_prompt_comes_from_the_cache(client: OpenAI) -> None:
    replies = [chat(client, seed=7, temperature=0.8) for _ in range(2)]
    assert replies[0].choices[0].message.content == replies[1].choices[0].message.content
    usage = replies[1].usage
    assert usage and usage.prompt_tokens_details and usage.prompt_tokens_details.cached_tokens


def test_stream(client: OpenAI) -> None:
    pieces, usage = [], None
    for chunk in chat(client, stream=True, stream_options={"include_usage": True}):
        assert chunk.model == "smollm2-135m"
        if chunk.choices and chunk.choices[0].delta.content:
            assert usage is None, "the usage comes last"
            pieces.append(chunk.choices[0].delta.content)
        usage = chunk.usage or usage
    assert len(pieces) > 1 and usage
    assert usage.completion_tokens >= len(pieces)
    assert usage.prompt_tokens_details.cached_tokens is not None


def test_a_stream_without_usage_has_none(client: OpenAI) -> None:
    assert all(chunk.usage is None and chunk.choices for chunk in chat(client, stream=True, max_tokens=3))


@pytest.mark.parametrize("stream", [False, True])
def test_json_that_keeps_to_its_schema(client: OpenAI, stream: bool) -> None:
    fields: dict[str, object] = {
        "messages": [{"role": "user", "content": "Ada is 36 years old. Give her name and age."}],
        "response_format": PERSON,
        "max_tokens": 80,
        "temperature": 0,
    }
    if stream:
        text = "".join(piece.choices[0].delta.content or "" for piece in chat(client, stream=True, **fields))
    else:
        text = chat(client, **fields).choices[0].message.content or ""
    person = json.loads(text)
    assert set(person) == {"name", "age"} and isinstance(person["age"], int) and isinstance(person["name"], str)


def test_an_unknown_model(client: OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as refused:
        chat(client, model="gpt-4o")
    assert refused.value.code == "model_not_found"


@pytest.mark.parametrize("bad", ["imk_wrong", "sk-proj-something", "x"])
def test_a_bad_key(url: str, bad: str) -> None:
    with pytest.raises(openai.AuthenticationError) as refused:
        chat(OpenAI(base_url=f"{url}/v1", api_key=bad, max_retries=0))
    assert refused.value.code == "invalid_api_key"


def test_no_key(url: str) -> None:
    answer = httpx.post(f"{url}/v1/chat/completions", json={"model": "default", "messages": HELLO})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize("stream", [False, True])
def test_a_prompt_longer_than_the_model_can_read(client: OpenAI, stream: bool) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        chat(client, messages=[{"role": "user", "content": "castle wall " * 20_000}], stream=stream)
    assert refused.value.code == "context_length_exceeded"
    length, limit = (int(number) for number in re.findall(r"\d{4,}", refused.value.message))
    assert length > limit >= 2048, "how long it is and how long it may be"


def test_a_prompt_of_ten_megabytes(client: OpenAI) -> None:
    with pytest.raises(openai.APIStatusError) as refused:
        chat(client, messages=[{"role": "user", "content": "mot " * 2_500_000}])
    assert refused.value.status_code == 413
    assert refused.value.code == "too_large"


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"model": "default", "messages": "\xff"}', b"[" * 100_000])
def test_malformed_json(url: str, key: str, body: bytes) -> None:
    answer = httpx.post(f"{url}/v1/chat/completions", content=body, headers={"Authorization": f"Bearer {key}"})
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "invalid_json"


def test_a_field_that_does_not_exist(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        chat(client, extra_body={"temprature": 1})
    assert refused.value.param == "temprature"


@pytest.mark.parametrize(
    "fields",
    [
        {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "nonsense"}}}},
        {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"$ref": "#/nowhere"}}}},
        {"logit_bias": {"999999999": 1}},
        {"stop": ["\u0000"]},
        {"messages": [{"role": "user", "content": "\u0000\U0010ffff\u202e"}]},
        {"messages": [{"role": "tool", "tool_call_id": "1", "content": "12"}]},
        {"messages": [{"role": "assistant", "content": "Hello"}]},
        {
            "messages": [
                *HELLO,
                {
                    "role": "assistant",
                    "tool_calls": [
                        {"id": "1", "type": "function", "function": {"name": "weather", "arguments": "not json"}}
                    ],
                },
                {"role": "tool", "tool_call_id": "1", "content": "12"},
            ]
        },
    ],
)
def test_what_an_engine_may_not_like_is_an_answer_or_a_bad_request(client: OpenAI, fields: dict[str, object]) -> None:
    try:
        chat(client, max_tokens=2, **fields)
    except openai.BadRequestError as error:
        assert error.code
    assert chat(client, max_tokens=2).choices, "the engine lives"


def test_token_bias_reaches_the_engine(client: OpenAI) -> None:
    reply = chat(client, max_tokens=3, temperature=0, logit_bias={"28": 100})
    assert reply.choices[0].message.content == ",,,"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "weather"}}])
def test_a_tool_that_must_be_called_is(client: OpenAI, choice: Any, stream: bool) -> None:
    """The starter model has no word of tools in its template."""
    fields: dict[str, Any] = {
        "tools": [WEATHER],
        "tool_choice": choice,
        "parallel_tool_calls": False,
        "max_tokens": 200,
    }
    if stream:
        deltas = [chunk.choices[0].delta for chunk in chat(client, stream=True, **fields) if chunk.choices]
        [call] = [call for delta in deltas for call in delta.tool_calls or ()]
    else:
        [call] = chat(client, **fields).choices[0].message.tool_calls
    assert call.function.name == "weather" and isinstance(json.loads(call.function.arguments), dict)


def test_texts_vectors_and_judgements(client: OpenAI) -> None:
    made = client.completions.create(model="default", prompt="The castle has", max_tokens=5, echo=True)
    assert made.choices[0].text.startswith("The castle has") and made.usage and made.usage.completion_tokens == 5
    with pytest.raises(openai.BadRequestError):
        client.embeddings.create(model="default", input="a text")
    assert len(client.moderations.create(input="Good morning").results) == 1
    with pytest.raises(openai.APIStatusError) as none:
        client.images.generate(prompt="a castle")
    assert none.value.status_code == 501 and none.value.code == "no_back_end"


def test_a_client_that_leaves_frees_the_engine_at_once(client: OpenAI, url: str, key: str) -> None:
    def running() -> float:
        request = urllib.request.Request(f"{url}/metrics", headers={"Authorization": f"Bearer {key}"})
        with urllib.request.urlopen(request) as answer:
            lines = answer.read().decode().splitlines()
        return float(next(line.split()[1] for line in lines if line.startswith("intramuros_requests_open ")))

    stream = chat(
        client, messages=[{"role": "user", "content": "Count to ten thousand."}], stream=True, max_tokens=None
    )
    next(iter(stream))
    assert running() == 2, "the stream, and the request that asks"
    stream.close()
    end = time.monotonic() + 2
    while running() > 1:
        assert time.monotonic() < end, "the generation goes on"
    start = time.monotonic()
    chat(client, max_tokens=1)
    assert time.monotonic() - start < 10


def children(pid: int) -> list[int]:
    """The processes that a process started."""
    found = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for path in found for child in path.read_text().split()]


def test_an_engine_that_dies_in_the_middle_is_an_error_and_then_back(client: OpenAI, with_model: Installation) -> None:
    stream = chat(client, messages=COUNT, stream=True, max_tokens=None)
    next(iter(stream))
    for child in children(with_model.servers[-1].pid):
        if b"engines" in Path(f"/proc/{child}/cmdline").read_bytes():
            os.kill(child, signal.SIGKILL)
    with pytest.raises(openai.APIError) as failed:
        for _ in stream:
            pass
    assert failed.value.code == "engine_died"
    end = time.monotonic() + 20
    while True:
        try:
            assert chat(client).choices[0].message.content
        except openai.APIStatusError:
            assert time.monotonic() < end, "it does not come back"
            time.sleep(0.2)
        else:
            break


def test_several_at_once(client: OpenAI) -> None:
    with ThreadPoolExecutor(6) as pool:
        replies = list(pool.map(lambda n: chat(client, seed=n, max_tokens=4), range(6)))
    assert all(reply.choices[0].message.content for reply in replies)


def test_the_server_ends_gracefully_under_a_stream(with_model: Installation, key: str, url: str) -> None:
    client = OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0)
    stream = chat(
        client, messages=[{"role": "user", "content": "Count to ten thousand."}], stream=True, max_tokens=None
    )
    next(iter(stream))
    ended: list[str] = []

    def read() -> None:
        try:
            for _ in stream:
                pass
            ended.append("done")
        except openai.APIError as error:
            ended.append(str(error.code))

    reader = threading.Thread(target=read)
    reader.start()
    with_model.stop()
    reader.join(10)
    assert ended in (["server_stopping"], ["done"])
