"""`kill -9` in the middle of a batch: the next process goes on with what is not stored, and no line is answered twice."""

from __future__ import annotations

import asyncio
import io
import json
import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partialmethod
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from intramuros.accounts.caller import LOCAL
from intramuros.app import App, build
from intramuros.server.asgi import application
from intramuros.settings import load
from intramuros.storage.blobs import Blobs
from intramuros.storage.schema import batch_lines
from intramuros.tasks.batch import Batch, Batches
from intramuros.tasks.batch_work import TRIES
from intramuros.tasks.complete import CompleteTask
from tests.asgi import Client
from tests.installed import installation
from tests.scripted import ScriptedEngine, ScriptedPool
from tests.support.forked import Child, Say

LINES = 6
CHAT, MESSAGES = "/v1/chat/completions", "/v1/messages"


class Asked(ScriptedEngine):
    """Answers with the question, and says what it was asked."""

    def __init__(self, say: Say) -> None:
        super().__init__()
        self.say = say

    async def generate(self, request: Any) -> Any:
        question = request["messages"][0]["content"]
        self.say(question)
        if question == "poison":
            os.kill(os.getpid(), signal.SIGKILL)
        self.words = (f"answer to {question}",)
        return await super().generate(request)


def opened(folder: Path, say: Say) -> App:
    """The installation in `folder`, with an engine that says what it is asked."""
    app = build(load({"data": folder / "data", "key_file": folder / "data.key"}, environ={}))
    app.complete = CompleteTask(pool=ScriptedPool(Asked(say)), metrics=app.metrics, admission=app.admission)
    application(app)  # mounts the doors
    return app


@contextmanager
def installation_of(folder: Path) -> Iterator[App]:
    """The installation in `folder`, to look into."""
    app = opened(folder, lambda _: None)
    try:
        yield app
    finally:
        app.close()


def made(folder: Path, *questions: str, endpoint: str = CHAT, **more: Any) -> str:
    """A batch of these questions, in OpenAI's form or in Anthropic's."""
    asked = [
        {"model": "default", "messages": [{"role": "user", "content": question}], **more} for question in questions
    ]
    lines: list[dict[str, Any]] = [
        {"custom_id": question, "params": one | {"max_tokens": 9}} if endpoint == MESSAGES
        else {"custom_id": question, "method": "POST", "url": endpoint, "body": one}
        for question, one in zip(questions, asked, strict=True)
    ]  # fmt: skip
    with installation(folder) as here:
        raw = b"\n".join(json.dumps(line).encode() for line in lines)
        file = here.app.files.add("in.jsonl", "batch", io.BytesIO(raw), by=LOCAL)
        return here.app.batches.create(file.id, endpoint, by=LOCAL).id


@dataclass
class Drained:
    """What came of a batch that was gone on with: `stored` replies there were before, what was `asked` since."""

    stored: int
    asked: list[str]
    batch: Batch
    output: list[dict[str, Any]]
    errors: list[dict[str, Any]]


def drained(folder: Path, batch: str) -> Drained:
    """Goes on with a batch to its end."""
    asked: list[str] = []
    app = opened(folder, asked.append)

    def lines(name: str | None) -> list[dict[str, Any]]:
        return [] if name is None else [
            json.loads(line) for line in app.files.content(app.files.get(name, by=LOCAL)).splitlines()
        ]  # fmt: skip

    try:
        stored = app.batches.get(batch, by=LOCAL).completed
        done = asyncio.run(app.batch_runner.drain(batch))
        written = [file.id for file in app.files.list(by=LOCAL) if file.purpose == "batch_output"]
        assert set(written) == {done.output_file, done.error_file} - {None}, "no file of an earlier try is left"
        blobs = [path for path in app.blobs.folder.rglob("*") if path.is_file()]
        assert len(blobs) <= len(written) + 2, "the input, and what a try left that a sweep removes"
        return Drained(stored, asked, done, lines(done.output_file), lines(done.error_file))
    finally:
        app.close()


def said(result: dict[str, Any]) -> str:
    """The words of a good result."""
    if "result" in result:
        return str(result["result"]["message"]["content"][0]["text"])
    return str(result["response"]["body"]["choices"][0]["message"]["content"])


def draining(folder: Path, batch: str) -> Callable[[Say], None]:
    """What a process does that works on it."""

    def work(say: Say) -> None:
        asyncio.run(opened(folder, say).batch_runner.drain(batch))

    return work


def killed(folder: Path, batch: str, last: str, times: int) -> list[str]:
    """What a process said that worked on a batch and was killed when it was about to do this step so many times."""

    def work(say: Say) -> None:
        left = times

        def step(name: str) -> None:
            nonlocal left
            say(f"step {name}")
            left -= name == last
            if not left:
                say("now")
                signal.pause()

        app = opened(folder, lambda question: say(f"asked {question}"))
        runner = replace(app.batch_runner, parts=replace(app.batch_runner.parts, step=step))
        asyncio.run(runner.drain(batch))

    child = Child(work)
    told = []
    while (line := child.line()) != "now":
        assert line, "it ended before"
        told.append(line)
    child.kill()
    child.rest()
    return told


