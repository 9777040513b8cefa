"""Runs the official clients' test suites against a real server and counts what passes: `make compat`.

What fails must be in `exceptions.json` with its reason; a failure that is not, and a reason that excuses nothing any
more, make this end with 1. The suites come from the package registry (the pinned source distribution) into a cache,
`.compat`, where the counts are left as `results.json`. Some suites are cases of our own, run with the client.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import fnmatch
import json
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.compat.names import EMBEDDER, JUDGE, STARTER, WRITER
from benchmarks.compat.prepared import WORDS
from benchmarks.compat.relay import Relay
from benchmarks.compat.running import CACHE, installed, run
from benchmarks.compat.suites import SUITES, Suite
from benchmarks.running import MODEL, Served, cli, served
from intramuros.app import build
from intramuros.settings import Settings
from tests.models import tiny

HERE = Path(__file__).resolve().parent
PROJECT, RESULTS = "Castle", "results.json"
SCOPES = ("chat", "search", "documents", "privacy", "admin")


@dataclass
class Outcome:
    """What one suite came to: cases by file and outcome, and each that failed with the first line of what it said."""

    counts: dict[str, Counter[str]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--suite", action="append", help="run only this one (may be repeated)")
    parser.add_argument("--only", help="run only tests whose name has this, as pytest's -k")
    parser.add_argument("--json", action="store_true", help="print the counts as JSON")
    options = parser.parse_args()
    chosen = [suite for suite in SUITES if not options.suite or suite.name in options.suite]
    reasons = json.loads((HERE / "exceptions.json").read_text(encoding="utf-8"))
    results = asyncio.run(_all(chosen, options.only))
    good = True
    for name, outcome in results.items():
        if not options.json:
            _print(name, outcome)
        good &= _compare(outcome, reasons.get(name, []), is_whole=not options.only)
    figures = {name: _figures(outcome) for name, outcome in results.items()}
    (CACHE / RESULTS).write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    if options.json:
        print(json.dumps(figures, indent=1))
    return 0 if good else 1


async def _all(suites: Sequence[Suite], only: str | None) -> dict[str, Outcome]:
    found = {}
    with tempfile.TemporaryDirectory(prefix="intramuros-compat-") as folder:
        data = Path(folder) / "data"
        key = _prepare(data, Path(folder))
        models = build(_settings(data)).models

        async def make(name: str) -> None:
            await asyncio.to_thread(models.add_file, Path(folder) / f"{WRITER}.gguf", name)

        with served(data, key) as server:
            for suite in suites:
                place = await asyncio.to_thread(installed, suite)
                async with contextlib.AsyncExitStack() as stack:
                    url = server.url
                    if suite.alias is not None:
                        relay = Relay(server.url, server.key, suite.alias, before_delete=make)
                        url = await stack.enter_async_context(relay.running())
                    report = await asyncio.to_thread(run, suite, place, url, server.key, only)
                found[suite.name] = _read(report)
                _check_alive(server)
    return found


def _settings(data: Path) -> Settings:
    return Settings(data=data, key_file=data.parent / "benchmark.key")


def _prepare(data: Path, folder: Path) -> str:
    """A data folder with models of every kind the suites need, made on the spot, and an administrator's key."""
    files = {
        WRITER: tiny.chat(folder / f"{WRITER}.gguf", context_tokens=512, fills=True),
        JUDGE: tiny.chat(folder / f"{JUDGE}.gguf", context_tokens=8192, seed=2),
        EMBEDDER: tiny.embedder(folder / f"{EMBEDDER}.gguf"),
    }
    cli("init", data=data)
    if MODEL.exists():
        files[STARTER] = MODEL
    for name, path in files.items():
        cli("models", "pull", str(path), "--name", name, data=data)
    cli("models", "use", WRITER, data=data)
    cli("projects", "create", PROJECT, data=data)
    document = folder / "castle.txt"
    document.write_bytes(WORDS)
    cli("add", str(document), "--project", PROJECT, data=data)
    scopes = [part for scope in SCOPES for part in ("--scope", scope)]
    return str(json.loads(cli("keys", "create", "compat", *scopes, "--json", data=data))["key"])


def _read(report: str) -> Outcome:
    outcome = Outcome()
    for case in ElementTree.fromstring(report).iter("testcase"):
        module, _, group = case.get("classname", "").rpartition(".")
        if not group.startswith("Test"):
            module, group = case.get("classname", ""), ""
        file = f"{module.replace('.', '/')}.py"
        said = {child.tag: child.get("message", "") for child in case}
        kind = "failed" if said.keys() & {"failure", "error"} else "skipped" if "skipped" in said else "passed"
        outcome.counts.setdefault(file, Counter())[kind] += 1
        if kind == "failed":
            message = said.get("failure") or said.get("error") or ""
            outcome.failed[f"{file}::{group}::{case.get('name')}"] = message.partition("\n")[0][:300]
    return outcome


def _figures(outcome: Outcome) -> dict[str, object]:
    files = {file: dict(counts) for file, counts in outcome.counts.items()}
    total = sum(outcome.counts.values(), Counter[str]())
    return {"files": files, "passed": total["passed"], "run": total["passed"] + total["failed"]}


def _print(name: str, outcome: Outcome) -> None:
    print(f"\n{name}")
    total = sum(outcome.counts.values(), Counter[str]())
    for file, counts in [*outcome.counts.items(), ("all", total)]:
        run = counts["passed"] + counts["failed"]
        skipped = f"   ({counts['skipped']} skipped by the suite)" if counts["skipped"] else ""
        print(f"  {file:<56} {counts['passed']:>4} / {run}{skipped}")


def _compare(outcome: Outcome, reasons: Sequence[dict[str, str]], *, is_whole: bool) -> bool:
    """Says what failed and why; whether all of it has a reason, and every reason something it excuses."""
    left = list(outcome.failed)
    good = True
    for entry in reasons:
        excused = [case for case in left if fnmatch.fnmatchcase(case, entry["test"])]
        left = [case for case in left if case not in excused]
        if excused:
            print(f"  {len(excused):>4} excepted: {entry['reason']}", file=sys.stderr)
        elif is_whole:
            print(f"  an exception excuses nothing any more: {entry['test']}", file=sys.stderr)
            good = False
    for case in left:
        print(f"  FAILED without a reason: {case}: {outcome.failed[case]}", file=sys.stderr)
    return good and not left


def _check_alive(server: Served) -> None:
    if server.process.poll() is not None:
        raise SystemExit("the server ended while a suite ran")


if __name__ == "__main__":
    sys.exit(main())
