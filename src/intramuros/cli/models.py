"""`intramuros models`: the models on this machine, and the catalogue of those worth fetching."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, TaskProgressColumn, TextColumn
from rich.progress import Progress as Bar
from rich.table import Table

from intramuros.accounts.caller import LOCAL
from intramuros.cli.console import AsJson, DataFolder, command, err, opened, out, print_json
from intramuros.engines.options import needed_bytes
from intramuros.errors import BadRequest, ModelNotFound
from intramuros.models.catalogue import CatalogueModel
from intramuros.models.download import pull as fetch
from intramuros.models.embedding import standing
from intramuros.models.installed import DEFAULT, InstalledModel
from intramuros.models.machine import Machine
from intramuros.models.progress import Progress, Report
from intramuros.settings import Settings

if TYPE_CHECKING:
    from intramuros.app import App

app = typer.Typer(no_args_is_help=True, help="Models: list, fetch, choose and remove them.")

STAGES = {
    "waiting": "Another command is fetching it; waiting",
    "connecting": "Connecting",
    "downloading": "Fetching",
    "unpacking": "Unpacking",
    "checking": "Checking what is there already",
    "installing": "Installing",
    "ready": "Ready",
}
TRUST = {
    "quotes": "quotes your documents word for word",
    "drafts": "writes drafts that a person should read",
    "answers": "writes answers",
}

WIDE = 120
SEALED_NOTE = (
    "its weights are decrypted into memory that stays taken while it runs; a plain file's pages may be dropped"
)
NOT_PINNED = "not pinned: its publisher may change the file; what comes is compared with the hub's hash, which is kept"


@app.command("list")
@command
def list_models(
    data: DataFolder = None,
    fits: Annotated[bool, typer.Option("--fits", help="Only those that fit into this machine's free memory.")] = False,
    installed: Annotated[bool, typer.Option("--installed", help="Only those on this machine.")] = False,
    as_json: AsJson = False,
) -> None:
    """List the models on this machine, then those of the catalogue."""
    machine = Machine.detect()
    with opened(data) as intramuros, intramuros.audit.entry_sync("model.list", by=LOCAL, via="cli"):
        here, default = intramuros.models.list(), intramuros.models.default_name
        rows = [_installed_row(model, intramuros, default, machine) for model in here]
        if not installed:
            names = {model.name for model in here}
            rows += [
                _catalogue_row(model, machine, intramuros.settings)
                for model in intramuros.catalogue
                if model.name not in names
            ]
        unfinished = intramuros.models.unfinished()
    rows = [row for row in rows if row["fits"] or not fits]
    if as_json:
        waiting = [{"name": u.name, "done_bytes": u.done_bytes, "total_bytes": u.total_bytes} for u in unfinished]
        print_json({"default": default, "room_bytes": machine.room_bytes, "models": rows, "unfinished": waiting})
        return
    out.print(_table(rows, width=out.width))
    for download in unfinished:
        out.print(
            f"[yellow]{download.name} is not finished[/]: {_size(download.done_bytes)} of {_size(download.total_bytes)}"
        )
    if not all(row["pinned"] for row in rows):
        out.print(f"[dim]* {NOT_PINNED}.[/]")
    out.print(f"[dim]Memory as the engine is started here, all conversations; {_size(machine.room_bytes)} are free.[/]")


@app.command()
@command
def pull(
    model: Annotated[
        str, typer.Argument(help="A name of the catalogue, hf:owner/repo/file.gguf, an address, or a file.")
    ],
    *,
    data: DataFolder = None,
    name: Annotated[str | None, typer.Option(help="The name to install it under.")] = None,
    use: Annotated[bool, typer.Option("--use", help="Make it the default afterwards.")] = False,
    if_needed: Annotated[
        bool, typer.Option("--if-needed", help="Say nothing when a default model is there already.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Fetch a model, verify it and install it; goes on with a download that was broken off."""
    with opened(data) as intramuros:
        if if_needed and intramuros.models.default_name:
            return
        installed = asyncio.run(pull_shown(intramuros, model, name=name, quiet=as_json))
        if use:
            with intramuros.audit.entry_sync("model.use", by=LOCAL, object=installed.name, via="cli"):
                intramuros.models.use(installed.name)
        default = intramuros.models.default_name
        row = _installed_row(installed, intramuros, default, Machine.detect())
    if as_json:
        print_json(row)
        return
    out.print(f"{escape(installed.title)} is ready: {_size(installed.size_bytes)}, {_verified(installed)}.")
    if installed.is_chat and default != installed.name:
        out.print(f"[dim]Make it the default: intramuros models use {installed.name}[/]")


