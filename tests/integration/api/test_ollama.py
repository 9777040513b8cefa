"""The Ollama door with an engine that says what a test wrote: what is asked of it, and what a client reads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from intramuros.accounts.rights import Rights
from intramuros.errors import ContextOverflow, EngineDied
from tests.asgi import Answer, Client
from tests.installed import Installed
from tests.models import tiny

HELLO = [{"role": "user", "content": "Hello"}]


@pytest.fixture
def installed(installed: Installed, tmp_path: Path) -> Installed:
    installed.app.models.add_file(tiny.chat(tmp_path / "tiny.gguf", layers=1), "tiny-1b")
    installed.engine.model = "tiny-1b"
    return installed


def lines(answer: Answer) -> list[dict[str, Any]]:
    assert answer.headers["content-type"] == "application/x-ndjson"
    return [json.loads(line) for line in answer.body.splitlines()]


async def chat(client: Client, **fields: Any) -> Answer:
    return await client.post("/api/chat", {"model": "tiny-1b", "messages": HELLO} | fields)


async def test_a_chat_comes_in_lines_unless_it_is_wanted_whole(installed: Installed) -> None:
    alice = installed.client("alice")
    streamed = lines(await chat(alice))
    assert [line["message"]["content"] for line in streamed] == ["Bonjour", ", ", "monde", ""]
    assert [line["done"] for line in streamed] == [False, False, False, True]
    assert streamed[-1]["done_reason"] == "stop" and streamed[-1]["eval_count"] == 3
    assert streamed[-1]["prompt_eval_count"] == 12 and streamed[-1]["total_duration"] > 0
    whole = (await chat(alice, stream=False)).json()
    assert whole["message"] == {"role": "assistant", "content": "Bonjour, monde"} and whole["done"]
    assert whole["model"] == "tiny-1b"
    assert installed.records("chat")[-1].facts["model"] == "tiny-1b"


async def test_generate(installed: Installed) -> None:
    fields = {"model": "tiny-1b", "prompt": "Hi", "system": "Be brief.", "stream": False}
    answer = (await installed.client("alice").post("/api/generate", fields)).json()
    assert answer["response"] == "Bonjour, monde" and "message" not in answer and "context" not in answer
    assert installed.engine.asked[-1]["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi"},
    ]


@pytest.mark.parametrize("name", ["tiny-1b", "tiny:1b", "tiny-1b:latest", "Tiny:1B", "default", "default:latest"])
async def test_names(installed: Installed, name: str) -> None:
    answer = await chat(installed.client("alice"), model=name, stream=False)
    assert answer.status == 200 and answer.json()["model"] == name


async def test_an_unknown_model_is_a_404_in_ollamas_shape(installed: Installed) -> None:
    for route in ("chat", "generate", "show"):
        answer = await installed.client("alice").post(f"/api/{route}", {"model": "gpt-4o", "messages": HELLO}
                                                      if route == "chat" else {"model": "gpt-4o"})  # fmt: skip
        assert answer.status == 404 and set(answer.json()) == {"error"}, route
        assert "not found, try pulling it first" in answer.json()["error"]


async def test_options_reach_the_engine_or_are_named(installed: Installed) -> None:
    options = {"temperature": 0.1, "num_predict": 7, "top_k": 3, "seed": -1, "stop": ["x"], "mirostat": 1,
               "repeat_last_n": 9, "typical_p": 0.5, "num_ctx": 64, "num_gpu": 9, "num_thread": 2}  # fmt: skip
    answer = await chat(installed.client("alice"), options=options, stream=False)
    asked = installed.engine.asked[-1]
    assert {name: asked[name] for name in ("temperature", "max_tokens", "top_k", "stop", "mirostat")} == {
        "temperature": 0.1, "max_tokens": 7, "top_k": 3, "stop": ["x"], "mirostat": 1}  # fmt: skip
    assert asked["repeat_last_n"] == 9 and asked["typical_p"] == 0.5
    assert "context_tokens" not in asked and "num_gpu" not in asked
    assert answer.headers["x-intramuros-not-used"] == "options.num_gpu, options.num_thread"
    await chat(installed.client("alice"), options={"num_predict": -1})
    assert "max_tokens" not in installed.engine.asked[-1]


@pytest.mark.parametrize(
    "fields",
    [
        {"options": {"temprature": 1}},
        {"options": {"temperature": "hot"}},
        {"options": {"tfs_z": 0.5}},
        {"options": {"max_tokens": 5}},
        {"options": []},
        {"optoins": {}},
        {"keep_alive": "soon"},
        {"keep_alive": True},
        {"stream": "no"},
        {"think": "hard"},
        {"think": True},
        {"format": "xml"},
        {"format": {"type": "nonsense"}},
        {"tools": "all"},
        {"messages": "Hello"},
        {"messages": [{"role": "robot", "content": "x"}]},
        {"messages": [{"role": "user", "content": "x", "images": ["AAAA"]}]},
        {"messages": [{"role": "user", "content": "x", "images": ["iVBORw0KGgo="]}]},
        {"messages": [{"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": "{}"}}]}]},
        {"messages": ["Hello"]},
        {"model": ""},
        {"model": 5},
    ],
)
async def test_what_can_not_be_done_is_refused(installed: Installed, fields: dict[str, Any]) -> None:
    answer = await chat(installed.client("alice"), **fields)
    assert answer.status == 400, answer.body
    assert set(answer.json()) == {"error"} and installed.engine.asked == []


@pytest.mark.parametrize(
    "fields",
    [
        {"template": "{{ .Prompt }}"},
        {"context": [1, 2]},
        {"raw": True, "system": "x"},
        {"suffix": "x", "format": "json"},
        {"prompt": 5},
        {"width": 5},
        {"raw": "yes"},
    ],
)
async def test_what_generate_refuses(installed: Installed, fields: dict[str, Any]) -> None:
    body = {"model": "tiny-1b", "prompt": "Once"} | fields
    answer = await installed.client("alice").post("/api/generate", body)
    assert answer.status == 400 and installed.engine.asked == [], answer.body


async def test_raw_goes_to_the_model_as_it_is(installed: Installed) -> None:
    body = {"model": "tiny-1b", "prompt": "<|x|> Once", "raw": True, "options": {"seed": 1}, "stream": False}
    assert (await installed.client("alice").post("/api/generate", body)).status == 200
    asked = installed.engine.asked[-1]
    assert asked["prompt"] == "<|x|> Once" and asked["seed"] == 1 and "messages" not in asked


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff", b'{"a":' * 70 + b"1" + b"}" * 70])
@pytest.mark.parametrize("path", ["chat", "generate", "embed", "show", "pull", "create", "copy"])
async def test_malformed_bodies(installed: Installed, path: str, body: bytes) -> None:
    answer = await installed.client("charlie").call("POST", f"/api/{path}", body)
    assert answer.status == 400 and set(answer.json()) == {"error"}


async def test_calls_of_tools_are_written_in_both_ways(installed: Installed) -> None:
    messages = [
        *HELLO,
        {"role": "assistant", "content": "", "thinking": "hm", "tool_calls": [
            {"function": {"name": "add", "arguments": {"a": 1}}}, {"function": {"name": "mul", "arguments": {}}}]},
        {"role": "tool", "content": "6", "tool_name": "mul"},
        {"role": "tool", "content": "2"},
    ]  # fmt: skip
    assert (await chat(installed.client("alice"), messages=messages, stream=False)).status == 200
    asked = installed.engine.asked[-1]["messages"]
    calls = asked[1]["tool_calls"]
    assert calls[0]["function"] == {"name": "add", "arguments": '{"a":1}'}
    assert [asked[2]["tool_call_id"], asked[3]["tool_call_id"]] == [calls[1]["id"], calls[0]["id"]]


async def test_a_prompt_that_is_too_long_is_an_error_never_a_cut(installed: Installed) -> None:
    installed.engine.error = ContextOverflow("The prompt has 900 tokens; this model reads 512.")
    for stream in (True, False):
        answer = await chat(installed.client("alice"), stream=stream, truncate=True)
        assert answer.status == 400 and "900 tokens" in answer.json()["error"]


async def test_a_stream_whose_engine_dies_ends_with_the_error(installed: Installed) -> None:
    installed.engine.error, installed.engine.error_after = EngineDied(), 2
    answer = await chat(installed.client("alice"))
    assert answer.status == 200
    *before, last = lines(answer)
    assert len(before) == 2 and set(last) == {"error"} and "stopped in the middle" in last["error"]
    assert installed.records("chat")[-1].outcome == "failed"


async def test_a_client_that_leaves_ends_the_generation(installed: Installed) -> None:
    installed.engine.hangs = True
    await installed.client("alice").call(
        "POST", "/api/chat", json.dumps({"model": "tiny-1b", "messages": HELLO}).encode(), leave_after=2
    )
    assert installed.engine.cancelled == 1 and installed.engine.running == 0


async def test_without_messages_the_model_is_only_loaded(installed: Installed) -> None:
    for path in ("chat", "generate"):
        answer = (await installed.client("alice").post(f"/api/{path}", {"model": "tiny:1b", "stream": False})).json()
        assert answer["done_reason"] == "load" and answer["done"]
    assert installed.engine.asked == []


async def test_listed_and_shown(installed: Installed) -> None:
    alice = installed.client("alice")
    await alice.post("/api/v1/presets", {"name": "clerk", "model": "tiny-1b", "system": "Be brief.",
                                         "parameters": {"max_tokens": 9, "stop": ["END"]}})  # fmt: skip
    listed = {model["name"]: model for model in (await alice.call("GET", "/api/tags")).json()["models"]}
    assert set(listed) == {"default", "tiny-1b", "clerk"}
    model = installed.app.models.get("tiny-1b")
    assert listed["tiny-1b"]["digest"] == model.sha256 != listed["clerk"]["digest"]
    assert listed["tiny-1b"]["size"] == model.size_bytes and listed["clerk"]["details"]["parent_model"] == "tiny-1b"
    shown = (await alice.post("/api/show", {"model": "clerk"})).json()
    assert shown["system"] == "Be brief." and shown["parameters"] == 'num_predict 9\nstop "END"'
    assert "FROM tiny-1b" in shown["modelfile"] and shown["capabilities"] == ["completion", "tools"]
    assert shown["model_info"]["general.architecture"] == "llama" and shown["template"]
    assert set((await installed.client("bob").call("GET", "/api/tags")).json()["models"][0]) >= {"name", "model"}
    assert (await installed.client("bob").post("/api/show", {"name": "clerk"})).status == 404
    version = (await alice.call("GET", "/api/version")).json()["version"]
    assert tuple(int(part) for part in version.split(".")) >= (0, 9, 0)


async def test_a_key_sees_only_its_models(installed: Installed) -> None:
    alice = installed.app.users.find("alice@firm.example")
    key, _ = installed.app.api_keys.create("other", alice.id, rights=Rights(models=frozenset({"another"})))
    client = Client(installed.guard, authorization=f"Bearer {key}")
    assert (await client.call("GET", "/api/tags")).json()["models"] == []
    assert (await client.post("/api/show", {"model": "tiny-1b"})).status == 404
    for body in ({"messages": HELLO}, {}):
        assert (await client.post("/api/chat", {"model": "tiny-1b"} | body)).status == 403
    assert installed.engine.asked == []


async def test_nobody_gets_in_without_a_key(installed: Installed) -> None:
    answer = await installed.client(None).call("GET", "/api/tags")
    assert answer.status == 401 and set(answer.json()) == {"error"}
    assert (await installed.client("alice").post("/api/pull", {"model": "qwen3:0.6b"})).status == 403
    assert (await installed.client("alice").call("GET", "/api/nothing")).json().keys() == {"error"}


@pytest.mark.parametrize("name", ["llama9:1b", "library/gpt-5", "./tiny.gguf", "/etc/passwd", "~/x.gguf", "http://x/y.gguf",
                                  "hf:../x"])  # fmt: skip
async def test_pull_of_what_is_not_known(installed: Installed, name: str) -> None:
    answer = await installed.client("charlie").post("/api/pull", {"model": name})
    assert answer.status in {400, 404} and set(answer.json()) == {"error"}


async def test_pull_names_what_is_near(installed: Installed) -> None:
    answer = await installed.client("charlie").post("/api/pull", {"model": "qwen3:0.7b"})
    assert answer.status == 404 and "qwen3-0.6b" in answer.json()["error"]


async def test_push_is_refused(installed: Installed) -> None:
    answer = await installed.client("charlie").post("/api/push", {"model": "tiny-1b"})
    assert answer.status == 400 and "nothing leaves" in answer.json()["error"]
