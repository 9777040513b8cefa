"""`intramuros retention`: how long projects keep things, and erasing what is older."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Annotated

import typer
from rich.table import Table

from intramuros.accounts.caller import LOCAL
from intramuros.cli.console import AsJson, DataFolder, command, opened, out, print_json
from intramuros.errors import BadRequest

app = typer.Typer(no_args_is_help=True, help="How long projects keep conversations and documents.")

Days = Annotated[str | None, typer.Option(metavar="DAYS|never", help="Erase after so many days; never: keep for ever.")]


@app.command()
@command
def show(data: DataFolder = None, as_json: AsJson = False) -> None:
    """Show how long each project keeps things."""
    with opened(data) as intramuros, intramuros.audit.entry_sync("retention.show", by=LOCAL, via="cli"):
        rows = [(project, intramuros.retention.get(project.id)) for project in intramuros.projects.list(LOCAL)]
    if as_json:
        print_json([{"project": project.id, "name": project.name, **asdict(kept)} for project, kept in rows])
        return
    table = Table("project", "conversations", "documents", "documents nobody uses")
    for project, kept in rows:
        times = (kept.conversations_days, kept.documents_days, kept.unused_days)
        table.add_row(project.name, *map(_in_words, times))
    out.print(table)


@app.command("set")
@command
def set_days(
    project: Annotated[str, typer.Argument(metavar="NAME|ID")],
    *,
    data: DataFolder = None,
    conversations: Days = None,
    documents: Days = None,
    unused: Days = None,
    as_json: AsJson = False,
) -> None:
    """Set how long a project keeps conversations (after their last question) and documents (after they came).

    With `--unused`, documents go once nobody has searched the project for so many days.
    """
    with opened(data) as intramuros:
        found = intramuros.projects.get(project, by=LOCAL)
        with intramuros.audit.entry_sync("retention.set", by=LOCAL, object=found.id, via="cli"):
            kept = intramuros.retention.get(found.id)
            if conversations is not None:
                kept = replace(kept, conversations_days=_days(conversations))
            if documents is not None:
                kept = replace(kept, documents_days=_days(documents))
            if unused is not None:
                kept = replace(kept, unused_days=_days(unused))
            intramuros.retention.set(found.id, kept)
    if as_json:
        print_json({"project": found.id, **asdict(kept)})
    else:
        out.print(f"Conversations: {_in_words(kept.conversations_days)}. Documents: {_in_words(kept.documents_days)}.")
        if kept.unused_days is not None:
            out.print(f"Documents of a project that nobody uses: {_in_words(kept.unused_days)}.")


@app.command()
@command
def run(data: DataFolder = None, as_json: AsJson = False) -> None:
    """Erase now what is older than its project keeps it, with receipts. A running server does it every hour."""
    with opened(data) as intramuros, intramuros.audit.entry_sync("retention.run", by=LOCAL, via="cli") as entry:
        done = intramuros.retention.run(by=LOCAL.user_id)
        entry.note(records=len(done))
    if as_json:
        print_json([receipt.to_json() for receipt in done])
    else:
        out.print(f"{len(done)} erased." if done else "Nothing is older than its project keeps it.")


def _days(text: str) -> int | None:
    if text == "never":
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 6:
        raise BadRequest("Give a number of days, or never.", code="bad_retention")
    return int(text)


def _in_words(days: int | None) -> str:
    return "kept for ever" if days is None else f"{days} day(s)"
