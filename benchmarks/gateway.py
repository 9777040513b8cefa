"""What the gateway itself costs, beside LiteLLM's proxy: a mock model that answers at once, guards and meters on.

The same server without guards, meters and door answers the same bytes; what a gateway takes more than it, it adds. In
turn in each round, each in a process of its own, over keep-alive connections on loopback:

- `bare`: the mock server alone.
- `gateway`: ours, the model in its own process, as a model of this machine is to it.
- `upstream`: ours, before the mock server: like for like with the next.
- `litellm`: LiteLLM's proxy before the mock server, one process, a master key, no database; a tenth of the requests.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import uvloop

from benchmarks import peers
from benchmarks.mocked import Target, load, prepared, served
from benchmarks.running import cli

KINDS = ("bare", "gateway", "upstream", "litellm")
CASES = {
    f"{'stream' if stream else 'reply'}_{clients}": (stream, clients) for stream in (False, True) for clients in (1, 32)
}
PEER_KEY = "sk-benchmark"


def measure(requests: int, rounds: int, *, with_peer: bool = True) -> dict[str, Any]:
    """Medians of several rounds, the servers in turn."""
    runs: dict[str, dict[str, list[dict[str, float]]]] = {case: {} for case in CASES}
    result: dict[str, Any] = {"rounds": rounds}
    kinds = list(KINDS if with_peer else KINDS[:-1])
    with tempfile.TemporaryDirectory(prefix="intramuros-bench-") as folder, ExitStack() as stack:
        data = Path(folder) / "data"
        key = prepared(data)
        mock = stack.enter_context(served("bare", data, key))
        address = f"http://127.0.0.1:{mock.port}"
        cli("upstreams", "add", "mock", address, "--inside", "--models", "mock", "--price-in", "1", data=data)
        for _ in range(rounds):
            for kind in tuple(kinds):
                try:
                    with running(kind, mock, data, key) as target:
                        warm_up(target)
                        for case, got in cases(target, requests // 10 if kind == "litellm" else requests):
                            runs[case].setdefault(kind, []).append(got)
                except peers.NoPeer as reason:
                    kinds.remove(kind)
                    result["litellm"] = str(reason)
    if "litellm" in kinds:
        result["litellm"] = peers.version(peers.LITELLM)
    return result | {"cases": {case: summary(by_kind) for case, by_kind in runs.items()}}


@contextmanager
def running(kind: str, mock: Target, data: Path, key: str) -> Iterator[Target]:
    """One of the servers; the mock runs all the time. Raises: NoPeer."""
    if kind == "bare":
        yield mock
    elif kind == "litellm":
        with peers.litellm(mock.port, key=PEER_KEY) as port:
            yield Target(port, PEER_KEY)
    else:
        with served("gateway", data, key) as target:
            yield replace(target, model="mock/mock") if kind == "upstream" else target


def warm_up(target: Target) -> None:
    """What a server does only at its first requests is done."""
    for stream in (False, True):
        uvloop.run(load(target, stream=stream, clients=8, requests=5))


def cases(target: Target, requests: int) -> Iterator[tuple[str, dict[str, float]]]:
    """Each case on one server; a stream is some thirty chunks, so there are fewer."""
    for case, (stream, clients) in CASES.items():
        each = max(10, requests // (clients * (4 if stream else 1)))
        yield case, uvloop.run(load(target, stream=stream, clients=clients, requests=each))


def summary(kinds: dict[str, list[dict[str, float]]]) -> dict[str, float]:
    """One case: the median of each figure, what each adds to the bare server, and how much faster ours is."""
    row: dict[str, float] = {}
    for kind, runs in kinds.items():
        for name in runs[0]:
            row[f"{kind}_{name}"] = round(statistics.median(run[name] for run in runs), 3)
    for kind in kinds:
        if kind != "bare":
            for figure in ("p50_ms", "p99_ms"):
                row[f"{kind}_added_{figure}"] = round(row[f"{kind}_{figure}"] - row[f"bare_{figure}"], 3)
    for kind in ("gateway", "upstream"):
        if "litellm" in kinds:
            ratio = row[f"{kind}_requests_per_s"] / row["litellm_requests_per_s"]
            row[f"{kind}_to_litellm_ratio"] = round(ratio, 1)
    return row


def table(result: dict[str, Any]) -> str:
    """For people."""
    lines = [f"LiteLLM: {result.get('litellm', 'left out')}; medians of {result['rounds']} rounds"]
    lines.append(
        f"{'case':<12}{'server':<10}{'p50':>10}{'added p50':>12}{'added p99':>12}{'requests/s':>12}{'ratio':>8}"
    )
    for case, row in result["cases"].items():
        for kind in KINDS:
            if f"{kind}_p50_ms" in row:
                added = [f"{row.get(f'{kind}_added_{figure}_ms', 0):>9.2f} ms" for figure in ("p50", "p99")]
                ratio = row.get(f"{kind}_to_litellm_ratio")
                lines.append(
                    f"{case:<12}{kind:<10}{row[f'{kind}_p50_ms']:>7.2f} ms{''.join(added)}"
                    f"{row[f'{kind}_requests_per_s']:>12.0f}{f'{ratio:.1f} ×' if ratio else '':>8}"
                )
    return "\n".join(lines)


def flat(result: dict[str, Any]) -> dict[str, Any]:
    """One level, for the table of all measurements."""
    rows = {f"{case}_{name}": value for case, row in result["cases"].items() for name, value in row.items()}
    return {name: value for name, value in result.items() if name != "cases"} | rows


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--without-peer", action="store_true", help="leave LiteLLM out")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    outcome = measure(options.requests, options.rounds, with_peer=not options.without_peer)
    sys.stdout.write((json.dumps(flat(outcome)) if options.json else table(outcome)) + "\n")
