"""Secrets a command asks for or shows: recovery keys and new passphrases. Never taken from an argument."""

from __future__ import annotations

import getpass
import sys
from pathlib import Path

from intramuros.cli.console import out
from intramuros.errors import BadRequest


def recovery_words(file: Path | None) -> str | None:
    """The recovery key from a file's first line, from standard input (`-`), or typed; None if none is given."""
    if file is None:
        return None
    if str(file) == "-":
        return getpass.getpass("Recovery key: ") if sys.stdin.isatty() else sys.stdin.readline().strip()
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BadRequest(f"The file {file} can't be read as a recovery key.") from error
    if not lines:
        raise BadRequest(f"The file {file} is empty.")
    return lines[0].strip()


def new_passphrase() -> str:
    """A passphrase typed twice, or the first line of standard input. Raises: BadRequest."""
    if not sys.stdin.isatty():
        text = sys.stdin.readline().rstrip("\r\n")
    else:
        text = getpass.getpass("New passphrase: ")
        if text != getpass.getpass("The same again: "):
            raise BadRequest("The two passphrases differ; nothing was changed.")
    if not text:
        raise BadRequest("The passphrase is empty; nothing was changed.")
    return text


def show_recovery_key(words: str) -> None:
    """Prints it, this once."""
    out.print("[bold]Recovery key[/] (shown once; write it down and keep it where neither the data nor the key is):")
    out.print(f"\n    {words}\n", soft_wrap=True)
    out.print("Whoever has it and a copy of the data reads everything. Try it with: intramuros recovery check -")