@pytest.mark.parametrize("endpoint", [CHAT, MESSAGES])
@pytest.mark.parametrize(
    ("last", "times"),
    [("read in", 1), ("answered", 1), ("settled", 1), ("settled", 4), ("write output", 1), ("end", 1)],
)
def test_killed_before_a_step(tmp_path: Path, last: str, times: int, endpoint: str) -> None:
    questions = [f"q{n}" for n in range(LINES)]
    batch = made(tmp_path, *questions, endpoint=endpoint)

    told = killed(tmp_path, batch, last, times)
    before = [line.removeprefix("asked ") for line in told if line.startswith("asked ")]
    after = drained(tmp_path, batch)
    done = after.batch
    assert after.stored >= told.count("step settled"), "what was said to be stored is"
    assert (done.state, done.total, done.completed, done.failed) == ("completed", LINES, LINES, 0)
    assert [line["custom_id"] for line in after.output] == questions and after.errors == []
    for found in after.output:
        assert said(found) == f"answer to {found['custom_id']}"
    assert len(after.asked) == LINES - after.stored, "what was stored is not asked again"
    assert set(before) | set(after.asked) == set(questions)
    assert max(Counter(before + after.asked).values()) <= 2, "only what was under way is asked again"
    assert (done.prompt_tokens, done.completion_tokens) == (12 * LINES, 3 * LINES), "and nothing is counted twice"


@pytest.mark.parametrize("endpoint", [CHAT, MESSAGES])
def test_killed_when_it_is_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, endpoint: str) -> None:
    """What a batch needs no more goes all the same: its lines, and the input that is its own."""
    monkeypatch.setattr("intramuros.storage.blobs.Blobs.orphans", partialmethod(Blobs.orphans, older_than_s=-60))
    batch = made(tmp_path, *(f"q{n}" for n in range(LINES)), endpoint=endpoint)
    killed(tmp_path, batch, "ended", 1)
    assert len(drained(tmp_path, batch).output) == LINES
    with installation_of(tmp_path) as app:
        inputs = [file for file in app.files.list(by=LOCAL) if file.purpose == "batch"]
        assert len(inputs) == (endpoint == CHAT), "a file that was sent by itself is its person's"
        assert batch in app.batches.expired() and app.batches.purge() == 1
        with app.database.read() as connection:
            assert connection.scalar(select(func.count()).select_from(batch_lines)) == 0
        assert app.batches.get(batch, by=LOCAL).completed == LINES and app.batches.expired() == []
        app.library.sweep()
        assert len(list(app.blobs.folder.glob("??/*"))) == len(app.files.list(by=LOCAL))


def test_killed_between_a_file_and_its_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What came with a request that was never acknowledged is not kept: neither a row, nor, once swept, its content."""
    monkeypatch.setattr("intramuros.storage.blobs.Blobs.orphans", partialmethod(Blobs.orphans, older_than_s=-60))
    with installation(tmp_path) as here:
        key = here.keys["local"]

    def work(say: Say) -> None:
        app = build(load({"data": tmp_path / "data", "key_file": tmp_path / "data.key"}, environ={}))

        def begin(*_: Any, **__: Any) -> str:
            say(f"{len(list(app.blobs.folder.glob('??/*')))} stored")
            os.kill(os.getpid(), signal.SIGKILL)
            return ""

        monkeypatch.setattr(Batches, "_begin", begin)
        headers = {"authorization": f"Bearer {key}", "anthropic-version": "2023-06-01"}
        asked = json.dumps({"requests": [{"custom_id": "q", "params": {"model": "default", "messages": []}}]})
        client = Client(application(app), **headers)
        asyncio.run(client.call("POST", "/v1/messages/batches", asked.encode()))

    assert Child(work).rest() == ["1 stored"]
    with installation_of(tmp_path) as app:
        assert app.files.list(by=LOCAL) == [] and app.batches.list(by=LOCAL) == []
        assert app.library.sweep() == 1 and list(app.blobs.folder.glob("??/*")) == []


@pytest.mark.parametrize(("last", "times"), [("answered", 1), ("settled", 4)])
def test_what_is_stored_of_a_reply_is_there_once(tmp_path: Path, last: str, times: int) -> None:
    """Also of a line that was asked again because its reply, stored already, was not settled."""
    batch = made(tmp_path, *(f"q{n}" for n in range(LINES)), store=True)
    killed(tmp_path, batch, last, times)
    after = drained(tmp_path, batch)
    assert after.stored < LINES and len(after.output) == LINES
    with installation_of(tmp_path) as app:
        found = app.replies.list(kind="completion", by=LOCAL, limit=100, newest_first=False)
    assert sorted(reply.id for reply in found) == sorted(line["response"]["body"]["id"] for line in after.output)


def test_a_line_that_ends_the_process_is_given_up(tmp_path: Path) -> None:
    """The other lines are answered, and the one to blame is reported."""
    batch = made(tmp_path, "a", "poison", "b")
    for _ in range(TRIES):
        Child(draining(tmp_path, batch)).rest()
    after = drained(tmp_path, batch)
    assert after.batch.state == "completed" and "poison" not in after.asked
    assert {line["custom_id"] for line in after.output} == {"a", "b"}
    [error] = after.errors
    assert error["custom_id"] == "poison"
    assert error["response"]["body"]["error"]["code"] == "stopped_repeatedly"


def test_two_processes_share_the_work_and_answer_nothing_twice(tmp_path: Path) -> None:
    questions = [f"q{n}" for n in range(LINES)]
    batch = made(tmp_path, *questions)
    children = [Child(draining(tmp_path, batch)) for _ in range(2)]
    asked = [line for child in children for line in child.rest()]
    assert sorted(asked) == questions
    after = drained(tmp_path, batch)
    assert after.batch.state == "completed" and after.asked == [] and len(after.output) == LINES
