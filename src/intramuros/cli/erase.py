"""`intramuros erase`: removes a person, a project, a document or a conversation everywhere, and proves it."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from intramuros.accounts.caller import LOCAL
from intramuros.cli.console import AsJson, DataFolder, command, opened, out, print_json
from intramuros.errors import BadRequest, NotFound

if TYPE_CHECKING:
    from intramuros.app import App
    from intramuros.privacy.erase.receipt import Receipt
    from intramuros.storage.erasable import Kind

app = typer.Typer(
    no_args_is_help=True, help="Erase people, projects, documents and conversations everywhere, with proof and receipt."
)

Yes = Annotated[bool, typer.Option("--yes", help="Do not ask first.")]


@app.command()
@command
def user(
    who: Annotated[str, typer.Argument(metavar="EMAIL|ID")],
    data: DataFolder = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Erase a person: their account, keys, sessions, and every question they asked. Documents stay their projects'."""
    _erase("user", who, data=data, is_sure=yes, as_json=as_json)


@app.command()
@command
def project(
    name: Annotated[str, typer.Argument(metavar="NAME|ID")],
    data: DataFolder = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Erase a project: its documents, everything made of them, and all conversations in it."""
    _erase("project", name, data=data, is_sure=yes, as_json=as_json)


@app.command()
@command
def document(
    document_id: Annotated[str, typer.Argument(metavar="ID")],
    data: DataFolder = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Erase one document: the stored file, its pages, its words in the index, its vectors."""
    _erase("document", document_id, data=data, is_sure=yes, as_json=as_json)


@app.command()
@command
def conversation(
    conversation_id: Annotated[str, typer.Argument(metavar="ID")],
    data: DataFolder = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Erase one conversation with its questions and answers."""
    _erase("conversation", conversation_id, data=data, is_sure=yes, as_json=as_json)


@app.command()
@command
def resume(data: DataFolder = None, as_json: AsJson = False) -> None:
    """Finish erasures that were cut short. A running server does it by itself."""
    with opened(data) as intramuros, intramuros.audit.entry_sync("erase.resume", by=LOCAL, via="cli") as entry:
        done = intramuros.erasure.resume()
        entry.note(records=len(done))
    if as_json:
        print_json([receipt.to_json() for receipt in done])
        return
    for receipt in done:
        _show(receipt)
    if not done:
        out.print("Nothing waits to be finished.")


@app.command()
@command
def receipts(data: DataFolder = None, as_json: AsJson = False) -> None:
    """List what was erased, with its receipts."""
    from intramuros.privacy.erase.receipt import receipts as found

    with opened(data) as intramuros, intramuros.audit.entry_sync("erase.receipts", by=LOCAL, via="cli") as entry:
        rows = found(intramuros.database, limit=1000)
        entry.note(records=len(rows))
    if as_json:
        print_json([row.to_json() for row in rows])
        return
    table = Table("receipt", "kind", "id", "why", "finished")
    for row in rows:
        finished = time.strftime("%Y-%m-%d %H:%M", time.localtime(row.finished_at)) if row.finished_at else row.state
        table.add_row(row.id, row.kind, row.subject, row.reason, finished)
    out.print(table)


@app.command()
@command
def receipt(
    receipt_id: Annotated[str, typer.Argument(metavar="ID")],
    data: DataFolder = None,
    as_json: AsJson = False,
) -> None:
    """Print one receipt as the line that `erase verify` takes: erase receipt ID > receipt.json"""
    from intramuros.privacy.erase.receipt import receipt as found

    with opened(data) as intramuros, intramuros.audit.entry_sync("erase.receipt", by=LOCAL, via="cli") as entry:
        one = found(intramuros.database, receipt_id)
        entry.note(erasure=receipt_id)
    if as_json:
        print_json(one.to_json())
    elif one.statement is None:
        raise NotFound("This erasure is not finished, so it has no receipt yet.", hint="Run: intramuros erase resume")
    else:
        sys.stdout.write(one.statement.line() + "\n")


@app.command()
@command
def verify(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The receipt, from: erase receipt ID.")],
    public_key: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Public key, from: audit public-key. Without it, the data's own."),
    ] = None,
    data: DataFolder = None,
    as_json: AsJson = False,
) -> None:
    """Check a receipt: with --public-key without any data. Ends with 1 if it is not genuine."""
    from intramuros.privacy.erase.receipt import verified
    from intramuros.security import signing

    try:
        line = file.read_text(encoding="utf-8", errors="replace")
        public = signing.from_pem(public_key.read_text(encoding="utf-8", errors="replace")) if public_key else None
    except OSError as error:
        raise NotFound(f"{error.filename} can't be read: {error.strerror}.") from error
    if public is None:
        with opened(data) as intramuros:
            public = intramuros.audit.public_key()
    said = verified(line, public)
    if as_json:
        print_json({"ok": True, "said": said})
    else:
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(said["at"]))
        out.print(f"[green]The receipt is genuine:[/] {said['what']} {escape(said['subject'])}, erased {when}.")
        _say(said)


def _erase(kind: Kind, given: str, *, data: Path | None, is_sure: bool, as_json: bool) -> None:
    from intramuros.storage.erasable import Subject

    with opened(data) as intramuros:
        subject_id = _found(intramuros, kind, given)
        if not is_sure:
            _ask(kind, subject_id, as_json=as_json)
        intramuros.database.reserve.release()  # or on a full disk not even the record could be written
        with intramuros.audit.entry_sync(f"erase.{kind}", by=LOCAL, object=subject_id, via="cli") as entry:
            receipt = intramuros.erasure.run(Subject(kind, subject_id), by=LOCAL.user_id)
            entry.note(erasure=receipt.id)
        intramuros.database.checkpoint()
    if as_json:
        print_json(receipt.to_json())
    else:
        _show(receipt)


def _found(intramuros: App, kind: Kind, given: str) -> str:
    """The id of what is named. Raises: NotFound, Conflict."""
    from intramuros.privacy.erase.finding import find

    if kind == "project":
        return intramuros.projects.get(given, by=LOCAL).id
    return find(intramuros.database, kind, given)


def _ask(kind: str, subject_id: str, *, as_json: bool) -> None:
    if as_json or not sys.stdin.isatty():
        raise BadRequest("This can't be undone, so it needs --yes.", code="not_confirmed", hint="Add --yes.")
    if not typer.confirm(f"Erase the {kind} {subject_id} with everything of it? This can't be undone."):
        raise typer.Exit(1)


def _show(receipt: Receipt) -> None:
    assert receipt.statement is not None
    out.print(f"[green]Erased:[/] {receipt.kind} {escape(receipt.subject)}. Receipt {escape(receipt.id)}")
    _say(receipt.statement.said)


def _say(said: dict[str, object]) -> None:
    """The receipt in words, and what it does not say."""
    removed, searched, engines = said["removed"], said["searched"], said["engines"]
    assert isinstance(removed, dict)
    assert isinstance(searched, dict)
    assert isinstance(engines, dict)
    samples = sum(said["samples"].values()) if isinstance(said["samples"], dict) else 0
    what = (
        ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in removed.items() if count) or "nothing stored"
    )
    out.print(f"  removed      {what}")
    before = f"{said['met_before']} of {samples} before, " if "met_before" in said else ""
    out.print(
        f"  searched     {searched['pages']} pages, {searched['log_frames']} log frames, {searched['files']} files"
    )
    out.print(f"  found        {before}{said['met_after']} of {samples} after", end="")
    out.print(f" ({said['held_elsewhere']} stand in something else too)" if said["held_elsewhere"] else "")
    out.print(f"  key          {'destroyed' if said['key_destroyed'] else 'none of its own'}")
    out.print(f"  engines      {engines['ended']} renewed, {engines['still_running']} still running")
    out.print(
        f"  not searched {', '.join(map(str, said['not_searched']))}" if isinstance(said["not_searched"], list) else ""
    )
