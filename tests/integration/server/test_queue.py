"""Waiting for an engine, seen from outside: headers, comments in the stream, refusals, and who leaves."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from openai import AsyncOpenAI

from intramuros.server.asgi import application
from intramuros.tasks.admission import Admission
from intramuros.tasks.complete import CompleteTask
from intramuros.tasks.lane import Bounds
from tests.installed import Installed
from tests.integration.server.test_listen import listening, until
from tests.scripted import ScriptedPool

CHAT: dict[str, Any] = {"model": "default", "messages": [{"role": "user", "content": "Bonjour"}]}


def client_of(installed: Installed, port: int, who: str) -> AsyncOpenAI:
    return AsyncOpenAI(base_url=f"http://localhost:{port}/v1", api_key=installed.keys[who], max_retries=0)


@asynccontextmanager
async def occupied(installed: Installed) -> AsyncIterator[tuple[int, asyncio.Task[Any]]]:
    """A server whose engine has one slot, and alice in it until her task is cancelled."""
    installed.engine.hangs, installed.engine.slots = True, 1
    async with listening(installed) as (port, _):
        holding = asyncio.create_task(client_of(installed, port, "alice").chat.completions.create(**CHAT))
        await until(lambda: installed.app.complete.admission.running == 1 and installed.engine.asked)
        installed.engine.hangs = False
        try:
            yield port, holding
        finally:
            holding.cancel()
            await asyncio.gather(holding, return_exceptions=True)


async def test_a_stream_that_waits_says_so_and_the_official_client_passes_over_it(installed: Installed) -> None:
    async with occupied(installed) as (port, alice), httpx.AsyncClient(timeout=10) as plain:
        waiting = asyncio.create_task(
            plain.post(
                f"http://localhost:{port}/v1/chat/completions",
                headers={"authorization": f"Bearer {installed.keys['bob']}"},
                json=CHAT | {"stream": True},
            )
        )
        await until(lambda: installed.app.complete.admission.waiting == 1)

        async def words() -> list[str | None]:
            stream = await client_of(installed, port, "bob").chat.completions.create(**CHAT, stream=True)
            return [chunk.choices[0].delta.content async for chunk in stream if chunk.choices]

        official = asyncio.create_task(words())
        await until(lambda: installed.app.complete.admission.waiting == 2)
        await asyncio.sleep(0.1)
        alice.cancel()
        answer, said = await waiting, await official
    assert answer.status_code == 200 and answer.headers["x-intramuros-queue-position"] == "0"
    assert float(answer.headers["x-intramuros-expected-wait"]) > 0
    first, *rest = answer.text.split("\n\n")
    assert first.startswith(": queued position=0 expected_wait_s=")
    assert json.loads(rest[0].removeprefix("data: "))["choices"] and answer.text.endswith("data: [DONE]\n\n")
    assert said == ["Bonjour", ", ", "monde"]


async def test_a_whole_answer_tells_in_its_headers_what_was_before_it(installed: Installed) -> None:
    async with occupied(installed) as (port, alice):
        client = client_of(installed, port, "bob")

        async def headers() -> Any:
            return (await client.chat.completions.with_raw_response.create(**CHAT)).headers

        first = asyncio.create_task(headers())
        await until(lambda: installed.app.complete.admission.waiting == 1)
        second = asyncio.create_task(headers())
        await until(lambda: installed.app.complete.admission.waiting == 2)
        await asyncio.sleep(0.05)
        alice.cancel()
        positions = [(await each)["x-intramuros-queue-position"] for each in (first, second)]
        assert positions == ["0", "1"]
        assert "x-intramuros-queue-position" not in await headers()
    facts = installed.records("chat")[-1].facts
    assert "queue_ms" not in facts and installed.records("chat")[-2].facts["queue_ms"] > 0


async def test_what_the_queue_does_not_hold_is_refused_with_a_time_to_come_back(installed: Installed) -> None:
    admission = Admission(Bounds(per_person=1))
    installed.app.complete = CompleteTask(ScriptedPool(installed.engine), installed.app.metrics, admission)
    installed.guard = application(installed.app)
    async with occupied(installed) as (port, _), httpx.AsyncClient(timeout=10) as plain:
        send = {
            "url": f"http://localhost:{port}/v1/chat/completions",
            "headers": {"authorization": f"Bearer {installed.keys['bob']}"},
            "json": CHAT,
        }
        waiting = asyncio.create_task(plain.post(**send))  # type: ignore[arg-type]
        await until(lambda: admission.waiting == 1)
        refused = await plain.post(**send)  # type: ignore[arg-type]
        assert refused.status_code == 429 and int(refused.headers["retry-after"]) >= 1
        assert refused.json()["error"]["code"] == "queue_full"
        waiting.cancel()
        await until(lambda: admission.waiting == 0)  # a client that leaves gives its place back


async def test_64_clients_that_leave_while_they_wait_leave_nothing(installed: Installed) -> None:
    async with occupied(installed) as (port, _):

        async def ask(*, stream: bool) -> None:
            answer: Any = await client_of(installed, port, "bob").chat.completions.create(**CHAT, stream=stream)
            if stream:
                async with answer:
                    async for _ in answer:
                        pass

        tasks = [asyncio.create_task(ask(stream=bool(n % 2))) for n in range(64)]
        await until(lambda: installed.app.complete.admission.waiting == 64, seconds=20)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await until(lambda: installed.app.complete.admission.waiting == 0)
        assert installed.app.complete.admission.running == 1 and len(installed.engine.asked) == 1
