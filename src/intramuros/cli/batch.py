"""`intramuros batch`: many requests from a file, answered one after another; what is left goes on after a stop."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Column, Table

from intramuros.accounts.caller import LOCAL
from intramuros.cli.console import AsJson, DataFolder, command, err, opened, out, print_json, say
from intramuros.errors import BadRequest
from intramuros.tasks.batch import no_batch

if TYPE_CHECKING:
    from intramuros.app import App
    from intramuros.tasks.batch import Batch
    from intramuros.tasks.batch_door import LineDoor

app = typer.Typer(no_args_is_help=True, help="Many requests from one file, answered behind everybody else's.")

BatchId = Annotated[str, typer.Argument(help="Id of the batch, as `batch list` shows it.")]
Out = Annotated[Path | None, typer.Option("--out", help="File for the answers, one JSON object a line.")]
Errors = Annotated[Path | None, typer.Option(help="File for the lines that failed, each with the reason.")]
SERVER_S = 1.0
"""How long a running server has to take the batch, before this command works on it itself."""


@app.command()
@command
def run(
    file: Annotated[Path, typer.Argument(help="The requests: JSONL as the batches of OpenAI or Anthropic have it.")],
    *,
    out_file: Out = None,
    errors: Errors = None,
    endpoint: Annotated[str | None, typer.Option(help="Their endpoint; else that of the first lines.")] = None,
    data: DataFolder = None,
    as_json: AsJson = False,
) -> None:
    """Answer every line of a file, to `--out` or standard output. Ends with 0 only when all of them have an answer.

    Stopped in the middle, the batch goes on when a server runs, or with `batch resume`.
    """
    with opened(data) as intramuros:
        batch = _made(intramuros, file, endpoint)
        _show_end(intramuros, _drained(intramuros, batch.id, quiet=as_json), out_file, errors, as_json=as_json)


@app.command()
@command
def resume(
    batch: BatchId, out_file: Out = None, errors: Errors = None, data: DataFolder = None, as_json: AsJson = False
) -> None:
    """Go on with a batch of this command line that was stopped, and wait for its end."""
    with opened(data) as intramuros:
        found = _found(intramuros, batch)
        if found.user_id != LOCAL.user_id:
            raise no_batch()
        _show_end(intramuros, _drained(intramuros, found.id, quiet=as_json), out_file, errors, as_json=as_json)


@app.command("list")
@command
def list_batches(data: DataFolder = None, as_json: AsJson = False) -> None:
    """List everybody's batches and how far each is; nothing of what is in them."""
    from intramuros.api.line_doors import line_doors

    with opened(data) as intramuros, intramuros.audit.entry_sync("batches.list", by=LOCAL, via="cli"):
        doors = line_doors(intramuros)
        found = [(_object(batch, doors), batch) for batch in intramuros.batches.list(by=LOCAL)]
        names = {user.id: user.email for user in intramuros.users.list()}
    if as_json:
        print_json([shown for shown, _ in found])
        return
    table = Table(Column("id", no_wrap=True), "of", "state", "answered", "failed", "requests")
    for shown, batch in found:
        counts = [str(number) for number in (batch.completed, batch.failed, batch.total)]
        table.add_row(shown["id"], escape(names.get(batch.user_id, "this command line")), batch.state, *counts)
    out.print(table)


@app.command()
@command
def show(
    batch: BatchId, out_file: Out = None, errors: Errors = None, data: DataFolder = None, as_json: AsJson = False
) -> None:
    """Show how far a batch is. Its answers can be fetched where it was made at this command line."""
    with opened(data) as intramuros, intramuros.audit.entry_sync("batch.show", by=LOCAL, via="cli") as entry:
        found = _found(intramuros, batch)
        entry.about(found.id)
        _write(intramuros, found.output_file, out_file)
        _write(intramuros, found.error_file, errors)
        _say(intramuros, found, as_json=as_json)


@app.command()
@command
def cancel(batch: BatchId, data: DataFolder = None, as_json: AsJson = False) -> None:
    """End a batch; what was answered is kept."""
    with opened(data) as intramuros:
        with intramuros.audit.entry_sync("batch.cancel", by=LOCAL, via="cli") as entry:
            found = intramuros.batches.cancel(_found(intramuros, batch).id, by=LOCAL)
            entry.about(found.id)
        _say(intramuros, _drained(intramuros, found.id, quiet=True), as_json=as_json)


