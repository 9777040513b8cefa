"""`intramuros users`: who may sign in, with which role."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from intramuros.accounts.caller import LOCAL
from intramuros.accounts.users import User
from intramuros.api.people import person_object
from intramuros.app import App
from intramuros.cli.console import AsJson, DataFolder, command, opened, out, print_json, say
from intramuros.cli.erase import Heir, Yes, erased
from intramuros.cli.init import first_line
from intramuros.server.place import place_for

app = typer.Typer(no_args_is_help=True, help="People and services: add, invite, suspend and remove them.")

Person = Annotated[str, typer.Argument(help="E-mail address or id, from: intramuros users list")]
RoleName = Annotated[str, typer.Option(help="administrator, auditor, manager, member or service.")]


@app.command("list")
@command
def list_users(data: DataFolder = None, as_json: AsJson = False) -> None:
    """List everybody."""
    with opened(data) as intramuros, intramuros.audit.entry_sync("users.list", by=LOCAL, via="cli"):
        found = intramuros.users.list()
    if as_json:
        print_json([person_object(user) for user in found])
        return
    table = Table("e-mail", "name", "role", "state", "id")
    for user in found:
        table.add_row(escape(user.email), escape(user.name), user.role, _state(user), user.id)
    out.print(table)


@app.command()
@command
def show(person: Person, data: DataFolder = None, as_json: AsJson = False) -> None:
    """Show one person: role, groups, projects, keys."""
    with opened(data) as intramuros, intramuros.audit.entry_sync("user.show", by=LOCAL, via="cli") as entry:
        user = intramuros.users.find(person)
        entry.about(user.id)
        shown = {**person_object(user), **_belongings(intramuros, user)}
    if as_json:
        print_json(shown)
        return
    out.print(f"[bold]{escape(user.name)}[/] <{escape(user.email)}>, {user.role}, {_state(user)}")
    out.print(f"Groups:   {escape(', '.join(group['name'] for group in shown['groups']) or 'none')}")
    projects = ", ".join(f"{project['name']} ({project['role']})" for project in shown["projects"])
    out.print(f"Projects: {escape(projects or 'none')}")
    out.print(f"Keys:     {shown['keys']}")


@app.command()
@command
def add(
    email: Annotated[str, typer.Argument(help="E-mail address; a service needs one too, as its name.")],
    *,
    data: DataFolder = None,
    name: Annotated[str | None, typer.Option(help="Name that others see; else the part before the @.")] = None,
    role: RoleName = "member",
    password_file: Annotated[
        Path | None, typer.Option(help="File with the first password (first line); not for a service.")
    ] = None,
    language: Annotated[str, typer.Option(help="Language of the pages: fr or en.")] = "fr",
    as_json: AsJson = False,
) -> None:
    """Add a person with a password, or a service, which has keys only. A link is better: intramuros users invite."""
    password = first_line(password_file) if password_file is not None else None
    with opened(data) as intramuros, intramuros.audit.entry_sync("user.add", by=LOCAL, via="cli") as entry:
        user = intramuros.users.create(
            email, name or email.split("@")[0], role=role, password=password, language=language
        )
        entry.about(user.id)
        entry.note(role=user.role)
    _say(user, f"{user.email} is here as {user.role}.", as_json=as_json)


@app.command()
@command
def invite(
    data: DataFolder = None,
    role: RoleName = "member",
    hours: Annotated[float, typer.Option(min=0.1, max=720, help="Hours the link works.")] = 72,
    as_json: AsJson = False,
) -> None:
    """Print a link with which somebody adds themselves. It works once: send it to that person alone."""
    with opened(data) as intramuros, intramuros.audit.entry_sync("user.invite", by=LOCAL, via="cli") as entry:
        token = intramuros.users.invite(role, hours=hours)
        entry.note(role=role)
        link = f"{place_for(intramuros.settings).url}/first/{token}"
    if as_json:
        print_json({"link": link, "role": role, "hours": hours})
    else:
        out.print(link, soft_wrap=True)
        out.print(f"[dim]Works once, for {hours:g} hours, and makes a {role}.[/]")


@app.command()
@command
def suspend(person: Person, data: DataFolder = None, as_json: AsJson = False) -> None:
    """Lock a person out at once: sessions, keys and answers that are being written end."""
    with opened(data) as intramuros, intramuros.audit.entry_sync("user.suspend", by=LOCAL, via="cli") as entry:
        user = intramuros.users.find(person)
        entry.about(user.id)
        intramuros.users.suspend(user.id)
        user = intramuros.users.get(user.id)
    _say(user, f"{user.email} is locked out.", as_json=as_json)


@app.command("sign-out")
@command
def sign_out(person: Person, data: DataFolder = None, as_json: AsJson = False) -> None:
    """End every session of a person, in every browser. They may sign in again; their keys go on."""
    with opened(data) as intramuros, intramuros.audit.entry_sync("user.sign_out", by=LOCAL, via="cli") as entry:
        user = intramuros.users.find(person)
        entry.about(user.id)
        intramuros.sessions.close_all(user.id)
    _say(user, f"{user.email} is signed out everywhere.", as_json=as_json)


@app.command()
@command
def resume(person: Person, data: DataFolder = None, as_json: AsJson = False) -> None:
    """Let a suspended person in again; they sign in anew, their keys work again."""
    with opened(data) as intramuros, intramuros.audit.entry_sync("user.resume", by=LOCAL, via="cli") as entry:
        user = intramuros.users.find(person)
        entry.about(user.id)
        intramuros.users.resume(user.id)
        user = intramuros.users.get(user.id)
    _say(user, f"{user.email} may sign in again.", as_json=as_json)


@app.command("reset-factor")
@command
def reset_factor(
    person: Person,
    *,
    data: DataFolder = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Take a person's second factors away when they lost them all: make sure it is them who asks.

    Their sessions end. With their password they can do nothing but set up a new factor.
    """
    with opened(data) as intramuros, intramuros.audit.entry_sync("user.reset_factor", by=LOCAL, via="cli") as entry:
        user = intramuros.users.find(person)
        entry.about(user.id)
        if not yes:
            typer.confirm(f"Take all second factors of {user.email} away?", abort=True, err=True)
        intramuros.factors.reset(user.id)
    _say(user, f"{user.email} must set up a new second factor at the next sign-in.", as_json=as_json)


