"""`intramuros presets`: models under names of their own, with a system prompt and sampling, for everyone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from intramuros.accounts.caller import LOCAL
from intramuros.api.presets import preset_object
from intramuros.cli.console import AsJson, DataFolder, command, opened, out, print_json
from intramuros.errors import BadRequest
from intramuros.models import sampling
from intramuros.models.presets import Wanted

app = typer.Typer(no_args_is_help=True, help="Presets: a model with a system prompt and sampling, under its own name.")

PresetName = Annotated[str, typer.Argument(help="Name or id of the preset.")]


@app.command()
@command
def create(
    name: Annotated[str, typer.Argument(help="Name under which it answers.")],
    *,
    data: DataFolder = None,
    model: Annotated[str, typer.Option(help="The installed model, or preset, it is made from.")] = "default",
    system: Annotated[str | None, typer.Option(help="The system prompt.")] = None,
    system_file: Annotated[Path | None, typer.Option(help="A text file with the system prompt.")] = None,
    parameters: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="A parameter, such as temperature=0.2; can be repeated."),
    ] = None,
    adapter: Annotated[str | None, typer.Option(help="The adapter of the model that acts.")] = None,
    as_json: AsJson = False,
) -> None:
    """Make a preset for everyone: it is listed and asked like a model."""
    if system is not None and system_file is not None:
        raise BadRequest("Give the system prompt once: --system or --system-file.")
    wanted = Wanted(name, model, _system(system, system_file), _parameters(parameters or []), adapter=adapter)
    with opened(data) as intramuros, intramuros.audit.entry_sync("preset.create", by=LOCAL, via="cli") as entry:
        preset = intramuros.presets.create(wanted, by=LOCAL, for_everyone=True)
        entry.about(preset.id)
    if as_json:
        print_json(preset_object(preset))
    else:
        said = f"{escape(preset.name)} can be asked from now on; {escape(preset.model)} answers for it."
        out.print(said, soft_wrap=True)


@app.command("list")
@command
def list_presets(data: DataFolder = None, as_json: AsJson = False) -> None:
    """List the presets for everyone; people's own are theirs."""
    with opened(data) as intramuros, intramuros.audit.entry_sync("presets.list", by=LOCAL, via="cli"):
        found = intramuros.presets.list(by=LOCAL)
    if as_json:
        print_json([preset_object(preset) for preset in found])
        return
    table = Table("name", "model", "system prompt", "parameters")
    for preset in found:
        shown = _said(preset.parameters)
        start = preset.system[:60] + (" …" if len(preset.system) > 60 else "")
        table.add_row(escape(preset.name), escape(preset.model), escape(start), escape(shown))
    out.print(table)


@app.command()
@command
def show(preset: PresetName, data: DataFolder = None, as_json: AsJson = False) -> None:
    """Show all that a preset says."""
    with opened(data) as intramuros, intramuros.audit.entry_sync("preset.show", by=LOCAL, via="cli") as entry:
        found = intramuros.presets.get(preset, by=LOCAL)
        entry.about(found.id)
    if as_json:
        print_json(preset_object(found))
        return
    table = Table(show_header=False, box=None)
    for name, value in preset_object(found).items():
        if value not in (None, "", [], {}) and not name.endswith("_at"):
            said = _said(value) if isinstance(value, dict) else "yes" if value is True else str(value)
            table.add_row(f"[bold]{name}", escape(said))
    out.print(table)


@app.command()
@command
def remove(preset: PresetName, data: DataFolder = None, as_json: AsJson = False) -> None:
    """Remove a preset; its model stays."""
    with opened(data) as intramuros, intramuros.audit.entry_sync("preset.remove", by=LOCAL, via="cli") as entry:
        removed = intramuros.presets.remove(preset, by=LOCAL)
        entry.about(removed.id)
    if as_json:
        print_json({"name": removed.name, "removed": True})
    else:
        out.print(f"{escape(removed.name)} was removed.")


def _system(text: str | None, file: Path | None) -> str:
    if file is None:
        return text or ""
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadRequest(f"The system prompt can't be read from {file.name}.") from error


def _said(parameters: Mapping[str, Any]) -> str:
    """Parameters as they are given: name=value, `stop` once for each."""
    listed = {name: value if isinstance(value, list) else [value] for name, value in parameters.items()}
    return " ".join(f"{name}={value}" for name, values in listed.items() for value in values)


def _parameters(given: list[str]) -> dict[str, Any]:
    """What was set, by name; `stop` can be given several times. Raises: BadRequest."""
    found: dict[str, Any] = {}
    for text in given:
        name, sign, value = text.partition("=")
        if not sign:
            raise BadRequest(f"{text!r} sets nothing.", hint="Write NAME=VALUE, such as temperature=0.2")
        read = sampling.read(value, name)
        found[name] = [*found.get(name, []), read] if name == sampling.STOP else read
    return found
