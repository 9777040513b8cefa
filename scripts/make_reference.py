"""Writes docs/reference from the code: settings, commands, errors, lines of the log, OpenAPI. `--check` says whether the pages are current."""

from __future__ import annotations

import ast
import json
import sys
from collections.abc import Iterator
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import typer

from intramuros import errors
from intramuros.settings import PREFIX, Settings

ROOT = Path(__file__).resolve().parent.parent
FOLDER, SOURCE = ROOT / "docs" / "reference", ROOT / "src" / "intramuros"


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


LEVELS = ("debug", "info", "warning", "error", "exception", "critical")


def log_page() -> str:
    """Every line that the process may write to its log, from the calls in the source."""
    rows = [
        "# The process log",
        "",
        "What `intramuros serve` writes to standard error: the state of processes and failures, one record a line, with the time in UTC.",
        "Other commands write warnings and errors there, without a time. `%s` and the like stand for a model's name, an error's kind or message, a count, a place in",
        "the source. None is a prompt, an answer, a file name, a search term, a key or a token: what the unexpected had in its values",
        "is left out (a reference leads to the place). Lines of `audit/` say that records can't be written; the records",
        "themselves are [elsewhere](../how-to/audit.md). Level: `INTRAMUROS_LOG_LEVEL`. Who may read it and for how long it is kept is the",
        "operator's choice (`journalctl`, the container's log); nothing in it is needed again.",
        "",
        "| level | where | line |",
        "| --- | --- | --- |",
    ]
    return "\n".join([*rows, *(f"| {level} | `{file}` | {line} |" for file, _, level, line in _logged())]) + "\n"


def _logged() -> Iterator[tuple[str, int, str, str]]:
    """File, position, level and format of each call. Raises: ValueError for a line that is not written where it is logged."""
    for path in sorted(SOURCE.rglob("*.py")):
        file = path.relative_to(SOURCE).as_posix()
        calls = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
        for call in sorted(calls, key=lambda call: call.lineno):
            what = call.func
            if not isinstance(what, ast.Attribute) or what.attr not in LEVELS:
                continue
            if not isinstance(what.value, ast.Name) or what.value.id not in {"log", "_log", "logger"}:
                continue
            line = call.args[0]
            if not isinstance(line, ast.Constant) or not isinstance(line.value, str):
                raise ValueError(
                    f"{file}:{call.lineno} logs a line that is made elsewhere: what it holds can't be seen"
                )
            yield file, call.lineno, what.attr, line.value.replace("|", "\\|")


def openapi_page() -> str:
    from intramuros import __version__
    from intramuros.server.openapi import document

    return json.dumps(document(version=__version__), indent=1, ensure_ascii=False) + "\n"


PAGES = {
    "settings.md": settings_page,
    "commands.md": commands_page,
    "errors.md": errors_page,
    "log.md": log_page,
    "openapi.json": openapi_page,
}


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
