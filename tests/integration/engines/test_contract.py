"""The one suite every engine passes: what `engines.engine` promises, tried on each kind of engine.

A new engine joins by one line in `ENGINES`; one that does not write, by one in `ENCODERS`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from intramuros.engines.local import LocalEngine
from intramuros.errors import BadRequest, ContextOverflow, EngineDied
from intramuros.models.installed import InstalledModel
from tests.models import encoders, engines, folders, tiny
from tests.models.bridged import Bridged, bridged
from tests.models.engines import HELLO, LONG, processing, until

Contracted = LocalEngine | Bridged
Started = AsyncIterator[Contracted]


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


@asynccontextmanager
async def attached_to_one_that_stays(model: InstalledModel, folder: Path) -> Started:
    """The worker of an owner that lives as long as the tests of this kind: it takes seconds to load."""
    chosen = engines.settings(folder)
    owner = await asyncio.to_thread(KEEPERS[folder].keep, model, chosen)
    async with engines.running(model, chosen) as engine:
        assert engine.pid == owner.pid
        yield engine


@asynccontextmanager
async def remote(model: InstalledModel, folder: Path) -> Started:
    """The worker's own HTTP server, as an upstream on a port."""
    async with (
        engines.running(model, engines.settings(folder)) as behind,
        bridged(behind) as engine,
    ):
        yield engine


KEEPERS: dict[Path, engines.Keeper] = {}
MAKE: dict[str, Callable[[Path], Path]] = {
    "chat": lambda path: tiny.chat(path, layers=32),  # so slow that a test can look at it while it writes
    "embedder": tiny.embedder,
    "reranker": tiny.reranker,
}
SHAPE = encoders.Shape(width=tiny.WIDTH, positions=tiny.CONTEXT_TOKENS)
MAKE_ONNX: dict[str, Callable[[Path], encoders.Made]] = {
    "embedder": lambda path: encoders.encoder(path, shape=SHAPE),
    "reranker": lambda path: encoders.encoder(path, shape=SHAPE, ranks=True),
}
MAKE_SAFETENSORS: dict[str, Callable[[Path], Path]] = {
    "chat": lambda path: folders.chat(path, layers=4),
    "embedder": folders.embedder,
    "reranker": folders.reranker,
}
ENGINES: dict[str, Callable[[InstalledModel, Path], Any]] = {
    "local": local,
    "attached": attached,
    "remote": remote,
    "transformers": attached_to_one_that_stays,
}
ENCODERS: dict[str, Callable[[InstalledModel, Path], Any]] = {"onnx": local, "onnx attached": attached}
encoding = pytest.mark.parametrize("kind", [*ENGINES, *ENCODERS], indirect=True)
"""Tries what concerns engines that don't write too."""
SCHEMA = {
    "type": "object",
    "properties": {"paid": {"type": "boolean"}, "kind": {"enum": ["invoice", "letter"]}},
    "required": ["paid", "kind"],
    "additionalProperties": False,
}


@pytest.fixture(scope="module", params=ENGINES)
def kind(request: pytest.FixtureRequest) -> str:
    if request.param == "transformers":
        folders.needs_transformers()
    return str(request.param)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, kind: str) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("engines")
    KEEPERS[folder] = keeper = engines.Keeper()
    yield folder
    keeper.close()


@pytest.fixture
async def start(kind: str, folder: Path) -> AsyncIterator[Callable[[str], Awaitable[Contracted]]]:
    """Starts an engine of the kind under test on one of the tiny models."""
    async with AsyncExitStack() as stack:

        async def start(what: str) -> Contracted:
            if kind == "transformers":
                model = safetensors_model(what, folder)
            else:
                model = onnx_model(what, folder) if kind in ENCODERS else gguf_model(what, folder)
            return await stack.enter_async_context((ENGINES | ENCODERS)[kind](model, folder))

        yield start


def gguf_model(what: str, folder: Path) -> InstalledModel:
    path = folder / f"{what}.gguf"
    if not path.exists():
        MAKE[what](path)
    return engines.installed(path, f"tiny-{what}")


def onnx_model(what: str, folder: Path) -> InstalledModel:
    if not (folder / what).exists():
        MAKE_ONNX[what](folder / what)
    return engines.installed_folder(folder / what, f"onnx-{what}")


def safetensors_model(what: str, folder: Path) -> InstalledModel:
    if not (folder / what).exists():
        MAKE_SAFETENSORS[what](folder / what)
    return engines.installed_folder(folder / what, f"tiny-{what}")


@pytest.fixture
async def engine(start: Callable[[str], Awaitable[Contracted]]) -> Contracted:
    return await start("chat")


async def chunks_of(engine: Contracted, request: dict[str, Any]) -> list[dict[str, Any]]:
    return [json.loads(chunk) async for chunk in engine.stream(request)]


