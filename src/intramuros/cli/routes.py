"""`intramuros routes`: what answers under a model's name, who takes over, and how targets compare."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from intramuros.accounts.caller import LOCAL
from intramuros.cli.console import AsJson, DataFolder, command, opened, out, print_json
from intramuros.engines.route import Route

app = typer.Typer(no_args_is_help=True, help="Which targets answer under a model's name, and in which order.")

Name = Annotated[str, typer.Argument(help="Name that clients ask for; that of an installed model stands in its place.")]


@app.command("list")
@command
def list_routes(data: DataFolder = None, as_json: AsJson = False) -> None:
    """List the routes."""
    with opened(data) as intramuros, intramuros.audit.entry_sync("routes.list", by=LOCAL, via="cli"):
        found = intramuros.router.routing.routes()
    if as_json:
        print_json([route.to_json() for route in found])
        return
    table = Table("name", "targets", "when they fail", "when a prompt is too long", "shadow")
    for route in found:
        shown = route.to_json()
        columns = (", ".join(shown[part]) for part in ("targets", "fallbacks", "overflows"))
        shadow = f"{route.shadow.name} ({route.shadow_share:.1%})" if route.shadow else ""
        table.add_row(*(escape(column) for column in (route.name, *columns, shadow)))
    out.print(table)


@app.command("set")
@command
def set_route(
    name: Name,
    targets: Annotated[
        list[str], typer.Argument(help="upstream/model or upstream/model=weight; local/model is this machine.")
    ],
    *,
    data: DataFolder = None,
    fallback: Annotated[list[str] | None, typer.Option(help="Who takes over when those fail; in order.")] = None,
    overflow: Annotated[list[str] | None, typer.Option(help="Who takes over when a prompt is too long.")] = None,
    shadow: Annotated[str | None, typer.Option(help="Who also gets a share of the requests, unseen.")] = None,
    shadow_share: Annotated[float, typer.Option(help="That share: 0.05 is one in twenty.")] = 0.05,
    as_json: AsJson = False,
) -> None:
    """Set what answers under a name, in place of what did: models installed here, or listed by their upstream."""
    route = Route.of(
        {
            "name": name,
            "targets": targets,
            "fallbacks": fallback or [],
            "overflows": overflow or [],
            "shadow": shadow,
            "shadow_share": shadow_share,
        }
    )
    with opened(data) as intramuros, intramuros.audit.entry_sync("route.set", by=LOCAL, via="cli") as entry:
        entry.about(asyncio.run(intramuros.router.set_route(route)).name)
    if as_json:
        print_json(route.to_json())
    else:
        out.print(
            f"Route {escape(name)} is set. Rehearse it: intramuros drill fallback --route {escape(name)}",
            soft_wrap=True,
        )


@app.command()
@command
def show(name: Name, data: DataFolder = None, as_json: AsJson = False) -> None:
    """Show a route, and how its targets did: numbers only."""
    with opened(data) as intramuros, intramuros.audit.entry_sync("routes.show", by=LOCAL, via="cli") as entry:
        route = intramuros.router.routing.route(name)
        entry.about(route.name)
        compared = intramuros.router.comparisons.summary(route.name)
    if as_json:
        print_json(route.to_json() | {"compared": compared})
        return
    for part, said in route.to_json().items():
        if not said or (part == "shadow_share" and route.shadow is None):
            continue
        out.print(f"{part}: {escape(', '.join(said) if isinstance(said, list) else str(said))}", soft_wrap=True)
    if compared:
        table = Table("target", "role", "requests", "failed", "first token", "whole", "tokens", "agreement")
        for row in compared:
            numbers = (row["first_token_ms"], row["duration_ms"], row["completion_tokens"], row["agreement"])
            shown = ("" if number is None else f"{number:g}" for number in numbers)
            table.add_row(escape(row["target"]), row["role"], str(row["requests"]), str(row["failed"]), *shown)
        out.print(table)


@app.command()
@command
def rename(
    name: Name,
    to: Annotated[str, typer.Argument(help="Its new name.")],
    data: DataFolder = None,
    as_json: AsJson = False,
) -> None:
    """Give a route another name: presets and keys that name it follow. Programs must ask for the new name."""
    with opened(data) as intramuros, intramuros.audit.entry_sync("route.rename", by=LOCAL, via="cli") as entry:
        entry.about(intramuros.router.routing.route(name).name)
        renamed = intramuros.router.rename_route(name, to)
        entry.note(was=renamed.was)
        entry.about(renamed.name)
    if as_json:
        print_json(renamed.to_json())
        return
    out.print(f"Route {escape(renamed.was)} is {escape(renamed.name)} now.", soft_wrap=True)
    out.print(f"What followed: presets: {renamed.presets}, keys: {renamed.keys}.")
    out.print(f"Programs that ask for {escape(renamed.was)} must ask for {escape(renamed.name)}.", soft_wrap=True)


@app.command()
@command
def remove(name: Name, data: DataFolder = None, as_json: AsJson = False) -> None:
    """Remove a route: an installed model of its name answers again."""
    with opened(data) as intramuros, intramuros.audit.entry_sync("route.remove", by=LOCAL, via="cli") as entry:
        entry.about(intramuros.router.routing.route(name).name)
        intramuros.router.routing.remove_route(name)
    if as_json:
        print_json({"name": name, "removed": True})
    else:
        out.print(f"Route {escape(name)} is removed.")
