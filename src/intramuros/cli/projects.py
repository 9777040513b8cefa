"""`intramuros projects`: what there is, and with whom it is shared."""

from __future__ import annotations

from typing import Annotated, cast

import typer
from rich.markup import escape
from rich.table import Table

from intramuros.accounts.caller import LOCAL
from intramuros.accounts.projects import Role
from intramuros.api.projects import project_object
from intramuros.api.sharing import granted_group, sharing_object
from intramuros.app import App
from intramuros.audit.entry import Entry
from intramuros.cli.console import AsJson, DataFolder, command, opened, out, print_json, say
from intramuros.cli.erase import Yes, erased
from intramuros.errors import BadRequest

app = typer.Typer(no_args_is_help=True, help="Projects: make, share and remove them.")

ProjectName = Annotated[str, typer.Argument(help="Name or id of the project.")]
User = Annotated[str | None, typer.Option("--user", help="E-mail address or id of a person.")]
Group = Annotated[str | None, typer.Option("--group", help="Name or id of a group.")]


@app.command("list")
@command
def list_projects(data: DataFolder = None, as_json: AsJson = False) -> None:
    """List all projects."""
    with opened(data) as intramuros, intramuros.audit.entry_sync("projects.list", by=LOCAL, via="cli"):
        found = [(project, len(intramuros.library.list(project))) for project in intramuros.projects.list(LOCAL)]
    if as_json:
        print_json([{"id": project.id, "name": project.name, "documents": count} for project, count in found])
        return
    table = Table("name", "documents", "id")
    for project, count in found:
        table.add_row(escape(project.name), str(count), project.id)
    out.print(table)


@app.command()
@command
def create(
    name: Annotated[str, typer.Argument(help="Name of the project.")],
    data: DataFolder = None,
    owner: Annotated[str | None, typer.Option(help="E-mail of its owner; else all administrators own it.")] = None,
    as_json: AsJson = False,
) -> None:
    """Make a project."""
    with opened(data) as intramuros, intramuros.audit.entry_sync("project.create", by=LOCAL, via="cli") as entry:
        user_id = intramuros.users.find(owner).id if owner is not None else None
        project = intramuros.projects.create(name, by=LOCAL, owner=user_id)
        entry.about(project.id)
        entry.note(user=user_id)
    say(project_object(project), f"Project {project.name} is made ({project.id}).", as_json=as_json)


@app.command()
@command
def show(project: ProjectName, data: DataFolder = None, as_json: AsJson = False) -> None:
    """Show who may see a project, and through what."""
    with opened(data) as intramuros, intramuros.audit.entry_sync("members.list", by=LOCAL, via="cli") as entry:
        found = intramuros.projects.get(project, by=LOCAL)
        entry.about(found.id)
        shared = sharing_object(intramuros.projects, found.id, LOCAL)
    if as_json:
        print_json({**project_object(found), **shared})
        return
    table = Table("who", "role", "through", title=escape(found.name))
    for member in shared["members"]:
        table.add_row(escape(member["email"]), member["role"], escape(", ".join(member["through"])))
    for group in shared["groups"]:
        table.add_row(f"group {escape(group['name'])} ({group['people']})", group["role"], "")
    out.print(table)


@app.command()
@command
def share(
    project: ProjectName,
    *,
    data: DataFolder = None,
    user: User = None,
    group: Group = None,
    role: Annotated[str, typer.Option(help="reader, contributor or owner.")] = "reader",
    as_json: AsJson = False,
) -> None:
    """Share a project with a person or a group, or change the role they have."""
    with opened(data) as intramuros, intramuros.audit.entry_sync("project.share", by=LOCAL, via="cli") as entry:
        found = intramuros.projects.get(project, by=LOCAL, need="owner")
        entry.about(found.id)
        user_id, group_id = _target(intramuros, entry, user, group)
        given = cast(Role, role)
        if user_id is not None:
            intramuros.projects.add_member(found.id, user_id=user_id, role=given, by=LOCAL)
        elif group_id is not None:
            intramuros.projects.add_group(found.id, group_id=group_id, role=given, by=LOCAL)
        entry.note(role=role)
        shared = sharing_object(intramuros.projects, found.id, LOCAL)
    say({**project_object(found), **shared}, f"{user or group} has {found.name} as {role}.", as_json=as_json)


@app.command()
@command
def unshare(
    project: ProjectName, data: DataFolder = None, user: User = None, group: Group = None, as_json: AsJson = False
) -> None:
    """End what a person or a group has in a project, at once."""
    with opened(data) as intramuros, intramuros.audit.entry_sync("project.unshare", by=LOCAL, via="cli") as entry:
        found = intramuros.projects.get(project, by=LOCAL, need="owner")
        entry.about(found.id)
        user_id, group_id = _target(intramuros, entry, user, group)
        if user_id is not None:
            intramuros.projects.remove_member(found.id, user_id=user_id, by=LOCAL)
        elif group_id is not None:
            granted = granted_group(intramuros.projects, found.id, group_id, LOCAL)
            intramuros.projects.remove_group(found.id, group_id=granted, by=LOCAL)
        shared = sharing_object(intramuros.projects, found.id, LOCAL)
    say({**project_object(found), **shared}, f"{user or group} no longer has {found.name} this way.", as_json=as_json)


@app.command()
@command
def remove(project: ProjectName, data: DataFolder = None, yes: Yes = False, as_json: AsJson = False) -> None:
    """Remove a project with its documents and conversations, for good: the same as erase project, with its receipt."""
    erased("project", project, data=data, is_sure=yes, as_json=as_json)


def _target(app: App, entry: Entry, user: str | None, group: str | None) -> tuple[str | None, str | None]:
    if (user is None) == (group is None):
        raise BadRequest("Say with whom: either --user or --group.")
    user_id = app.users.find(user).id if user is not None else None
    group_id = app.groups.get(group).id if group is not None else None
    entry.note(user=user_id, group=group_id)
    return user_id, group_id
