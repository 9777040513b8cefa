"""`intramuros directory`: the organisation's own names, which redaction finds however they are written."""

from __future__ import annotations

from typing import Annotated

import typer

from intramuros.accounts.caller import LOCAL
from intramuros.cli.console import AsJson, DataFolder, command, opened, out, print_json
from intramuros.cli.files import text_of

app = typer.Typer(no_args_is_help=True, help="Names of the organisation that redaction knows: add, list, remove.")


@app.command()
@command
def add(
    names: Annotated[
        list[str] | None, typer.Argument(help="Names, such as 'Anna Keller' or 'Anna Keller;a.keller@example.org'.")
    ] = None,
    file: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="A text or CSV file: a name, or name;e-mail, a line; - is standard input."),
    ] = None,
    data: DataFolder = None,
    as_json: AsJson = False,
) -> None:
    """Add names. The people who have an account are known without being added."""
    given = [*(names or []), *(text_of(file).splitlines() if file else [])]
    with opened(data) as intramuros, intramuros.audit.entry_sync("directory.add", by=LOCAL, via="cli"):
        added = intramuros.directory.add(given)
        total = len(intramuros.directory.list())
    if as_json:
        print_json({"added": added, "total": total})
    else:
        out.print(f"{added} added; the directory's list has {total} names.")


@app.command("list")
@command
def list_names(data: DataFolder = None, as_json: AsJson = False) -> None:
    """List the names that were added."""
    with opened(data) as intramuros, intramuros.audit.entry_sync("directory.list", by=LOCAL, via="cli"):
        names = intramuros.directory.list()
    if as_json:
        print_json(names)
    else:
        for name in names:
            out.print(name, markup=False)


@app.command()
@command
def remove(
    name: Annotated[str, typer.Argument(help="The name as it is listed.")],
    data: DataFolder = None,
    as_json: AsJson = False,
) -> None:
    """Take a name off the list."""
    with opened(data) as intramuros, intramuros.audit.entry_sync("directory.remove", by=LOCAL, via="cli"):
        intramuros.directory.remove(name)
    if as_json:
        print_json({"removed": name})
    else:
        out.print("Removed.")