async def test_a_chat_is_completed(engine: Contracted) -> None:
    reply = await engine.generate(HELLO | {"max_tokens": 12})
    assert reply.text and reply.finish_reason == "length"
    assert reply.usage.completion_tokens == 12 and reply.usage.prompt_tokens > len("Bonjour")
    assert reply.raw["object"] == "chat.completion" and reply.raw["model"] == engine.model


async def test_a_stream_says_the_same_and_its_last_chunk_has_the_usage(engine: Contracted) -> None:
    whole = await engine.generate(HELLO | {"max_tokens": 12})
    chunks = await chunks_of(engine, HELLO | {"max_tokens": 12})
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}
    assert {chunk["model"] for chunk in chunks} == {engine.model}
    said = "".join(choice["delta"].get("content") or "" for chunk in chunks for choice in chunk["choices"])
    assert said == whole.text
    assert chunks[-1]["usage"]["completion_tokens"] == 12 and not any("usage" in chunk for chunk in chunks[:-1])


async def test_a_reply_names_the_build_and_the_files_it_comes_from(engine: Contracted) -> None:
    named = "b0-unknown"  # a server elsewhere says what it likes
    if isinstance(engine, LocalEngine):
        package = {"gguf": "xllamacpp", "safetensors": "transformers"}[engine.installed.format]
        named = f"{package}-{version(package)}-{engine.installed.identity[:12]}"
    said = [json.loads(chunk) async for chunk in engine.stream(HELLO)]
    assert {chunk["system_fingerprint"] for chunk in said} == {named}
    assert (await engine.generate(HELLO)).raw["system_fingerprint"] == named
    tool = {"type": "function", "function": {"name": "pay", "parameters": {"type": "object"}}}
    whole = await engine.generate(HELLO | {"tools": [tool], "logprobs": True, "max_tokens": 4})
    assert whole.raw["system_fingerprint"] == named


