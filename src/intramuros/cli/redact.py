"""`intramuros redact`: a text pseudonymised, and back."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from intramuros.accounts.caller import LOCAL
from intramuros.cli.console import AsJson, DataFolder, command, opened, print_json
from intramuros.errors import BadRequest, NotFound
from intramuros.privacy.redact.aliases import Aliases
from intramuros.privacy.redact.restore import Restorer


@command
def redact(  # noqa: PLR0917
    file: Annotated[str, typer.Argument(help="A text file, or - for standard input.")],
    map_file: Annotated[
        Path | None,
        typer.Option("--map", metavar="MAP", help="Keep the aliases in this file (0600), and go on with those in it."),
    ] = None,
    restore: Annotated[
        Path | None, typer.Option("--restore", metavar="MAP", help="Put the values of this map back instead.")
    ] = None,
    policy: Annotated[
        list[str] | None,
        typer.Option(metavar="TYPE=ACTION", help="allow, mask, alias or block a type; * is every other. Repeatable."),
    ] = None,
    names: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Names to find besides those of the users, one a line.")
    ] = None,
    data: DataFolder = None,
    as_json: AsJson = False,
) -> None:
    """Pseudonymise a text: persons, accounts, numbers and addresses become aliases; secrets stop it."""
    text = _read(file)
    if restore is not None:
        _restore(text, Aliases.load(_json_of(restore)), data, as_json=as_json)
        return
    aliases = Aliases.load(_json_of(map_file)) if map_file is not None and map_file.exists() else Aliases()
    changes = dict(_change(entry) for entry in policy or [])
    with opened(data) as intramuros, intramuros.audit.entry_sync("redact", by=LOCAL, via="cli") as entry:
        known = [user.name for user in intramuros.users.list()] + (_read(str(names)).splitlines() if names else [])
        redactor = replace(intramuros.redactor, policy=intramuros.redactor.policy.changed(changes)).with_names(known)
        redacted = redactor.hide(text, aliases)
        entry.note(masked=redacted.counts, size_bytes=len(text.encode()))
    if map_file is not None:
        _write_private(map_file, json.dumps(aliases.dump(), ensure_ascii=False, indent=1))
    if as_json:
        from intramuros.api.privacy import redacted_object

        print_json(redacted_object(redacted))
    else:
        sys.stdout.write(redacted.text)


def _restore(text: str, aliases: Aliases, data: Path | None, *, as_json: bool) -> None:
    restorer = Restorer(aliases.values)
    with opened(data) as intramuros, intramuros.audit.entry_sync("restore", by=LOCAL, via="cli") as entry:
        restored = restorer.feed(text) + restorer.close()
        entry.note(restored=restorer.restored)
    if as_json:
        print_json({"text": restored, "restored": restorer.restored, "unknown": restorer.unknown})
    else:
        sys.stdout.write(restored)


def _read(file: str) -> str:
    try:
        content = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        return content.decode()
    except UnicodeDecodeError:
        raise BadRequest("This is not text in UTF-8.", hint="Documents are read with: intramuros add") from None
    except OSError as error:
        raise NotFound(f"{file} can't be read: {error.strerror}.") from None


def _json_of(path: Path) -> object:
    try:
        value: object = json.loads(_read(str(path)))
    except ValueError:
        raise BadRequest(f"{path} is not a map of aliases that Intramuros wrote.") from None
    return value


def _change(entry: str) -> tuple[str, str]:
    name, equals, action = entry.partition("=")
    if not equals:
        raise BadRequest("A policy is written TYPE=ACTION, such as PERSON=mask.")
    return name, action


def _write_private(path: Path, content: str) -> None:
    """Whole or not at all, readable by its owner only."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(unfinished, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
