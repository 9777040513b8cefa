"""Fetching a model, shown as a bar on standard error. Called by the commands that fetch models and adapters."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, TaskProgressColumn, TextColumn
from rich.progress import Progress as Bar

from intramuros.accounts.caller import LOCAL
from intramuros.cli.console import err
from intramuros.cli.model_facts import size
from intramuros.engines.options import needed_bytes
from intramuros.models.catalogue import CatalogueModel
from intramuros.models.download import pull as fetch
from intramuros.models.installed import InstalledModel
from intramuros.models.machine import Machine
from intramuros.models.progress import Progress, Report
from intramuros.settings import Settings

if TYPE_CHECKING:
    from intramuros.app import App

STAGES = {
    "waiting": "Another command is fetching it; waiting",
    "connecting": "Connecting",
    "downloading": "Fetching",
    "unpacking": "Unpacking",
    "checking": "Checking what is there already",
    "installing": "Installing",
    "ready": "Ready",
}


async def pull_shown(intramuros: App, model: str, *, name: str | None = None, quiet: bool = False) -> InstalledModel:
    """Fetches a model with a progress bar on standard error, and one audit record. Raises: as `download.pull`."""
    if (listed := intramuros.catalogue.find(model)) and not quiet:
        _warn_if_large(listed, intramuros.settings)
    async with intramuros.audit.entry("model.pull", by=LOCAL, via="cli") as entry:
        with download_bar(quiet=quiet) as report:
            installed = await fetch(
                model,
                to=intramuros.models,
                egress=intramuros.egress,
                progress=report,
                name=name,
                hub_url=intramuros.settings.hub_url,
            )
        entry.note(model=installed.name, size_bytes=installed.size_bytes)
    return installed


def _warn_if_large(entry: CatalogueModel, settings: Settings) -> None:
    machine = Machine.detect()
    needed, room = needed_bytes(entry.header, machine, settings), machine.room_bytes
    if needed > room:
        err.print(f"[yellow]{escape(entry.title)} needs {size(needed)} of memory; {size(room)} are free now.[/]")


@contextmanager
def download_bar(*, quiet: bool) -> Iterator[Report]:
    """A bar on standard error that follows a download; nothing is shown if `quiet`."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        DownloadColumn(),
        TextColumn("{task.fields[pace]}"),
    )
    with Bar(*columns, console=err, disable=quiet, transient=True) as bar:
        task = bar.add_task("", total=None, pace="")

        def report(progress: Progress) -> None:
            speed = f"{progress.bytes_per_s / 1e6:.1f} MB/s" if progress.bytes_per_s else ""
            left = f"  {_duration(progress.eta_s)} left" if progress.eta_s is not None else ""
            bar.update(
                task,
                description=STAGES[progress.stage],
                completed=progress.done_bytes,
                total=progress.total_bytes,
                pace=speed + left,
            )

        yield report


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min" if minutes else f"{rest} s"
