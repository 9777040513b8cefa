"""The official `anthropic` client against the real server and the starter model: what it can do, and what it is told."""

from __future__ import annotations

import base64
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anthropic
import pytest
from anthropic import Anthropic

from tests.acceptance.conftest import Installation
from tests.acceptance.test_openai_client import children

pytestmark = pytest.mark.starter

HELLO: list[Any] = [{"role": "user", "content": "Say hello in one short sentence."}]
WEATHER: Any = {
    "name": "weather",
    "description": "The weather in a town.",
    "input_schema": {
        "type": "object",
        "properties": {"town": {"enum": ["Lyon", "Bern"]}},
        "required": ["town"],
        "additionalProperties": False,
    },
}
ANY: Any = {"type": "any", "disable_parallel_tool_use": True}
PNG = base64.b64encode(bytes.fromhex("89504e470d0a1a0a0000000d4948445200000004000000040802000000")).decode()


@pytest.fixture(scope="module")
def client(url: str, key: str) -> Iterator[Anthropic]:
    with Anthropic(base_url=url, api_key=key, max_retries=0, timeout=60) as made:
        yield made


def send(client: Anthropic, **fields: Any) -> Any:
    create: Any = client.messages.create
    return create(**{"model": "default", "messages": HELLO, "max_tokens": 8} | fields)


def image(media: str) -> list[Any]:
    source = {"type": "base64", "media_type": media, "data": PNG}
    return [{"role": "user", "content": [{"type": "image", "source": source}, {"type": "text", "text": "What is it?"}]}]


def test_a_message_takes_as_many_tokens_as_were_counted(client: Anthropic) -> None:
    fields: Any = {"system": "You are brief.", "messages": HELLO, "model": "default"}
    counted = client.messages.count_tokens(**fields).input_tokens
    message = send(client, **fields)
    assert message.model == "smollm2-135m" and message.content[0].text
    assert message.usage.input_tokens == counted > 10 and 0 < message.usage.output_tokens <= 8
    assert message.stop_reason in {"end_turn", "max_tokens"} and message._request_id.startswith("req_")


def test_a_bearer_token_is_as_good(url: str, key: str) -> None:
    with Anthropic(base_url=url, auth_token=key, max_retries=0) as client:
        assert send(client, max_tokens=1).content


def test_the_streaming_helper(client: Anthropic) -> None:
    with client.messages.stream(model="default", messages=HELLO, max_tokens=12) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert final.content[0].type == "text" and final.content[0].text == text and text
    assert final.usage.input_tokens > 5 and final.usage.output_tokens > 1
    kinds = [event.type for event in send(client, stream=True)]
    assert kinds[0] == "message_start" and kinds[-2:] == ["message_delta", "message_stop"]
    assert "ping" not in kinds or kinds.index("ping") == 1  # the client keeps pings for itself


def test_a_stop_sequence_is_named(client: Anthropic) -> None:
    count: Any = [{"role": "user", "content": "Repeat: one two three"}, {"role": "assistant", "content": "one two"}]
    message = send(client, messages=count, stop_sequences=["e"], max_tokens=40, extra_body={"temperature": 0})
    assert message.stop_reason == "stop_sequence" and message.stop_sequence == "e"


def test_a_loop_with_a_tool(client: Anthropic) -> None:
    asked: list[Any] = [{"role": "user", "content": "What is the weather in Bern?"}]
    called = send(client, messages=asked, tools=[WEATHER], tool_choice=ANY, max_tokens=100)
    assert called.stop_reason == "tool_use"
    uses = [block for block in called.content if block.type == "tool_use"]
    assert uses and all(use.name == "weather" and use.input["town"] in {"Lyon", "Bern"} for use in uses)
    results = [{"type": "tool_result", "tool_use_id": use.id, "content": "Sunny, 21 °C"} for use in uses]
    asked += [{"role": "assistant", "content": called.content}, {"role": "user", "content": results}]
    answer = send(client, messages=asked, tools=[WEATHER], tool_choice={"type": "none"}, max_tokens=30)
    assert answer.stop_reason != "tool_use" and answer.content[0].text
    with client.messages.stream(
        model="default", messages=asked[:1], tools=[WEATHER], tool_choice=ANY, max_tokens=100
    ) as stream:
        final = stream.get_final_message()
    assert final.stop_reason == "tool_use" and final.content[0].type == "tool_use"
    assert final.content[0].input["town"] in {"Lyon", "Bern"}


