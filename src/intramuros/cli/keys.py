"""`intramuros keys`: API keys for programs."""

from __future__ import annotations

import time
from typing import Annotated

import typer
from rich.table import Table

from intramuros.accounts.caller import LOCAL
from intramuros.cli.console import AsJson, DataFolder, command, opened, out, print_json
from intramuros.errors import NotFound

app = typer.Typer(no_args_is_help=True, help="API keys for programs: make, list and revoke them.")

DAY_S = 86_400


@app.command()
@command
def create(
    name: Annotated[str, typer.Argument(help="What the key is for.")],
    data: DataFolder = None,
    user: Annotated[
        str | None, typer.Option(help="E-mail of the person the key acts for; else the local operator.")
    ] = None,
    days: Annotated[float | None, typer.Option(min=0, help="Days after which it stops working; else never.")] = None,
    as_json: AsJson = False,
) -> None:
    """Make a key. It is shown once and stored only as a hash."""
    with opened(data) as intramuros, intramuros.audit.entry_sync("key.create", by=LOCAL, via="cli") as entry:
        owner = _owner(intramuros.users.by_email(user) if user else None, user)
        expires = time.time() + days * DAY_S if days is not None else None
        key, record = intramuros.api_keys.create(name, owner, expires=expires)
        entry.note(key=record.id)
    if as_json:
        print_json({"key": key, "id": record.id, "name": record.name, "expires_at": record.expires_at})
    else:
        out.print(key)
        out.print("[dim]This key is shown once. Use it as the API key of any OpenAI client.[/]")


@app.command("list")
@command
def list_keys(data: DataFolder = None, as_json: AsJson = False) -> None:
    """List the keys, without the keys themselves."""
    with opened(data) as intramuros, intramuros.audit.entry_sync("key.list", by=LOCAL, via="cli"):
        records = intramuros.api_keys.list()
    if as_json:
        print_json(
            [
                {
                    "id": r.id,
                    "name": r.name,
                    "hint": r.hint,
                    "created_at": r.created_at,
                    "expires_at": r.expires_at,
                    "revoked_at": r.revoked_at,
                }
                for r in records
            ]
        )
        return
    table = Table("id", "name", "ends in", "made", "state")
    for record in records:
        state = (
            "revoked"
            if record.revoked_at
            else "expired"
            if record.expires_at and record.expires_at < time.time()
            else "works"
        )
        table.add_row(
            record.id,
            record.name,
            f"…{record.hint}",
            time.strftime("%Y-%m-%d", time.localtime(record.created_at)),
            state,
        )
    out.print(table)


@app.command()
@command
def revoke(
    key_id: Annotated[str, typer.Argument(help="The key's id, from: intramuros keys list")],
    data: DataFolder = None,
    as_json: AsJson = False,
) -> None:
    """Stop a key from working, at once."""
    with opened(data) as intramuros, intramuros.audit.entry_sync("key.revoke", by=LOCAL, object=key_id, via="cli"):
        intramuros.api_keys.revoke(key_id)
    if as_json:
        print_json({"id": key_id, "revoked": True})
    else:
        out.print(f"Key {key_id} no longer works.")


def _owner(found: object | None, email: str | None) -> str:
    if email is None:
        return LOCAL.user_id
    if found is None:
        raise NotFound(
            f"There is no user with the address {email}.", hint="See the users in the web page under People."
        )
    return str(getattr(found, "id"))  # noqa: B009
