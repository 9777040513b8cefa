"""The OpenAI door on the real engine with tiny models: what is generated keeps to what was asked."""

from __future__ import annotations

import asyncio
import base64
import json
import shutil
import struct
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from intramuros.errors import MemoryBusy
from intramuros.models.download import pull
from tests.asgi import Answer
from tests.models import folders
from tests.models.engines import until
from tests.support.gateway import EMBEDDER, RANKER, SPARE, WRITER, Gateway, gateway

pytestmark = pytest.mark.asyncio(loop_scope="module")

HELLO: list[dict[str, Any]] = [{"role": "user", "content": "Bonjour"}]
CHAT = "/v1/chat/completions"
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": name,
            "parameters": {
                "type": "object",
                "properties": {
                    "town": {"enum": ["Lyon", "Bern"]},
                    "days": {"type": "integer", "minimum": 1, "maximum": 9},
                },
                "required": ["town"],
                "additionalProperties": False,
            },
        },
    }
    for name in ("weather", "forecast")
]


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["llama.cpp", "transformers"])
async def made(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> AsyncIterator[Gateway]:
    folder = tmp_path_factory.mktemp("gateway")
    with gateway(folder) as running:
        if request.param == "transformers":
            folders.needs_transformers()
            await in_place_of_gguf(running, folder)
        async with running.app.running():
            yield running


async def in_place_of_gguf(made: Gateway, folder: Path) -> None:
    """The same models as safetensors files, under the same names."""
    writer = folders.chat(folder / "writer", max_position_embeddings=2048)
    others = {EMBEDDER: folders.embedder(folder / "embedder"), RANKER: folders.reranker(folder / "ranker")}
    for name, files in {WRITER: writer, **others}.items():
        shutil.rmtree(made.app.models.folder / name)
        await pull(str(files), to=made.app.models, egress=made.app.egress, progress=lambda _: None, name=name)


async def chat(made: Gateway, **fields: Any) -> Answer:
    return await made.client().post(CHAT, {"model": WRITER, "messages": HELLO, "max_tokens": 200, "seed": 1} | fields)


def chunks(answer: Answer) -> list[dict[str, Any]]:
    return [json.loads(event) for event in answer.events() if event != "[DONE]"]


def check(calls: list[dict[str, Any]], *names: str) -> None:
    for call in calls:
        arguments = json.loads(call["function"]["arguments"])
        assert call["function"]["name"] in names and call["id"] and call["type"] == "function"
        assert arguments["town"] in {"Lyon", "Bern"} and 1 <= arguments.get("days", 1) <= 9


@pytest.mark.parametrize("knows_tools", [False, True])
@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("fields", [
    {"tool_choice": "required"}, {"tool_choice": "required", "parallel_tool_calls": False},
    {"tool_choice": {"type": "function", "function": {"name": "forecast"}}},
])  # fmt: skip
async def test_a_tool_that_must_be_called_is(
    made: Gateway, fields: dict[str, Any], stream: bool, seed: int, knows_tools: bool
) -> None:
    """With weights that are random numbers, and a template of a format that the engine reads no calls from."""
    object.__setattr__(made.app.complete, "knows_tools", lambda _name: knows_tools)
    answer = await chat(made, tools=TOOLS, stream=stream, seed=seed, temperature=1.5, max_tokens=900, **fields)
    assert answer.status == 200, answer.body
    names = ("forecast",) if isinstance(fields["tool_choice"], dict) else ("weather", "forecast")
    if stream:
        parts = [choice for part in chunks(answer) for choice in part["choices"]]
        [calls] = [part["delta"]["tool_calls"] for part in parts if part["delta"].get("tool_calls")]
        assert parts[-1]["finish_reason"] == "tool_calls" and not any(part["delta"].get("content") for part in parts)
    else:
        [choice] = answer.json()["choices"]
        calls = choice["message"]["tool_calls"]
        assert choice["finish_reason"] == "tool_calls" and choice["message"]["content"] is None
    check(calls, *names)
    assert len(calls) == 1 or "parallel_tool_calls" not in fields


async def test_a_tool_that_may_be_called_is_or_there_is_text(made: Gateway) -> None:
    object.__setattr__(made.app.complete, "knows_tools", lambda _name: False)
    for seed in range(4):
        answer = await chat(made, tools=TOOLS, seed=seed, temperature=2, max_tokens=60)
        if answer.status == 400:
            assert answer.json()["error"]["code"] == "invalid_tool_call", answer.body
            continue
        message = answer.json()["choices"][0]["message"]
        check(message.get("tool_calls", []), "weather", "forecast")
        assert message.get("tool_calls") or message["content"] is not None


async def test_several_choices(made: Gateway) -> None:
    answer = await chat(made, n=3, max_tokens=8, temperature=1)
    choices = answer.json()["choices"]
    assert [choice["index"] for choice in choices] == [0, 1, 2]
    assert len({choice["message"]["content"] for choice in choices}) > 1
    assert answer.json()["usage"]["completion_tokens"] == 24


async def test_log_probabilities_and_no_token_at_all(made: Gateway) -> None:
    choice = (await chat(made, max_tokens=3, logprobs=True, top_logprobs=2)).json()["choices"][0]
    assert len(choice["logprobs"]["content"]) == 3 and len(choice["logprobs"]["content"][0]["top_logprobs"]) == 2
    answer = await chat(made, max_tokens=0)
    assert answer.status == 200 and answer.json()["choices"][0]["finish_reason"] == "length"


EVERY_FIELD: dict[str, Any] = {
    "audio": {"format": "wav", "voice": "alloy"}, "frequency_penalty": -2, "function_call": "none",
    "functions": [{"name": "name", "description": "d", "parameters": {"foo": "bar"}}], "logit_bias": {"foo": 0},
    "logprobs": True, "max_completion_tokens": 0, "max_tokens": 0, "metadata": {"foo": "string"}, "modalities": ["text"],
    "moderation": {"model": "model", "policy": {"input": {"mode": "score"}, "output": {"mode": "score"}}}, "n": 1,
    "parallel_tool_calls": True, "prediction": {"content": "string", "type": "content"}, "presence_penalty": -2,
    "prompt_cache_key": "k", "prompt_cache_options": {"mode": "implicit", "ttl": "30m"}, "reasoning_effort": "none",
    "prompt_cache_retention": "in_memory", "response_format": {"type": "text"}, "safety_identifier": "s",
    "seed": -9007199254740991, "service_tier": "auto", "stop": "\n", "stream_options": {"include_usage": True},
    "temperature": 1, "tool_choice": "none", "top_logprobs": 0, "top_p": 1, "user": "u", "verbosity": "low",
    "tools": [{"type": "function", "function": {"name": "name", "parameters": {"foo": "bar"}, "strict": True}}],
    "web_search_options": {"search_context_size": "low"}, "store": False,
}  # fmt: skip
"""The request with all fields of the official client's own tests; the odd values are theirs."""


@pytest.mark.parametrize("stream", [False, True])
async def test_every_field_at_once(made: Gateway, stream: bool) -> None:
    answer = await chat(made, **EVERY_FIELD | {"stream": stream})
    assert answer.status == 200, answer.body
    ignored = set(answer.headers["x-intramuros-not-used"].split(", "))
    assert ignored == {
        "audio", "functions", "function_call", "metadata", "moderation", "prediction", "prompt_cache_key", "user",
        "prompt_cache_options", "prompt_cache_retention", "safety_identifier", "verbosity", "web_search_options",
        "reasoning_effort", "tools[0].function.parameters.foo", *([] if stream else ["stream_options"]),
    }  # fmt: skip


async def complete(made: Gateway, **fields: Any) -> Answer:
    return await made.client().post(
        "/v1/completions", {"model": WRITER, "prompt": "Il est", "max_tokens": 6, "seed": 1} | fields
    )


async def test_a_text_is_continued(made: Gateway) -> None:
    answer = await complete(made, echo=True, logprobs=2)
    whole = answer.json()
    [choice] = whole["choices"]
    assert whole["object"] == "text_completion" and whole["model"] == WRITER
    assert choice["text"].startswith("Il est") and len(choice["text"]) > 6 and choice["finish_reason"] == "length"
    logprobs = choice["logprobs"]
    assert logprobs["text_offset"][0] == 6 and len(logprobs["tokens"]) == len(logprobs["top_logprobs"]) == 6
    assert answer.headers["x-intramuros-not-used"] == "echo.logprobs"
    assert whole["usage"]["completion_tokens"] == 6 < whole["usage"]["total_tokens"]


async def test_several_prompts_of_texts_and_tokens(made: Gateway) -> None:
    answer = await complete(made, prompt=["a", "b"], n=2, temperature=1)
    assert [choice["index"] for choice in answer.json()["choices"]] == [0, 1, 2, 3]
    numbers = await complete(made, prompt=[[200, 201], [202]])
    assert len(numbers.json()["choices"]) == 2
    one = await complete(made, prompt=[200, 201])
    assert one.json()["choices"][0]["text"] == numbers.json()["choices"][0]["text"]
    assert (await complete(made, prompt=[10**8])).status == 400


async def test_a_stream_of_texts_is_the_same_text(made: Gateway) -> None:
    whole = (await complete(made, echo=True)).json()["choices"][0]["text"]
    answer = await complete(made, echo=True, stream=True, stream_options={"include_usage": True})
    *parts, last = chunks(answer)
    assert "".join(part["choices"][0]["text"] for part in parts) == whole and answer.events()[-1] == "[DONE]"
    assert last["choices"] == [] and last["usage"]["completion_tokens"] == 6 and last["object"] == "text_completion"


async def test_the_best_of_several_is_the_likeliest(made: Gateway) -> None:
    fields = {"temperature": 1.5, "logprobs": 0, "max_tokens": 10}
    best = (await complete(made, best_of=4, **fields)).json()["choices"]
    every = (await complete(made, n=4, **fields)).json()["choices"]
    means = [sum(choice["logprobs"]["token_logprobs"]) / 10 for choice in every]
    assert len(best) == 1 and best[0]["text"] == every[means.index(max(means))]["text"]


async def test_a_gap_is_filled_only_by_a_model_that_can(made: Gateway) -> None:
    assert (await complete(made, suffix=" heures.")).status == 200
    refused = await complete(made, suffix=" heures.", model=SPARE)
    assert refused.status == 400 and refused.json()["error"]["param"] == "suffix"


async def embed(made: Gateway, **fields: Any) -> Answer:
    return await made.client().post("/v1/embeddings", {"model": EMBEDDER, "input": "chat"} | fields)


async def test_vectors_as_numbers_and_as_base64(made: Gateway) -> None:
    plain = (await embed(made, input=["chat", "chien"])).json()
    assert [entry["index"] for entry in plain["data"]] == [0, 1] and plain["usage"]["prompt_tokens"] > 4
    coded = (await embed(made, input=["chat", "chien"], encoding_format="base64")).json()
    for one, other in zip(plain["data"], coded["data"], strict=True):
        numbers = struct.unpack("<64f", base64.b64decode(other["embedding"]))
        assert numbers == pytest.approx(one["embedding"], rel=1e-6)


async def test_vectors_of_token_numbers(made: Gateway) -> None:
    numbers = (await embed(made, input=[[5, 6], [7]])).json()
    assert len(numbers["data"]) == 2 and len(numbers["data"][0]["embedding"]) == 64
    assert (await embed(made, input=[5, 6])).json()["data"][0]["embedding"] == pytest.approx(
        numbers["data"][0]["embedding"], abs=1e-4
    )


async def test_vectors_are_cut_only_where_the_model_was_trained_for_it(made: Gateway) -> None:
    refused = await embed(made, dimensions=8)
    assert refused.status == 400 and refused.json()["error"]["param"] == "dimensions"
    assert (await embed(made, dimensions=64)).status == 200
    assert (await embed(made, model=WRITER)).status == 400, "it writes"
    assert (await embed(made, input="mot " * 4000)).json()["error"]["code"] == "context_length_exceeded"


async def test_passages_in_order_of_how_well_they_answer(made: Gateway) -> None:
    asked = {"model": RANKER, "query": "q", "documents": ["a b", {"text": "c"}, "d e f"]}
    ranked = (await made.client().post("/v1/rerank", asked)).json()
    scores = [result["relevance_score"] for result in ranked["results"]]
    assert sorted(scores, reverse=True) == scores and all(0 <= score <= 1 for score in scores)
    assert {result["index"] for result in ranked["results"]} == {0, 1, 2} and ranked["usage"]["total_tokens"] > 0
    best = (await made.client().post("/v1/rerank", asked | {"top_n": 1, "return_documents": True})).json()["results"]
    assert len(best) == 1 and best[0]["document"]["text"] == ["a b", "c", "d e f"][best[0]["index"]]


async def test_a_judgement_is_whole_and_says_whose_it_is(made: Gateway) -> None:
    answer = await made.client().post("/v1/moderations", {"input": ["un", "deux"], "model": WRITER})
    assert answer.status in {200, 400}, answer.body
    if answer.status == 200:
        assert answer.headers["x-intramuros-trust"] == "quotes" and answer.json()["model"] == WRITER
        for result in answer.json()["results"]:
            assert len(result["categories"]) == 13 and result["flagged"] == any(result["categories"].values())


async def test_a_client_that_leaves_frees_the_place(made: Gateway) -> None:
    gone = asyncio.Event()
    body = {"model": WRITER, "prompt": "a", "max_tokens": 1500, "n": 40}  # most of a minute, to its end
    call = asyncio.create_task(made.client().post("/v1/completions", body, gone=gone))
    await until(lambda: made.app.complete.admission.running == 1)
    gone.set()
    await asyncio.wait_for(call, 10)
    assert made.app.complete.admission.inside == 0


async def test_a_model_is_removed_by_whoever_administers_and_never_under_somebody(made: Gateway) -> None:
    path = f"/v1/models/{SPARE}"
    assert (await made.client("alice").call("DELETE", path)).status == 403
    assert (await made.client("charlie").call("DELETE", "/v1/models/default")).status == 400
    assert (await made.client("charlie").call("DELETE", "/v1/models/nothing")).status == 404
    default = await made.client("charlie").call("DELETE", f"/v1/models/{WRITER}")
    assert default.status == 409 and "default" in default.json()["error"]["message"]
    async with made.app.pool.engine(SPARE):
        used = await made.client("charlie").call("DELETE", path)
        assert used.status == 409 and "in use" in used.json()["error"]["message"]
        assert used.headers["x-should-retry"] == "false"
    answer = await made.client("charlie").call("DELETE", path)
    assert answer.json() == {"id": SPARE, "object": "model", "deleted": True}
    assert (await made.client().call("GET", path)).status == 404


async def test_a_stream_that_waits_for_its_model_says_how_far_that_is(
    made: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In comments, which clients pass over; whoever has to wait for nothing is told nothing."""
    monkeypatch.setattr("intramuros.engines.pool.FIRST_TOLD_S", 0.001)
    monkeypatch.setattr("intramuros.engines.pool.TOLD_EVERY_S", 0.005)
    await chat(made, max_tokens=1)
    await made.app.pool.unload(WRITER, wait_s=10)
    answer = await chat(made, stream=True, max_tokens=4)
    assert answer.status == 200 and answer.headers["content-type"].startswith("text/event-stream")
    comments = [line for line in answer.body.decode().split("\n\n") if line.startswith(":")]
    assert comments and all(one.startswith(f": loading model={WRITER} stage=") for one in comments)
    assert any(" usual_s=" in one for one in comments), "it was loaded before"
    assert chunks(answer) and answer.events()[-1] == "[DONE]"
    assert b": loading" not in (await chat(made, stream=True, max_tokens=4)).body


async def test_a_stream_whose_model_can_not_be_loaded_has_the_status_of_that(
    made: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("intramuros.engines.pool.FIRST_TOLD_S", 0.001)
    monkeypatch.setattr("intramuros.engines.pool.TOLD_EVERY_S", 0.005)

    async def full(*_: object) -> None:
        await asyncio.sleep(0.1)
        raise MemoryBusy("taken")

    await chat(made, max_tokens=1)
    await made.app.pool.unload(WRITER, wait_s=10)
    monkeypatch.setattr(made.app.pool._making_room, "find", full)
    answer = await chat(made, stream=True)
    assert answer.status == MemoryBusy.status and answer.json()["error"]["code"] == "memory_busy"
