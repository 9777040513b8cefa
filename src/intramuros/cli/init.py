"""`intramuros init`: makes the data folder, its key and, if asked, the first administrator."""

from __future__ import annotations

import getpass
import sys
from pathlib import Path
from typing import Annotated

import typer

from intramuros.cli.console import AsJson, DataFolder, command, out, print_json, settings_for
from intramuros.cli.secrets import show_recovery_key
from intramuros.errors import BadRequest
from intramuros.security.keys import add_recovery


@command
def init(
    *,
    data: DataFolder = None,
    admin_email: Annotated[
        str | None, typer.Option(help="Create this administrator now; else the first start prints a link.")
    ] = None,
    admin_password_file: Annotated[
        Path | None, typer.Option(help="File with the administrator's password (first line).")
    ] = None,
    ask_passphrase: Annotated[
        bool, typer.Option("--passphrase", help="Open the data with a passphrase instead of a key file.")
    ] = False,
    use_keyring: Annotated[
        bool, typer.Option("--keyring", help="Keep the key in the operating system's keyring.")
    ] = False,
    if_needed: Annotated[bool, typer.Option("--if-needed", help="Do nothing where the data exists already.")] = False,
    with_recovery: Annotated[
        bool | None,
        typer.Option("--recovery/--no-recovery", help="Print a recovery key, once [only on a terminal]."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make an encrypted data folder. The key is kept apart from it: back both up, separately."""
    from intramuros.app import create

    passphrase = _new_passphrase() if ask_passphrase else None
    settings = settings_for(data, passphrase=passphrase)
    if if_needed and (settings.data / "keys.json").exists():
        return
    password = _password(admin_email, admin_password_file)
    made = create(settings, use_keyring=use_keyring, admin_email=admin_email, admin_password=password)
    words = None
    if with_recovery or (with_recovery is None and sys.stdout.isatty() and not as_json):
        words = add_recovery(settings.data, key_file=settings.key_file, passphrase=settings.passphrase)
    if as_json:
        told = {"recovery_key": words} if words else {}
        print_json({"data": str(settings.data), "key": made.key_place, "administrator": admin_email, **told})
        return
    out.print(f"Data folder: {settings.data} (encrypted)", soft_wrap=True)
    out.print(f"Key:         {made.key_place}", soft_wrap=True)
    out.print("Without the key nobody can read the data, you included: keep a copy of it in a safe place.")
    if words:
        show_recovery_key(words)
    else:
        out.print("For the day the key is lost, make a recovery key: intramuros recovery create", soft_wrap=True)


def _password(email: str | None, file: Path | None) -> str | None:
    if (email is None) != (file is None):
        raise BadRequest("An administrator needs both --admin-email and --admin-password-file.")
    return None if file is None else first_line(file)


def first_line(file: Path) -> str:
    """The password in a file. Raises: BadRequest."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise BadRequest(f"The password file can't be read: {error.strerror}.") from error
    if not lines or not lines[0]:
        raise BadRequest("The password file is empty.")
    return lines[0]


def _new_passphrase() -> str:
    first = getpass.getpass("New passphrase: ")
    if first != getpass.getpass("The same again: "):
        raise BadRequest("The two passphrases differ; nothing was made.")
    return first
