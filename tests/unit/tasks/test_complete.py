"""The completion task: the engine's words untouched, its usage metered, its slot freed however it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from typing import Any

import orjson
import pytest

from intramuros.accounts.caller import LOCAL
from intramuros.audit.entry import Entry
from intramuros.errors import BadRequest, EngineDied, ModelNotFound, TooMany
from intramuros.observability.metrics import Metrics
from intramuros.tasks.complete import CompleteTask, Turnstile
from tests.scripted import USAGE, ScriptedEngine, ScriptedPool, chunk

HELLO: dict[str, Any] = {"model": "default", "messages": [{"role": "user", "content": "Bonjour"}]}


@pytest.fixture
def entry() -> Entry:
    return Entry("chat", None, "api")


def made(engine: ScriptedEngine, **more: Any) -> CompleteTask:
    return CompleteTask(pool=ScriptedPool(engine), metrics=Metrics(), **more)


async def streamed(task: CompleteTask, entry: Entry, request: dict[str, Any] = HELLO, **more: Any) -> list[bytes]:
    return [piece async for piece in task.stream(request, by=LOCAL, entry=entry, **more)]


async def test_a_reply_names_the_model_that_answered_and_its_usage(entry: Entry) -> None:
    engine = ScriptedEngine(name_in_chunks="gpt-x")
    task = made(engine)
    whole = await task.run(HELLO, by=LOCAL, entry=entry)
    assert whole["model"] == "scripted" and engine.asked[0]["model"] == "scripted"
    assert whole["usage"] == USAGE
    assert whole["choices"][0]["message"]["content"] == "Bonjour, monde"
    assert entry.facts == {
        "route": "inside",
        "model": "scripted",
        "prompt_tokens": 12,
        "completion_tokens": 3,
        "cached_tokens": 8,
    }
    counted = task.metrics.render().decode()
    assert 'intramuros_tokens_total{kind="completion",model="scripted"} 3.0' in counted
    assert 'intramuros_generations_total{model="scripted",outcome="ok"} 1.0' in counted


async def test_chunks_are_the_engines_own_bytes(entry: Entry) -> None:
    assert await streamed(made(ScriptedEngine()), entry) == [chunk("Bonjour"), chunk(", "), chunk("monde")]
    assert entry.facts["completion_tokens"] == 3 and entry.facts["cached_tokens"] == 8


async def test_usage_comes_last_when_it_was_asked_for(entry: Entry) -> None:
    pieces = await streamed(made(ScriptedEngine()), entry, with_usage=True)
    assert pieces[:3] == [chunk("Bonjour"), chunk(", "), chunk("monde")]
    last = orjson.loads(pieces[3])
    assert last["choices"] == [] and last["usage"] == USAGE


async def test_usage_beside_the_last_words_is_taken_out_when_nobody_asked(entry: Entry) -> None:
    class Together(ScriptedEngine):
        async def stream(self, request: Any) -> Any:
            yield chunk("fin", usage={"prompt_tokens": 4, "completion_tokens": 1})

    pieces = await streamed(made(Together()), entry)
    assert [orjson.loads(piece)["choices"][0]["delta"]["content"] for piece in pieces] == ["fin"]
    assert "usage" not in orjson.loads(pieces[0])
    assert entry.facts["prompt_tokens"] == 4


@pytest.mark.parametrize("name", ["gpt-x", 'a"b', "é"])
async def test_an_engine_that_calls_the_model_otherwise_is_corrected(entry: Entry, name: str) -> None:
    engine = ScriptedEngine(words=('"model":"gpt-x"', "b"), name_in_chunks=name)
    pieces = [orjson.loads(piece) for piece in await streamed(made(engine), entry, with_usage=True)]
    assert {piece["model"] for piece in pieces} == {"scripted"}
    assert pieces[0]["choices"][0]["delta"]["content"] == '"model":"gpt-x"'


async def test_an_unknown_model_borrows_nothing(entry: Entry) -> None:
    task = made(ScriptedEngine())
    with pytest.raises(ModelNotFound):
        await task.run(HELLO | {"model": "nope"}, by=LOCAL, entry=entry)
    assert entry.facts == {"route": "inside"}


@pytest.mark.parametrize("error_after", [0, 2])
async def test_an_engine_that_dies_is_reported_and_its_place_freed(entry: Entry, error_after: int) -> None:
    engine = ScriptedEngine(error=EngineDied(), error_after=error_after)
    task = made(engine)
    got: list[bytes] = []
    with pytest.raises(EngineDied):
        async for piece in task.stream(HELLO, by=LOCAL, entry=entry):
            got.append(piece)
    came = {"completion_tokens": error_after} if error_after else {}
    assert len(got) == error_after and entry.facts == {"route": "inside", "model": "scripted"} | came, (
        "what is not known is not 0"
    )
    assert task.turnstile.inside == 0 and task.pool.borrowed == 0  # type: ignore[attr-defined]
    assert 'outcome="failed"' in task.metrics.render().decode()


async def test_closing_a_stream_frees_the_engine_at_once(entry: Entry) -> None:
    engine = ScriptedEngine(hangs=True)
    task = made(engine)
    async with aclosing(task.stream(HELLO, by=LOCAL, entry=entry)) as pieces:
        await anext(pieces)
        assert engine.running == 1 and task.turnstile.inside == 1
    assert engine.running == 0 and engine.cancelled == 1
    assert task.turnstile.inside == 0 and task.pool.borrowed == 0  # type: ignore[attr-defined]
    assert entry.facts == {"route": "inside", "model": "scripted", "completion_tokens": 1}, "what is not known is not 0"
    assert 'outcome="cancelled"' in task.metrics.render().decode()


def whole(task: CompleteTask, request: dict[str, Any], entry: Entry) -> Any:
    return task.run(request, by=LOCAL, entry=entry)


def in_pieces(task: CompleteTask, request: dict[str, Any], entry: Entry) -> Any:
    return streamed(task, entry, request)


CALL = {"id": "1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}


@pytest.mark.parametrize("way", [whole, in_pieces])
@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "weather"}}])
async def test_a_tool_that_was_not_called_is_an_error(entry: Entry, way: Callable[..., Any], choice: Any) -> None:
    with pytest.raises(BadRequest) as refused:
        await way(made(ScriptedEngine()), HELLO | {"tool_choice": choice, "tools": []}, entry)
    assert refused.value.code == "tool_not_called"


async def test_a_tool_that_was_called_passes(entry: Entry) -> None:
    class Calling(ScriptedEngine):
        async def stream(self, request: Any) -> Any:
            yield chunk(choices=[{"index": 0, "delta": {"tool_calls": [CALL]}, "finish_reason": None}])

    request = HELLO | {"tool_choice": "required", "tools": []}
    assert len(await streamed(made(Calling()), entry, request)) == 1
    reply = await made(ScriptedEngine(message={"tool_calls": [CALL]})).run(request, by=LOCAL, entry=entry)
    assert reply["choices"][0]["message"]["tool_calls"] == [CALL]


@pytest.mark.parametrize("way", [whole, in_pieces])
async def test_tools_are_refused_where_the_model_would_never_hear_of_them(
    entry: Entry, way: Callable[..., Any]
) -> None:
    engine = ScriptedEngine()
    asked: list[str] = []

    def knows_tools(name: str) -> bool:
        asked.append(name)
        return False

    task = made(engine, knows_tools=knows_tools)
    tools = {"tools": [{"type": "function", "function": {"name": "weather"}}]}
    with pytest.raises(BadRequest) as refused:
        await way(task, HELLO | tools, entry)
    assert refused.value.code == "tools_not_supported" and refused.value.details["param"] == "tools"
    assert refused.value.hint and asked == ["default"] and engine.asked == []
    await way(task, HELLO | tools | {"tool_choice": "none"}, entry)
    await way(task, HELLO, entry)
    assert len(engine.asked) == 2 and asked == ["default"]


async def test_more_than_the_limit_is_refused_at_once(entry: Entry) -> None:
    task = made(ScriptedEngine(hangs=True), turnstile=Turnstile(limit=2))
    running = [asyncio.create_task(task.run(HELLO, by=LOCAL, entry=entry)) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(TooMany):
        await task.run(HELLO, by=LOCAL, entry=entry)
    for one in running:
        one.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    assert task.turnstile.inside == 0
