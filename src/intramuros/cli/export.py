"""`intramuros export`: what is kept about a person, for them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from intramuros.accounts.caller import LOCAL
from intramuros.cli.console import AsJson, DataFolder, command, opened, out, print_json
from intramuros.cli.files import bytes_written_whole
from intramuros.errors import NotFound

app = typer.Typer(no_args_is_help=True, help="What is kept about a person, as a file for them.")


@app.callback()
def group() -> None:
    """What is kept about a person, as a file for them."""


@app.command()
@command
def user(
    email: Annotated[str, typer.Argument()],
    to: Annotated[Path, typer.Option("--to", metavar="FILE.zip", help="Where to; nothing else is written.")],
    data: DataFolder = None,
    as_json: AsJson = False,
) -> None:
    """Write everything kept about a person to a ZIP file: JSON, and a page to read. It is readable: guard it."""
    with opened(data) as intramuros:
        person = intramuros.users.by_email(email)
        if person is None:
            raise NotFound("There is nobody with this address.")
        with intramuros.audit.entry_sync("export.user", by=LOCAL, object=person.id, via="cli") as entry:
            size = 0
            with bytes_written_whole(to) as file:
                for piece in intramuros.person_export.stream(person):
                    size += file.write(piece)
            entry.note(size_bytes=size)
    if as_json:
        print_json({"user": person.id, "file": str(to), "size_bytes": size})
    else:
        out.print(f"Written to {to}. It is readable by whoever has it: hand it over, then delete it.")
