"""The audit alone: records a second, what an entry adds to a request, and what signing and copying cost.

Each figure is taken with checkpoints and a second place, and without, in turns of one run; `added_*` is the time an
entry's opening and closing take together. A record is two commits for one client, shared by many.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import secrets
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from intramuros.audit.ledger import Pace
from intramuros.audit.places import Folder
from intramuros.audit.record import Audit
from intramuros.storage.database import create

CLIENTS = 512
NEVER = Pace(records=10**9, seconds=10**9)


@contextmanager
def audit(*, signed: bool) -> Iterator[Audit]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "copy").mkdir()
        database = create(folder / "intramuros.db", secrets.token_bytes(32))
        place = Folder(folder / "copy" / "audit.jsonl") if signed else None
        made = Audit(database, secrets.token_bytes(32), pace=None if signed else NEVER, copy=place)
        made.start()
        yield made
        made.stop()
        assert made.verify().ok
        database.close()


async def client(made: Audit, count: int) -> list[float]:
    taken = []
    for _ in range(count):
        start = time.perf_counter()
        async with made.entry("chat.complete") as entry:
            entry.note(model="m", prompt_tokens=812, completion_tokens=40, status=200)
        taken.append((time.perf_counter() - start) * 1000)
    return taken


async def rate(made: Audit, records: int) -> float:
    start = time.perf_counter()
    await asyncio.gather(*(client(made, records // CLIENTS) for _ in range(CLIENTS)))
    return records // CLIENTS * CLIENTS / (time.perf_counter() - start)


def measure(records: int, rounds: int) -> dict[str, object]:
    figures: dict[str, list[float]] = {}
    for _ in range(rounds):
        for kind, signed in (("signed", True), ("unsigned", False)):
            with audit(signed=signed) as made:
                figures.setdefault(f"{kind}_records_s", []).append(asyncio.run(rate(made, records)))
            with audit(signed=signed) as made:
                taken = sorted(asyncio.run(client(made, 3000)))
            figures.setdefault(f"{kind}_added_p50_ms", []).append(taken[len(taken) // 2])
            figures.setdefault(f"{kind}_added_p99_ms", []).append(taken[len(taken) * 99 // 100])
    return {
        "clients": CLIENTS,
        "records": records,
        **{name: round(statistics.median(values), 3) for name, values in figures.items()},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    figures = measure(options.records, options.rounds)
    print(json.dumps(figures) if options.json else "\n".join(f"{k:<24} {v}" for k, v in figures.items()))


if __name__ == "__main__":
    main()
