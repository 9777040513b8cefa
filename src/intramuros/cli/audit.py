"""`intramuros audit`: shows, verifies, exports and purges the records of who did what."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from intramuros.accounts.caller import LOCAL
from intramuros.cli.console import AsJson, DataFolder, command, opened, out, print_json
from intramuros.cli.files import written_whole
from intramuros.cli.moments import moment
from intramuros.errors import BadRequest, NotFound

if TYPE_CHECKING:
    from intramuros.app import App
    from intramuros.audit.verify import Verification

app = typer.Typer(no_args_is_help=True, help="The audit: show, verify, export and purge the records of who did what.")

Since = Annotated[str | None, typer.Option(help="From this moment on: 2026-11-03, 2026-11-03T14:30, 24h or 7d.")]
Until = Annotated[str | None, typer.Option(help="Up to this moment; a day counts to its end.")]

_COLOURS = {"ok": "green", "refused": "yellow", "failed": "red", "interrupted": "magenta"}
_WIDE = 120


class Outcome(StrEnum):
    """How a request ended."""

    OK = "ok"
    REFUSED = "refused"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


class Format(StrEnum):
    """What an export looks like."""

    JSONL = "jsonl"
    SYSLOG = "syslog"


@app.command()
@command
def show(  # noqa: PLR0917
    data: DataFolder = None,
    since: Since = None,
    until: Until = None,
    actor: Annotated[str | None, typer.Option(help="A person's e-mail or id.")] = None,
    action: Annotated[str | None, typer.Option(help="What was done: key.create, or key for all about keys.")] = None,
    outcome: Annotated[Outcome | None, typer.Option(help="How it ended.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="Only the newest so many.")] = 50,
    as_json: AsJson = False,
) -> None:
    """Show the newest records. They never hold prompts, answers, file names or search terms."""
    from intramuros.audit.reading import find

    with opened(data) as intramuros, intramuros.audit.entry_sync("audit.show", by=LOCAL, via="cli") as entry:
        rows = find(
            intramuros.database,
            since=moment(since),
            until=moment(until, is_end=True),
            actor=_user_id(intramuros, actor),
            action=action,
            outcome=outcome,
            limit=limit,
        )
        entry.note(records=len(rows))
    if as_json:
        print_json([{name: value for name, value in row._mapping.items() if name != "hash"} for row in rows])
    else:
        out.print(_table(rows))


@app.command()
@command
def verify(
    data: DataFolder = None,
    public_key: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Public key that must have signed, from: audit public-key.")
    ] = None,
    export: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Verify this export; with --public-key, without any data.")
    ] = None,
    copy: Annotated[
        Path | None, typer.Option(metavar="FILE", help="More checkpoints to compare with, such as lines of a syslog.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check that no record was changed, removed, reordered or cut off. Ends with 1 if one was."""
    public = _public_key(public_key)
    result = _verified_export(export, public, data) if export else _verified_data(data, public, copy)
    if as_json:
        print_json(asdict(result))
    elif result.ok:
        out.print(f"[green]The audit holds:[/] {_in_words(result)}", soft_wrap=True)
        if result.unread:
            out.print(f"[yellow]{result.unread} line(s) of the second place can't be read.[/]")
    else:
        which = "" if result.first_bad is None else f" Look at record {result.first_bad}."
        out.print(f"[bold red]The audit does not hold:[/] {escape(result.reason)}.{which}", soft_wrap=True)
    if not result.ok:
        raise typer.Exit(1)


@app.command()
@command
def export(
    file: Annotated[Path, typer.Argument(metavar="FILE|-", help="Where to; - is standard output.")],
    data: DataFolder = None,
    since: Since = None,
    until: Until = None,
    format: Annotated[
        Format, typer.Option(help="jsonl: OCSF events, verifiable; syslog: RFC 5424 lines.")
    ] = Format.JSONL,
) -> None:
    """Write the records to a file that others may keep and verify."""
    with opened(data) as intramuros, intramuros.audit.entry_sync("audit.export", by=LOCAL, via="cli") as entry:
        audit = intramuros.audit
        lines = (audit.export if format is Format.JSONL else audit.export_syslog)(
            since=moment(since), until=moment(until, is_end=True)
        )
        entry.note(format=format.value, results=_write(file, lines))


