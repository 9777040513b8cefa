"""Decode throughput through the gateway over the raw engine's, in turn, with 1 and 8 clients on the same engine."""

from __future__ import annotations

import argparse
import json
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.running import Served, prepared, served
from benchmarks.streaming import chat, first_token
from benchmarks.unix import unix_chat

QUESTION = [{"role": "user", "content": "Write a long story about a castle, its walls and the people inside."}]


def throughput(ask: object, clients: int, tokens: int) -> float:
    start = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        done = list(pool.map(lambda _: ask(tokens), range(clients)))  # type: ignore[operator]
    return float(sum(done) / (time.perf_counter() - start))


def measure(runs: int, tokens: int) -> dict[str, object]:
    result: dict[str, object] = {"runs": runs, "tokens": tokens}
    with prepared() as (data, key), served(data, key) as server:
        first_token(server, "Bonjour", retry=True)
        socket = engine_socket(server)
        for clients in (1, 8):
            ratios, speeds = [], []
            for _ in range(runs):
                raw = throughput(lambda n: unix_chat(socket, QUESTION, max_tokens=n), clients, tokens)
                through = throughput(lambda n: chat(server, QUESTION, max_tokens=n).completion_tokens, clients, tokens)
                ratios.append(through / raw)
                speeds.append(through)
            result[f"clients_{clients}_ratio"] = round(statistics.median(ratios), 3)
            result[f"clients_{clients}_tokens_per_s"] = round(statistics.median(speeds), 1)
    return result


def engine_socket(server: Served) -> Path:
    """The socket of the engine that the server started, from the notice it put up for other processes."""
    for notice in (server.data / "run" / "engines").glob("*.json"):
        return Path(json.loads(notice.read_text())["socket"])
    raise SystemExit("The engine's socket was not found.")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    outcome = measure(options.runs, options.tokens)
    print(json.dumps(outcome) if options.json else "\n".join(f"{name}: {value}" for name, value in outcome.items()))
