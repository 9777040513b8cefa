"""`intramuros ask`: a question, its answer and the pages it stands on."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from intramuros.accounts.caller import LOCAL
from intramuros.cli.console import AsJson, DataFolder, command, err, opened, out, print_json

if TYPE_CHECKING:
    from intramuros.app import App
    from intramuros.tasks.answer import Answer


@command
def ask(
    question: Annotated[str, typer.Argument(help="The question, in your words.")],
    project: Annotated[str, typer.Option(help="The project whose documents answer.")],
    mode: Annotated[
        str | None, typer.Option(help="quote: sentences of the documents, word for word; write: the model's own words.")
    ] = None,
    data: DataFolder = None,
    as_json: AsJson = False,
) -> None:
    """Answer a question from a project's documents. Nothing leaves this machine."""
    with opened(data) as intramuros:
        answer = asyncio.run(answered(intramuros, question, project, mode=mode))
    if as_json:
        print_json(answer.to_json())
    else:
        show(answer)


async def answered(app: App, question: str, project: str, *, mode: str | None = None) -> Answer:
    """Asks the question as the local operator, with one audit record, and stops the engine afterwards."""
    try:
        async with app.audit.entry("answer", by=LOCAL, via="cli") as entry:
            place = app.projects.get(project, by=LOCAL, need="reader")
            with err.status("Reading the documents …"):
                await app.embedder.load()
                return await app.answer.run(question, project=place, by=LOCAL, entry=entry, mode=mode)
    finally:
        await app.pool.stop()


def show(answer: Answer) -> None:
    """Prints an answer for a person: the text, what it stands on, and how far it can be trusted."""
    out.print(answer.answer, markup=False, soft_wrap=True)
    if answer.sources:
        out.print()
    for source in answer.sources:
        out.print(f"[bold]\\[{source.number}][/] {source.document}, page {source.page}", soft_wrap=True)
        if answer.mode == "write":
            out.print(f"    « {source.quote} »", markup=False, style="dim", soft_wrap=True)
    if answer.lexical_only:
        out.print("[yellow]The embedder failed: the passages were found by words alone.[/]")
    if answer.mode == "quote" and not answer.supported:
        for reason in dict.fromkeys(sentence.reason for sentence in answer.sentences if not sentence.supported):
            out.print(f"\n{str(reason)[:1].upper()}{str(reason)[1:]}.", markup=False, style="yellow", soft_wrap=True)
    if answer.mode == "write" and not answer.supported:
        out.print("[yellow]Part of this answer is not supported by the documents:[/]")
        for sentence in answer.sentences:
            if not sentence.supported:
                out.print(f"    {sentence.text} ({sentence.reason})", markup=False, soft_wrap=True)
    if answer.nearest and answer.mode == "none":
        out.print("\nThe nearest passages:", style="dim")
        for source in answer.nearest:
            out.print(
                f"    {source.document}, page {source.page}: {source.quote}", markup=False, style="dim", soft_wrap=True
            )
