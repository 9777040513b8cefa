"""Writes docs/reference from the code: settings, commands, errors. `--check` says whether the pages are current."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import typer

from intramuros import errors
from intramuros.settings import PREFIX, Settings

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "reference"


def settings_page() -> str:
    rows = [
        "# Settings",
        "",
        "Given as an environment variable; the most used also as flags (`intramuros serve --help`).",
        "",
    ]
    rows += ["| variable | default | meaning |", "| --- | --- | --- |"]
    for entry in fields(Settings):
        default = "" if entry.default in (None, MISSING) else f"`{entry.default}`"
        if entry.name == "data":
            default = "`~/.local/share/intramuros`"
        name = f"`{PREFIX}{entry.name.upper()}`" + (
            f" or `{PREFIX}{entry.name.upper()}_FILE`" if entry.metadata["secret"] else ""
        )
        rows.append(f"| {name} | {default} | {entry.metadata['help']} |")
    return "\n".join(rows) + "\n"


def commands_page() -> str:
    from intramuros.cli.main import app

    rows = ["# Commands", ""]
    for path, command in _commands(typer.main.get_command(app), "intramuros"):
        context = command.context_class(command, info_name=path)
        pieces = " ".join(command.collect_usage_pieces(context))
        rows += [f"## {path}", "", (command.help or "").strip(), "", f"`{path} {pieces}`", ""]
        options = [p for p in command.get_params(context) if p.param_type_name == "option" and p.name != "help"]
        if options:
            rows += ["| option | meaning |", "| --- | --- |"]
            rows += [f"| `{', '.join([*p.opts, *p.secondary_opts])}` | {p.help or ''} |" for p in options]
            rows.append("")
    return "\n".join(rows)


def _commands(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    """The commands below a group, with their paths: Click's objects, which Typer brings along under another name."""
    if hasattr(command, "commands"):
        for name, child in sorted(command.commands.items()):
            yield from _commands(child, f"{path} {name}")
    else:
        yield path, command


def errors_page() -> str:
    rows = ["# Errors", "", "Every door shows the same code, in its own shape.", ""]
    rows += ["| code | HTTP | try again | what happened | what to do |", "| --- | --- | --- | --- | --- |"]
    for kind in _subclasses(errors.IntramurosError):
        meaning = (kind.__doc__ or "").strip().splitlines()[0]
        rows.append(f"| `{kind.code}` | {kind.status} | {'yes' if kind.retry else 'no'} | {meaning} | {kind.hint} |")
    return "\n".join(rows) + "\n"


def _subclasses(kind: type[errors.IntramurosError]) -> Iterator[type[errors.IntramurosError]]:
    for child in kind.__subclasses__():
        if child.__module__ == errors.__name__:
            yield child
            yield from _subclasses(child)


PAGES = {"settings.md": settings_page, "commands.md": commands_page, "errors.md": errors_page}


def main() -> int:
    stale = []
    for name, page in PAGES.items():
        path, text = FOLDER / name, page()
        if "--check" in sys.argv:
            if not path.exists() or path.read_text(encoding="utf-8") != text:
                stale.append(name)
        else:
            path.write_text(text, encoding="utf-8")
    if stale:
        print(f"Not current: {', '.join(stale)}. Run: python scripts/make_reference.py")
    return bool(stale)


if __name__ == "__main__":
    sys.exit(main())
