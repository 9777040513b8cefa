"""`intramuros redact`: a text pseudonymised, and back."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from intramuros.accounts.caller import LOCAL
from intramuros.cli.console import AsJson, DataFolder, command, opened, print_json
from intramuros.cli.files import bytes_of, decoded, text_of
from intramuros.documents.media import HEAD_BYTES, sniff
from intramuros.errors import BadRequest
from intramuros.privacy.redact.aliases import Aliases
from intramuros.privacy.redact.restore import Restorer

if TYPE_CHECKING:
    from intramuros.app import App


@command
def redact(  # noqa: PLR0917
    file: Annotated[str, typer.Argument(help="A text file, a PDF or DOCX, or - for standard input.")],
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
    if restore is not None:
        _restore(text_of(file), Aliases.load(_json_of(restore)), data, as_json=as_json)
        return
    aliases = Aliases.load(_json_of(map_file)) if map_file is not None and map_file.exists() else Aliases()
    changes = dict(_change(entry) for entry in policy or [])
    with opened(data) as intramuros, intramuros.audit.entry_sync("redact", by=LOCAL, via="cli") as entry:
        text = _text(intramuros, file)
        known = intramuros.directory.names() + (text_of(str(names)).splitlines() if names else [])
        redactor = replace(intramuros.redactor, policy=intramuros.redactor.policy.changed(changes)).with_names(known)
        redacted = redactor.hide(text, aliases)
        entry.note(masked=redacted.counts, policy=redactor.policy.version, size_bytes=len(text.encode()))
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
        entry.note(restored=restorer.restored, unknown=restorer.unknown, policy=intramuros.redactor.policy.version)
    if as_json:
        print_json({"text": restored, "restored": restorer.restored, "unknown": restorer.unknown})
    else:
        sys.stdout.write(restored)


def _text(intramuros: App, file: str) -> str:
    """What the file says; a PDF or DOCX is read in the confined reader. Raises: BadRequest, DocumentError, NotFound."""
    content = bytes_of(file)
    if not content.startswith((b"%PDF-", b"PK\x03\x04")):
        return decoded(content)
    name = "document.docx" if content.startswith(b"PK") else "document.pdf"
    reading = asyncio.run(intramuros.reader.read(content, sniff(name, content[:HEAD_BYTES])))
    silent = [str(page.number) for page in reading.pages if not page.has_text]
    if silent:
        raise BadRequest(
            f"Nothing can be read on page {', '.join(silent[:5])}: what a picture shows can't be hidden.",
            hint="Give a document with text on every page.",
        )
    return "\n\n".join(page.text for page in reading.pages) + "\n"


def _json_of(path: Path) -> object:
    try:
        value: object = json.loads(text_of(str(path)))
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
