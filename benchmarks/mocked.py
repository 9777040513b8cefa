"""The gateway around a model that answers at once, in a process of its own, and a client that times it.

All guards and meters are on: a real key with limits, the audit, admission, presets and the router. The kinds: `gateway`
has the model in its own process; `upstream` is the same server, asked for a route to a mock server; `bare` is that mock
server, with nothing around it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import orjson
import uvloop

from benchmarks.mock import MockPool, bare
from benchmarks.running import cli, environment

# With a limit, as short requests have one: then an upstream is asked for a whole reply, as the peer does.
QUESTION = {"messages": [{"role": "user", "content": "Quel est le délai de préavis ? " * 20}], "max_tokens": 64}
NEVER = str(10**12)


@dataclass(frozen=True)
class Target:
    """A server to load: its port, what it is asked, and its process where memory is of interest."""

    port: int
    key: str
    model: str = "default"
    pid: int = 0

    def request(self, *, stream: bool) -> bytes:
        """The same request every time, as it goes over the wire."""
        body = orjson.dumps({"model": self.model, **QUESTION} | ({"stream": True} if stream else {}))
        return (
            f"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost:{self.port}\r\nAuthorization: Bearer {self.key}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        ).encode() + body


def prepared(data: Path) -> str:
    """An installation with limits that are counted and never reached: a key for it."""
    cli("init", data=data)
    cli("quotas", "set", "--everyone", "--tokens-per-day", NEVER, "--euros-per-day", "1000000", data=data)
    limits = ("--requests-per-minute", NEVER, "--tokens-per-day", NEVER)
    key: str = json.loads(cli("keys", "create", "benchmark", *limits, "--json", data=data))["key"]
    return key


def serve(kind: str, data: Path) -> None:
    """Serves until it is told to stop, and prints the port."""
    from intramuros.app import build
    from intramuros.server.asgi import application
    from intramuros.server.garbage import keep_pauses_short
    from intramuros.server.place import bound, place_for
    from intramuros.server.serving import Listening
    from intramuros.settings import load

    settings = load({"data": data, "port": 0})
    app = build(settings)
    app.router.pool = MockPool()
    place = place_for(settings)

    async def run() -> None:
        stop = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
        with bound(place) as listening:
            port = listening.getsockname()[1]
            server = Listening(bare if kind == "bare" else application(app), listening)
            async with app.running():
                running = asyncio.create_task(server.serve())
                keep_pauses_short()
                print(port, flush=True)
                await stop.wait()
                server.stop()  # type: ignore[no-untyped-call]
                await running

    uvloop.run(run())
    app.close()


@contextmanager
def served(kind: str, data: Path, key: str) -> Iterator[Target]:
    """Runs one in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.mocked", kind, str(data)]
    with subprocess.Popen(command, env=environment(data), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield Target(int(process.stdout.readline()), key, pid=process.pid)
        finally:
            process.terminate()


async def load(target: Target, *, stream: bool, clients: int, requests: int) -> dict[str, float]:
    """Latencies of `requests` requests by each of `clients` keep-alive connections."""
    request = target.request(stream=stream)
    warming = max(1, requests // 10)
    seconds: list[float] = []

    async def client() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", target.port)
        for number in range(requests + warming):
            start = time.perf_counter()
            writer.write(request)
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            if b" 200 " not in head.split(b"\r\n", 1)[0]:
                raise SystemExit(f"unexpected answer: {head!r}")
            if b"content-length: " in head:
                await reader.readexactly(int(head.split(b"content-length: ")[1].split(b"\r\n")[0]))
            else:
                await reader.readuntil(b"\r\n0\r\n\r\n")
            if number >= warming:
                seconds.append(time.perf_counter() - start)
        writer.close()

    start = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(clients)))
    total_s = time.perf_counter() - start
    cuts = statistics.quantiles(seconds, n=100)
    rate = (requests + warming) * clients / total_s
    return {"p50_ms": 1000 * cuts[49], "p99_ms": 1000 * cuts[98], "requests_per_s": rate}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=("bare", "gateway"))
    parser.add_argument("data", type=Path)
    options = parser.parse_args()
    serve(options.kind, options.data)
