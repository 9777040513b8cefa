"""The remote engine against a server that does all that servers elsewhere do wrong, over a real socket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import pytest

from intramuros.engines import remote
from intramuros.engines.remote import RemoteEngine
from intramuros.engines.upstream import Upstream, Waits
from intramuros.errors import BadRequest, ContextOverflow, EngineError, IntramurosError, UpstreamFailed, UpstreamTimeout
from tests.support.upstream_server import Call, UpstreamServer, answers, chunk, says, upstream_server, whole

ASK = {"messages": [{"role": "user", "content": "Bonjour"}]}
PATIENT = Waits(connect_s=20, first_token_s=20, between_s=20, whole_s=60)
IMPATIENT = Waits(connect_s=1, first_token_s=0.3, between_s=0.3, whole_s=2)


@pytest.fixture
async def server() -> AsyncIterator[UpstreamServer]:
    async with upstream_server() as server:
        yield server


@pytest.fixture
async def engine(server: UpstreamServer) -> AsyncIterator[RemoteEngine]:
    upstream = Upstream("there", server.url, is_outside=False, key="sk-secret", waits=PATIENT)
    engine = RemoteEngine(upstream, "big")
    yield engine
    await engine.close()


async def error_of(engine: RemoteEngine, *, streamed: bool = True) -> IntramurosError:
    with pytest.raises(IntramurosError) as raised:
        if streamed:
            [chunk async for chunk in engine.stream(ASK)]
        else:
            await engine.generate(ASK)
    return raised.value


async def test_a_chat_is_completed_with_the_key_and_the_models_name(
    server: UpstreamServer, engine: RemoteEngine
) -> None:
    reply = await engine.generate(ASK | {"temperature": 0, "cache_prompt": True})
    assert (reply.text, reply.finish_reason, reply.usage.completion_tokens) == ("Bonjour monde", "stop", 3)
    (call,) = server.calls
    assert call.headers["authorization"] == "Bearer sk-secret" and call.path == "/v1/chat/completions"
    assert call.body["model"] == "big" and call.body["stream"] is True and "cache_prompt" not in call.body


async def test_a_short_answer_is_asked_for_whole_and_is_the_same(server: UpstreamServer, engine: RemoteEngine) -> None:
    streamed = await engine.generate(ASK)
    for limit in ({"max_tokens": 20}, {"max_completion_tokens": 20}):
        reply = await engine.generate(ASK | limit)
        assert "stream" not in server.calls[-1].body and server.calls[-1].body | limit == server.calls[-1].body
        assert (reply.text, reply.finish_reason, reply.usage) == (streamed.text, "stop", streamed.usage)
        assert reply.raw["choices"][0]["message"]["content"] == "Bonjour monde"
        assert reply.raw["object"] == "chat.completion"
    server.behave = says("Bonjour")
    for longer in ({"max_tokens": 21}, {"max_tokens": 20, "n": 2}, {}):
        await engine.generate(ASK | longer)
        assert server.calls[-1].body["stream"] is True, "whoever hangs would be noticed too late"


async def test_a_short_answer_may_be_calls(server: UpstreamServer, engine: RemoteEngine) -> None:
    calls = [{"id": f"call_{name}", "type": "function", "function": {"name": name, "arguments": "{}"}} for name in "ab"]
    server.behave = answers(
        whole("a", message={"role": "assistant", "content": None, "tool_calls": calls}, finish_reason="tool_calls")
    )
    reply = await engine.generate(ASK | {"max_tokens": 9})
    assert reply.raw["choices"][0]["message"]["tool_calls"] == calls and reply.finish_reason == "tool_calls"


@pytest.mark.parametrize(
    "answer",
    [
        "Bonjour",
        [],
        {},
        {"choices": {}},
        {"choices": []},
        {"choices": ["a"]},
        whole("a", index=10**9),
        whole("a", message={"content": ["a"]}),
        whole("a", message="a"),
        whole("a", message={"tool_calls": [7]}),
        whole("a", message={"tool_calls": [{"function": {"name": 7}}]}),
        whole("a") | {"usage": {"prompt_tokens": "many"}},
    ],
    ids=lambda answer: json.dumps(answer)[:60],
)
async def test_nonsense_instead_of_a_short_answer_is_an_error(
    server: UpstreamServer, engine: RemoteEngine, answer: object
) -> None:
    server.behave = answers(answer)
    with pytest.raises(UpstreamFailed) as raised:
        await engine.generate(ASK | {"max_tokens": 9})
    assert raised.value.code == "upstream_nonsense"


async def breaks_off_inside_a_short_answer(call: Call) -> None:
    await call.head(200, "application/json", Content_Length="1000")
    await call.write(b'{"choices":[{"index":0,"message":{"content":"Bon')


async def hangs_inside_a_short_answer(call: Call) -> None:
    await breaks_off_inside_a_short_answer(call)
    await asyncio.sleep(30)


async def drips_a_short_answer(call: Call) -> None:
    await call.head(200, "application/json", Content_Length="1000")
    for _ in range(1000):
        await call.write(b" ")
        await asyncio.sleep(0.05)


async def test_half_a_short_answer_is_an_error(server: UpstreamServer, engine: RemoteEngine) -> None:
    server.behave = breaks_off_inside_a_short_answer
    with pytest.raises(UpstreamFailed) as raised:
        await engine.generate(ASK | {"max_tokens": 9})
    assert raised.value.code == "upstream_unreachable" and len(server.calls) == 1


async def test_an_error_in_place_of_a_short_answer_is_raised(server: UpstreamServer, engine: RemoteEngine) -> None:
    server.behave = answers({"error": {"message": "Bonjour to you", "code": 500}})
    with pytest.raises(EngineError) as raised:
        await engine.generate(ASK | {"max_tokens": 9})
    assert "Bonjour" not in raised.value.message and "upstream there" in raised.value.message


async def test_chunks_pass_as_they_came_however_the_lines_end(server: UpstreamServer, engine: RemoteEngine) -> None:
    said = b'{"id":"1",  "object":"chat.completion.chunk","model":"big","choices":[{"index":0,"delta":{"content":"\xc3\xa9"}}]}'

    async def behave(call: Call) -> None:
        await call.head()
        for piece in (b": hello\r\n\r\nda", b"ta:" + said + b"\r", b"\nid: 7\r\n\r\n", b"data: [DONE]\r\n\r\n"):
            await call.write(piece)
            await asyncio.sleep(0.01)

    server.behave = behave
    assert [chunk async for chunk in engine.stream(ASK)] == [said]


async def hangs(call: Call) -> None:
    await asyncio.sleep(30)


async def hangs_after_its_head(call: Call) -> None:
    await call.head()
    await asyncio.sleep(30)


async def drips(call: Call) -> None:
    await call.head()
    for byte in b"data: " + json.dumps(chunk({"content": "slow"})).encode() * 9:
        await call.write(bytes([byte]))
        await asyncio.sleep(0.05)


async def only_says_that_it_lives(call: Call) -> None:
    await call.head()
    for _ in range(40):
        await call.write(b": still thinking\n\n")
        await asyncio.sleep(0.05)


async def goes_silent(call: Call) -> None:
    await call.head()
    await call.say("Bon")
    await asyncio.sleep(30)


async def never_ends(call: Call) -> None:
    await call.head()
    while True:
        await call.say("x")
        await asyncio.sleep(0.1)


@pytest.mark.parametrize(
    "behave",
    [hangs, hangs_after_its_head, drips, only_says_that_it_lives, goes_silent, never_ends],
    ids=lambda f: f.__name__,
)
async def test_every_wait_has_an_end(server: UpstreamServer, behave: object) -> None:
    server.behave = behave  # type: ignore[assignment]
    engine = RemoteEngine(Upstream("there", server.url, is_outside=False, waits=IMPATIENT), "big")
    try:
        error = await asyncio.wait_for(error_of(engine), 20)
        assert isinstance(error, UpstreamTimeout) and "there" in error.message
    finally:
        await engine.close()


@pytest.mark.parametrize(
    "behave", [hangs, hangs_after_its_head, hangs_inside_a_short_answer, drips_a_short_answer], ids=lambda f: f.__name__
)
async def test_every_wait_for_a_short_answer_has_an_end(server: UpstreamServer, behave: object) -> None:
    server.behave = behave  # type: ignore[assignment]
    waits = replace(IMPATIENT, first_token_s=1)
    engine = RemoteEngine(Upstream("there", server.url, is_outside=False, waits=waits), "big")
    try:
        with pytest.raises(UpstreamTimeout):
            await asyncio.wait_for(engine.generate(ASK | {"max_tokens": 1}), 20)
        assert "stream" not in server.calls[0].body
    finally:
        await engine.close()


async def closes_at_once(call: Call) -> None:
    call.writer.close()


async def closes_early(call: Call) -> None:
    await call.head()
    await call.say("Bon")


async def closes_inside_an_event(call: Call) -> None:
    await call.head()
    await call.say("Bon")
    await call.write(b'data: {"choices":[{"index":0,"del')


async def only_says_done(call: Call) -> None:
    await call.head()
    await call.event(b"[DONE]")


async def lies_about_its_length(call: Call) -> None:
    await call.head(Content_Length="100000")
    await call.say("Bon")


async def says_it_is_shorter(call: Call) -> None:
    await call.head(Content_Length="20")
    await call.say("Bon")
    await call.event(b"[DONE]")


@pytest.mark.parametrize("streamed", [True, False])
@pytest.mark.parametrize(
    "behave",
    [closes_at_once, closes_early, closes_inside_an_event, only_says_done, lies_about_its_length, says_it_is_shorter],
    ids=lambda f: f.__name__,
)
async def test_half_an_answer_is_an_error(
    server: UpstreamServer, engine: RemoteEngine, behave: object, streamed: bool
) -> None:
    server.behave = behave  # type: ignore[assignment]
    error = await error_of(engine, streamed=streamed)
    assert isinstance(error, UpstreamFailed) and error.code in {"upstream_cut_off", "upstream_unreachable"}
    assert len(server.calls) == 1, "asked once: trying again is the router's"


@pytest.mark.parametrize(
    "event",
    [
        b"not json",
        b"[]",
        b'{"choices":{}}',
        b'{"choices":[{"delta":{}}]}',
        b'{"choices":[{"index":1000000000,"delta":{"content":"a"}}]}',
        b'{"choices":[{"index":0,"delta":{"content":["a"]}}]}',
        b'{"choices":[{"index":0,"delta":{"tool_calls":[{"index":1000000000,"function":{"arguments":"{}"}}]}}]}',
        b'{"choices":[{"index":0,"delta":{"tool_calls":[{"index":-1}]}}]}',
        b'{"choices":[{"index":true,"delta":{}}]}',
        b'{"choices":[],"usage":{"prompt_tokens":"many"}}',
    ],
)
async def test_nonsense_is_an_error_and_fills_no_memory(
    server: UpstreamServer, engine: RemoteEngine, event: bytes
) -> None:
    async def behave(call: Call) -> None:
        await call.head()
        await call.event(event)
        await call.event(b"[DONE]")

    server.behave = behave
    for streamed in (True, False):
        error = await error_of(engine, streamed=streamed)
        assert isinstance(error, UpstreamFailed) and error.code == "upstream_nonsense"


async def test_an_event_without_an_end_is_given_up(server: UpstreamServer, engine: RemoteEngine) -> None:
    async def behave(call: Call) -> None:
        await call.head()
        while True:
            await call.write(b"x" * 65536)

    server.behave = behave
    assert (await error_of(engine)).code == "upstream_nonsense"


async def test_an_answer_that_is_too_long_is_given_up(
    server: UpstreamServer, engine: RemoteEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "MOST_BYTES", 2000)
    server.behave = says(*["word"] * 100)
    assert (await error_of(engine)).code == "upstream_nonsense"
    server.behave = answers({"data": [{"index": 0, "embedding": [0.5] * 1000}]})
    with pytest.raises(UpstreamFailed):
        await engine.embed(["a"])


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (500, "upstream_failed", UpstreamFailed),
        (503, "upstream_failed", UpstreamFailed),
        (401, "upstream_refuses_key", UpstreamFailed),
        (403, "upstream_refuses_key", UpstreamFailed),
        (404, "upstream_lacks_model", UpstreamFailed),
        (429, "upstream_busy", UpstreamFailed),
        (302, "upstream_redirects", UpstreamFailed),
        (201, "upstream_failed", UpstreamFailed),
        (504, "upstream_timeout", UpstreamTimeout),
        (400, "bad_request", BadRequest),
        (422, "bad_request", BadRequest),
    ],
)
async def test_a_status_says_what_failed_and_repeats_nothing_of_it(
    server: UpstreamServer, engine: RemoteEngine, status: int, code: str, kind: type[IntramurosError]
) -> None:
    server.behave = answers(
        {"error": {"message": "the prompt 'Bonjour' is odd; your key sk-secret", "type": "x"}}, status
    )
    error = await error_of(engine)
    assert type(error) is kind and error.code == code
    assert "Bonjour" not in error.message and "sk-secret" not in error.message
    assert "upstream there" in error.message


async def test_a_redirect_is_not_followed_and_takes_no_key_with_it(
    server: UpstreamServer, engine: RemoteEngine
) -> None:
    async with upstream_server() as other:

        async def behave(call: Call) -> None:
            await call.head(307, Location=f"{other.url}/chat/completions", Content_Length="0")

        server.behave = behave
        assert isinstance(await error_of(engine), UpstreamFailed)
        assert other.calls == []


@pytest.mark.parametrize(
    "error",
    [
        {"message": "This model's maximum context length is 4096 tokens. However, you requested 5000.", "code": 400},
        {"message": "too long", "code": "context_length_exceeded", "type": "invalid_request_error"},
        {"message": "x", "type": "exceed_context_size_error", "n_prompt_tokens": 9, "n_ctx": 8},
    ],
    ids=["vllm", "openai", "llama.cpp"],
)
async def test_an_overflow_is_known_in_every_dialect(
    server: UpstreamServer, engine: RemoteEngine, error: object
) -> None:
    server.behave = answers({"error": error}, 400)
    assert isinstance(await error_of(engine), ContextOverflow)


async def test_an_error_inside_a_stream_is_raised(server: UpstreamServer, engine: RemoteEngine) -> None:
    async def behave(call: Call) -> None:
        await call.head()
        await call.say("Bon")
        await call.event({"error": {"message": "Bonjour to you", "code": 500}})

    server.behave = behave
    error = await error_of(engine)
    assert isinstance(error, EngineError) and "Bonjour" not in error.message
    assert "upstream there" in error.message


async def test_no_other_host_is_reached(server: UpstreamServer) -> None:
    engine = RemoteEngine(Upstream("there", "http://127.0.0.1:1/v1", is_outside=False, waits=PATIENT), "big")
    object.__setattr__(engine, "upstream", replace(engine.upstream, url=server.url))
    try:
        error = await error_of(engine)
        assert error.code == "upstream_not_allowed" and server.calls == []
    finally:
        await engine.close()


async def test_nobody_there_is_said(engine: RemoteEngine) -> None:
    lost = RemoteEngine(Upstream("there", "http://127.0.0.1:1/v1", is_outside=False, waits=PATIENT), "big")
    assert (await error_of(lost)).code == "upstream_unreachable"
    assert (await lost.health()).state == "failed"
    await lost.close()


async def test_closing_a_stream_closes_the_connection(server: UpstreamServer, engine: RemoteEngine) -> None:
    gone = asyncio.Event()

    async def behave(call: Call) -> None:
        await call.head()
        try:
            while True:
                await call.say("x" * 1000)
                await asyncio.sleep(0.005)
        finally:
            gone.set()

    server.behave = behave
    async with aclosing(engine.stream(ASK)) as chunks:
        await anext(chunks)
    await asyncio.wait_for(gone.wait(), 2)


async def test_vectors_and_scores_and_their_nonsense(server: UpstreamServer, engine: RemoteEngine) -> None:
    server.behave = answers({"data": [{"index": 1, "embedding": [2.0]}, {"index": 0, "embedding": [1.0]}]})
    assert await engine.embed(["a", "b"]) == [[1.0], [2.0]]
    assert server.calls[0].body == {"input": ["a", "b"], "encoding_format": "float", "model": "big"}
    server.behave = answers({"results": [{"index": 0, "relevance_score": 0.5}]})
    assert await engine.rerank("q", ["a"]) == [0.5]
    nonsense: Any
    for nonsense in ({}, {"data": []}, {"data": [{"index": 9}]}, [], {"results": [{"index": 7, "relevance_score": 1}]}):
        server.behave = answers(nonsense)
        for asked in (engine.embed(["a"]), engine.rerank("q", ["a"]), engine.tokenise("a")):
            with pytest.raises(UpstreamFailed):
                await asked


async def test_health_asks_for_the_models(server: UpstreamServer, engine: RemoteEngine) -> None:
    health = await engine.health()
    assert (health.state, health.context_tokens) == ("ready", 4096)
    server.models = ["other"]
    assert (await engine.health()).state == "failed"