async def test_streams_that_follow_one_another_are_each_sent_once(
    engine: Contracted, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = []
    send = aiohttp.ClientSession._request

    async def counted(session: aiohttp.ClientSession, method: str, *args: Any, **options: Any) -> Any:
        sent.append(method)
        return await send(session, method, *args, **options)

    monkeypatch.setattr(aiohttp.ClientSession, "_request", counted)
    for _ in range(3):
        assert await chunks_of(engine, HELLO | {"max_tokens": 3})
    assert sent.count("POST") == 3


async def test_closing_a_stream_frees_its_slot_at_once(engine: Contracted) -> None:
    async with aclosing(engine.stream(LONG)) as chunks:
        await anext(chunks)
        assert await processing(engine) == 1
        assert not isinstance(engine, LocalEngine) or engine.active == 1
    assert not isinstance(engine, LocalEngine) or engine.active == 0
    assert await until(lambda: _idle(engine)) < 0.25


async def test_cancelling_a_reply_frees_its_slot(engine: Contracted) -> None:
    task = asyncio.create_task(engine.generate(LONG))
    await until(lambda: _busy(engine))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await until(lambda: _idle(engine)) < 0.25


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_prompt_that_does_not_fit_is_refused_with_counts(engine: Contracted, streamed: bool) -> None:
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
async def test_a_request_that_can_not_be_is_a_bad_request(engine: Contracted, wrong: dict[str, Any]) -> None:
    with pytest.raises(BadRequest) as error:
        await engine.generate(HELLO | {"max_tokens": 4} | wrong)
    assert "nonsense" not in error.value.message and "b.png" not in error.value.message
    assert (await engine.generate(HELLO | {"max_tokens": 1})).usage.completion_tokens == 1


async def test_a_json_schema_holds_even_for_nonsense(engine: Contracted) -> None:
    form = {"type": "json_schema", "json_schema": {"name": "post", "strict": True, "schema": SCHEMA}}
    reply = await engine.generate(HELLO | {"max_tokens": 200, "response_format": form})
    said = json.loads(reply.text)
    assert set(said) == {"paid", "kind"} and said["kind"] in {"invoice", "letter"}


async def test_tools_reach_the_model(engine: Contracted) -> None:
    tool = {"type": "function", "function": {"name": "look_up_invoice_number", "parameters": SCHEMA}}
    plain = await engine.generate(HELLO | {"max_tokens": 1})
    with_tool = await engine.generate(HELLO | {"max_tokens": 1, "tools": [tool], "tool_choice": "none"})
    assert with_tool.usage.prompt_tokens > plain.usage.prompt_tokens + 20


async def test_several_requests_are_answered_at_once(engine: Contracted) -> None:
    most = 0
    tasks = [asyncio.create_task(engine.generate(HELLO | {"max_tokens": 150, "seed": n})) for n in range(6)]
    while not all(task.done() for task in tasks):
        most = max(most, await processing(engine))
        await asyncio.sleep(0.002)
    assert most == (await engine.health()).slots == 4
    assert [task.result().usage.completion_tokens for task in tasks] == [150] * 6


async def test_a_short_answer_is_not_kept_behind_long_ones(engine: Contracted) -> None:
    for _ in range(5):  # on a busy machine the long ones may be done before the short one is asked for
        async with aclosing(engine.stream(LONG)) as one, aclosing(engine.stream(LONG | {"seed": 2})) as other:
            await asyncio.gather(anext(one), anext(other))
            await engine.generate(HELLO | {"max_tokens": 3})
            if await processing(engine) == 2:
                return
    raise AssertionError("a short answer never came before the end of long ones")


async def test_a_repeated_prompt_comes_from_the_prefix_cache(engine: Contracted) -> None:
    request = {"messages": [{"role": "user", "content": "The sources, first. " * 10}], "max_tokens": 2}
    first = await engine.generate(request)
    again = await engine.generate(request)
    assert again.usage.cached_tokens > 0.9 * first.usage.prompt_tokens


async def test_a_request_can_not_turn_the_engines_own_switches(engine: Contracted) -> None:
    reply = await engine.generate(HELLO | {"max_tokens": 2, "stream": True, "id_slot": 99, "model": "other"})
    assert reply.usage.completion_tokens == 2 and reply.raw["model"] == engine.model


async def test_a_text_is_cut_into_tokens_without_special_ones(engine: Contracted) -> None:
    assert len(await engine.tokenise("abc")) == 3
    assert await engine.tokenise("") == []
    assert await engine.tokenise("ab") + await engine.tokenise("c") == await engine.tokenise("abc")


@encoding
async def test_texts_become_vectors_in_order(start: Callable[[str], Awaitable[Contracted]]) -> None:
    engine = await start("embedder")
    one, two, three = await engine.embed(["facture", "contrat", "facture"])
    assert len(one) == tiny.WIDTH and one == pytest.approx(three, abs=1e-3) and one != pytest.approx(two, abs=1e-3)
    assert await engine.embed([]) == []
    with pytest.raises(ContextOverflow) as error:
        await engine.embed(["a " * 2000])
    assert error.value.details["context_tokens"] == tiny.CONTEXT_TOKENS


@encoding
async def test_texts_are_ranked_in_order(start: Callable[[str], Awaitable[Contracted]]) -> None:
    engine = await start("reranker")
    forward = await engine.rerank("facture", ["facture", "contrat", "bail"])
    backward = await engine.rerank("facture", ["bail", "contrat", "facture"])
    assert forward == pytest.approx(backward[::-1], abs=1e-3) and len(set(forward)) == 3
    assert await engine.rerank("facture", []) == []


async def test_what_a_writer_is_not_made_for_is_refused(engine: Contracted) -> None:
    for refused in (engine.embed(["a"]), engine.rerank("a", ["b"])):
        with pytest.raises(BadRequest):
            await refused


@encoding
async def test_what_an_encoder_is_not_made_for_is_refused(start: Callable[[str], Awaitable[Contracted]]) -> None:
    vectors, scores = await start("embedder"), await start("reranker")
    for refused in (vectors.generate(HELLO), vectors.rerank("a", ["b"]), scores.generate(HELLO)):
        with pytest.raises(BadRequest):
            await refused


@encoding
async def test_an_encoder_cuts_texts_into_tokens(start: Callable[[str], Awaitable[Contracted]]) -> None:
    for engine in (await start("embedder"), await start("reranker")):
        assert len(await engine.tokenise("abc")) == 3
        assert await engine.tokenise("") == []


@encoding
async def test_vectors_of_tokens_and_how_many_were_read(start: Callable[[str], Awaitable[Contracted]]) -> None:
    engine = await start("embedder")
    tokens = await engine.tokenise("facture")
    found = await engine.vectors([tokens, "facture"])
    assert [len(vector) for vector in found.vectors] == [tiny.WIDTH] * 2
    assert 2 * len(tokens) <= found.prompt_tokens <= 2 * len(tokens) + 4


@encoding
async def test_an_encoder_that_is_closed_says_so(start: Callable[[str], Awaitable[Contracted]]) -> None:
    engine = await start("embedder")
    health = await engine.health()
    assert (health.state, health.context_tokens) == ("ready", tiny.CONTEXT_TOKENS)
    await engine.close()
    assert (await engine.health()).state == "stopped"
    with pytest.raises(EngineDied):
        await engine.embed(["a"])


async def test_health_says_what_it_can_do(engine: Contracted) -> None:
    health = await engine.health()
    assert (health.state, health.context_tokens, health.slots) == ("ready", tiny.CONTEXT_TOKENS, 4)


async def test_a_closed_engine_says_so(engine: Contracted) -> None:
    await engine.close()
    assert (await engine.health()).state == "stopped"
    with pytest.raises(EngineDied):
        await engine.generate(HELLO)


async def _idle(engine: Contracted) -> bool:
    return await processing(engine) == 0


async def _busy(engine: Contracted) -> bool:
    return await processing(engine) == 1
