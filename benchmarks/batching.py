"""Tokens per second for several people at once, as a ratio to llama-cpp-python's server with the same model.

Both serve the starter model over HTTP with their own defaults, and answer the same questions, in turn. The peer has no
wheel on the registry: it is compiled here for this processor, once, which takes many minutes; without a compiler it is
left out.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor

from benchmarks import peers
from benchmarks.running import prepared, served
from benchmarks.streaming import first_token

SUBJECTS = ("a castle", "a ship", "a library", "a winter", "a garden", "a railway", "a market", "a lighthouse")


def written(url: str, key: str, subject: str, *, tokens: int) -> int:
    """One answer: how many tokens the server says that it wrote."""
    question = f"Write a long story about {subject} and the people who live with it."
    body = {"model": "default", "max_tokens": tokens, "temperature": 0}
    request = urllib.request.Request(
        f"{url}/v1/chat/completions",
        json.dumps(body | {"messages": [{"role": "user", "content": question}]}).encode(),
        {"Content-Type": "application/json", "Authorization": f"Bearer {key}"},
    )
    with urllib.request.urlopen(request, timeout=300) as answer:
        return int(json.load(answer)["usage"]["completion_tokens"])


def throughput(url: str, key: str, clients: int, tokens: int) -> float:
    """Tokens per second of all clients together."""
    subjects = [SUBJECTS[number % len(SUBJECTS)] for number in range(clients)]
    start = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        done = list(pool.map(lambda subject: written(url, key, subject, tokens=tokens), subjects))
    return sum(done) / (time.perf_counter() - start)


def measure(runs: int, tokens: int, clients: int) -> dict[str, object]:
    """Medians; the servers run beside each other, and only one of them works at a time."""
    result: dict[str, object] = {"runs": runs, "tokens": tokens, "clients": clients}
    ours: list[float] = []
    theirs: list[float] = []
    with prepared() as (data, key), served(data, key) as server:
        first_token(server, "Bonjour", retry=True)
        try:
            with peers.llama_cpp_python() as peer:
                throughput(peer, "", 1, 8)
                for _ in range(runs):
                    ours.append(throughput(server.url, key, clients, tokens))
                    theirs.append(throughput(peer, "", clients, tokens))
            result["llama_cpp_python"] = peers.version(peers.LLAMA_CPP_PYTHON)
            result["peer_tokens_per_s"] = round(statistics.median(theirs), 1)
            result["ratio"] = round(statistics.median(a / b for a, b in zip(ours, theirs, strict=True)), 2)
        except (peers.NoPeer, OSError) as reason:  # some processors' matrix units crash it
            result["llama_cpp_python"] = str(reason)
            ours = [throughput(server.url, key, clients, tokens) for _ in range(runs)]
    return result | {"tokens_per_s": round(statistics.median(ours), 1), "cores": os.cpu_count()}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--tokens", type=int, default=96)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    outcome = measure(options.runs, options.tokens, options.clients)
    print(json.dumps(outcome) if options.json else "\n".join(f"{name}: {value}" for name, value in outcome.items()))
