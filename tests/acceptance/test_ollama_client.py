"""The official `ollama` client against the real server and the starter model: what it can do, and what it is told."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import ollama
import pytest
from ollama import Client, ResponseError

from tests.acceptance.conftest import Installation
from tests.acceptance.test_openai_client import COUNT, HELLO, PERSON, WEATHER
from tests.models import tiny

pytestmark = pytest.mark.starter

MODEL = "smollm2:135m"


@pytest.fixture(scope="module")
def client(url: str, key: str) -> Client:
    return Client(host=url, headers={"Authorization": f"Bearer {key}"}, timeout=60)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("gguf")


def refused(call: Any, *arguments: Any, **fields: Any) -> ResponseError:
    """The error of a call; of a stream the one that comes with its lines."""
    with pytest.raises(ResponseError) as error:
        answer = call(*arguments, **fields)
        for _ in answer if fields.get("stream") else ():
            pass
    return error.value


def test_chat_with_durations_that_were_measured(client: Client) -> None:
    answer = client.chat(MODEL, HELLO, options={"num_predict": 6})
    assert answer.model == MODEL and answer.message.content and answer.message.role == "assistant"
    assert answer.done and answer.done_reason in {"stop", "length"}
    assert answer.prompt_eval_count and answer.prompt_eval_count > 5
    assert answer.eval_count and 0 < answer.eval_count <= 6
    assert answer.total_duration and answer.eval_duration and answer.prompt_eval_duration
    assert answer.total_duration > answer.eval_duration + answer.prompt_eval_duration


def test_a_stream(client: Client) -> None:
    pieces = list(client.chat(MODEL, HELLO, stream=True, options={"num_predict": 6}))
    assert len(pieces) > 2 and all(not piece.done for piece in pieces[:-1])
    assert "".join(piece.message.content or "" for piece in pieces)
    assert pieces[-1].done and pieces[-1].eval_count and pieces[-1].created_at


def test_the_same_seed_says_the_same(client: Client) -> None:
    options = {"seed": 7, "temperature": 0.8, "num_predict": 8}
    replies = [client.generate(MODEL, "Once upon a time", options=options).response for _ in range(2)]
    assert replies[0] and replies[0] == replies[1]


def test_stop_ends_an_answer(client: Client) -> None:
    options = {"seed": 7, "temperature": 0, "num_predict": 20}
    text = client.generate(MODEL, "Say hello.", options=options).response or ""
    stopped = client.generate(MODEL, "Say hello.", options=options | {"stop": [text[3:5]]}).response
    assert stopped == text[: text.index(text[3:5])]


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_that_keeps_to_a_schema(client: Client, stream: bool) -> None:
    asked = [{"role": "user", "content": "Ada is 36 years old. Give her name and age."}]
    fields: dict[str, Any] = {
        "format": PERSON["json_schema"]["schema"],
        "options": {"num_predict": 80, "temperature": 0},
    }
    if stream:
        text = "".join(piece.message.content or "" for piece in client.chat(MODEL, asked, stream=True, **fields))
    else:
        text = client.chat(MODEL, asked, **fields).message.content or ""
    person = json.loads(text)
    assert set(person) == {"name", "age"} and isinstance(person["age"], int)
    plain = client.chat(MODEL, asked, format="json", options={"num_predict": 200, "temperature": 0})
    assert (plain.message.content or "").lstrip().startswith("{")


def test_what_a_model_can_not_do_is_said(client: Client) -> None:
    assert refused(client.chat, MODEL, HELLO, think=True).status_code == 400
    assert client.chat(MODEL, HELLO, think=False, options={"num_predict": 1}).done
    picture = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    seen = [{"role": "user", "content": "What is this?", "images": [picture]}]
    assert "text only" in str(refused(client.chat, MODEL, seen))
    assert "gap" in str(refused(client.generate, MODEL, "def f(", suffix="return 1"))


def test_a_raw_prompt_is_gone_on_with(client: Client) -> None:
    answer = client.generate(MODEL, "One two three four", raw=True, options={"num_predict": 4, "temperature": 0})
    assert answer.response and answer.eval_count and answer.eval_count <= 4
    template = client.generate(MODEL, "One two three four", options={"num_predict": 4, "temperature": 0})
    assert (template.prompt_eval_count or 0) > (answer.prompt_eval_count or 0), "without the template it is shorter"


@pytest.mark.parametrize("stream", [False, True])
def test_a_prompt_longer_than_the_model_can_read(client: Client, stream: bool) -> None:
    error = refused(client.chat, MODEL, [{"role": "user", "content": "castle wall " * 20_000}], stream=stream,
                    options={"num_ctx": 2048})  # fmt: skip
    assert error.status_code == 400 and "tokens" in error.error


def test_unknown_models_and_bad_keys(client: Client, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    error = refused(client.chat, "gpt-4o", HELLO)
    assert error.status_code == 404 and "not found" in error.error
    monkeypatch.delenv("OLLAMA_API_KEY", raising=False)
    assert refused(Client(host=url).list).status_code == 401
    monkeypatch.setenv("OLLAMA_API_KEY", "imk_wrong")
    assert refused(Client(host=url).chat, MODEL, HELLO).status_code == 401


def test_a_key_from_the_environment(with_model: Installation, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLLAMA_API_KEY", with_model.new_key())
    assert Client(host=url).list().models


def test_listed_shown_and_loaded(client: Client) -> None:
    listed = {model.model: model for model in client.list().models}
    assert "smollm2-135m" in listed and "default" in listed
    shown = client.show(MODEL)
    assert shown.details and shown.details.family == "llama" and shown.details.quantization_level == "Q4_1"
    assert shown.template and "im_start" in shown.template and shown.capabilities == ["completion"]
    assert shown.modelinfo and shown.modelinfo["llama.context_length"] == 8192
    client.generate(MODEL, "")
    loaded = {model.model: model for model in client.ps().models}
    assert (loaded["smollm2-135m"].context_length or 0) >= 2048


def test_a_preset_by_create_and_copy(client: Client) -> None:
    steps = list(client.create("Poet", from_=MODEL, system="Answer in one word.", stream=True,
                               parameters={"num_predict": 3, "stop": ["\n"]}))  # fmt: skip
    assert steps[-1].status == "success"
    shown = client.show("poet")
    assert shown.parameters == 'num_predict 3\nstop "\n"'
    answer = client.chat("poet:latest", HELLO)
    assert answer.model == "poet:latest" and (answer.eval_count or 0) <= 3
    client.create("poet", from_="poet", parameters={"num_predict": 2})
    assert (client.chat("poet", HELLO).eval_count or 0) <= 2
    assert client.copy("poet", "team/poet").status == "success"
    assert refused(client.copy, "poet", "team/poet").status_code == 409
    assert "team/poet" in {model.model for model in client.list().models}
    for name in ("poet", "team/poet"):
        assert client.delete(name).status == "success"
        assert refused(client.show, name).status_code == 404


def test_create_refuses_what_it_can_not_hold_to(client: Client) -> None:
    assert refused(client.create, "x", from_="nothing-here").status_code == 404
    for fields in ({"template": "{{ .Prompt }}"}, {"quantize": "q4_K_M"}, {"adapters": {"a": "sha256:" + "0" * 64}}):
        assert refused(client.create, "x", from_=MODEL, **fields).status_code == 400
    assert refused(client.create, "x", files={"a.gguf": "sha256:" + "0" * 64}).status_code == 404


def test_a_model_of_an_uploaded_file(client: Client, files: Path) -> None:
    path = tiny.chat(files / "tiny.gguf")
    digest = client.create_blob(path)
    assert client._client.head(f"/api/blobs/{digest}").status_code == 200
    steps = [step.status for step in client.create("tiny", files={"tiny.gguf": digest}, stream=True)]
    assert steps[-1] == "success"
    assert client.show("tiny").details
    assert client.generate("tiny", "abc", options={"num_predict": 2}).done
    assert client.chat("tiny", HELLO, tools=[WEATHER], options={"num_predict": 4}).done, "its template has tools"
    made = client.create("terse", files={"tiny.gguf": digest}, system="Be terse.", license="MIT")
    assert made.status == "success", "an installed model's own file is here as well"
    assert client.show("terse").details.parent_model == "terse-model"  # type: ignore[union-attr]
    for name in ("terse", "terse-model"):
        client.delete(name)


def test_a_model_in_use_is_not_deleted(client: Client) -> None:
    stream = client.chat("tiny", COUNT, stream=True, options={"num_predict": 400})
    next(stream)
    assert refused(client.delete, "tiny").status_code == 409
    stream.close()  # type: ignore[attr-defined]
    end = time.monotonic() + 10
    while True:
        try:
            client.delete("tiny")
        except ResponseError as error:
            assert error.status_code == 409 and time.monotonic() < end, error
            time.sleep(0.1)
        else:
            break
    assert refused(client.chat, "tiny", HELLO).status_code == 404


def test_an_upload_that_is_not_what_its_hash_says_or_no_model(client: Client, files: Path) -> None:
    wrong = "sha256:" + "0" * 64
    answer = client._client.post(f"/api/blobs/{wrong}", content=b"hello")
    assert answer.status_code == 400 and "SHA-256" in answer.json()["error"]
    assert client._client.head(f"/api/blobs/{wrong}").status_code == 404
    assert client._client.post("/api/blobs/sha256:..%2f..%2fx", content=b"hello").status_code in {400, 404}
    (files / "no.gguf").write_bytes(b"GGUF" + b"\xff" * 500)
    digest = client.create_blob(files / "no.gguf")
    assert refused(client.create, "no", files={"no.gguf": digest}).status_code == 422
    assert refused(client.show, "no").status_code == 404


def test_vectors(client: Client, files: Path) -> None:
    digest = client.create_blob(tiny.embedder(files / "vectors.gguf"))
    client.create("vectors", files={"vectors.gguf": digest})
    try:
        made = client.embed("vectors", ["abc", "def"])
        assert [len(vector) for vector in made.embeddings] == [64, 64] and made.prompt_eval_count
        one = client.embeddings("vectors", "abc")
        assert list(one.embedding) == pytest.approx(list(made.embeddings[0]), abs=1e-5)
        assert refused(client.embed, "vectors", "abc " * 5000, truncate=True).status_code == 400, "never cut"
        assert refused(client.embed, MODEL, "abc").status_code == 400
        assert refused(client.chat, "vectors", HELLO).status_code == 400
    finally:
        client.generate("vectors", "", keep_alive=0)
        client.delete("vectors")


def test_a_modelfile_of_an_older_client(client: Client) -> None:
    text = f'# a clerk\nFROM {MODEL}\nPARAMETER temperature 0.1\nPARAMETER num_predict 2\nSYSTEM """Be\nbrief."""\n'
    answer = client._client.post("/api/create", json={"name": "clerk", "modelfile": text, "stream": False})
    assert answer.status_code == 200 and answer.json() == {"status": "success"}
    assert 'SYSTEM """Be\nbrief."""' in (client.show("clerk").modelfile or "")
    client.delete("clerk")
    bad = client._client.post("/api/create", json={"name": "clerk", "modelfile": f"FROM {MODEL}\nDANCE now"})
    assert bad.status_code == 400 and "Line 2" in bad.json()["error"]


def test_pull_of_what_is_here_and_of_what_is_not(client: Client) -> None:
    assert client.pull(MODEL).status == "success"
    error = refused(client.pull, "qwen3:0.7b")
    assert error.status_code == 404 and "qwen3-0.6b" in error.error
    assert "leaves" in refused(client.push, MODEL).error


def test_unloaded_on_request(client: Client) -> None:
    client.generate(MODEL, "")
    assert client.generate(MODEL, "", keep_alive=0).done_reason == "unload"
    assert "smollm2-135m" not in {model.model for model in client.ps().models}


def test_how_long_a_model_stays(client: Client) -> None:
    def stays() -> float | None:
        [loaded] = [model for model in client.ps().models if model.model == "smollm2-135m"]
        assert loaded.size and loaded.size > 50e6, "the memory it takes"
        return loaded.expires_at.timestamp() - time.time() if loaded.expires_at else None

    client.chat(MODEL, HELLO, keep_alive="30m", options={"num_predict": 1})
    assert 1700 < (stays() or 0) <= 1800
    client.generate(MODEL, "", keep_alive=-1)
    assert stays() is None
    client.generate(MODEL, "x", keep_alive=0, options={"num_predict": 1})
    end = time.monotonic() + 10
    while "smollm2-135m" in {model.model for model in client.ps().models}:
        assert time.monotonic() < end, "it is unloaded at once"
        time.sleep(0.1)


def children(pid: int) -> list[int]:
    """The processes that a process started."""
    found = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for path in found for child in path.read_text().split()]


def test_an_engine_that_dies_in_the_middle_is_an_error_line(client: Client, with_model: Installation) -> None:
    stream = client.chat(MODEL, COUNT, stream=True)
    next(stream)
    for child in children(with_model.servers[-1].pid):
        if b"engines" in Path(f"/proc/{child}/cmdline").read_bytes():
            os.kill(child, signal.SIGKILL)
    with pytest.raises(ollama.ResponseError) as failed:
        for _ in stream:
            pass
    assert "stopped" in failed.value.error
    end = time.monotonic() + 20
    while True:
        try:
            assert client.chat(MODEL, HELLO, options={"num_predict": 2}).done
        except ResponseError:
            assert time.monotonic() < end, "it does not come back"
            time.sleep(0.2)
        else:
            break
