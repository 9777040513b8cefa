"""How soon a slot is free when a client leaves: the first token of who waited for it, over what it takes alone.

One slot, the starter model. A client has it write a long answer and closes its connection; another's question waits in
the queue. Milliseconds from the close to the other's first token, less the same question's with nobody before it: what
is left is noticing the close, ending the generation in the engine and handing the slot on.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.running import Served, prepared, served
from benchmarks.streaming import chat, first_token

IN_LINE_S = 0.3


@contextmanager
def writing(server: Served) -> Iterator[None]:
    """A long answer is being written until the block ends, which closes the connection."""
    body = {"model": "default", "stream": True, "max_tokens": 3000}
    body["messages"] = [{"role": "user", "content": "Raconte une longue histoire."}]
    headers = {"Content-Type": "application/json", **server.headers}
    request = urllib.request.Request(f"{server.url}/v1/chat/completions", json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        for _ in range(8):
            answer.readline()
        yield


def after_a_cancel(server: Served, question: str) -> float:
    """Seconds from the close to the first token of a question that waited."""
    began = list[float]()

    def wait_in_line() -> None:
        began.append(time.perf_counter())
        began.append(began[0] + chat(server, [{"role": "user", "content": question}], max_tokens=2).first_token_s)

    waiting = threading.Thread(target=wait_in_line)
    with writing(server):
        waiting.start()
        time.sleep(IN_LINE_S)
        closed = time.perf_counter()
    waiting.join()
    return began[1] - closed


def measure(runs: int) -> dict[str, object]:
    numbers = itertools.count(1)
    alone, after = list[float](), list[float]()
    with prepared() as (data, key), served(data, key, slots=1) as server:
        first_token(server, "Bonjour", retry=True)
        for _ in range(runs):
            alone.append(first_token(server, f"Question {next(numbers)}: que dit la loi ?"))
            after.append(after_a_cancel(server, f"Question {next(numbers)}: que dit la loi ?"))
    return {
        "runs": runs,
        "alone_ms": round(1000 * statistics.median(alone), 1),
        "after_a_cancel_ms": round(1000 * statistics.median(after), 1),
        "added_ms": round(1000 * (statistics.median(after) - statistics.median(alone)), 1),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    result = measure(options.runs)
    print(json.dumps(result) if options.json else "\n".join(f"{name}: {value}" for name, value in result.items()))