@app.command()
@command
def role(
    person: Person,
    new_role: Annotated[str, typer.Argument(metavar="ROLE", help="administrator, auditor, manager or member.")],
    data: DataFolder = None,
    as_json: AsJson = False,
) -> None:
    """Give a person another role in the installation. Roles in projects: intramuros projects share."""
    with opened(data) as intramuros, intramuros.audit.entry_sync("user.role", by=LOCAL, via="cli") as entry:
        user = intramuros.users.find(person)
        entry.about(user.id)
        intramuros.users.set_role(user.id, new_role)
        entry.note(role=new_role)
        user = intramuros.users.get(user.id)
    _say(user, f"{user.email} is now {user.role}.", as_json=as_json)


@app.command()
@command
def remove(
    person: Person,
    *,
    data: DataFolder = None,
    heir: Heir = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Remove a person with their sessions, keys and conversations: the same as erase user, with its receipt."""
    erased("user", person, data=data, is_sure=yes, as_json=as_json, heir=heir)


def _belongings(intramuros: App, user: User) -> dict[str, Any]:
    from intramuros.tasks.reach import seen_by

    return {
        "groups": [{"id": group.id, "name": group.name} for group in intramuros.groups.list(of=user.id)],
        "projects": [
            {"id": project.id, "name": project.name, "role": project.role}
            for project in intramuros.projects.list(seen_by(user))
        ],
        "keys": sum(key.revoked_at is None for key in intramuros.api_keys.list(user.id)),
    }


def _state(user: User) -> str:
    return "suspended" if user.is_suspended else "active"


def _say(user: User, words: str, *, as_json: bool) -> None:
    say(person_object(user), words, as_json=as_json)
