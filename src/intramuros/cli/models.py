"""`intramuros models`: the models on this machine, and the catalogue of those worth fetching."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Column, Table

from intramuros.accounts.caller import LOCAL
from intramuros.accounts.prices import FREE, Price
from intramuros.cli.console import AsJson, DataFolder, command, opened, out, print_json
from intramuros.cli.fetching import download_bar, pull_shown
from intramuros.cli.loaded import release
from intramuros.cli.model_facts import (
    NOT_PINNED,
    TRUST,
    catalogue_row,
    facts_of,
    installed_row,
    model_table,
    shown,
    size,
    verified_by,
)
from intramuros.errors import BadRequest
from intramuros.models.download import pull as fetch
from intramuros.models.machine import Machine
from intramuros.models.parts import PROJECTOR

if TYPE_CHECKING:
    from intramuros.app import App

app = typer.Typer(no_args_is_help=True, help="Models: list, fetch, choose and remove them.")


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
        rows = [installed_row(model, intramuros, default, machine) for model in here]
        if not installed:
            names = {model.name for model in here}
            rows += [
                catalogue_row(model, machine, intramuros.settings)
                for model in intramuros.catalogue
                if model.name not in names
            ]
        unfinished = intramuros.models.unfinished()
        presets = [{"name": preset.name, "model": preset.model} for preset in intramuros.presets.list(by=LOCAL)]
    rows = [row for row in rows if row["fits"] or not fits]
    if as_json:
        waiting = [{"name": u.name, "done_bytes": u.done_bytes, "total_bytes": u.total_bytes} for u in unfinished]
        print_json(
            {
                "default": default,
                "room_bytes": machine.room_bytes,
                "models": rows,
                "presets": presets,
                "unfinished": waiting,
            }
        )
        return
    out.print(model_table(rows, width=out.width))
    for download in unfinished:
        out.print(
            f"[yellow]{download.name} is not finished[/]: {size(download.done_bytes)} of {size(download.total_bytes)}"
        )
    if not all(row["hash_pinned"] for row in rows):
        out.print(f"[dim]* {NOT_PINNED}.[/]")
    out.print(
        "[dim]Memory as the engine is started here, all conversations, with adapters and projector; "
        f"{size(machine.room_bytes)} are free.[/]"
    )


@app.command()
@command
def pull(
    model: Annotated[
        str,
        typer.Argument(
            help="A name of the catalogue, hf:owner/repo/file.gguf, hf:owner/repo, an address, a file or a folder."
        ),
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
        row = installed_row(installed, intramuros, default, Machine.detect())
    if as_json:
        print_json(row)
        return
    out.print(f"{escape(installed.title)} is ready: {size(installed.size_bytes)}, {verified_by(installed)}.")
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
        release(intramuros, name)
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
def see(
    name: Annotated[str, typer.Argument(help="The installed model.")],
    source: Annotated[
        str | None, typer.Argument(help="Its projector: hf:owner/repo/file.gguf, an address, a file.")
    ] = None,
    *,
    data: DataFolder = None,
    remove: Annotated[bool, typer.Option("--remove", help="Take the projector away: it reads text only.")] = False,
    as_json: AsJson = False,
) -> None:
    """Let a model see: install the projector (mmproj) that belongs to it."""
    if remove == (source is not None):
        raise BadRequest("Name the projector's file, or say --remove.")
    with opened(data) as intramuros:
        asyncio.run(_seeing(intramuros, name, source, quiet=as_json))
        model = intramuros.models.get(name)
    if as_json:
        print_json({"name": model.name, "sees": model.projector is not None})
    else:
        out.print(f"{model.name} {'sees images' if model.projector else 'reads text only'} from now on.")


async def _seeing(intramuros: App, model: str, source: str | None, *, quiet: bool) -> None:
    async with intramuros.audit.entry("model.see", by=LOCAL, via="cli") as entry:
        place = intramuros.models.beside(model, PROJECTOR)
        entry.note(model=place.model.name)
        if source is None:
            place.remove(PROJECTOR)
            return
        with download_bar(quiet=quiet) as report:
            await fetch(
                source,
                to=place,
                egress=intramuros.egress,
                progress=report,
                name=PROJECTOR,
                hub_url=intramuros.settings.hub_url,
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
def price(
    name: Annotated[str, typer.Argument(help="Name of the model.")],
    input: Annotated[
        float | None, typer.Option("--input", min=0, help="Euros for a million tokens of prompts.")
    ] = None,
    output: Annotated[float | None, typer.Option("--output", min=0, help="The same of answers.")] = None,
    data: DataFolder = None,
    as_json: AsJson = False,
) -> None:
    """Show or set what a model's tokens cost, for the budgets of: intramuros quotas. Without a price it is free."""
    with opened(data) as intramuros, intramuros.audit.entry_sync("model.price", by=LOCAL, via="cli") as entry:
        model = intramuros.models.get(name).name
        entry.note(model=model)
        found = intramuros.prices.all().get(model, FREE)
        if input is not None or output is not None:
            found = Price(found.input if input is None else input, found.output if output is None else output)
            intramuros.prices.set(model, found)
    if as_json:
        print_json({"model": model, "input_eur_per_million": found.input, "output_eur_per_million": found.output})
    else:
        out.print(f"{escape(model)}: {found.input:.2f} € for a million tokens read, {found.output:.2f} € written.")


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
        facts = facts_of(name, intramuros, machine)
    if as_json:
        print_json(facts)
        return
    table = Table(Column(), Column(overflow="fold"), show_header=False, box=None)
    for key, value in facts.items():
        if value not in (None, "", [], {}):
            table.add_row(f"[bold]{key.removesuffix('_bytes').replace('_', ' ')}", escape(shown(key, value)))
    out.print(table)
