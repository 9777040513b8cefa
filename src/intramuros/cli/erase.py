"""`intramuros erase`: removes a person, a project, a document or a conversation everywhere, and proves it."""

from __future__ import annotations

import sys
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
    from intramuros.storage.erasable import Kind

app = typer.Typer(
    no_args_is_help=True, help="Erase people, projects, documents and conversations everywhere, with proof and receipt."
)

Id = Annotated[str, typer.Argument(metavar="ID")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask first.")]
Heir = Annotated[str | None, typer.Option(help="Who becomes owner of projects that only they own.")]


@app.command()
@command
def user(
    who: Annotated[str, typer.Argument(metavar="EMAIL|ID")],
    *,
    data: DataFolder = None,
    heir: Heir = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Erase a person: their account, keys, sessions, and every question they asked. Documents stay their projects'."""
    erased("user", who, data=data, is_sure=yes, as_json=as_json, heir=heir)


@app.command()
@command
def project(
    name: Annotated[str, typer.Argument(metavar="NAME|ID")],
    data: DataFolder = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Erase a project: its documents, everything made of them, and all conversations in it."""
    erased("project", name, data=data, is_sure=yes, as_json=as_json)


@app.command()
@command
def document(document_id: Id, data: DataFolder = None, yes: Yes = False, as_json: AsJson = False) -> None:
    """Erase one document: the stored file, its pages, its words in the index, its vectors."""
    erased("document", document_id, data=data, is_sure=yes, as_json=as_json)


@app.command()
@command
def conversation(conversation_id: Id, data: DataFolder = None, yes: Yes = False, as_json: AsJson = False) -> None:
    """Erase one conversation with its questions and answers."""
    erased("conversation", conversation_id, data=data, is_sure=yes, as_json=as_json)


@app.command()
@command
def resume(data: DataFolder = None, as_json: AsJson = False) -> None:
    """Finish erasures that were cut short. A running server does it by itself."""
    from intramuros.cli.receipts import show

    with opened(data) as intramuros, intramuros.audit.entry_sync("erase.resume", by=LOCAL, via="cli") as entry:
        done = intramuros.erasure.resume()
        entry.note(records=len(done))
    if as_json:
        print_json([receipt.to_json() for receipt in done])
        return
    for receipt in done:
        show(receipt)
    if not done:
        out.print("Nothing waits to be finished.")


@app.command()
@command
def receipts(data: DataFolder = None, as_json: AsJson = False) -> None:
    """List what was erased, with its receipts."""
    from intramuros.cli.receipts import day
    from intramuros.privacy.erase.receipt import receipts as found

    with opened(data) as intramuros, intramuros.audit.entry_sync("erase.receipts", by=LOCAL, via="cli") as entry:
        rows = found(intramuros.database, limit=1000)
        entry.note(records=len(rows))
    if as_json:
        print_json([row.to_json() for row in rows])
        return
    table = Table("receipt", "kind", "id", "why", "finished")
    for row in rows:
        finished = day(row.finished_at) if row.finished_at else row.state
        table.add_row(row.id, row.kind, row.subject, row.reason, finished)
    out.print(table)


@app.command()
@command
def receipt(receipt_id: Id, data: DataFolder = None, as_json: AsJson = False) -> None:
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
    from intramuros.cli.receipts import day, say
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
        what = f"{said['what']} {escape(said['subject'])}"
        out.print(f"[green]The receipt is genuine:[/] {what}, erased {day(said['at'])}.")
        say(said)


def erased(kind: Kind, given: str, *, data: Path | None, is_sure: bool, as_json: bool, heir: str | None = None) -> None:
    """Erases what is named and shows the receipt: whatever command it was asked by. Raises: BadRequest unless sure."""
    from intramuros.cli.receipts import show
    from intramuros.storage.erasable import Subject

    with opened(data) as intramuros:
        subject = _found(intramuros, kind, given)
        if not is_sure:
            _ask(kind, subject, as_json=as_json)
        intramuros.database.reserve.release()  # or on a full disk not even the record could be written
        more: dict[str, int] = {}
        with intramuros.audit.entry_sync(f"erase.{kind}", by=LOCAL, object=subject, via="cli") as entry:
            if kind == "user":
                taker = intramuros.users.find(heir) if heir is not None else None
                person = intramuros.users.get(subject)
                receipt, more["inherited"] = intramuros.remove_person.run(person, by=LOCAL, heir=taker)
            else:
                receipt = intramuros.erasure.run(Subject(kind, subject), by=LOCAL.user_id)
            entry.note(erasure=receipt.id)
        intramuros.database.checkpoint()
    show(receipt, as_json=as_json, **more)
    if more.get("inherited") and not as_json:
        out.print(f"  {escape(str(heir))} owns {more['inherited']} project(s) more now.")


def _found(intramuros: App, kind: Kind, given: str) -> str:
    """The id of what is named. Raises: NotFound."""
    from intramuros.privacy.erase.finding import check

    if kind == "user":
        return intramuros.users.find(given).id
    if kind == "project":
        return intramuros.projects.get(given, by=LOCAL).id
    check(intramuros.database, kind, given)
    return given


def _ask(kind: str, subject: str, *, as_json: bool) -> None:
    if as_json or not sys.stdin.isatty():
        raise BadRequest("This can't be undone, so it needs --yes.", code="not_confirmed", hint="Add --yes.")
    if not typer.confirm(f"Erase the {kind} {subject} with everything of it? This can't be undone.", err=True):
        raise typer.Exit(1)
