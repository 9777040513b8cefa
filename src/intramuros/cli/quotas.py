"""`intramuros quotas`: how much people, groups, projects and keys may use, and their weight in the queue."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from intramuros.accounts.caller import LOCAL
from intramuros.accounts.quotas import NAMES
from intramuros.accounts.rights import Limit
from intramuros.accounts.usage import Usage
from intramuros.api.quotas import quota_object
from intramuros.cli.console import AsJson, DataFolder, command, opened, out, print_json
from intramuros.errors import BadRequest

app = typer.Typer(no_args_is_help=True, help="Limits and budgets: set, list, show and remove them.")

User = Annotated[str | None, typer.Option("--user", help="E-mail address or id of a person.")]
Group = Annotated[str | None, typer.Option("--group", help="Name or id of a group: all its people together.")]
Project = Annotated[str | None, typer.Option("--project", help="Name or id of a project: all asked about it.")]
Key = Annotated[str | None, typer.Option("--key", help="Id of an API key.")]
Role = Annotated[str | None, typer.Option("--role", help="A role: each person who has it, where nothing else is set.")]
Everyone = Annotated[bool, typer.Option("--everyone", help="Each person, where nothing else is set for them.")]
PerMinute = Annotated[int | None, typer.Option("--requests-per-minute", min=0, help="Requests a minute; 0: no limit.")]
PerDay = Annotated[int | None, typer.Option("--tokens-per-day", min=0, help="Tokens a day (UTC); 0: no limit.")]
PerMonth = Annotated[int | None, typer.Option("--tokens-per-month", min=0, help="Tokens a month; 0: no limit.")]
EurosDay = Annotated[float | None, typer.Option("--euros-per-day", min=0, help="Euros a day; 0: no limit.")]
EurosMonth = Annotated[float | None, typer.Option("--euros-per-month", min=0, help="Euros a month; 0: no limit.")]
Weight = Annotated[
    float | None, typer.Option("--weight", min=0, help="Share of a model against 1 of others; 0: the usual one.")
]


@app.command("set")
@command
def set_quota(  # noqa: PLR0917
    data: DataFolder = None,
    user: User = None,
    group: Group = None,
    project: Project = None,
    key: Key = None,
    role: Role = None,
    everyone: Everyone = False,
    requests_per_minute: PerMinute = None,
    tokens_per_day: PerDay = None,
    tokens_per_month: PerMonth = None,
    euros_per_day: EurosDay = None,
    euros_per_month: EurosMonth = None,
    weight: Weight = None,
    as_json: AsJson = False,
) -> None:
    """Set limits; what is not named stays. They count from the next request on, in a running server too."""
    given = {
        "requests_per_minute": requests_per_minute,
        "tokens_per_day": tokens_per_day,
        "tokens_per_month": tokens_per_month,
        "euros_per_day": euros_per_day,
        "euros_per_month": euros_per_month,
        "weight": weight,
    }
    values: dict[str, Any] = {name: value or None for name, value in given.items() if value is not None}
    if not values:
        raise BadRequest("Nothing to change.", hint="Name a limit, such as --tokens-per-day 100000")
    kind, name = _whose(user=user, group=group, project=project, key=key, role=role, everyone=everyone)
    with opened(data) as intramuros, intramuros.audit.entry_sync("quota.set", by=LOCAL, via="cli") as entry:
        found = intramuros.quotas.find(kind, name)
        entry.about(found.id)
        intramuros.quotas.set(kind, found.id, replace(found.quota, **values))
        _print(intramuros.quotas.find(kind, found.id), intramuros.usage, as_json=as_json)


@app.command("list")
@command
def list_quotas(data: DataFolder = None, as_json: AsJson = False) -> None:
    """List everything that is set; `--json` and `show` also say what was used of it."""
    with opened(data) as intramuros, intramuros.audit.entry_sync("quotas.list", by=LOCAL, via="cli"):
        found = [quota_object(limit, intramuros.usage) for limit in intramuros.quotas.list()]
    if as_json:
        print_json(found)
        return
    table = Table("for", "name", *(name.replace("_", " ") for name in NAMES))
    for item in map(dict[str, Any], found):
        table.add_row(
            item["kind"], escape(item["name"]), *("" if item[name] is None else str(item[name]) for name in NAMES)
        )
    out.print(table)


@app.command()
@command
def show(  # noqa: PLR0917
    data: DataFolder = None,
    user: User = None,
    group: Group = None,
    project: Project = None,
    key: Key = None,
    role: Role = None,
    everyone: Everyone = False,
    as_json: AsJson = False,
) -> None:
    """Show what is set for one, and what they have used."""
    kind, name = _whose(user=user, group=group, project=project, key=key, role=role, everyone=everyone)
    with opened(data) as intramuros, intramuros.audit.entry_sync("quota.show", by=LOCAL, via="cli") as entry:
        found = intramuros.quotas.find(kind, name)
        entry.about(found.id)
        _print(found, intramuros.usage, as_json=as_json)


@app.command()
@command
def remove(  # noqa: PLR0917
    data: DataFolder = None,
    user: User = None,
    group: Group = None,
    project: Project = None,
    key: Key = None,
    role: Role = None,
    everyone: Everyone = False,
    as_json: AsJson = False,
) -> None:
    """Take all limits of one away."""
    kind, name = _whose(user=user, group=group, project=project, key=key, role=role, everyone=everyone)
    with opened(data) as intramuros, intramuros.audit.entry_sync("quota.remove", by=LOCAL, via="cli") as entry:
        found = intramuros.quotas.find(kind, name)
        entry.about(found.id)
        intramuros.quotas.remove(kind, found.id)
    if as_json:
        print_json({"kind": kind, "id": found.id, "removed": True})
    else:
        out.print(f"No limits for {escape(found.name)} any more.")


def _whose(*, everyone: bool, **named: str | None) -> tuple[str, str]:
    """The one that was named. Raises: BadRequest for none or several."""
    chosen = [(kind, name) for kind, name in named.items() if name is not None]
    chosen += [("everyone", "")] if everyone else []
    if len(chosen) != 1:
        raise BadRequest(
            "Name one: --user, --group, --project, --key, --role or --everyone.",
            hint="For instance: intramuros quotas set --group Finance --tokens-per-day 100000",
        )
    return chosen[0]


def _print(limit: Limit, usage: Usage, *, as_json: bool) -> None:
    values = quota_object(limit, usage)
    if as_json:
        print_json(values)
        return
    table = Table(show_header=False, box=None)
    shown = {name: value for name, value in values.items() if name != "used"} | (values["used"] or {})
    for name, value in shown.items():
        unset = "not set" if name == "weight" else "any number"
        table.add_row(name.replace("_", " "), unset if value is None else escape(str(value)))
    out.print(table)
