"""How far the running server is with the load of a model: a bar on standard error, or lines of JSON there.

Called by the commands that have it load one. What it shows is `engines.loading.LoadProgress` as JSON.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

from intramuros.cli.console import err
from intramuros.cli.model_facts import size

STAGES = {
    "waiting": "Waiting for its memory",
    "checking": "Checking its file",
    "decrypting": "Decrypting",
    "loading": "Loading",
}
STEPS = {
    "attention": "Measuring attention",
    "threads": "Measuring threads",
    "speculation": "Measuring speculation",
    "starting": "In memory, starting",
}
Report = Callable[[dict[str, Any]], None]


@contextmanager
def load_shown(name: str, *, as_json: bool) -> Iterator[Report]:
    """Gives what an order reports the load of a model to; `as_json`: each report is a line of JSON."""
    if as_json:

        def tell(progress: dict[str, Any]) -> None:
            sys.stderr.write(json.dumps({"event": "load", "model": name} | progress) + "\n")
            sys.stderr.flush()

        yield tell
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TextColumn("{task.fields[more]}"))
    with Progress(*columns, console=err, transient=True) as bar:
        task = bar.add_task(escape(f"Loading {name}"), total=None, more="")

        def report(progress: dict[str, Any]) -> None:
            share = progress["share"]
            bar.update(
                task,
                description=STEPS.get(progress["step"]) or STAGES.get(progress["stage"], "Loading"),
                completed=0 if share is None else share,
                total=None if share is None else 1.0,
                more=more_of(progress),
            )

        yield report


def more_of(progress: dict[str, Any]) -> str:
    """What stands behind the bar: bytes, how long it has taken, and what it usually takes."""
    told = []
    if progress["total_bytes"] and progress["step"] not in STEPS:
        told.append(f"{size(progress['done_bytes'])} of {size(progress['total_bytes'])}")
    told.append(f"{progress['elapsed_s']:.0f} s")
    if progress["usual_s"] is not None:
        told.append(f"usually {progress['usual_s']:.0f} s")
    return ", ".join(told)