@app.command()
@command
def purge(
    data: DataFolder = None,
    months: Annotated[int | None, typer.Option(min=1, help="Keep so many; else INTRAMUROS_AUDIT_MONTHS.")] = None,
    as_json: AsJson = False,
) -> None:
    """Remove the records older than the time to keep. Signed summaries stay, so that the rest still verifies."""
    from intramuros.audit.retention import MONTH_S

    with opened(data) as intramuros, intramuros.audit.entry_sync("audit.purge", by=LOCAL, via="cli") as entry:
        kept = months or intramuros.settings.audit_months
        done = intramuros.audit.purge(before=time.time() - kept * MONTH_S)
        entry.note(records=done.records)
    if as_json:
        print_json({"months": kept, **asdict(done)})
    elif done.records:
        out.print(f"{done.records} records older than {kept} months removed, up to record {done.last}.")
    else:
        out.print(f"No sealed segment is older than {kept} months.")


@app.command("public-key")
@command
def public_key(data: DataFolder = None, as_json: AsJson = False) -> None:
    """Print the key that checks this audit's signatures. Keep it where the data is not."""
    from intramuros.security import signing

    with opened(data) as intramuros, intramuros.audit.entry_sync("audit.public-key", by=LOCAL, via="cli"):
        public = intramuros.audit.public_key()
    if as_json:
        print_json({"public_key": signing.to_pem(public), "fingerprint": signing.fingerprint(public)})
    else:
        sys.stdout.write(signing.to_pem(public))


def _verified_data(data: Path | None, public: bytes | None, copy: Path | None) -> Verification:
    """Leaves no record of its own: an audit that does not hold takes none."""
    with opened(data) as intramuros, _text(copy) if copy else nullcontext(()) as lines:
        try:
            return intramuros.audit.verify(public=public, copies=lines)
        except OSError as error:
            raise BadRequest(f"The second place can't be read: {error.strerror or error}.") from error


def _verified_export(file: Path, public: bytes | None, data: Path | None) -> Verification:
    from intramuros.audit.export import verify_export

    if public is None:
        with opened(data) as intramuros:
            public = intramuros.audit.public_key()
    with _text(file) as lines:
        return verify_export(lines, public)


def _public_key(file: Path | None) -> bytes | None:
    from intramuros.security import signing

    if file is None:
        return None
    with _text(file) as lines:
        return signing.from_pem("".join(lines))


def _text(file: Path) -> Any:
    try:
        return file.open(encoding="utf-8", errors="replace", newline="\n")
    except OSError as error:
        raise NotFound(f"{file} can't be read: {error.strerror}.") from error


def _write(file: Path, lines: Iterable[str]) -> int:
    """Writes whole lines; a file is there complete or not at all. Returns how many."""
    count = 0
    with nullcontext(sys.stdout) if str(file) == "-" else written_whole(file) as target:
        for line in lines:
            target.write(f"{line}\n")
            count += 1
    return count


def _user_id(intramuros: App, actor: str | None) -> str | None:
    found = intramuros.users.by_email(actor) if actor and "@" in actor else None
    return found.id if found else actor


def _in_words(result: Verification) -> str:
    last = result.first + result.records - 1
    words = f"{result.records} records ({result.first} to {last}), {result.checkpoints} signed checkpoints"
    words += f", {result.copied} in the second place" * bool(result.copied)
    return f"{words}.\nIts head is {result.head}"


def _table(rows: Iterable[Any]) -> Table:
    """The records; their facts too where the terminal is wide enough."""
    is_wide = out.width >= _WIDE
    table = Table("record", "when", "who", "action", "object", "outcome", "ms", *["facts"] * is_wide, box=SIMPLE_HEAD)
    for column in table.columns:
        column.no_wrap = column.header in {"when", "action", "outcome"}
        column.overflow = "fold"
    for row in rows:
        cells = [
            str(row.sequence),
            time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(row.at)),
            escape(row.actor or "-"),
            escape(row.action),
            escape(row.object or ""),
            f"[{_COLOURS.get(row.outcome, 'white')}]{escape(row.outcome)}[/]",
            f"{row.facts.get('duration_ms', 0):.0f}",
        ]
        facts = " ".join(f"{name}={_short(value)}" for name, value in row.facts.items() if name != "duration_ms")
        table.add_row(*cells, *[escape(facts)] * is_wide)
    return table


def _short(value: Any) -> str:
    return f"{len(value)} ids" if isinstance(value, list) else str(value)