def test_images_are_refused_by_a_model_that_reads_text(client: Anthropic) -> None:
    with pytest.raises(anthropic.BadRequestError, match="reads text only"):
        send(client, messages=image("image/png"))
    with pytest.raises(anthropic.BadRequestError, match="says that it is image/jpeg, and is image/png"):
        send(client, messages=image("image/jpeg"))


def test_models(client: Anthropic) -> None:
    assert [model.id for model in client.models.list()] == ["default", "smollm2-135m"]
    assert [model.id for model in client.models.list(limit=1)] == ["default", "smollm2-135m"], "page by page"
    model = client.models.retrieve("smollm2-135m")
    assert model.type == "model" and model.created_at.year > 2024 and model.max_input_tokens


def test_a_batch_of_messages(client: Anthropic) -> None:
    asked: Any = {"model": "default", "max_tokens": 4, "messages": HELLO}
    requests: list[Any] = [
        {"custom_id": "one", "params": asked}, {"custom_id": "two", "params": asked | {"temprature": 1}},
        {"custom_id": "three", "params": asked},
    ]  # fmt: skip
    batch = client.messages.batches.create(requests=requests)
    end = time.monotonic() + 60
    while batch.processing_status != "ended":
        assert time.monotonic() < end, batch
        time.sleep(0.1)
        batch = client.messages.batches.retrieve(batch.id)
    assert (batch.request_counts.succeeded, batch.request_counts.errored) == (2, 1)
    results = {one.custom_id: one.result for one in client.messages.batches.results(batch.id)}
    assert list(results) == ["one", "two", "three"]
    assert results["one"].type == "succeeded" and results["one"].message.content[0].type == "text"
    assert results["two"].type == "errored" and "temprature" in results["two"].error.error.message
    assert batch.id in [one.id for one in client.messages.batches.list()]
    client.messages.batches.delete(batch.id)
    with pytest.raises(anthropic.NotFoundError):
        client.messages.batches.retrieve(batch.id)


def test_what_it_is_told(client: Anthropic, url: str) -> None:
    with pytest.raises(anthropic.NotFoundError) as missing:
        send(client, model="claude-opus-5-5")
    assert missing.value.type == "not_found_error"
    with pytest.raises(anthropic.BadRequestError, match=r"prompt is too long: \d+ tokens > \d+ maximum"):
        send(client, messages=[{"role": "user", "content": "word " * 20_000}])
    with pytest.raises(anthropic.BadRequestError, match="temprature"):
        send(client, extra_body={"temprature": 1})
    with (
        Anthropic(base_url=url, api_key="imk_wrong", max_retries=0) as other,
        pytest.raises(anthropic.AuthenticationError),
    ):
        send(other)
    answer = client.messages.with_raw_response.create(
        model="default", messages=HELLO, max_tokens=1, metadata={"user_id": "u"}, extra_headers={"anthropic-beta": "x"}
    )
    assert answer.headers["x-intramuros-not-used"] == "metadata, anthropic-beta"


def test_an_engine_killed_in_the_middle_ends_the_stream_with_an_error(
    client: Anthropic, with_model: Installation
) -> None:
    stream = send(
        client, messages=[{"role": "user", "content": "Count to ten thousand."}], stream=True, max_tokens=4000
    )
    for event in stream:
        if event.type == "content_block_delta":
            break
    for child in children(with_model.servers[-1].pid):
        if b"engines" in Path(f"/proc/{child}/cmdline").read_bytes():
            os.kill(child, signal.SIGKILL)
    with pytest.raises(anthropic.APIStatusError) as failed:
        for _ in stream:
            pass
    assert failed.value.body["error"]["code"] == "engine_died" and failed.value.type == "api_error"  # type: ignore[index]
    end = time.monotonic() + 20
    while True:
        try:
            assert send(client).content
            return
        except anthropic.APIStatusError:
            assert time.monotonic() < end, "it does not come back"
            time.sleep(0.2)
