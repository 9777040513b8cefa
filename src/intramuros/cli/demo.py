"""`intramuros demo`: the main job without a browser, in a folder of its own that is removed afterwards."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from intramuros.accounts.caller import LOCAL
from intramuros.cli.add import find_or_create
from intramuros.cli.ask import show
from intramuros.cli.console import command, err, out
from intramuros.cli.fetching import pull_shown
from intramuros.documents import samples
from intramuros.errors import IntramurosError
from intramuros.settings import load

PROJECT = "Atelier"


@command
def demo(
    keep: Annotated[
        Path | None,
        typer.Option("--data", metavar="DIR", help="Keep the data in this new folder instead of removing it."),
    ] = None,
) -> None:
    """Show what Intramuros does: sample documents, three questions (one can't be answered), sources with pages."""
    if keep is not None:
        _run(keep)
        return
    with tempfile.TemporaryDirectory(prefix="intramuros-demo-") as folder:
        _run(Path(folder) / "data")


def _run(data: Path) -> None:
    from intramuros.app import build, create

    settings = load({"data": data, "key_file": data.parent / f"{data.name}.key"})
    create(settings)
    app = build(settings)
    try:
        asyncio.run(_demo(app))
    finally:
        app.close()


async def _demo(app) -> None:  # type: ignore[no-untyped-def]
    out.rule("[bold]1. A model on this machine")
    model = await pull_shown(app, app.catalogue.starter.name)
    out.print(f"{model.title}: verified, installed. Trusted with: {model.trust}.")

    out.rule("[bold]2. Documents, read in a confined process and encrypted")
    project = find_or_create(app, PROJECT)
    received = []
    for path in samples.paths():
        async with app.audit.entry("document.add", by=LOCAL, via="cli"):
            with path.open("rb") as source:
                received.append(app.library.receive(project, path.name, source, by=LOCAL).id)
    for document in await app.ingest.drain(received):
        out.print(f"  {document.name}: {document.state}, {document.pages_total} page(s), language {document.language}")
        if document.state != "ready":
            raise IntramurosError(f"The sample document {document.name} was not read: {app.library.explain(document)}")

    out.rule("[bold]3. Three questions")
    try:
        for question in samples.questions():
            out.print(f"\n[bold cyan]{question['question']}[/]")
            async with app.audit.entry("answer", by=LOCAL, via="cli") as entry:
                answer = await app.answer.run(question["question"], project=project, by=LOCAL, entry=entry)
            show(answer)
            _check(question, answer)
    finally:
        await app.pool.stop()
    err.print("\nThe demo did what it should.", style="green")


def _check(question, answer) -> None:  # type: ignore[no-untyped-def]
    expected = question["document"]
    if expected is None and answer.mode != "none":
        raise IntramurosError("The demo answered a question that the documents can't answer.")
    if expected is not None and not any(s.document == expected and s.page == question["page"] for s in answer.sources):
        raise IntramurosError(f"The demo did not find {expected}, page {question['page']}.")
