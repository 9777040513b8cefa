"""`intramuros drill`: rehearsals on the live configuration, with a report."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Column, Table

from intramuros.accounts.caller import LOCAL
from intramuros.cli.console import AsJson, DataFolder, command, err, opened, out, print_json
from intramuros.engines.asked import Asked
from intramuros.errors import BadRequest, NotFound

if TYPE_CHECKING:
    from intramuros.app import App
    from intramuros.tasks.drill import Report

app = typer.Typer(no_args_is_help=True, help="Rehearse a plan before the day it is needed.")

MARKS = {"held": "[green]held[/]", "broken": "[bold red]BROKEN[/]", "gap": "[yellow]nobody takes over[/]"}


@app.callback()
def drills() -> None:
    """Rehearse a plan before the day it is needed."""


@app.command()
@command
def fallback(
    data: DataFolder = None,
    route: Annotated[str | None, typer.Option(help="One route; else all.")] = None,
    outside: Annotated[
        bool, typer.Option("--outside", help="Agree that the fixed sentence goes to upstreams outside too.")
    ] = False,
    report: Annotated[
        Path | None, typer.Option(help="Folder for the report; else reports/ in the data folder.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make each target of a route fail, and see who takes over. Ends with 1 if the plan did not hold."""
    with opened(data) as intramuros:
        found = asyncio.run(_run(intramuros, route, agrees=outside))
        folder = report or intramuros.settings.data / "reports"
    path = _written(found, folder)
    if as_json:
        print_json(found.to_json() | {"report": str(path)})
    else:
        _show(found)
        out.print(f"The report: {escape(str(path))}", soft_wrap=True)
    if found.count("broken"):
        raise typer.Exit(1)


async def _run(intramuros: App, name: str | None, *, agrees: bool) -> Report:
    from intramuros.tasks.drill import Drill

    routing = intramuros.router.routing
    routes = [routing.route(name)] if name else routing.routes()
    if not routes:
        raise NotFound("There is no route to rehearse.", hint="Set one first: intramuros routes set NAME TARGET")
    try:
        async with intramuros.audit.entry("drill.fallback", by=LOCAL, via="cli") as entry:
            if name:
                entry.about(name)
            with err.status("Making each target fail …"):
                found = await Drill(intramuros.router).run(routes, Asked(LOCAL, entry, agrees=agrees))
            entry.note(attempts=len(found.rehearsals), held=found.count("held"), broken=found.count("broken"))
            return found
    finally:
        await intramuros.router.stop()
        await intramuros.pool.stop()


def _written(found: Report, folder: Path) -> Path:
    name = f"fallback-{time.strftime('%Y%m%d-%H%M%S', time.gmtime(found.at))}"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        (folder / f"{name}.json").write_text(json.dumps(found.to_json(), indent=2) + "\n", encoding="utf-8")
        (folder / f"{name}.md").write_text(found.to_markdown(), encoding="utf-8")
    except OSError as error:
        raise BadRequest(f"The report can't be written to {folder}.", hint="Give another folder: --report") from error
    return folder / f"{name}.md"


def _show(found: Report) -> None:
    from intramuros.tasks.drill import FAULTS

    failing, expected, answers = (Column(name, overflow="fold") for name in ("what fails", "should answer", "answered"))
    table = Table("route", failing, "how", expected, answers, "switch", "")
    for one in found.rehearsals:
        switch = "" if one.switch_ms is None else f"{one.switch_ms:.0f} ms"
        answered = one.answered or f"nobody ({one.error})"
        cells = (one.route, ", ".join(one.failing), FAULTS[one.fault], one.expected or "nobody", answered, switch)
        table.add_row(*map(escape, cells), MARKS[one.verdict])
    out.print(table)
