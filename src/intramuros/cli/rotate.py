"""`intramuros rotate`: another key for the data, or new data keys altogether."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from intramuros.accounts.caller import LOCAL
from intramuros.cli.console import AsJson, DataFolder, command, opened, out, print_json
from intramuros.cli.progress import bar, size
from intramuros.cli.secrets import new_passphrase
from intramuros.errors import BadRequest


@command
def rotate(
    *,
    data: DataFolder = None,
    new_key_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where to put the new key file; else beside the old one.")
    ] = None,
    ask_passphrase: Annotated[bool, typer.Option("--passphrase", help="A passphrase from now on.")] = False,
    use_keyring: Annotated[bool, typer.Option("--keyring", help="The system's keyring from now on.")] = False,
    data_keys: Annotated[
        bool, typer.Option("--data-keys", help="Change the keys of the data itself: writes the database anew.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Let a new key file, passphrase or keyring open the data; the old one opens it no more. Takes an instant.

    With --data-keys the database and the ledger of keys get new keys too; stop the server first.
    """
    if sum((new_key_file is not None, ask_passphrase, use_keyring)) > 1:
        raise BadRequest("Choose one: a key file, --passphrase or --keyring.")
    if data_keys:
        if new_key_file or ask_passphrase or use_keyring:
            raise BadRequest("Change what opens the data first, without --data-keys; then its keys.")
        _data_keys(data, as_json=as_json)
        return
    from intramuros.security.keys import rewrap

    with opened(data) as intramuros, intramuros.audit.entry_sync("keys.rotate", by=LOCAL, via="cli"):
        before = intramuros.keys.place
        passphrase = new_passphrase() if ask_passphrase else None
        made = rewrap(
            intramuros.settings.data,
            intramuros.keys,
            key_file=new_key_file,
            passphrase=passphrase,
            use_keyring=use_keyring,
        )
    if as_json:
        print_json({"key": made.place, "before": before})
        return
    out.print(f"The data opens with {made.place} from now on. Keep a copy of it in a safe place.", soft_wrap=True)
    out.print(
        f"Backups made before still open with {before}: keep that too, or make a new backup and delete them.",
        soft_wrap=True,
    )


def _data_keys(data: Path | None, *, as_json: bool) -> None:
    from intramuros.cli.console import asked_passphrase
    from intramuros.tasks.rotate import rotate as run

    with bar(quiet=as_json) as report:
        done = run(asked_passphrase(data), progress=report)
    if as_json:
        print_json({"size_bytes": done.size_bytes, "subjects": done.subjects, "duration_s": round(done.duration_s, 2)})
    else:
        out.print(
            f"New keys: the database ({size(done.size_bytes)}) and {done.subjects} keys of projects and persons.",
            soft_wrap=True,
        )
        out.print("What opens the data is the same as before. Make a backup now: intramuros backup FOLDER")
