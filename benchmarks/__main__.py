"""All measurements, one after the other, as one table: `make bench` (CORPUS=DIR adds search quality on that folder)."""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent

MEASUREMENTS: dict[str, tuple[str, ...]] = {
    "startup": (),
    "decode": (),
    "relay": (),
    "followup": (),
    "gateway": (),
    "memory": (),
    "batching": (),
    "encoders": (),
    "fairness": (),
    "cancel": (),
    "ingest": (),
    "audit": (),
    "redaction": (),
}


def run(name: str, *arguments: str) -> dict[str, Any]:
    """Runs one measurement in a process of its own and returns its figures."""
    command = [sys.executable, "-m", f"benchmarks.{name}", *arguments, "--json"]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        return {"failed": f"exit code {done.returncode}"}
    figures: dict[str, Any] = json.loads(done.stdout)
    return figures


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", type=Path, help="folder with documents/ and questions.jsonl, for search quality")
    parser.add_argument("--only", action="append", help="run only this measurement (may be repeated)")
    options = parser.parse_args()
    wanted = dict(MEASUREMENTS)
    if options.corpus:
        wanted["retrieval"] = (str(options.corpus),)
    failed = False
    print(f"{platform.machine()}, Python {platform.python_version()}, {platform.system()} {platform.release()}")
    for name, arguments in wanted.items():
        if options.only and name not in options.only:
            continue
        figures = run(name, *arguments)
        failed |= "failed" in figures
        print(f"\n{name}", flush=True)
        for figure, value in figures.items():
            print(f"  {figure:<40} {json.dumps(value) if isinstance(value, dict | list) else value}", flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
