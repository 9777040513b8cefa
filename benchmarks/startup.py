"""From `serve` to the first token, the idle gateway's memory, and the installed size."""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import statistics
import time
from pathlib import Path

from benchmarks.running import prepared, served
from benchmarks.streaming import first_token


def measure(runs: int) -> dict[str, object]:
    seconds, resident = [], []
    with prepared() as (data, key):
        with served(data, key) as server:  # the first run tunes the engine; its result is remembered
            first_token(server, "Bonjour", retry=True)
        for _ in range(runs):
            start = time.perf_counter()
            with served(data, key, wait=False) as server:
                first_token(server, "Bonjour", retry=True)
                seconds.append(time.perf_counter() - start)
                time.sleep(1)
                resident.append(server.resident_mib())
    return {
        "serve_to_first_token_s": round(statistics.median(seconds), 2),
        "gateway_resident_mib": round(statistics.median(resident)),
        "installed_mib": round(installed_bytes() / 2**20),
        "runs": runs,
    }


def installed_bytes() -> int:
    """Bytes of the product's packages and all they need, without the development tools."""
    needed: set[str] = set()
    waiting = ["intramuros"]
    while waiting:
        name = waiting.pop().lower().replace("_", "-")
        if name in needed:
            continue
        try:
            found = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        needed.add(name)
        for line in found.requires or []:
            requirement, _, marker = line.partition(";")
            if "extra" not in marker:
                waiting.append(
                    requirement.split("[")[0]
                    .split("<")[0]
                    .split(">")[0]
                    .split("=")[0]
                    .split("!")[0]
                    .split("~")[0]
                    .strip(" (")
                )
    files = {Path(str(file.locate())) for name in needed for file in importlib.metadata.files(name) or []}
    source = sum(p.stat().st_size for p in (Path(__file__).parent.parent / "src").rglob("*") if p.is_file())
    return source + sum(path.stat().st_size for path in files if path.is_file())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    result = measure(options.runs)
    print(json.dumps(result) if options.json else "\n".join(f"{name}: {value}" for name, value in result.items()))
