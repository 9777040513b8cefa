"""The small server of engines that bring none: what it answers, and that a bad request ends nothing but itself."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson
import pytest

from intramuros.engines.openai_http import OpenAIHttp
from intramuros.engines.worker import http
from intramuros.engines.worker.encoder import batches
from intramuros.engines.worker.http import Call, Gone, Refused, Server
from intramuros.errors import BadRequest, ContextOverflow, EngineError
from intramuros.privacy.egress import Egress


class Routes:
    """What a module that runs models would answer."""

    def __init__(self) -> None:
        self.left = threading.Event()
        self.began = threading.Event()

    def echo(self, call: Call) -> dict[str, Any]:
        return dict(call.body)

    def refuse(self, call: Call) -> dict[str, Any]:
        raise Refused(400, "exceed_context_size_error", "too long", n_prompt_tokens=9, n_ctx=8)

    def fail(self, call: Call) -> dict[str, Any]:
        raise ValueError(f"with the text {call.body}")

    def wait(self, call: Call) -> dict[str, Any]:
        self.began.set()
        try:
            while True:
                call.check()
                self.left.wait(0.01)
        except Gone:
            self.left.set()
            raise

    def stream(self, call: Call) -> Iterator[bytes]:
        for number in range(3):
            yield b"data: " + orjson.dumps({"number": number}) + b"\n\n"
        if call.body.get("fails") == "unforeseen":
            raise ValueError(f"with the text {call.body}")
        if call.body.get("fails"):
            raise Refused(500, "server_error", "half way")
        yield b"data: [DONE]\n\n"


@pytest.fixture
def routes() -> Routes:
    return Routes()


@pytest.fixture
def path(tmp_path: Path, routes: Routes) -> Path:
    given = {f"POST /{name}": getattr(routes, name) for name in ("echo", "refuse", "fail", "wait")}
    given["POST /v1/chat/completions"] = routes.stream
    Server(tmp_path / "s", given).start()
    return tmp_path / "s"


@pytest.fixture
async def client(path: Path) -> AsyncIterator[OpenAIHttp]:
    made = OpenAIHttp(Egress().unix(path), model="m")
    yield made
    await made.close()


def talked(path: Path, said: bytes) -> bytes:
    """What comes back on a connection of its own."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as mine:
        mine.settimeout(5)
        mine.connect(str(path))
        mine.sendall(said)
        mine.shutdown(socket.SHUT_WR)
        found = b""
        with suppress(ConnectionResetError):
            while block := mine.recv(65536):
                found += block
        return found


async def test_it_answers_one_after_the_other_and_many_at_once(client: OpenAIHttp) -> None:
    for number in range(3):
        assert await client.post("/echo", {"number": number}) == {"number": number}
    bodies = [{"text": "é" * 10_000, "number": number} for number in range(40)]
    assert await asyncio.gather(*(client.post("/echo", body) for body in bodies)) == bodies


async def test_refusals_arrive_as_what_they_are(client: OpenAIHttp) -> None:
    with pytest.raises(ContextOverflow) as error:
        await client.post("/refuse", {})
    assert error.value.details == {"prompt_tokens": 9, "context_tokens": 8}
    with pytest.raises(BadRequest):
        await client.post("/nowhere", {})
    assert await client.post("/echo", {"still": "there"}) == {"still": "there"}


async def test_what_fails_says_nothing_of_the_request(client: OpenAIHttp, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(EngineError) as error:
        await client.post("/fail", {"secret": "Dupont"})
    assert "Dupont" not in str(error.value) and "Dupont" not in "".join(capfd.readouterr())


async def test_who_leaves_is_noticed(client: OpenAIHttp, routes: Routes) -> None:
    asked = asyncio.create_task(client.post("/wait", {}))
    await asyncio.to_thread(routes.began.wait, 5)
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    assert await asyncio.to_thread(routes.left.wait, 5)


async def test_events_come_as_they_are_made(client: OpenAIHttp) -> None:
    assert [orjson.loads(chunk)["number"] async for chunk in client.stream({"messages": []})] == [0, 1, 2]
    with pytest.raises(EngineError):
        assert [chunk async for chunk in client.stream({"messages": [], "fails": True})]


def test_what_nobody_foresaw_is_the_last_event(path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    body = b'{"fails": "unforeseen", "secret": "Dupont"}'
    said = talked(path, b"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
    assert said.count(b"HTTP/1.1") == 1 and b"server_error" in said.split(b"\n\n")[-2]
    assert b"Dupont" not in said and "Dupont" not in "".join(capfd.readouterr())


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"nonsense\r\n\r\n",
        b"POST /echo HTTP/1.1\r\nContent-Length: many\r\n\r\n",
        b"POST /echo HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST /echo HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n",
        b"POST /echo HTTP/1.1\r\nContent-Length: 10\r\n\r\n{}",
        b"POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        b"POST /echo HTTP/1.1\r\nX: " + b"x" * (http.HEAD_BYTES + 1) + b"\r\n\r\n",
    ],
)
def test_what_is_no_request_ends_its_own_connection(path: Path, said: bytes) -> None:
    assert talked(path, said) == b""
    assert talked(path, b"POST /echo HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}").endswith(b"\r\n\r\n{}")


@pytest.mark.parametrize("body", [b"{", b"[1]", b"\xff\xfe"])
def test_a_body_that_is_no_object_is_refused(path: Path, body: bytes) -> None:
    answer = talked(path, b"POST /echo HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    assert answer.startswith(b"HTTP/1.1 400 ") and b"invalid_request_error" in answer


def test_places_are_given_back(path: Path) -> None:
    for _ in range(http.MOST_CONNECTIONS + 10):
        assert talked(path, b"POST /echo HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}").endswith(b"{}")


@pytest.mark.parametrize("most", [1, 16, 100])
def test_batches_hold_every_text_once_and_no_more_tokens_than_allowed(most: int) -> None:
    lengths = [3, 16, 1, 1, 9, 16, 2, 8, 15, 1]
    made = list(batches(lengths, most))
    assert sorted(place for batch in made for place in batch) == list(range(len(lengths)))
    for batch in made:
        assert len(batch) == 1 or len(batch) * max(lengths[place] for place in batch) <= most
    assert list(batches([], most)) == []