def _made(intramuros: App, path: Path, endpoint: str | None) -> Batch:
    from intramuros.api.line_doors import line_doors
    from intramuros.tasks.batch_door import HEAD_BYTES, endpoint_of

    doors = line_doors(intramuros)
    try:
        with path.open("rb") as source:
            endpoint = endpoint or endpoint_of(source.read(HEAD_BYTES), doors)
    except OSError as error:
        raise BadRequest(f"The file can't be read: {error.strerror}.", hint="Check the path.") from error
    if endpoint is None:
        raise BadRequest(
            "The file does not say which endpoint its requests are for.", hint="Say it: --endpoint /v1/chat/completions"
        )
    if endpoint not in doors:
        raise BadRequest(f"The endpoint must be one of {', '.join(sorted(doors))}.")
    with intramuros.audit.entry_sync("batch.create", by=LOCAL, via="cli") as entry, path.open("rb") as source:
        batch = intramuros.batches.send(path.name, source, endpoint, by=LOCAL)
        entry.about(batch.id)
    return batch


def _drained(intramuros: App, batch_id: str, *, quiet: bool) -> Batch:
    from intramuros.api.line_doors import line_doors

    intramuros.batch_runner.doors.update(line_doors(intramuros))
    columns = (
        TextColumn("Answering"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("requests"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=err, disable=quiet, transient=True) as bar:
        task = bar.add_task("", total=None)

        def told(batch: Batch) -> None:
            bar.update(task, total=batch.total or None, completed=batch.completed + batch.failed)

        async def drain() -> Batch:
            try:
                return await intramuros.batch_runner.drain(batch_id, wait_s=SERVER_S, progress=told)
            finally:
                await intramuros.pool.stop()

        return asyncio.run(drain())


def _show_end(intramuros: App, batch: Batch, out_file: Path | None, errors: Path | None, *, as_json: bool) -> None:
    _write(intramuros, batch.error_file, errors)
    if out_file is not None or as_json:
        _write(intramuros, batch.output_file, out_file)
        _say(intramuros, batch, as_json=as_json)
    else:
        if batch.output_file is not None:
            content = intramuros.files.content(intramuros.files.get(batch.output_file, by=LOCAL))
            out.file.write(content.decode())
        err.print(escape(_words(intramuros, batch)), soft_wrap=True)
    if batch.state != "completed" or batch.failed:
        raise typer.Exit(1)


def _write(intramuros: App, file_id: str | None, path: Path | None) -> None:
    if path is None:
        return
    content = b"" if file_id is None else intramuros.files.content(intramuros.files.get(file_id, by=LOCAL))
    try:
        path.write_bytes(content)
    except OSError as error:
        raise BadRequest(f"{path} can't be written: {error.strerror}.", hint="Choose another place.") from error


def _found(intramuros: App, name: str) -> Batch:
    from intramuros.api.line_doors import line_doors
    from intramuros.tasks.batch_door import id_in

    return intramuros.batches.get(id_in(name, line_doors(intramuros)), by=LOCAL)


def _say(intramuros: App, batch: Batch, *, as_json: bool) -> None:
    from intramuros.api.line_doors import line_doors

    say(_object(batch, line_doors(intramuros)), _words(intramuros, batch), as_json=as_json)


def _words(intramuros: App, batch: Batch) -> str:
    from intramuros.api.line_doors import line_doors
    from intramuros.tasks.batch_door import name_of

    name = name_of(batch, line_doors(intramuros))
    reasons = "".join(f" {error['message']}" for error in batch.errors or ())
    more = f" See them with: intramuros batch show {name} --errors FILE" if batch.error_file else ""
    failed = f" {batch.failed} failed." if batch.failed else ""
    answered = f"{batch.completed} of {batch.total} requests are answered."
    return f"Batch {name} is {batch.state}: {answered}{failed}{reasons}{more}"


def _object(batch: Batch, doors: Mapping[str, LineDoor]) -> dict[str, Any]:
    """In OpenAI's form, whatever it was made with, under the name that its maker was given."""
    from intramuros.api.openai.batches import batch_object
    from intramuros.tasks.batch_door import name_of

    return {**batch_object(batch), "id": name_of(batch, doors)}
