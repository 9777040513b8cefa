"""The HTTP dialect against answers as they come off a socket, cut anywhere."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intramuros.engines import openai_http
from intramuros.engines.openai_http import OpenAIHttp, error_from
from intramuros.errors import BadRequest, ContextOverflow, EngineDied, EngineError

EVENTS = (
    b'data: {"choices":[{"delta":{"content":"un"}}]}\n\n'
    b": ping\n\n"
    b'data: {"choices":[{"delta":{"content":" \\n\\n deux"}}]}\n\n'
    b'data: {"choices":[],"usage":{"prompt_tokens":3}}\n\n'
    b"data: [DONE]\n\n"
)
CHUNKS = [b'{"choices":[{"delta":{"content":"un"}}]}', b'{"choices":[{"delta":{"content":" \\n\\n deux"}}]}']
CHUNKS += [b'{"choices":[],"usage":{"prompt_tokens":3}}']


class Answer:
    """An answer that comes in pieces; a piece that is an exception breaks it off."""

    def __init__(self, *pieces: bytes | Exception, status: int = 200) -> None:
        self.pieces, self.status, self.is_closed = list(pieces), status, False
        self.session: Session | None = None

    @property
    def content(self) -> Answer:
        return self

    async def readany(self) -> bytes:
        piece = self.pieces.pop(0) if self.pieces else b""
        if isinstance(piece, Exception):
            raise piece
        return piece

    async def read(self) -> bytes:
        return b"".join([piece async for piece in self._rest()])

    async def _rest(self) -> AsyncIterator[bytes]:
        while piece := await self.readany():
            yield piece

    def close(self) -> None:
        self.is_closed = True
        if self.session is not None:
            self.session.at_once -= 1


class Session:
    """Gives the answers it was told to give, and keeps what was asked."""

    def __init__(self, *answers: Answer | Exception) -> None:
        self.answers, self.asked, self.at_once, self.most = list(answers), list[dict[str, Any]](), 0, 0

    async def post(self, url: str, *, data: bytes, headers: Mapping[str, str]) -> Answer:
        self.asked.append(json.loads(data))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        await asyncio.sleep(0)
        answer.session = self
        return answer

    async def get(self, url: str) -> Answer:
        return await self.post(url, data=b"{}", headers={})

    async def close(self) -> None:
        return None


def client(*answers: Answer | Exception) -> OpenAIHttp:
    return OpenAIHttp(Session(*answers), model="a-model")


@given(cuts=st.lists(st.integers(1, len(EVENTS) - 1), unique=True).map(sorted))
@settings(max_examples=60)
def test_a_stream_is_the_same_wherever_it_is_cut(cuts: list[int]) -> None:
    borders = [0, *cuts, len(EVENTS)]
    pieces = [EVENTS[start:end] for start, end in pairwise(borders)]

    async def read() -> list[bytes]:
        return [chunk async for chunk in client(Answer(*pieces)).stream({"messages": []})]

    assert asyncio.run(read()) == CHUNKS


async def test_a_stream_that_ends_early_is_a_dead_engine() -> None:
    for ending in ([], [ConnectionResetError()], [b'data: {"half']):
        answer = Answer(EVENTS[:60], *ending)
        with pytest.raises(EngineDied):
            [chunk async for chunk in client(answer).stream({"messages": []})]
        assert answer.is_closed


async def test_a_stream_that_is_left_closes_its_connection() -> None:
    answer = Answer(EVENTS)
    async with aclosing(client(answer).stream({"messages": []})) as chunks:
        await anext(chunks)
        assert not answer.is_closed
    assert answer.is_closed


async def test_an_error_inside_a_stream_is_raised() -> None:
    said = b'data: {"error":{"code":400,"message":"x","type":"exceed_context_size_error","n_prompt_tokens":9,"n_ctx":8}}\n\n'
    with pytest.raises(ContextOverflow) as error:
        [chunk async for chunk in client(Answer(EVENTS.split(b": ping")[0], said)).stream({"messages": []})]
    assert error.value.details == {"prompt_tokens": 9, "context_tokens": 8}


async def test_the_engines_switches_stay_out_of_requests() -> None:
    http = client(Answer(EVENTS))
    async for _ in http.stream({"messages": [], "id_slot": 3, "cache_prompt": False, "stream": False, "top_k": 4}):
        pass
    assert http.session.asked == [  # type: ignore[attr-defined]
        {"messages": [], "top_k": 4, "model": "a-model", "stream": True, "stream_options": {"include_usage": True}}
    ]


async def test_only_so_many_requests_reach_the_engine_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openai_http, "MOST_REQUESTS", 3)
    http = client(*(Answer(b'{"tokens":[1]}') for _ in range(20)))
    await asyncio.gather(*(http.tokenise("a") for _ in range(20)))
    assert http.session.most == 3  # type: ignore[attr-defined]


async def test_a_connection_that_had_rested_too_long_is_replaced_once() -> None:
    assert await client(ConnectionResetError(), Answer(b'{"tokens":[7]}')).tokenise("a") == [7]
    http = client(ConnectionResetError(), ConnectionResetError(), Answer(b'{"tokens":[7]}'))
    with pytest.raises(EngineDied):
        await http.tokenise("a")


def failure(status: int, kind: str, message: str, **more: Any) -> bytes:
    return json.dumps({"error": {"code": status, "message": message, "type": kind, **more}}).encode()


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (400, failure(400, "exceed_context_size_error", "long", n_prompt_tokens=9, n_ctx=8), ContextOverflow),
        (500, failure(500, "server_error", "input (900 tokens) is too large to process (512)"), ContextOverflow),
        (400, failure(400, "invalid_request_error", "JSON schema error at #: secret"), BadRequest),
        (500, failure(500, "server_error", "image input is not supported - secret"), BadRequest),
        (500, failure(500, "server_error", "a secret went wrong"), EngineError),
        (502, b"<html>secret</html>", EngineError),
        (500, b'{"error": "secret"}', EngineError),
    ],
)
def test_errors_are_ours_and_quote_nothing(status: int, body: bytes, expected: type[Exception]) -> None:
    error = error_from(status, body)
    assert type(error) is expected
    assert "secret" not in f"{error.message} {error.hint} {error.details}"


def test_an_overflow_has_its_counts_also_where_the_engine_hides_them_in_words() -> None:
    error = error_from(500, failure(500, "server_error", "input (900 tokens) is too large to process. (size: 512)"))
    assert error.details == {"prompt_tokens": 900, "context_tokens": 512}


def test_a_field_that_is_not_supported_is_named_if_it_is_one() -> None:
    refused = failure(400, "not_supported_error", "typical_p is not supported")
    assert error_from(400, refused).message == "The engine does not support 'typical_p' with this model."
    secret = failure(400, "not_supported_error", "a secret is not supported")
    assert "secret" not in error_from(400, secret).message


@pytest.mark.parametrize(("kind", "expected"), [("word", "FIN"), ("eos", None)])
async def test_the_text_that_ended_an_answer_is_said_and_nothing_else_of_what_the_engine_knows(
    kind: str, expected: str | None
) -> None:
    verbose = {"stop_type": kind, "stopping_word": "FIN" if kind == "word" else "", "prompt": "a secret"}
    last = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "__verbose": verbose}
    quoted = {"choices": [{"index": 0, "delta": {"content": '"__verbose":'}}]}
    http = client(
        Answer(*(b"data: " + json.dumps(one).encode() + b"\n\n" for one in (quoted, last)), b"data: [DONE]\n\n")
    )
    chunks = [json.loads(chunk) async for chunk in http.stream({"messages": [], "stop": ["FIN"]})]
    assert http.session.asked[0]["verbose"] is True  # type: ignore[attr-defined]
    assert chunks[0] == quoted and "secret" not in str(chunks) and "__verbose" not in chunks[1]
    assert chunks[1]["choices"][0].get("stop_reason") == expected


async def test_a_prompt_is_counted_as_it_would_be_read() -> None:
    http = client(Answer(b'{"input_tokens":35,"object":"response.input_tokens"}'))
    assert await http.prompt_tokens({"messages": [], "tools": [], "id_slot": 3}) == 35
    assert http.session.asked == [{"messages": [], "tools": [], "model": "a-model"}]  # type: ignore[attr-defined]


async def test_the_build_is_named_and_what_a_model_writes_of_it_stays() -> None:
    text = '"system_fingerprint":"b0-unknown"'
    chunk = {"choices": [{"index": 0, "delta": {"content": text}}], "system_fingerprint": "b0-unknown"}
    event = b"data: " + json.dumps(chunk, separators=(",", ":")).encode() + b"\n\n"
    server = OpenAIHttp(Session(Answer(event + b"data: [DONE]\n\n")), model="a-model", fingerprint="engine-1.2-abc")
    (got,) = [json.loads(one) async for one in server.stream({"messages": []})]
    assert got == chunk | {"system_fingerprint": "engine-1.2-abc"}
