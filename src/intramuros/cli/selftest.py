"""`intramuros selftest`: tries each promise on this installation and says what held."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from intramuros.accounts.caller import LOCAL
from intramuros.cli.console import AsJson, DataFolder, command, err, opened, out, print_json

if TYPE_CHECKING:
    from intramuros.app import App
    from intramuros.tasks.selftest import Check

MARKS = {True: "[green]held[/]", False: "[bold red]BROKEN[/]", None: "[dim]not tried[/]"}


@command
def selftest(
    data: DataFolder = None,
    deep: Annotated[bool, typer.Option("--deep", help="Read every stored file to its end, not only some.")] = False,
    as_json: AsJson = False,
) -> None:
    """Try every promise on this data folder. Ends with 1 if one did not hold."""
    with opened(data) as intramuros:
        checks = asyncio.run(_run(intramuros, deep=deep))
    if as_json:
        print_json([{"name": c.name, "promise": c.promise, "held": c.held, "detail": c.detail} for c in checks])
    else:
        table = Table("", "what", "promise", "seen")
        for check in checks:
            table.add_row(MARKS[check.held], check.name, check.promise, check.detail)
        out.print(table)
    if any(check.held is False for check in checks):
        raise typer.Exit(1)


async def _run(app: App, *, deep: bool) -> list[Check]:
    try:
        async with app.audit.entry("selftest", by=LOCAL, via="cli") as entry:
            checks = []
            with err.status("Trying each promise …"):
                async for check in replace(app.selftest, deep=deep).run():
                    checks.append(check)
            entry.note(held=sum(c.held is True for c in checks), broken=sum(c.held is False for c in checks))
            return checks
    finally:
        await app.pool.stop()
