"""The root of the command line: options common to every command, and where the commands hang."""

from __future__ import annotations

import typer

app = typer.Typer(no_args_is_help=True, help="The private AI of an organisation, inside its own walls.")


@app.callback()
def root() -> None:
    """The private AI of an organisation, inside its own walls."""
