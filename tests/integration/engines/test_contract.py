"""The one suite every engine passes: what `engines.engine` promises, tried on each kind of engine.

A new engine joins by one line in `ENGINES`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from intramuros.engines.local import LocalEngine
from intramuros.errors import BadRequest, ContextOverflow, EngineDied
from intramuros.models.installed import InstalledModel
from tests.models import engines, tiny
from tests.models.engines import HELLO, LONG, processing, until

Started = AsyncIterator[LocalEngine]


@asynccontextmanager
async def local(model: InstalledModel, folder: Path) -> Started:
    """A worker of its own."""
    async with engines.running(model, engines.settings(folder)) as engine:
        yield engine


@asynccontextmanager
async def attached(model: InstalledModel, folder: Path) -> Started:
    """The worker that another owner runs."""
    chosen = engines.settings(folder)
    async with engines.running(model, chosen) as owner, engines.running(model, chosen) as engine:
        assert engine.pid == owner.pid
        yield engine


MAKE: dict[str, Callable[[Path], Path]] = {
    "chat": lambda path: tiny.chat(path, layers=32),  # so slow that a test can look at it while it writes
    "embedder": tiny.embedder,
    "reranker": tiny.reranker,
}
ENGINES: dict[str, Callable[[InstalledModel, Path], Any]] = {"local": local, "attached": attached}
SCHEMA = {
    "type": "object",
    "properties": {"paid": {"type": "boolean"}, "kind": {"enum": ["invoice", "letter"]}},
    "required": ["paid", "kind"],
    "additionalProperties": False,
}


@pytest.fixture(scope="module", params=ENGINES)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("engines")


@pytest.fixture
async def start(kind: str, folder: Path) -> AsyncIterator[Callable[[str], Awaitable[LocalEngine]]]:
    """Starts an engine of the kind under test on one of the tiny models."""
    async with AsyncExitStack() as stack:

        async def start(what: str) -> LocalEngine:
            path = folder / f"{what}.gguf"
            if not path.exists():
                MAKE[what](path)
            model = engines.installed(path, f"tiny-{what}")
            return await stack.enter_async_context(ENGINES[kind](model, folder))

        yield start


@pytest.fixture
async def engine(start: Callable[[str], Awaitable[LocalEngine]]) -> LocalEngine:
    return await start("chat")


async def chunks_of(engine: LocalEngine, request: dict[str, Any]) -> list[dict[str, Any]]:
    return [json.loads(chunk) async for chunk in engine.stream(request)]


async def test_a_chat_is_completed(engine: LocalEngine) -> None:
    reply = await engine.generate(HELLO | {"max_tokens": 12})
    assert reply.text and reply.finish_reason == "length"
    assert reply.usage.completion_tokens == 12 and reply.usage.prompt_tokens > len("Bonjour")
    assert reply.raw["object"] == "chat.completion" and reply.raw["model"] == engine.model


async def test_a_stream_says_the_same_and_its_last_chunk_has_the_usage(engine: LocalEngine) -> None:
    whole = await engine.generate(HELLO | {"max_tokens": 12})
    chunks = await chunks_of(engine, HELLO | {"max_tokens": 12})
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}
    assert {chunk["model"] for chunk in chunks} == {engine.model}
    said = "".join(choice["delta"].get("content") or "" for chunk in chunks for choice in chunk["choices"])
    assert said == whole.text
    assert chunks[-1]["usage"]["completion_tokens"] == 12 and not any("usage" in chunk for chunk in chunks[:-1])


async def test_closing_a_stream_frees_its_slot_at_once(engine: LocalEngine) -> None:
    async with aclosing(engine.stream(LONG)) as chunks:
        await anext(chunks)
        assert await processing(engine) == 1 and engine.active == 1
    assert engine.active == 0
    assert await until(lambda: _idle(engine)) < 0.25


async def test_cancelling_a_reply_frees_its_slot(engine: LocalEngine) -> None:
    task = asyncio.create_task(engine.generate(LONG))
    await until(lambda: _busy(engine))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await until(lambda: _idle(engine)) < 0.25


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_prompt_that_does_not_fit_is_refused_with_counts(engine: LocalEngine, streamed: bool) -> None:
    request = {"messages": [{"role": "user", "content": "é" * 1000}], "max_tokens": 4}
    with pytest.raises(ContextOverflow) as error:
        await (chunks_of(engine, request) if streamed else engine.generate(request))
    assert error.value.details["context_tokens"] == tiny.CONTEXT_TOKENS
    assert error.value.details["prompt_tokens"] > 2000  # type: ignore[operator]
    assert await processing(engine) == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"response_format": {"type": "json_schema", "json_schema": {"schema": {"type": "nonsense"}}}},
        {"response_format": {"type": "json_schema", "json_schema": {"schema": {"$ref": "#/nowhere"}}}},
        {"messages": "hello"},
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "http://a/b.png"}}]}]},
    ],
    ids=["schema", "reference", "messages", "image"],
)
async def test_a_request_that_can_not_be_is_a_bad_request(engine: LocalEngine, wrong: dict[str, Any]) -> None:
    with pytest.raises(BadRequest) as error:
        await engine.generate(HELLO | {"max_tokens": 4} | wrong)
    assert "nonsense" not in error.value.message and "b.png" not in error.value.message
    assert (await engine.generate(HELLO | {"max_tokens": 1})).usage.completion_tokens == 1


async def test_a_json_schema_holds_even_for_nonsense(engine: LocalEngine) -> None:
    form = {"type": "json_schema", "json_schema": {"name": "post", "strict": True, "schema": SCHEMA}}
    reply = await engine.generate(HELLO | {"max_tokens": 200, "response_format": form})
    said = json.loads(reply.text)
    assert set(said) == {"paid", "kind"} and said["kind"] in {"invoice", "letter"}


async def test_tools_reach_the_model(engine: LocalEngine) -> None:
    tool = {"type": "function", "function": {"name": "look_up_invoice_number", "parameters": SCHEMA}}
    plain = await engine.generate(HELLO | {"max_tokens": 1})
    with_tool = await engine.generate(HELLO | {"max_tokens": 1, "tools": [tool], "tool_choice": "none"})
    assert with_tool.usage.prompt_tokens > plain.usage.prompt_tokens + 20


async def test_several_requests_are_answered_at_once(engine: LocalEngine) -> None:
    most = 0
    tasks = [asyncio.create_task(engine.generate(HELLO | {"max_tokens": 150, "seed": n})) for n in range(6)]
    while not all(task.done() for task in tasks):
        most = max(most, await processing(engine))
        await asyncio.sleep(0.002)
    assert most == engine.state.slots == 4
    assert [task.result().usage.completion_tokens for task in tasks] == [150] * 6


async def test_a_repeated_prompt_comes_from_the_prefix_cache(engine: LocalEngine) -> None:
    request = {"messages": [{"role": "user", "content": "The sources, first. " * 10}], "max_tokens": 2}
    first = await engine.generate(request)
    again = await engine.generate(request)
    assert again.usage.cached_tokens > 0.9 * first.usage.prompt_tokens


async def test_a_request_can_not_turn_the_engines_own_switches(engine: LocalEngine) -> None:
    reply = await engine.generate(HELLO | {"max_tokens": 2, "stream": True, "id_slot": 99, "model": "other"})
    assert reply.usage.completion_tokens == 2 and reply.raw["model"] == engine.model


async def test_a_text_is_cut_into_tokens_without_special_ones(engine: LocalEngine) -> None:
    assert len(await engine.tokenise("abc")) == 3
    assert await engine.tokenise("") == []
    assert await engine.tokenise("ab") + await engine.tokenise("c") == await engine.tokenise("abc")


async def test_texts_become_vectors_in_order(start: Callable[[str], Awaitable[LocalEngine]]) -> None:
    engine = await start("embedder")
    one, two, three = await engine.embed(["facture", "contrat", "facture"])
    assert len(one) == tiny.WIDTH and one == pytest.approx(three, abs=1e-3) and one != pytest.approx(two, abs=1e-3)
    assert await engine.embed([]) == []
    with pytest.raises(ContextOverflow) as error:
        await engine.embed(["a " * 2000])
    assert error.value.details["context_tokens"] == tiny.CONTEXT_TOKENS


async def test_texts_are_ranked_in_order(start: Callable[[str], Awaitable[LocalEngine]]) -> None:
    engine = await start("reranker")
    forward = await engine.rerank("facture", ["facture", "contrat", "bail"])
    backward = await engine.rerank("facture", ["bail", "contrat", "facture"])
    assert forward == pytest.approx(backward[::-1], abs=1e-3) and len(set(forward)) == 3
    assert await engine.rerank("facture", []) == []


async def test_what_a_model_is_not_made_for_is_refused(start: Callable[[str], Awaitable[LocalEngine]]) -> None:
    writer, vectors = await start("chat"), await start("embedder")
    for refused in (writer.embed(["a"]), writer.rerank("a", ["b"]), vectors.generate(HELLO), vectors.rerank("a", [])):
        with pytest.raises(BadRequest):
            await refused


async def test_health_says_what_it_can_do(engine: LocalEngine) -> None:
    health = await engine.health()
    assert (health.state, health.context_tokens, health.slots) == ("ready", tiny.CONTEXT_TOKENS, 4)


async def test_a_closed_engine_says_so(engine: LocalEngine) -> None:
    await engine.close()
    assert (await engine.health()).state == "stopped"
    with pytest.raises(EngineDied):
        await engine.generate(HELLO)


async def _idle(engine: LocalEngine) -> bool:
    return await processing(engine) == 0


async def _busy(engine: LocalEngine) -> bool:
    return await processing(engine) == 1
