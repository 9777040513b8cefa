"""`intramuros restore`: brings a backup back, with the usual key or the recovery key."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from intramuros.cli.backup import RecoveryKey
from intramuros.cli.console import AsJson, DataFolder, asked_passphrase, command, out, print_json, settings_for
from intramuros.cli.progress import bar, size
from intramuros.cli.secrets import new_passphrase, recovery_words
from intramuros.errors import BadRequest
from intramuros.settings import Settings


@command
def restore(
    source: Annotated[
        Path | None, typer.Argument(metavar="FOLDER", help="A folder of backups (the newest), or one backup's own.")
    ] = None,
    *,
    data: DataFolder = None,
    backup: Annotated[str | None, typer.Option(help="Which one; else the newest.")] = None,
    recovery_key: RecoveryKey = None,
    key_file: Annotated[
        Path | None, typer.Option(help="Its key file; with the recovery key: where to put the new one.")
    ] = None,
    ask_passphrase: Annotated[
        bool,
        typer.Option("--passphrase", help="With the recovery key: open the data with a new passphrase."),
    ] = False,
    replace: Annotated[bool, typer.Option("--replace", help="Put the data that is there aside.")] = False,
    undo: Annotated[bool, typer.Option("--undo", help="Take back the last restore with --replace.")] = False,
    forget: Annotated[bool, typer.Option("--forget", help="Delete what restores with --replace put aside.")] = False,
    with_models: Annotated[bool, typer.Option("--with-models", help="The models too, if the backup has them.")] = False,
    as_json: AsJson = False,
) -> None:
    """Bring a backup back into an empty data folder, or with --replace in the place of what is there.

    Everything is brought and checked before anything changes. Stop the server first. Whatever was erased since the
    backup does not come back.
    """
    has_words = recovery_key is not None
    flags: dict[str, Path | None] = {} if has_words else {"key_file": key_file}
    settings = settings_for(data, **flags)
    if undo or forget:
        _aside(asked_passphrase(data, **flags), undo=undo, as_json=as_json)
        return
    if source is None:
        raise BadRequest("Say which folder the backup is in.", hint="intramuros restore FOLDER")
    _bring(
        source,
        settings,
        backup=backup,
        recovery_key=recovery_key,
        key_file=key_file if has_words else None,
        ask_passphrase=ask_passphrase,
        replace=replace,
        with_models=with_models,
        as_json=as_json,
    )


def _bring(
    source: Path,
    settings: Settings,
    *,
    backup: str | None,
    recovery_key: Path | None,
    key_file: Path | None,
    ask_passphrase: bool,
    replace: bool,
    with_models: bool,
    as_json: bool,
) -> None:
    from intramuros.storage.backups.place import within
    from intramuros.tasks.restore import NewKey
    from intramuros.tasks.restore import restore as run

    place, newest = within(source)
    words = recovery_words(recovery_key)
    chosen = NewKey(key_file, new_passphrase() if words and ask_passphrase else None)
    with bar(quiet=as_json) as report:
        done = run(
            place,
            backup or newest,
            settings,
            words=words,
            new_key=chosen,
            replace=replace,
            with_models=with_models,
            progress=report,
        )
    if as_json:
        print_json(
            {
                "backup": done.manifest.id,
                "data": str(settings.data),
                "key": done.key_place,
                "new_key": done.is_new_key,
                "kept": str(done.kept) if done.kept else None,
                "subjects": done.subjects,
                "erased_since": done.gone,
                "damaged": list(done.manifest.damaged),
            }
        )
        return
    out.print(
        f"The backup {done.manifest.id} ({size(done.manifest.size_bytes)}) is back in {settings.data}.", soft_wrap=True
    )
    if done.gone:
        out.print(
            f"{done.gone} projects or persons have no key any more: they were erased, and stay erased.", soft_wrap=True
        )
    if done.is_new_key:
        out.print(
            f"[bold]It opens with a new key: {done.key_place}.[/] Keep a copy of it in a safe place.", soft_wrap=True
        )
    if done.kept:
        out.print(f"What was there before is kept in {done.kept}; erasures don't reach it.", soft_wrap=True)
        out.print("Take the restore back: intramuros restore --undo. Delete what was kept: intramuros restore --forget")


def _aside(settings: Settings, *, undo: bool, as_json: bool) -> None:
    from intramuros.tasks.restore import forget
    from intramuros.tasks.restore import undo as put_back

    if undo:
        done = put_back(settings)
        said = {"undone": True, "kept": str(done.kept), "recorded": done.recorded}
        words = f"What was there before the restore is back. The restored data is kept in {done.kept}."
        if not done.recorded:
            words += " It does not open with the key at hand, so its audit does not say so."
    else:
        count = forget(settings)
        said, words = {"forgotten": count}, f"{count} folders put aside by restores were deleted."
    print_json(said) if as_json else out.print(words, soft_wrap=True)
