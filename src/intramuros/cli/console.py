"""What every command shares: the options, opening the data, printing, and turning errors into words and exit codes.

Exit codes: 0 done, 1 an error that the message explains, 2 wrong usage or a bad setting, 130 interrupted.
"""

from __future__ import annotations

import functools
import getpass
import json
import secrets
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TypeVar

import typer
from rich.console import Console
from rich.markup import escape

from intramuros.errors import IntramurosError, SettingsError
from intramuros.security.keys import needs_passphrase
from intramuros.settings import Settings, load

if TYPE_CHECKING:
    from intramuros.app import App

Result = TypeVar("Result")

DataFolder = Annotated[
    Path | None,
    typer.Option("--data", metavar="DIR", help="Data folder (else INTRAMUROS_DATA, else the user's data folder)."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print only JSON on standard output.")]

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)


def print_json(value: Any) -> None:
    """Prints one JSON value on standard output, for programs to read."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2) + "\n")


def say(shown: Any, words: str, *, as_json: bool) -> None:
    """Says what was done: a sentence for people, what was changed for programs."""
    if as_json:
        print_json(shown)
    else:
        out.print(escape(words), soft_wrap=True)


def settings_for(data: Path | None, **flags: Any) -> Settings:
    """The settings of this command: its flags over the environment."""
    return load({"data": data, **flags})


@contextmanager
def opened(data: Path | None, **flags: Any) -> Iterator[App]:
    """Opens an existing data folder, whether or not a server is running on it.

    Raises: NotInitialised, WrongKey, StorageCorrupt, SettingsError.
    """
    from intramuros.app import build

    app = build(asked_passphrase(data, **flags))
    try:
        yield app
    finally:
        app.close()


def asked_passphrase(data: Path | None, **flags: Any) -> Settings:
    """The settings of this command, with the passphrase typed where the data needs one."""
    settings = settings_for(data, **flags)
    if settings.passphrase is None and sys.stdin.isatty() and needs_passphrase(settings.data):
        settings = replace(settings, passphrase=getpass.getpass("Passphrase: "))
    return settings


def command(function: Callable[..., Result]) -> Callable[..., Result]:
    """Decorates a command: an error becomes words on standard error (JSON with `--json`) and an exit code."""

    @functools.wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Result:
        try:
            return function(*args, **kwargs)
        except IntramurosError as error:
            fail(error, as_json=bool(kwargs.get("as_json")))
        except KeyboardInterrupt:
            err.print("Interrupted.")
            raise typer.Exit(130) from None
        except (typer.Exit, typer.Abort):
            raise
        except Exception as error:
            fail(_unexpected(error), as_json=bool(kwargs.get("as_json")))

    return wrapped


def fail(error: IntramurosError, *, as_json: bool = False) -> NoReturn:
    """Says what went wrong and what to do, and ends the command."""
    if as_json:
        print_json({"error": {"code": error.code, "message": error.message, "hint": error.hint, **error.details}})
    else:
        err.print(f"[bold red]Error:[/] {_plain(error.message)}")
        if error.hint:
            err.print(f"[bold]What to do:[/] {_plain(error.hint)}")
    raise typer.Exit(2 if isinstance(error, SettingsError) else 1)


def _plain(text: str) -> str:
    return text.replace("[", r"\[")


def _unexpected(error: Exception) -> IntramurosError:
    """A fault of ours: the place in the code, without the values that were in it."""
    reference = secrets.token_hex(4)
    frames = "".join(
        f"  {frame.filename}:{frame.lineno} {frame.name}\n" for frame in traceback.extract_tb(error.__traceback__)
    )
    err.print(f"[dim]{_plain(type(error).__name__)} ({reference})\n{_plain(frames)}[/]", end="")
    return IntramurosError(
        f"Something went wrong inside Intramuros ({type(error).__name__}, reference {reference}).",
        hint="Please report it with the lines above; they hold no content of yours.",
    )
