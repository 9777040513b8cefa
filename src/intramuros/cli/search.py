"""`intramuros search`: the passages of a project that match; no model writes anything."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from intramuros.accounts.caller import LOCAL
from intramuros.cli.console import AsJson, DataFolder, command, err, opened, out, print_json

if TYPE_CHECKING:
    from intramuros.app import App
    from intramuros.retrieval.search import Found


@command
def search(
    query: Annotated[str, typer.Argument(help="Words, a reference number, or a question.")],
    project: Annotated[str, typer.Option(help="The project to search.")],
    limit: Annotated[int, typer.Option(min=1, max=100, help="How many passages at most.")] = 10,
    data: DataFolder = None,
    as_json: AsJson = False,
) -> None:
    """Search a project's documents."""
    with opened(data) as intramuros:
        result = asyncio.run(_found(intramuros, query, project, limit=limit))
    found = result.passages
    if result.lexical_only:
        err.print("[yellow]The embedder failed: these were found by words alone.[/]")
    if as_json:
        print_json(
            [
                {
                    "document": p.document,
                    "page": p.page,
                    "text": p.text,
                    "score": p.score,
                    "rects": [list(r) for r in p.rects],
                }
                for p in found
            ]
        )
        return
    if not found:
        out.print("Nothing in this project matches.")
    for number, passage in enumerate(found, 1):
        heading = " › ".join(passage.headings)
        out.print(f"[bold]{number}. {passage.document}, page {passage.page}[/]  [dim]{heading}[/]")
        out.print(
            passage.text if len(passage.text) <= 400 else passage.text[:400] + " […]", markup=False, soft_wrap=True
        )
        out.print()


async def _found(app: App, query: str, project: str, *, limit: int) -> Found:
    """Searches as the local operator, with one audit record; waits for the embedder to load, and stops it after."""
    try:
        async with app.audit.entry("search", by=LOCAL, via="cli") as entry:
            place = app.projects.get(project, by=LOCAL, need="reader")
            await app.embedder.load()
            found = await app.search.ask(query, projects=[place.id], limit=limit)
            entry.note(project=place.id, sources=len(found.passages), lexical_only=found.lexical_only or None)
            return found
    finally:
        await app.pool.stop()
