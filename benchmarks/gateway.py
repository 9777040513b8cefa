"""What the gateway itself costs: guards, meters and door around an engine that answers at once.

The same server without any of them answers the same bytes; the difference is what they add. Both run in turn in a
process of their own, and so does the client, over keep-alive connections on loopback.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import orjson
import uvloop
from starlette.types import Receive, Scope, Send

from benchmarks.running import cli, environment
from intramuros.engines.engine import ChatRequest, Reply, Usage

CHUNKS = 32
QUESTION = {"model": "default", "messages": [{"role": "user", "content": "Quel est le délai de préavis ? " * 20}]}
USAGE = {
    "prompt_tokens": 180,
    "completion_tokens": CHUNKS,
    "total_tokens": 180 + CHUNKS,
    "prompt_tokens_details": {"cached_tokens": 0},
}
HEAD = {"created": 1, "id": "chatcmpl-1", "model": "mock"}
REPLY = HEAD | {
    "choices": [{"finish_reason": "stop", "index": 0, "message": {"role": "assistant", "content": "mot " * CHUNKS}}],
    "object": "chat.completion",
    "usage": USAGE,
}
CHUNK = orjson.dumps(
    HEAD
    | {
        "choices": [{"finish_reason": None, "index": 0, "delta": {"content": "mot "}}],
        "object": "chat.completion.chunk",
    }
)
LAST = orjson.dumps(HEAD | {"choices": [], "object": "chat.completion.chunk", "usage": USAGE})


class MockEngine:
    """Answers at once."""

    model = "mock"

    async def generate(self, request: ChatRequest) -> Reply:
        return Reply("", "stop", Usage(180, CHUNKS), dict(REPLY))

    async def stream(self, request: ChatRequest) -> AsyncIterator[bytes]:
        for _ in range(CHUNKS):
            yield CHUNK
        yield LAST


class MockPool:
    """Has the mock engine under every name."""

    @asynccontextmanager
    async def engine(self, name: str) -> AsyncIterator[Any]:
        yield MockEngine()


async def bare(scope: Scope, receive: Receive, send: Send) -> None:
    """The same answers from the same server, without guards, meters and door."""
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    if b'"stream":true' not in body:
        reply = orjson.dumps(REPLY)
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(reply))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": reply})
        return
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
    for _ in range(CHUNKS):
        await send({"type": "http.response.body", "body": b"data: " + CHUNK + b"\n\n", "more_body": True})
    await send({"type": "http.response.body", "body": b"data: [DONE]\n\n"})


def serve(kind: str, data: Path) -> None:
    """Serves until it is told to stop, and prints the port."""
    from intramuros.app import build
    from intramuros.server.asgi import application
    from intramuros.server.place import bound, place_for
    from intramuros.server.serving import Listening
    from intramuros.settings import load
    from intramuros.tasks.complete import CompleteTask

    settings = load({"data": data, "port": 0})
    app = build(settings)
    app.complete = CompleteTask(pool=MockPool(), metrics=app.metrics)
    place = place_for(settings)

    async def run() -> None:
        stop = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
        with bound(place) as listening:
            port = listening.getsockname()[1]
            server = Listening(bare if kind == "bare" else application(app), listening)
            async with app.running():
                running = asyncio.create_task(server.serve())
                print(port, flush=True)
                await stop.wait()
                server.stop()  # type: ignore[no-untyped-call]
                await running

    uvloop.run(run())
    app.close()


@contextmanager
def served(kind: str, data: Path) -> Iterator[int]:
    command = [sys.executable, "-m", "benchmarks.gateway", "--serve", kind, str(data)]
    with subprocess.Popen(command, env=environment(data), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.terminate()


async def load(port: int, key: str, *, stream: bool, clients: int, requests: int) -> dict[str, float]:
    """Latencies of `requests` requests by each of `clients` keep-alive connections."""
    body = orjson.dumps(QUESTION | ({"stream": True} if stream else {}))
    request = (
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost:{port}\r\nAuthorization: Bearer {key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode() + body
    seconds: list[float] = []

    async def client() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for number in range(requests + requests // 10):
            start = time.perf_counter()
            writer.write(request)
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            if b" 200 " not in head.split(b"\r\n", 1)[0]:
                raise SystemExit(f"unexpected answer: {head!r}")
            if b"content-length: " in head:
                await reader.readexactly(int(head.split(b"content-length: ")[1].split(b"\r\n")[0]))
            else:
                await reader.readuntil(b"\r\n0\r\n\r\n")
            if number >= requests // 10:  # the first are to warm up
                seconds.append(time.perf_counter() - start)
        writer.close()

    start = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(clients)))
    total_s = time.perf_counter() - start
    cuts = statistics.quantiles(seconds, n=100)
    rate = (requests + requests // 10) * clients / total_s
    return {"p50_ms": 1000 * cuts[49], "p99_ms": 1000 * cuts[98], "requests_per_s": rate}


def measure(requests: int, rounds: int = 3) -> dict[str, Any]:
    """Medians of several rounds, the two servers in turn."""
    results: dict[str, dict[str, list[dict[str, float]]]] = {}
    with tempfile.TemporaryDirectory(prefix="intramuros-bench-") as folder:
        data = Path(folder) / "data"
        cli("init", data=data)
        key = json.loads(cli("keys", "create", "benchmark", "--json", data=data))["key"]
        for _ in range(rounds):
            for kind in ("bare", "gateway"):
                with served(kind, data) as port:
                    for stream in (False, True):
                        for clients in (1, 32):
                            case = f"{'stream' if stream else 'reply'}_{clients}"
                            each = max(20, requests // (clients * (4 if stream else 1)))
                            got = uvloop.run(load(port, key, stream=stream, clients=clients, requests=each))
                            results.setdefault(case, {}).setdefault(kind, []).append(got)
    return {"rounds": rounds, "cases": {case: _summary(kinds) for case, kinds in results.items()}}


def _summary(kinds: dict[str, list[dict[str, float]]]) -> dict[str, float]:
    row: dict[str, float] = {}
    for kind, runs in kinds.items():
        for name in runs[0]:
            row[f"{kind}_{name}"] = round(statistics.median(run[name] for run in runs), 3)
    row["added_p50_ms"] = round(row["gateway_p50_ms"] - row["bare_p50_ms"], 3)
    row["added_p99_ms"] = round(row["gateway_p99_ms"] - row["bare_p99_ms"], 3)
    return row


def table(result: dict[str, Any]) -> str:
    lines = [f"{'case':<12}{'bare p50':>10}{'gateway p50':>13}{'added p50':>11}{'added p99':>11}{'gateway req/s':>15}"]
    for case, row in result["cases"].items():
        lines.append(
            f"{case:<12}{row['bare_p50_ms']:>7.2f} ms{row['gateway_p50_ms']:>10.2f} ms{row['added_p50_ms']:>8.2f} ms"
            f"{row['added_p99_ms']:>8.2f} ms{row['gateway_requests_per_s']:>15.0f}"
        )
    return "\n".join(lines)


def flat(result: dict[str, Any]) -> dict[str, Any]:
    rows = {f"{case}_{name}": value for case, row in result["cases"].items() for name, value in row.items()}
    return {"rounds": result["rounds"], **rows}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--serve", nargs=2, metavar=("KIND", "DATA"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.serve[0], Path(options.serve[1]))
    else:
        outcome = measure(options.requests, options.rounds)
        print(json.dumps(flat(outcome)) if options.json else table(outcome))
