"""The command `intramuros`: one file per command."""

from __future__ import annotations


def main() -> None:
    """Runs the command line."""
    from intramuros.cli.main import app

    app()
