"""`intramuros rotate`: another key for the data, or new data keys altogether."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from intramuros.accounts.caller import LOCAL
from intramuros.cli.console import AsJson, DataFolder, command, opened, out, print_json
from intramuros.cli.progress import bar, size
from intramuros.cli.secrets import new_passphrase
from intramuros.errors import AlreadyRunning, BadRequest
from intramuros.settings import Settings
from intramuros.storage.swap import kept


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
    deep: Annotated[
        bool, typer.Option("--deep", help="Change every key and write all data anew; goes on where it was stopped.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Let a new key file, passphrase or keyring open the data; the old one opens it no more. Takes an instant.

    With --data-keys the database and the ledger of keys get new keys too; stop the server first. With --deep projects,
    persons and sealed models get new ones as well: stored files are encrypted anew while the server runs, the rest when
    it is stopped.
    """
    if sum((new_key_file is not None, ask_passphrase, use_keyring)) > 1:
        raise BadRequest("Choose one: a key file, --passphrase or --keyring.")
    if data_keys or deep:
        if new_key_file or ask_passphrase or use_keyring:
            raise BadRequest("Change what opens the data first, without --data-keys or --deep; then its keys.")
        (_deep if deep else _data_keys)(data, as_json=as_json)
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

    settings = asked_passphrase(data)
    with bar(quiet=as_json) as report:
        done = run(settings, progress=report)
    aside = _put_aside(settings)
    if as_json:
        print_json({**asdict(done), "duration_s": round(done.duration_s, 2), "put_aside": aside})
    else:
        out.print(
            f"New keys: the database ({size(done.size_bytes)}) and {done.subjects} keys of projects and persons.",
            soft_wrap=True,
        )
        out.print("What opens the data is the same as before. Make a backup now: intramuros backup FOLDER")
        _say_of(aside)


def _deep(data: Path | None, *, as_json: bool) -> None:
    from intramuros.cli.console import asked_passphrase
    from intramuros.tasks.rotate_deep import finish, prepare

    settings = asked_passphrase(data)
    try:
        with bar(quiet=as_json) as report:
            done = finish(settings, progress=report)
    except AlreadyRunning:
        with (
            opened(data) as intramuros,
            intramuros.audit.entry_sync("keys.prepare", by=LOCAL, via="cli"),
            bar(quiet=as_json) as report,
        ):
            done = prepare(intramuros.settings, intramuros.keys, intramuros.database, progress=report)
    aside = _put_aside(settings)
    if as_json:
        print_json({**asdict(done), "duration_s": round(done.duration_s, 2), "put_aside": aside})
    elif done.is_finished:
        out.print(
            f"New keys: {done.files} stored files ({size(done.files_bytes)}), the database"
            f" ({size(done.database_bytes)}), {done.models} sealed models, {done.subjects} keys of projects and"
            " persons. The old keys are destroyed.",
            soft_wrap=True,
        )
        out.print(
            "What opens the data is the same as before. Make a backup now, to a new folder: intramuros backup FOLDER."
            " If the server makes its own, name that in INTRAMUROS_BACKUP_FOLDER: to the old one they are refused."
            " Earlier backups still open with that and their own folder's keys: delete them when you can.",
            soft_wrap=True,
        )
        _say_of(aside)
    else:
        out.print(
            f"{done.files} stored files ({size(done.files_bytes)}) are ready under new keys, beside the data."
            " The old keys still hold: the database can't be changed while a server or another command uses it.",
            soft_wrap=True,
        )
        out.print("Stop the server and give the same command again; it goes on from here.", soft_wrap=True)
    if not done.is_finished:
        raise typer.Exit(1)


def _put_aside(settings: Settings) -> list[str]:
    """Folders of data that restores replaced: what opened that, still does."""
    return [str(folder) for folder in kept(settings.data)]


def _say_of(aside: list[str]) -> None:
    if aside:
        out.print(
            f"A restore put earlier data aside, which still opens with its former keys: {', '.join(aside)}."
            " Delete it with: intramuros restore --forget",
            soft_wrap=True,
        )
