"""Responses with the official client against the real server and the starter model."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
from openai import OpenAI
from openai.types.responses import Response
from pydantic import BaseModel

from tests.acceptance.conftest import Installation
from tests.acceptance.test_openai_client import children

pytestmark = pytest.mark.starter

BRIDGE = b"# The bridge\n\nThe suspension bridge of Aldwick was built in 1897 by the engineer Martha Lindqvist.\n"
WEATHER: Any = {
    "type": "function",
    "name": "weather",
    "strict": True,
    "parameters": {
        "type": "object",
        "properties": {"town": {"enum": ["Lyon", "Bern"]}},
        "required": ["town"],
        "additionalProperties": False,
    },
}


class Person(BaseModel):
    name: str
    size: Literal["small", "tall"]


@pytest.fixture(scope="module")
def client(url: str, key: str) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0, timeout=60) as made:
        yield made


def respond(client: OpenAI, **fields: Any) -> Any:
    create: Any = client.responses.create
    return create(**{"model": "default", "input": "Say hello.", "max_output_tokens": 8, "temperature": 0} | fields)


def test_a_conversation_is_kept_and_its_beginning_comes_from_the_cache(client: OpenAI) -> None:
    first = respond(client, instructions="You are the keeper of a castle. " * 20)
    assert first.status in {"completed", "incomplete"} and first.output_text and first.model == "smollm2-135m"
    second = respond(client, input="And in French?", previous_response_id=first.id, instructions=first.instructions)
    assert second.usage.input_tokens_details.cached_tokens > 0.8 * first.usage.input_tokens
    assert client.responses.retrieve(second.id) == second
    client.responses.delete(second.id)


def test_a_structured_answer_is_parsed(client: OpenAI) -> None:
    made = client.responses.parse(model="default", input="Ada is tall.", text_format=Person, max_output_tokens=60)
    assert isinstance(made.output_parsed, Person)
    with client.responses.stream(model="default", input="Ada is tall.", text_format=Person) as stream:
        for _ in stream:
            pass
        assert isinstance(stream.get_final_response().output_parsed, Person)


def test_a_function_is_called_and_its_output_answered(client: OpenAI) -> None:
    asked = {"input": "What is the weather in Bern?", "tools": [WEATHER], "max_output_tokens": 200}
    made = respond(client, tool_choice="required", parallel_tool_calls=False, **asked)
    [call] = [item for item in made.output if item.type == "function_call"]
    assert call.name == "weather" and json.loads(call.arguments)["town"] in {"Lyon", "Bern"}
    output = {"type": "function_call_output", "call_id": call.call_id, "output": "Snow, -3 degrees"}
    answer = respond(client, input=[output], previous_response_id=made.id, max_output_tokens=20)
    assert answer.output_text
    events = list(respond(client, tool_choice="required", parallel_tool_calls=False, stream=True, **asked))
    kinds = [event.type for event in events]
    assert "response.function_call_arguments.delta" in kinds and kinds[-1] == "response.completed"


def test_documents_are_searched_and_cited(client: OpenAI) -> None:
    sent = client.files.create(file=("bridge.md", BRIDGE), purpose="assistants")
    store = client.vector_stores.create(name="Aldwick", file_ids=[sent.id])
    end = time.monotonic() + 30
    while client.vector_stores.retrieve(store.id).file_counts.in_progress:
        assert time.monotonic() < end
        time.sleep(0.1)
    tools: Any = [{"type": "file_search", "vector_store_ids": [store.id]}]
    cited = []
    for question in ("Who built the suspension bridge of Aldwick?", "When was the bridge of Aldwick built?"):
        made = respond(client, input=question, tools=tools, include=["file_search_call.results"], max_output_tokens=60)
        looked, message = made.output
        assert looked.results[0].file_id == sent.id and "1897" in looked.results[0].text
        [part] = message.content
        assert all(one.file_id == sent.id and 0 < one.index <= len(part.text) for one in part.annotations)
        cited += part.annotations
    assert cited, "a sentence that its passage carries"


def test_in_the_background_and_cancelled(client: OpenAI) -> None:
    made = respond(client, background=True)
    assert ended(client, made).output_text
    long = respond(client, input="Count to ten thousand.", background=True, max_output_tokens=None)
    assert client.responses.cancel(long.id).status == "cancelled"


def test_an_engine_that_dies_in_the_middle_is_the_last_event(client: OpenAI, with_model: Installation) -> None:
    stream = respond(client, input="Count to ten thousand.", stream=True, max_output_tokens=None)
    events = []
    for event in stream:
        events.append(event)
        if event.type == "response.output_text.delta" and len(events) < 12:
            for child in children(with_model.servers[-1].pid):
                if b"engines" in Path(f"/proc/{child}/cmdline").read_bytes():
                    os.kill(child, signal.SIGKILL)
    assert events[-1].type == "response.failed" and events[-1].response.error.code == "server_error"
    kept = client.responses.retrieve(events[0].response.id)
    assert kept.status == "failed" and kept.output_text


def ended(client: OpenAI, made: Any) -> Response:
    end = time.monotonic() + 30
    while (found := client.responses.retrieve(made.id)).status in {"queued", "in_progress"}:
        assert time.monotonic() < end
        time.sleep(0.05)
    return found
