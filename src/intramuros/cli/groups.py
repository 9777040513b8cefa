"""`intramuros groups`: named sets of people, for projects to be shared with."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from intramuros.accounts.caller import LOCAL
from intramuros.api.groups import group_object, member_object
from intramuros.cli.console import AsJson, DataFolder, command, opened, out, print_json, say

app = typer.Typer(no_args_is_help=True, help="Groups of people, for projects to be shared with.")

GroupName = Annotated[str, typer.Argument(help="Name or id of the group.")]
Person = Annotated[str, typer.Argument(help="E-mail address or id of the person.")]


@app.command("list")
@command
def list_groups(data: DataFolder = None, as_json: AsJson = False) -> None:
    """List the groups and who is in them."""
    with opened(data) as intramuros, intramuros.audit.entry_sync("groups.list", by=LOCAL, via="cli"):
        found = [(group, intramuros.groups.members(group.id)) for group in intramuros.groups.list()]
    if as_json:
        print_json(
            [
                group_object(group) | {"members": [member_object(member) for member in members]}
                for group, members in found
            ]
        )
        return
    table = Table("name", "in the directory", "people", "id")
    for group, members in found:
        people = ", ".join(member.email for member in members)
        table.add_row(escape(group.name), escape(group.external_name or ""), escape(people), group.id)
    out.print(table)


@app.command()
@command
def create(
    name: Annotated[str, typer.Argument(help="Name of the group.")],
    data: DataFolder = None,
    external_name: Annotated[
        str | None, typer.Option(help="Name of this group in the directory or sign-in provider, which then fills it.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make an empty group."""
    with opened(data) as intramuros, intramuros.audit.entry_sync("group.create", by=LOCAL, via="cli") as entry:
        group = intramuros.groups.create(name, external_name=external_name)
        entry.about(group.id)
    say(group_object(group), f"Group {group.name} is made. Add people: intramuros groups add", as_json=as_json)


@app.command()
@command
def add(group: GroupName, person: Person, data: DataFolder = None, as_json: AsJson = False) -> None:
    """Put a person into a group: every project shared with it opens to them."""
    with opened(data) as intramuros, intramuros.audit.entry_sync("group.add", by=LOCAL, via="cli") as entry:
        user = intramuros.users.find(person)
        entry.note(user=user.id)
        changed = intramuros.groups.add(group, user_id=user.id, by=LOCAL)
        entry.about(changed.id)
    say(group_object(changed), f"{user.email} is in {changed.name}.", as_json=as_json)


@app.command()
@command
def leave(group: GroupName, person: Person, data: DataFolder = None, as_json: AsJson = False) -> None:
    """Take a person out of a group: what it opened closes at once."""
    with opened(data) as intramuros, intramuros.audit.entry_sync("group.leave", by=LOCAL, via="cli") as entry:
        user = intramuros.users.find(person)
        entry.note(user=user.id)
        changed = intramuros.groups.leave(group, user_id=user.id)
        entry.about(changed.id)
    say(group_object(changed), f"{user.email} is no longer in {changed.name}.", as_json=as_json)


@app.command()
@command
def remove(group: GroupName, data: DataFolder = None, as_json: AsJson = False) -> None:
    """Remove a group, and with it what was shared with it. Its people stay."""
    with opened(data) as intramuros, intramuros.audit.entry_sync("group.remove", by=LOCAL, via="cli") as entry:
        removed = intramuros.groups.remove(group)
        entry.about(removed.id)
    say({"id": removed.id, "removed": True}, f"Group {removed.name} is removed.", as_json=as_json)
