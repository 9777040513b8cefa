"""How long one person waits for the first token while another floods the server, as a ratio to having it alone.

One person's program keeps 64 requests open; another person's asks one after the other. In turn with and without the
flood, on the starter model. Killing the flood closes its connections, which frees its places and slots.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import os
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace

from benchmarks.running import ROOT, Served, cli, prepared, served
from benchmarks.streaming import chat

FLOOD = 64
SETTLE_S = 2.0
CLAUSE = "Article {n}. Le prestataire intervient dans un délai de {n} heures ouvrées après l'appel du client. "


def ask(server: Served, number: int, *, max_tokens: int) -> float:
    """Seconds to the first token of a question that nobody has asked before."""
    content = CLAUSE.format(n=number) * 3 + "Quel est le délai d'intervention ?"
    return chat(server, [{"role": "user", "content": content}], max_tokens=max_tokens).first_token_s


def flood(server: Served) -> None:
    """Keeps 64 requests open, until the process is killed."""
    numbers = itertools.count(100_000)

    def keep_asking() -> None:
        while True:
            with contextlib.suppress(OSError, KeyError):
                ask(server, next(numbers), max_tokens=64)

    threads = [threading.Thread(target=keep_asking) for _ in range(FLOOD)]
    for thread in threads:
        thread.start()


@contextlib.contextmanager
def flooded(server: Served) -> Iterator[None]:
    """The flood runs while the block does."""
    command = [sys.executable, "-m", "benchmarks.fairness", "--flood", server.url]
    process = subprocess.Popen(command, cwd=ROOT, env=os.environ | {"FLOOD_KEY": server.key})
    try:
        time.sleep(SETTLE_S)
        yield
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
        time.sleep(SETTLE_S)


def measure(runs: int) -> dict[str, object]:
    numbers = itertools.count(1)
    alone: list[float] = []
    beside: list[float] = []
    with prepared() as (data, key):
        cli("users", "add", "other@firm.example", "--role", "service", data=data)
        made = cli("keys", "create", "other", "--user", "other@firm.example", "--json", data=data)
        with served(data, key) as flooding:
            other = replace(flooding, key=json.loads(made)["key"])
            ask(other, next(numbers), max_tokens=2)
            for _ in range(3):
                alone += [ask(other, next(numbers), max_tokens=16) for _ in range(runs)]
                with flooded(flooding):
                    beside += [ask(other, next(numbers), max_tokens=16) for _ in range(runs)]
    return {
        "alone_ms": round(1000 * statistics.median(alone)),
        "beside_a_flood_ms": round(1000 * statistics.median(beside)),
        "beside_a_flood_to_alone_ratio": round(statistics.median(beside) / statistics.median(alone), 2),
        "beside_a_flood_worst_ms": round(1000 * max(beside)),
        "flood": FLOOD,
        "runs": 3 * runs,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=7, help="questions in each of three rounds")
    parser.add_argument("--flood", metavar="URL", help=argparse.SUPPRESS)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.flood:
        flood(Served(options.flood, os.environ["FLOOD_KEY"], ROOT, None))  # type: ignore[arg-type]
    else:
        result = measure(options.runs)
        print(json.dumps(result) if options.json else "\n".join(f"{name}: {value}" for name, value in result.items()))
