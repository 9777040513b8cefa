"""Whether the gateway's memory grows: its resident size after a warm-up and along many requests.

A mock model answers at once; all guards and meters are on. One answer in ten is a stream. What a process keeps for good
is there after the warm-up: above all the 8 MB of pages that the database's writer keeps, which the records of some
20,000 requests fill. What grows after that grows with requests.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import uvloop

from benchmarks.mocked import Target, load, prepared, served
from benchmarks.running import cli, resident_mib

CLIENTS = 32
SLICES = 20
WARM_UP = 25_000
FLAT_MB = 5.0


def some(target: Target, requests: int) -> int:
    """Sends about so many requests; returns how many they were."""
    streams, replies = max(2, requests // 10 // CLIENTS), max(2, requests * 9 // 10 // CLIENTS)
    sent = 0
    for stream, each in ((False, replies), (True, streams)):
        uvloop.run(load(target, stream=stream, clients=CLIENTS, requests=each))
        sent += (each + max(1, each // 10)) * CLIENTS
    return sent


def measure(requests: int, *, warm_up: int, by_upstream: bool) -> dict[str, object]:
    """Sizes after each slice of the requests; the warm-up is part of them."""
    with tempfile.TemporaryDirectory(prefix="intramuros-bench-") as folder, ExitStack() as stack:
        data = Path(folder) / "data"
        key = prepared(data)
        if by_upstream:
            mock = stack.enter_context(served("bare", data, key))
            address = f"http://127.0.0.1:{mock.port}"
            cli("upstreams", "add", "mock", address, "--inside", "--models", "mock", data=data)
        target = stack.enter_context(served("gateway", data, key))
        if by_upstream:
            target = replace(target, model="mock/mock")
        warmed = some(target, warm_up)
        sizes, sent = [resident_mib(target.pid)], [0]
        while sent[-1] < requests - warmed:
            sent.append(sent[-1] + some(target, requests // SLICES))
            sizes.append(resident_mib(target.pid))
    grown_mb = (sizes[-1] - sizes[0]) * 2**20 / 1e6
    slope = statistics.linear_regression([count / 100_000 for count in sent], sizes).slope
    return {
        "requests": warmed + sent[-1],
        "after_warm_up_mib": round(sizes[0], 1),
        "at_the_end_mib": round(sizes[-1], 1),
        "grown_mb": round(grown_mb, 2),
        "slope_mib_per_100000": round(slope, 2),
        "is_flat": grown_mb < FLAT_MB,
        "sizes_mib": [round(size, 1) for size in sizes],
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=200_000)
    parser.add_argument("--warm-up", type=int, default=WARM_UP, help="how many of them come before the first size")
    parser.add_argument("--upstream", action="store_true", help="along a route to a mock server, not in the process")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    outcome = measure(options.requests, warm_up=options.warm_up, by_upstream=options.upstream)
    print(json.dumps(outcome) if options.json else "\n".join(f"{name}: {value}" for name, value in outcome.items()))
