"""`intramuros adapters`: LoRA adapters beside a model, which requests choose as `model:adapter`."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from intramuros.accounts.caller import LOCAL
from intramuros.cli.console import AsJson, DataFolder, command, opened, out, print_json
from intramuros.cli.fetching import download_bar
from intramuros.models.download import pull as fetch
from intramuros.models.parts import ADAPTER, Part

if TYPE_CHECKING:
    from intramuros.app import App

app = typer.Typer(no_args_is_help=True, help="Adapters: fetch, list and remove what changes how a model writes.")

Model = Annotated[str, typer.Argument(help="The installed model.")]


@app.command()
@command
def pull(
    model: Model,
    source: Annotated[str, typer.Argument(help="hf:owner/repo/file.gguf, an address, or a file.")],
    *,
    data: DataFolder = None,
    name: Annotated[str | None, typer.Option(help="The name requests use for it.")] = None,
    as_json: AsJson = False,
) -> None:
    """Fetch a LoRA adapter, check that it fits the model, and install it beside it."""
    with opened(data) as intramuros:
        part = asyncio.run(_pulled(intramuros, model, source, name=name, quiet=as_json))
        model = intramuros.models.get(model).name
    if as_json:
        print_json(_object(model, part))
    else:
        out.print(f"{escape(part.name)} is ready: ask for {escape(model)}:{escape(part.name)}", soft_wrap=True)


@app.command("list")
@command
def list_adapters(
    model: Annotated[str | None, typer.Argument(help="One installed model, else all.")] = None,
    data: DataFolder = None,
    as_json: AsJson = False,
) -> None:
    """List the adapters beside the models."""
    with opened(data) as intramuros, intramuros.audit.entry_sync("adapter.list", by=LOCAL, via="cli"):
        models = intramuros.models.list() if model is None else [intramuros.models.get(model)]
        found = [(one.name, part) for one in models for part in one.adapters]
    if as_json:
        print_json([_object(*one) for one in found])
        return
    table = Table("ask for", "size", "rank", "stored", "source")
    for one, part in found:
        stored = "encrypted" if part.is_sealed else "plain"
        size = f"{part.size_bytes / 1e6:,.1f} MB"
        table.add_row(escape(f"{one}:{part.name}"), size, str(part.rank), stored, escape(part.source))
    out.print(table)


@app.command()
@command
def remove(
    model: Model,
    name: Annotated[str, typer.Argument(help="The adapter.")],
    data: DataFolder = None,
    as_json: AsJson = False,
) -> None:
    """Delete an adapter; its model stays, and answers that are being written go on."""
    with opened(data) as intramuros, intramuros.audit.entry_sync("adapter.remove", by=LOCAL, via="cli") as entry:
        place = intramuros.models.beside(model, ADAPTER)
        entry.note(model=place.model.name)
        place.remove(name)
        entry.note(adapter=name)
    if as_json:
        print_json({"model": place.model.name, "name": name, "removed": True})
    else:
        out.print(f"{escape(name)} was removed.")


async def _pulled(intramuros: App, model: str, source: str, *, name: str | None, quiet: bool) -> Part:
    async with intramuros.audit.entry("adapter.pull", by=LOCAL, via="cli") as entry:
        place = intramuros.models.beside(model, ADAPTER)
        with download_bar(quiet=quiet) as report:
            part = await fetch(
                source,
                to=place,
                egress=intramuros.egress,
                progress=report,
                name=name,
                hub_url=intramuros.settings.hub_url,
            )
        entry.note(model=place.model.name, adapter=part.name, size_bytes=part.size_bytes)
    return part


def _object(model: str, part: Part) -> dict[str, Any]:
    return {
        "model": model,
        "name": part.name,
        "ask_for": f"{model}:{part.name}",
        "size_bytes": part.size_bytes,
        "rank": part.rank,
        "sha256": part.sha256,
        "verified": part.verified,
        "sealed": part.is_sealed,
        "source": part.source,
    }
