"""A bar for work that counts bytes or files, on standard error, gone when it ends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from intramuros.cli.console import err
from intramuros.storage.backups.making import Progress as Report

STAGES = {
    "database": "Copying the database",
    "files": "Copying stored files",
    "models": "Copying models",
    "checking": "Reading everything again",
    "restoring": "Bringing files",
    "sealing": "Encrypting",
    "keys": "Changing keys",
    "resealing": "Encrypting stored files anew",
}


@contextmanager
def bar(*, quiet: bool) -> Iterator[Report]:
    """Gives what work reports to."""
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err, disable=quiet, transient=True) as shown:
        task = shown.add_task("", total=None)

        def report(stage: str, done: int, total: int) -> None:
            shown.update(task, description=STAGES[stage], completed=done, total=total or None)

        yield report


def size(size_bytes: int) -> str:
    """Bytes in words."""
    for unit, each in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size_bytes >= each:
            return f"{size_bytes / each:.1f} {unit}"
    return f"{size_bytes} bytes"
