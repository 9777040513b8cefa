"""`intramuros recovery`: the key on paper that opens the data when the usual one is lost."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from intramuros.accounts.caller import LOCAL
from intramuros.cli.console import AsJson, DataFolder, command, opened, out, print_json, settings_for
from intramuros.cli.secrets import new_passphrase, recovery_words, show_recovery_key
from intramuros.security import keys as key_files

app = typer.Typer(no_args_is_help=True, help="The recovery key: make one, try it, use it when the usual key is lost.")

Words = Annotated[Path, typer.Argument(metavar="FILE|-", help="File with the recovery key; - to type it.")]


@app.command()
@command
def create(data: DataFolder = None, as_json: AsJson = False) -> None:
    """Make a recovery key and print it, once. One made before opens nothing from then on, but older backups."""
    with opened(data) as intramuros, intramuros.audit.entry_sync("recovery.create", by=LOCAL, via="cli") as entry:
        settings = intramuros.settings
        words = key_files.add_recovery(settings.data, key_file=settings.key_file, passphrase=settings.passphrase)
        facts = key_files.recovery_facts(settings.data) or {}
        entry.note(key=facts["id"])
    if as_json:
        print_json({"recovery_key": words, "id": facts["id"]})
    else:
        show_recovery_key(words)


@app.command()
@command
def check(file: Words, data: DataFolder = None, as_json: AsJson = False) -> None:
    """Try a recovery key: says whether it opens this data, and changes nothing."""
    from intramuros.app import build_with

    settings, words = settings_for(data), recovery_words(file) or ""
    intramuros = build_with(settings, lambda: key_files.open_with_recovery(settings.data, words))
    try:
        with intramuros.audit.entry_sync("recovery.check", by=LOCAL, via="cli"):
            facts = key_files.recovery_facts(settings.data) or {}
    finally:
        intramuros.close()
    if as_json:
        print_json({"ok": True, **facts})
    else:
        made = time.strftime("%Y-%m-%d", time.localtime(facts["made_at"]))
        out.print(f"[green]It opens this data.[/] Recovery key {facts['id']}, made on {made}.", soft_wrap=True)


@app.command()
@command
def use(
    file: Words,
    *,
    data: DataFolder = None,
    key_file: Annotated[Path | None, typer.Option(help="Where to put the new key file.")] = None,
    ask_passphrase: Annotated[bool, typer.Option("--passphrase", help="A new passphrase instead.")] = False,
    use_keyring: Annotated[bool, typer.Option("--keyring", help="The operating system's keyring instead.")] = False,
    as_json: AsJson = False,
) -> None:
    """Open the data with the recovery key and make a new usual key. The lost one opens it no more."""
    from intramuros.app import build_with

    settings, words = settings_for(data), recovery_words(file) or ""
    intramuros = build_with(settings, lambda: key_files.open_with_recovery(settings.data, words))
    try:
        with intramuros.audit.entry_sync("recovery.use", by=LOCAL, via="cli"):
            passphrase = new_passphrase() if ask_passphrase else None
            made = key_files.rewrap(
                settings.data, intramuros.keys, key_file=key_file, passphrase=passphrase, use_keyring=use_keyring
            )
    finally:
        intramuros.close()
    if as_json:
        print_json({"key": made.place})
    else:
        out.print(f"The data opens with a new key: {made.place}. Keep a copy of it in a safe place.", soft_wrap=True)
