"""Every call of Ollama's official client, the plain one and the asynchronous one, against the server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ollama
import pytest

WRITER, EMBEDDER, STARTER = "compat-writer", "compat-embedder", "compat-starter"
HELLO = [{"role": "user", "content": "Hello"}]
SHORT = {"num_predict": 4, "temperature": 0}
PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string", "maxLength": 8}, "age": {"type": "integer", "minimum": 0, "maximum": 99}},
    "required": ["name", "age"],
}

Ask = Callable[..., Any]


@pytest.fixture(params=["plain", "asynchronous"])
def ask(request: pytest.FixtureRequest, url: str, key: str) -> Ask:
    """Calls one of the client's methods: its answer, or the list of what a stream gave."""
    headers = {"Authorization": f"Bearer {key}"}

    def plain(method: str, *arguments: Any, **fields: Any) -> Any:
        answer = getattr(ollama.Client(host=url, headers=headers), method)(*arguments, **fields)
        return list(answer) if fields.get("stream") else answer

    async def gathered(method: str, arguments: Any, fields: Any) -> Any:
        answer = await getattr(ollama.AsyncClient(host=url, headers=headers), method)(*arguments, **fields)
        return [piece async for piece in answer] if fields.get("stream") else answer

    def asynchronous(method: str, *arguments: Any, **fields: Any) -> Any:
        return asyncio.run(gathered(method, arguments, fields))

    return plain if request.param == "plain" else asynchronous


def get_weather(city: str) -> str:
    """Tells the weather.

    Args:
        city: a town
    """
    return city


def test_generate(ask: Ask) -> None:
    answer = ask("generate", WRITER, "Hello", options=SHORT)
    assert answer.response and answer.done and answer.eval_count <= 4 and answer.model == WRITER


def test_generate_as_a_stream(ask: Ask) -> None:
    pieces = ask("generate", WRITER, "Hello", stream=True, options=SHORT)
    assert pieces[-1].done and "".join(piece.response for piece in pieces) and not pieces[0].done


def test_generate_with_a_system_message_and_without_a_template(ask: Ask) -> None:
    told = ask("generate", WRITER, "Hello", system="Be brief.", options=SHORT)
    raw = ask("generate", WRITER, "Hello", raw=True, options=SHORT)
    assert told.prompt_eval_count > raw.prompt_eval_count


def test_generate_between_two_texts(ask: Ask) -> None:
    assert ask("generate", WRITER, "def f(", suffix="return 1", options=SHORT).done


def test_generate_with_logprobs(ask: Ask) -> None:
    answer = ask("generate", WRITER, "Hello", logprobs=True, top_logprobs=2, options=SHORT)
    assert len(answer.logprobs) == answer.eval_count and len(answer.logprobs[0].top_logprobs) == 2


def test_chat(ask: Ask) -> None:
    answer = ask("chat", WRITER, messages=HELLO, options=SHORT)
    assert answer.message.role == "assistant" and answer.message.content and answer.done_reason


def test_chat_as_a_stream(ask: Ask) -> None:
    pieces = ask("chat", WRITER, messages=HELLO, stream=True, options=SHORT)
    assert len(pieces) > 1 and pieces[-1].done and pieces[-1].eval_count


def test_chat_keeps_to_a_schema(ask: Ask) -> None:
    said = ask("chat", WRITER, messages=HELLO, format=PERSON, options={"num_predict": 120}).message.content
    assert set(json.loads(said)) == {"name", "age"}


def test_chat_in_json(ask: Ask) -> None:
    said = ask("chat", STARTER, messages=HELLO, format="json", options={"num_predict": 12}).message.content
    assert said.lstrip().startswith("{")


def test_chat_with_a_tool(ask: Ask) -> None:
    assert ask("chat", WRITER, messages=HELLO, tools=[get_weather], options=SHORT).done


def test_chat_goes_on_after_a_tool(ask: Ask) -> None:
    call = {"function": {"name": "get_weather", "arguments": {"city": "Nyon"}}}
    said = [*HELLO, {"role": "assistant", "content": "", "tool_calls": [call]}]
    said.append({"role": "tool", "content": "Sunny", "tool_name": "get_weather"})
    assert ask("chat", WRITER, messages=said, tools=[get_weather], options=SHORT).done


def test_chat_without_thinking(ask: Ask) -> None:
    assert ask("chat", WRITER, messages=HELLO, think=False, options=SHORT).done


def test_chat_with_logprobs(ask: Ask) -> None:
    answer = ask("chat", WRITER, messages=HELLO, logprobs=True, top_logprobs=1, options=SHORT)
    assert len(answer.logprobs) == answer.eval_count


def test_embed(ask: Ask) -> None:
    assert [len(one) for one in ask("embed", EMBEDDER, ["a", "b"]).embeddings] == [64, 64]
    assert len(ask("embed", EMBEDDER, "a").embeddings) == 1


def test_embeddings(ask: Ask) -> None:
    assert len(ask("embeddings", EMBEDDER, "a").embedding) == 64


def test_list(ask: Ask) -> None:
    assert {WRITER, EMBEDDER} <= {model.model for model in ask("list").models}


def test_show(ask: Ask) -> None:
    shown = ask("show", WRITER)
    assert shown.details.family == "llama" and shown.modelinfo["llama.context_length"] == 512
    assert "completion" in shown.capabilities and shown.template


def test_ps(ask: Ask) -> None:
    ask("generate", WRITER, "", keep_alive="5m")
    assert WRITER in {model.model for model in ask("ps").models}


def test_pull(ask: Ask) -> None:
    assert ask("pull", WRITER).status == "success"


def test_pull_as_a_stream(ask: Ask) -> None:
    assert ask("pull", WRITER, stream=True)[-1].status == "success"


def test_create_copy_and_delete(ask: Ask) -> None:
    assert ask("create", "poet", from_=WRITER, system="Be brief.", parameters={"num_predict": 2}).status == "success"
    assert ask("chat", "poet", messages=HELLO).eval_count <= 2
    assert ask("copy", "poet", "bard").status == "success"
    for name in ("poet", "bard"):
        assert ask("delete", name).status == "success"
    with pytest.raises(ollama.ResponseError) as refused:
        ask("show", "poet")
    assert refused.value.status_code == 404


def test_create_as_a_stream(ask: Ask) -> None:
    assert ask("create", "poet", from_=WRITER, stream=True)[-1].status == "success"
    ask("delete", "poet")


def test_create_blob(ask: Ask, tmp_path: Path) -> None:
    (tmp_path / "words").write_bytes(b"castle wall")
    assert ask("create_blob", tmp_path / "words").startswith("sha256:")


def test_push(ask: Ask) -> None:
    assert ask("push", WRITER).status == "success"


def test_a_model_that_is_not_there(ask: Ask) -> None:
    with pytest.raises(ollama.ResponseError) as refused:
        ask("chat", "nobody", messages=HELLO)
    assert refused.value.status_code == 404 and "not found" in refused.value.error


def test_a_bad_key(url: str) -> None:
    with pytest.raises(ollama.ResponseError) as refused:
        ollama.Client(host=url, headers={"Authorization": "Bearer imk_wrong"}).list()
    assert refused.value.status_code == 401