@app.command()
@command
def remove(
    name: Annotated[str, typer.Argument(help="The model's name, or that of a download that was broken off.")],
    data: DataFolder = None,
    as_json: AsJson = False,
) -> None:
    """Delete a model from this machine."""
    with opened(data) as intramuros, intramuros.audit.entry_sync("model.remove", by=LOCAL, object=name, via="cli"):
        intramuros.models.remove(name)
    if as_json:
        print_json({"name": name, "removed": True})
    else:
        out.print(f"{name} was removed.")


@app.command()
@command
def seal(
    name: Annotated[str | None, typer.Argument(help="The installed model.")] = None,
    *,
    data: DataFolder = None,
    every: Annotated[bool, typer.Option("--all", help="All models of this machine.")] = False,
    as_json: AsJson = False,
) -> None:
    """Store a model encrypted: its weights are only ever readable in the engine's memory.

    They then take memory that the system can't give to others. INTRAMUROS_ENCRYPT_MODELS=true seals those to come.
    """
    if every == (name is not None):
        raise BadRequest("Name a model, or say --all.")
    with opened(data) as intramuros:
        names = [model.name for model in intramuros.models.list()] if name is None else [name]
        for one in names:
            with intramuros.audit.entry_sync("model.seal", by=LOCAL, object=one, via="cli"):
                intramuros.models.seal(one)
    if as_json:
        print_json({"sealed": names})
    else:
        for one in names:
            out.print(
                f"{one} is stored encrypted. What a disk keeps of the plain file below the file system is beyond reach."
            )


@app.command()
@command
def use(
    name: Annotated[str, typer.Argument(help="The installed model that answers from now on.")],
    data: DataFolder = None,
    as_json: AsJson = False,
) -> None:
    """Make a model the default: the one that answers when nobody names another."""
    with opened(data) as intramuros, intramuros.audit.entry_sync("model.use", by=LOCAL, object=name, via="cli"):
        model = intramuros.models.use(name)
    if as_json:
        print_json({"default": model.name, "trust": model.trust})
    else:
        out.print(f"{escape(model.title)} answers from now on: it {TRUST[model.trust]}.")


@app.command()
@command
def show(
    name: Annotated[str, typer.Argument(help="A model of this machine or of the catalogue; 'default' works.")],
    data: DataFolder = None,
    as_json: AsJson = False,
) -> None:
    """Show what is known of a model, what its licence allows, and what memory it takes."""
    machine = Machine.detect()
    with opened(data) as intramuros, intramuros.audit.entry_sync("model.show", by=LOCAL, object=name, via="cli"):
        facts = _facts(name, intramuros, machine)
    if as_json:
        print_json(facts)
        return
    table = Table(show_header=False, box=None)
    for key, value in facts.items():
        if value not in (None, "", [], {}):
            table.add_row(f"[bold]{key.removesuffix('_bytes').replace('_', ' ')}", escape(_shown(key, value)))
    out.print(table)


async def pull_shown(intramuros: App, model: str, *, name: str | None = None, quiet: bool = False) -> InstalledModel:
    """Fetches a model with a progress bar on standard error, and one audit record. Raises: as `download.pull`."""
    if (listed := intramuros.catalogue.find(model)) and not quiet:
        _warn_if_large(listed, intramuros.settings)
    async with intramuros.audit.entry("model.pull", by=LOCAL, via="cli") as entry:
        with _bar(quiet=quiet) as report:
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
        err.print(f"[yellow]{escape(entry.title)} needs {_size(needed)} of memory; {_size(room)} are free now.[/]")


@contextmanager
def _bar(*, quiet: bool) -> Iterator[Report]:
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


def _table(rows: list[dict[str, Any]], *, width: int) -> Table:
    """The models in a table whose names are whole on any terminal; a narrow one leaves out languages and licence."""
    is_wide = width >= WIDE
    table = Table()
    for heading in ("name", "", "size", "memory"):
        table.add_column(heading, no_wrap=True)
    for heading in ("languages", "licence", "can be trusted with") if is_wide else ("trusted with",):
        table.add_column(heading)
    for row in rows:
        state = "[bold green]default[/]" if row["default"] else "[green]here[/]" if row["installed"] else ""
        memory = _size(row["memory_bytes"]) if row["fits"] else f"[red]{_size(row['memory_bytes'])}[/]"
        cells = [row["name"] + ("" if row["pinned"] else " *"), state, _size(row["size_bytes"]), memory]
        if is_wide:
            languages = " ".join(row["languages"][:6]) + (" …" if len(row["languages"]) > 6 else "")
            cells += [languages, escape(row["licence"]), TRUST[row["trust"]] if row["kind"] == "chat" else row["kind"]]
        else:
            cells.append(row["trust"] if row["kind"] == "chat" else row["kind"])
        table.add_row(*cells)
    return table


