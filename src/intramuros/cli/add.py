"""`intramuros add`: puts files into a project and waits until each is ready to be asked about."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from intramuros.accounts.caller import LOCAL
from intramuros.cli.console import AsJson, DataFolder, command, err, opened, out, print_json
from intramuros.errors import DocumentError, IntramurosError, NotFound

if TYPE_CHECKING:
    from intramuros.accounts.projects import Project
    from intramuros.app import App

UNEMBEDDED = "It is found by its words; the embedder failed, and is tried again when a server runs or at the next add."


@command
def add(
    paths: Annotated[list[Path], typer.Argument(help="Files, or folders with everything below them.")],
    project: Annotated[str, typer.Option(help="The project; it is made if it does not exist.")],
    data: DataFolder = None,
    as_json: AsJson = False,
) -> None:
    """Add documents. Ends with 0 only when every one of them is ready."""
    with opened(data) as intramuros:
        results = asyncio.run(_add(intramuros, paths, project, quiet=as_json))
    failed = [result for result in results if result["state"] != "ready"]
    if as_json:
        print_json(results)
    else:
        for result in failed:
            err.print(f"[red]✗[/] {result['path']}: {result['error']}", soft_wrap=True)
        out.print(f"{len(results) - len(failed)} of {len(results)} documents are ready in “{project}”.")
    if failed or not results:
        raise typer.Exit(1)


async def _add(app: App, paths: list[Path], project_name: str, *, quiet: bool) -> list[dict[str, Any]]:
    files = [file for given in paths for file in _files(given)]
    if not any(file.is_file() for file in files):
        raise NotFound(
            f"There is no file {files[0]}.", hint="Check the path. Nothing was added, and no project was made."
        )
    project = find_or_create(app, project_name)
    results: list[dict[str, Any]] = []
    waiting: dict[str, dict[str, Any]] = {}
    for path in files:
        result: dict[str, Any] = {"path": str(path), "document": path.name, "state": "failed", "error": None}
        results.append(result)
        try:
            async with app.audit.entry("document.add", by=LOCAL, object=project.id, via="cli") as entry:
                with path.open("rb") as source:
                    document = app.library.receive(project, path.name, source, by=LOCAL)
                entry.note(size_bytes=document.size_bytes)
        except OSError as error:
            result["error"] = f"The file can't be read: {error.strerror}. Check the path and that you may read it."
        except IntramurosError as error:
            result["error"] = f"{error.message} {error.hint}".strip()
        else:
            waiting.setdefault(document.id, result)
            result["id"] = document.id
    with Progress(
        TextColumn("Reading"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("documents"),
        TimeRemainingColumn(),
        console=err,
        disable=quiet,
        transient=True,
    ) as bar:
        task = bar.add_task("", total=len(waiting))
        finished = await app.ingest.drain(list(waiting), progress=lambda done: bar.update(task, completed=done))
    for document in finished:
        for result in results:
            if result.get("id") == document.id:
                result |= {
                    "state": document.state,
                    "pages": document.pages_total,
                    "error": UNEMBEDDED if document.state == "indexed" else app.library.explain(document),
                }
                result["pages_without_text"] = list(document.pages_without_text)
    return results


def find_or_create(app: App, name: str) -> Project:
    """The project of this name; made, and owned by the administrators there are, if it does not exist."""
    try:
        return app.projects.get(name, by=LOCAL, need="contributor")
    except NotFound:
        with app.audit.entry_sync("project.create", by=LOCAL, via="cli"):
            return app.projects.create(name, by=LOCAL)


def _files(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return
    found = sorted(
        p
        for p in path.rglob("*")
        if p.is_file() and not any(part.startswith(".") for part in p.relative_to(path).parts)
    )
    if not found:
        raise DocumentError(f"There is no file in {path}.", hint="Give files, or a folder that has some.")
    yield from found
