"""Batches on the starter model: at the command line, and through the official client while the server runs."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from openai import OpenAI

from tests.acceptance.conftest import Installation


def line(custom_id: str, **more: object) -> str:
    body = {"model": "default", "messages": [{"role": "user", "content": "Name a castle."}], "max_tokens": 4} | more
    return json.dumps({"custom_id": custom_id, "method": "POST", "url": "/v1/chat/completions", "body": body})


@pytest.fixture
def requests(tmp_path: Path) -> Path:
    path = tmp_path / "requests.jsonl"
    path.write_text("\n".join([line("one"), line("two", temprature=1), line("three")]))
    return path


def test_at_the_command_line(with_model: Installation, requests: Path, tmp_path: Path) -> None:
    answers, errors = tmp_path / "out.jsonl", tmp_path / "errors.jsonl"
    done = with_model.run(
        "batch", "run", str(requests), "--out", str(answers), "--errors", str(errors), "--json", code=1
    )
    assert done.json["request_counts"] == {"total": 3, "completed": 2, "failed": 1}
    found = [json.loads(one) for one in answers.read_text().splitlines()]
    assert [one["custom_id"] for one in found] == ["one", "three"]
    assert all(one["response"]["body"]["choices"][0]["message"]["content"] for one in found)
    [failed] = [json.loads(one) for one in errors.read_text().splitlines()]
    assert failed["custom_id"] == "two" and failed["error"]["line"] == 2
    listed = with_model.run("batch", "list", "--json").json
    assert done.json["id"] in {one["id"] for one in listed}
    assert "2 of 3 requests are answered" in with_model.run("batch", "show", done.json["id"]).out
    assert "can't be cancelled" in with_model.run("batch", "cancel", done.json["id"], code=1).err
    assert "There is no such batch" in with_model.run("batch", "show", "batch_nothing", code=1).err
    assert "can't be read" in with_model.run("batch", "run", str(tmp_path / "no"), code=1).err


def test_messages_at_the_command_line(with_model: Installation, tmp_path: Path) -> None:
    """Anthropic's form is known by its first line; good results and bad ones come together, in order."""
    asked = {"model": "default", "max_tokens": 4, "messages": [{"role": "user", "content": "Name a castle."}]}
    path = tmp_path / "messages.jsonl"
    lines = [{"custom_id": "one", "params": asked}, {"custom_id": "two", "params": asked | {"temprature": 1}}]
    path.write_text("\n".join(map(json.dumps, lines)))
    done = with_model.run("batch", "run", str(path), "--out", str(tmp_path / "out.jsonl"), "--json", code=1)
    assert done.json["request_counts"] == {"total": 2, "completed": 1, "failed": 1}
    name = done.json["id"]
    assert name.startswith("msgbatch_"), "as Anthropic's clients are told it"
    assert name in {one["id"] for one in with_model.run("batch", "list", "--json").json}
    assert name in with_model.run("batch", "list").out and name in with_model.run("batch", "show", name).out
    found = [json.loads(one)["result"]["type"] for one in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert found == ["succeeded", "errored"]


def test_with_the_official_client(with_model: Installation, requests: Path) -> None:
    url = with_model.serve()
    try:
        client = OpenAI(base_url=f"{url}/v1", api_key=with_model.new_key(), max_retries=0)
        file = client.files.create(file=requests, purpose="batch")
        batch = client.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h")
        end = time.monotonic() + 60
        while batch.status not in {"completed", "failed"}:
            assert time.monotonic() < end, batch
            time.sleep(0.1)
            batch = client.batches.retrieve(batch.id)
        assert batch.request_counts and batch.request_counts.completed == 2 and batch.output_file_id
        found = [json.loads(one) for one in client.files.content(batch.output_file_id).text.splitlines()]
        assert [one["custom_id"] for one in found] == ["one", "three"]
        assert batch.usage and batch.usage.output_tokens > 0
    finally:
        with_model.stop()
