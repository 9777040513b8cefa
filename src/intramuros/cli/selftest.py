"""`intramuros selftest`: tries each promise on this installation and says what held; or tries every way out."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from intramuros.accounts.caller import LOCAL
from intramuros.cli.console import AsJson, DataFolder, command, err, opened, out, print_json

if TYPE_CHECKING:
    from intramuros.app import App
    from intramuros.tasks.isolation import Attack
    from intramuros.tasks.selftest import Check

MARKS = {True: "[green]held[/]", False: "[bold red]BROKEN[/]", None: "[dim]not tried[/]"}


class What(StrEnum):
    """What to try."""

    ALL = "all"
    ISOLATION = "isolation"


@command
def selftest(
    what: Annotated[
        What, typer.Argument(help="all promises, or isolation: each way out, from inside the engine and the reader.")
    ] = What.ALL,
    data: DataFolder = None,
    deep: Annotated[bool, typer.Option("--deep", help="Read every stored file to its end, not only some.")] = False,
    as_json: AsJson = False,
) -> None:
    """Try every promise on this data folder. Ends with 1 if one did not hold."""
    if what is What.ISOLATION:
        _isolation(data, as_json)
        return
    with opened(data) as intramuros:
        checks = asyncio.run(_run(intramuros, deep=deep))
    if as_json:
        print_json(
            [
                {"about": c.about, "name": c.name, "promise": c.promise, "held": c.held, "detail": c.detail}
                for c in checks
            ]
        )
    else:
        out.print(_page(checks))
    if any(check.held is False for check in checks):
        raise typer.Exit(1)


def _page(checks: list[Check]) -> Table:
    """The promises by number, each with its checks."""
    from intramuros.tasks.selftest import PROMISES

    table = Table("", "what", "promise", "seen")
    about = 0
    for check in checks:
        if check.about != about:
            about = check.about
            table.add_section()
            table.add_row("", "", f"[bold]{about}. {PROMISES[about]}[/]", "")
        table.add_row(MARKS[check.held], check.name, check.promise, escape(check.detail))
    return table


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


def _isolation(data: DataFolder, as_json: bool) -> None:
    with opened(data) as intramuros:
        attack = asyncio.run(_attack(intramuros))
    if as_json:
        print_json(_as_json(attack))
    else:
        out.print(_table(attack))
        out.print(_in_words(attack), soft_wrap=True)
    if attack.ways_out:
        raise typer.Exit(1)


async def _attack(app: App) -> Attack:
    async with app.audit.entry("selftest.isolation", by=LOCAL, via="cli") as entry:
        with err.status("Trying every way out …"):
            attack = await app.isolation.attack()
        attack.note(entry)
        return attack


def _as_json(attack: Attack) -> dict[str, object]:
    return {
        "level": attack.standing.level,
        "walls": {who: walls.to_json() for who, walls in attack.standing.walls.items()},
        "attempts": attack.outcomes,
        "open": [{"attempt": name, "process": who} for name, who in attack.ways_out],
    }


def _table(attack: Attack) -> Table:
    table = Table("attempt from inside", "engine", "reader")
    for name, found in attack.outcomes.items():
        table.add_row(name.replace("_", " "), *(_outcome(found[who]) for who in ("engine", "reader")))
    return table


def _outcome(how: str) -> str:
    return "[bold red]OPEN[/]" if how == "open" else f"[green]blocked[/] [dim]{escape(how)}[/]"


def _in_words(attack: Attack) -> str:
    standing = attack.standing
    lacking = [f"the {who} lacks {', '.join(walls)}" for who, walls in standing.missing.items()]
    ways = f"[bold red]{len(attack.ways_out)} open[/]" if attack.ways_out else "none open"
    said = f"Level [bold]{standing.level}[/]: {attack.attempts} attempts, {ways}."
    return said + (f" On this machine {'; '.join(lacking)}." if lacking else "")
