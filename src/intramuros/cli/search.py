"""`intramuros search`: the passages of a project that match, without any model."""

from __future__ import annotations

from typing import Annotated

import typer

from intramuros.accounts.caller import LOCAL
from intramuros.cli.console import AsJson, DataFolder, command, opened, out, print_json


@command
def search(
    query: Annotated[str, typer.Argument(help="Words, a reference number, or a question.")],
    project: Annotated[str, typer.Option(help="The project to search.")],
    limit: Annotated[int, typer.Option(min=1, max=100, help="How many passages at most.")] = 10,
    data: DataFolder = None,
    as_json: AsJson = False,
) -> None:
    """Search a project's documents."""
    with opened(data) as intramuros, intramuros.audit.entry_sync("search", by=LOCAL, via="cli") as entry:
        place = intramuros.projects.get(project, by=LOCAL, need="reader")
        found = intramuros.search.find(query, projects=[place.id], limit=limit)
        entry.note(project=place.id, sources=len(found))
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
