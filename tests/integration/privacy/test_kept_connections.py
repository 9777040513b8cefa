"""Connections that serve several requests, against servers that end them whenever they like."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest

from intramuros.engines.remote import RemoteEngine
from intramuros.engines.upstream import Upstream, Waits
from intramuros.errors import UpstreamFailed
from intramuros.privacy import kept_connections
from tests.support.upstream_server import USAGE, chunk, whole

ASK = {"messages": [{"role": "user", "content": "Bonjour"}]}
PATIENT = Waits(connect_s=20, first_token_s=20, between_s=20, whole_s=60)
Answer = Callable[["Keeping", asyncio.StreamWriter, int], Awaitable[bool]]


class Keeping:
    """A server that keeps its connections as long as `answer`, told how many it had on this one, returns true."""

    def __init__(self, answer: Answer) -> None:
        self.answer, self.connections, self.asked, self.port = answer, 0, 0, 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            keeps, number = True, 0
            while keeps:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                await reader.readexactly(int(head.split(b"content-length: ")[1].split(b"\r\n")[0]))
                self.asked, number = self.asked + 1, number + 1
                keeps = await self.answer(self, writer, number)
        writer.close()


@asynccontextmanager
async def keeping(answer: Answer) -> AsyncIterator[tuple[Keeping, RemoteEngine]]:
    server = Keeping(answer)
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/v1"
    engine = RemoteEngine(Upstream("there", url, is_outside=False, waits=PATIENT), "big")
    try:
        yield server, engine
    finally:
        await engine.close()
        listening.close()


async def say(writer: asyncio.StreamWriter, *, ends: bool = True) -> None:
    """One streamed answer, each event in a chunk of its own, and the promise that the connection stays."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
    for data in (chunk({"content": "oui"}, finish="stop"), chunk({}, choices=[], usage=USAGE), "[DONE]"):
        event = f"data: {data if isinstance(data, str) else json.dumps(data)}\n\n".encode()
        writer.write(b"%x\r\n%b\r\n" % (len(event), event))
        await writer.drain()
    if ends:
        writer.write(b"0\r\n\r\n")
        await writer.drain()


async def answers(_: Keeping, writer: asyncio.StreamWriter, number: int) -> bool:
    await say(writer)
    return True


async def answers_one(_: Keeping, writer: asyncio.StreamWriter, number: int) -> bool:
    await say(writer)
    return False


async def reads_the_second_and_leaves(_: Keeping, writer: asyncio.StreamWriter, number: int) -> bool:
    if number == 1:
        await say(writer)
    return number == 1


async def test_one_connection_serves_answers_and_streams() -> None:
    async with keeping(answers) as (server, engine):
        for _ in range(3):
            assert (await engine.generate(ASK)).text == "oui"
            assert len([data async for data in engine.stream(ASK)]) == 2
        assert (server.asked, server.connections) == (6, 1)


async def test_who_ends_each_connection_though_it_promised_to_keep_it_is_asked_once_each_time() -> None:
    async with keeping(answers_one) as (server, engine):
        for _ in range(20):
            assert (await engine.generate(ASK)).text == "oui"
        assert server.asked == 20


async def test_a_connection_that_has_ended_unnoticed_is_not_written_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_connections, "RACE_S", 0.0)  # nothing is sent again
    ended = threading.Event()
    answer = json.dumps(whole("oui")).encode()

    def serve(listening: socket.socket) -> None:
        for _ in range(2):
            connection, _ = listening.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(answer), answer))
            ended.set()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        serving = threading.Thread(target=serve, args=(listening,), daemon=True)
        serving.start()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/v1"
        engine = RemoteEngine(Upstream("there", url, is_outside=False, waits=PATIENT), "big")
        assert (await engine.generate(ASK | {"max_tokens": 9})).text == "oui"
        ended.wait(20)  # the event loop stands still meanwhile, so that it can't see the end
        assert (await engine.generate(ASK | {"max_tokens": 9})).text == "oui"
        await engine.close()
        serving.join(20)


async def test_what_comes_unasked_is_nobodys_answer() -> None:
    resting, came = asyncio.Event(), asyncio.Event()

    async def says_too_much(_: Keeping, writer: asyncio.StreamWriter, number: int) -> bool:
        await say(writer)
        if not came.is_set():
            await resting.wait()
            body = json.dumps(whole("stray")).encode()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
            await writer.drain()
            came.set()
        return True

    async with keeping(says_too_much) as (server, engine):
        assert (await engine.generate(ASK)).text == "oui"
        resting.set()
        await came.wait()
        await asyncio.sleep(0.1)  # it has been read from the socket
        assert [(await engine.generate(ASK)).text for _ in range(3)] == ["oui"] * 3
        assert server.connections > 1


async def test_an_answer_whose_head_was_cut_off_is_not_asked_for_again() -> None:
    async def begins(server: Keeping, writer: asyncio.StreamWriter, number: int) -> bool:
        if number == 1:
            await say(writer)
        else:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Ty")
            await writer.drain()
        return number == 1

    async with keeping(begins) as (server, engine):
        await engine.generate(ASK)
        with pytest.raises(UpstreamFailed):
            await engine.generate(ASK)
        assert server.asked == 2


async def test_what_met_the_end_of_a_connection_goes_over_a_new_one() -> None:
    async with keeping(reads_the_second_and_leaves) as (server, engine):
        assert [(await engine.generate(ASK)).text for _ in range(4)] == ["oui"] * 4
        assert (server.asked, server.connections) == (5, 4), "once again, then each over a new one"


async def test_what_broke_over_a_new_connection_is_not_sent_again() -> None:
    async def leaves(server: Keeping, writer: asyncio.StreamWriter, number: int) -> bool:
        if server.asked == 1:
            await say(writer)
        return server.asked == 1

    async with keeping(leaves) as (server, engine):
        await engine.generate(ASK)
        with pytest.raises(UpstreamFailed):
            await engine.generate(ASK)
        assert server.asked == 3, "over the kept one, over a new one, and no more"


async def test_what_was_worked_on_is_not_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_connections, "RACE_S", 0.0)
    async with keeping(reads_the_second_and_leaves) as (server, engine):
        await engine.generate(ASK)
        with pytest.raises(UpstreamFailed):
            await engine.generate(ASK)
        assert server.asked == 2


async def test_an_answer_that_does_not_end_after_its_last_event_keeps_nobody_waiting() -> None:
    async def never_ends(_: Keeping, writer: asyncio.StreamWriter, number: int) -> bool:
        await say(writer, ends=False)
        await asyncio.sleep(30)
        return False

    async with keeping(never_ends) as (server, engine):
        for _ in range(2):
            assert (await asyncio.wait_for(engine.generate(ASK), 20)).text == "oui"
        assert server.connections == 2