def _installed_row(model: InstalledModel, intramuros: App, default: str | None, machine: Machine) -> dict[str, Any]:
    memory = needed_bytes(model.header, machine, intramuros.settings)
    return {
        "name": model.name,
        "title": model.title,
        "installed": True,
        "default": model.name == default,
        "kind": "reranker" if model.header.is_reranker else "embedder" if model.header.is_embedder else "chat",
        "trust": model.trust,
        "languages": list(model.languages),
        "licence": model.licence or "unknown",
        "size_bytes": model.size_bytes,
        "memory_bytes": memory,
        "fits": memory <= machine.room_bytes,
        "sha256": model.sha256,
        "verified": model.verified,
        "pinned": True,
        "path": str(model.path),
        "sealed": model.is_sealed,
        "memory_note": SEALED_NOTE if model.is_sealed else None,
    }


def _catalogue_row(model: CatalogueModel, machine: Machine, settings: Settings) -> dict[str, Any]:
    memory = needed_bytes(model.header, machine, settings)
    return {
        "name": model.name,
        "title": model.title,
        "installed": False,
        "default": False,
        "kind": "reranker" if model.reranker else "embedder" if model.embedder else "chat",
        "trust": model.trust,
        "languages": list(model.languages),
        "licence": model.licence.id,
        "size_bytes": model.size_bytes,
        "memory_bytes": memory,
        "fits": memory <= machine.room_bytes,
        "sha256": model.sha256,
        "pinned": model.is_pinned,
    }


def _facts(name: str, intramuros: App, machine: Machine) -> dict[str, Any]:
    """All that is known of one model. Raises: ModelNotFound when neither this machine nor the catalogue has it."""
    entry, facts = intramuros.catalogue.find(name), dict[str, Any]()
    try:
        model = intramuros.models.get(name)
    except ModelNotFound:
        if name == DEFAULT:
            raise
        entry = intramuros.catalogue.get(name)
    else:
        entry = entry or intramuros.catalogue.find(model.name)
        row = _installed_row(model, intramuros, intramuros.models.default_name, machine)
        facts = row | {
            "installed_at": time.strftime("%Y-%m-%d %H:%M", time.localtime(model.installed_at)),
            "source": model.source,
            "architecture": model.header.architecture,
            "quantisation": model.header.quantisation,
            "parameters": model.header.parameters,
            "context_tokens": model.header.context_tokens,
            "layers": model.header.layers,
            "has_chat_template": model.header.has_chat_template,
            "search": standing(model, intramuros.catalogue).reason if row["kind"] == "embedder" else None,
        }
    return (_published(entry, machine, intramuros.settings) if entry is not None else {}) | facts


def _published(entry: CatalogueModel, machine: Machine, settings: Settings) -> dict[str, Any]:
    """What the catalogue says of a model, its licence above all."""
    may_be_sold = {True: "allowed", False: "not allowed", None: "unclear: ask its publisher"}
    return _catalogue_row(entry, machine, settings) | {
        "publisher": entry.publisher,
        "parameters": entry.parameters,
        "quantisation": entry.quantisation,
        "architecture": entry.architecture.name,
        "context_tokens": entry.context_tokens,
        "source": str(entry.source),
        "good_for": entry.good_for,
        "commercial_use": may_be_sold[entry.licence.commercial],
        "licence_limits": list(entry.licence.limits),
        "licence_note": entry.licence.note,
        "licence_url": entry.licence.url,
        "fusion_weight": entry.embedding.fusion_weight if entry.embedding else None,
        "estimated_answer_s": round(entry.answer_estimate_s(machine)) if entry.is_chat else None,
    }


def _verified(model: InstalledModel) -> str:
    return {
        "catalogue": "the file of the catalogue, hash compared",
        "hub": "hash compared with the hub's",
        "given": "hash compared with the one given",
    }.get(model.verified, "its hash had nothing to be compared with; it was recorded")


def _size(size_bytes: int | None) -> str:
    if size_bytes is None:
        return "unknown"
    return f"{size_bytes / 1e9:.1f} GB" if size_bytes >= 1e9 else f"{size_bytes / 1e6:.0f} MB"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min" if minutes else f"{rest} s"


def _shown(key: str, value: Any) -> str:
    if key == "trust":
        return TRUST[value]
    if key == "pinned" and not value:
        return "no; " + NOT_PINNED.removeprefix("not pinned: ")
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(str(item) for item in value)
    if key == "parameters":
        return f"{value / 1e9:.2f} billion"
    return _size(value) if key.endswith("_bytes") else str(value)
