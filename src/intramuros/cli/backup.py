"""`intramuros backup`: makes backups while the server runs, lists and checks them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table
from typer.core import TyperGroup

from intramuros.accounts.caller import LOCAL
from intramuros.audit.entry import Entry
from intramuros.cli.console import AsJson, DataFolder, command, opened, out, print_json, settings_for
from intramuros.cli.progress import bar, size
from intramuros.cli.secrets import recovery_words
from intramuros.errors import IntramurosError


class WithFolder(TyperGroup):
    """`backup FOLDER` is short for `backup make FOLDER`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """What is no command is the folder."""
        if args and args[0] not in self.commands and args[0] not in {"-h", "--help"}:
            args = ["make", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=WithFolder, no_args_is_help=True, help="Backups: intramuros backup FOLDER makes one; list and check them."
)

Folder = Annotated[Path, typer.Argument(metavar="FOLDER", help="Where the backups are, or one backup's own folder.")]
RecoveryKey = Annotated[
    Path | None, typer.Option("--recovery-key", metavar="FILE|-", help="Open it with the recovery key: - to type it.")
]


@app.command()
@command
def make(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where to: empty, new, or one with backups.")],
    *,
    data: DataFolder = None,
    with_models: Annotated[bool, typer.Option("--with-models", help="Also the models; else fetch them again.")] = False,
    keep: Annotated[int | None, typer.Option(min=1, help="Delete all but the newest so many afterwards.")] = None,
    as_json: AsJson = False,
) -> None:
    """Make a backup, also while the server runs: consistent, encrypted, read again to its last byte.

    What an earlier backup in the folder has already is not copied again. Broken off, it goes on when run again.
    """
    with opened(data) as intramuros, intramuros.audit.entry_sync("backup", by=LOCAL, via="cli") as entry:
        with bar(quiet=as_json) as report:
            made = intramuros.backup.make(folder, with_models=with_models, keep=keep, progress=report)
        manifest = made.manifest
        entry.about(manifest.id)
        entry.note(size_bytes=manifest.size_bytes, results=made.copied, broken=len(manifest.damaged))
    if as_json:
        print_json(
            {
                "backup": manifest.id,
                "folder": str(folder.absolute() / manifest.id),
                "size_bytes": manifest.size_bytes,
                "files": len(manifest.blobs),
                "copied": made.copied,
                "copied_bytes": made.copied_bytes,
                "damaged": list(manifest.damaged),
            }
        )
    else:
        out.print(f"Backup {manifest.id}: {size(manifest.size_bytes)}, read again and whole.")
        out.print(f"New since the last one: {made.copied} files, {size(made.copied_bytes)}, and the database.")
        if not intramuros.keys.recovery:
            out.print("[yellow]Without the key it opens nowhere. Make a recovery key: intramuros recovery create[/]")
    if manifest.damaged:
        if not as_json:
            names = ", ".join(manifest.damaged[:3])
            out.print(f"[bold red]{len(manifest.damaged)} stored files are damaged and not in it[/]: {names}")
        raise typer.Exit(1)


@app.command("list")
@command
def list_backups(folder: Folder, data: DataFolder = None, as_json: AsJson = False) -> None:
    """List the backups of a folder, the newest first."""
    with opened(data) as intramuros, intramuros.audit.entry_sync("backup.list", by=LOCAL, via="cli"):
        listed = intramuros.backup.list(folder)
    if as_json:
        print_json([_row(one.id, one.manifest, one.problem) for one in listed])
        return
    table = Table("backup", "made", "size", "files", "models", "", box=SIMPLE_HEAD)
    for one in listed:
        if one.manifest is None:
            table.add_row(one.id, "", "", "", "", f"[red]{escape(one.problem)}[/]")
            continue
        manifest = one.manifest
        made = time.strftime("%Y-%m-%d %H:%M", time.localtime(manifest.made_at))
        said = f"[red]{len(manifest.damaged)} damaged[/]" if manifest.damaged else ""
        cells = (size(manifest.size_bytes), str(len(manifest.blobs)), "yes" if manifest.models else "no", said)
        table.add_row(one.id, made, *cells)
    out.print(table if listed else "There is no backup in this folder.")


@app.command()
@command
def verify(
    folder: Folder,
    *,
    data: DataFolder = None,
    backup: Annotated[str | None, typer.Option(help="Which one; else the newest.")] = None,
    recovery_key: RecoveryKey = None,
    as_json: AsJson = False,
) -> None:
    """Read a backup through to its last byte and open everything in it. Ends with 1 if it is damaged."""
    from intramuros.storage.backups.place import within
    from intramuros.tasks.backup import verify as verified
    from intramuros.tasks.restore import open_backup

    place, newest = within(folder)
    chosen, settings = backup or newest, settings_for(data)
    ring = open_backup(place, chosen, settings, words=recovery_words(recovery_key))
    with _noted(data, chosen) as entry:
        with bar(quiet=as_json) as report:
            result = verified(place, chosen, ring.data, subjects=ring.subjects, progress=report)
        if entry is not None:
            entry.note(size_bytes=result.size_bytes, results=result.files, broken=len(result.problems))
    if as_json:
        print_json({"backup": chosen, "ok": not result.problems, **asdict(result)})
    elif result.problems:
        out.print(f"[bold red]The backup {chosen} is damaged[/]: {escape('; '.join(result.problems[:10]))}.")
    else:
        out.print(f"[green]The backup {chosen} is whole[/]: {result.files} files, {size(result.size_bytes)}.")
    if result.problems:
        raise typer.Exit(1)


@contextmanager
def _noted(data: Path | None, backup: str) -> Iterator[Entry | None]:
    """The record of a check, in the data that is here; none where there is none, or it doesn't open."""
    with ExitStack() as stack:
        try:
            intramuros = stack.enter_context(opened(data))
        except IntramurosError:  # a backup is checked with the recovery key on a bare machine too
            intramuros = None
        if intramuros is None:
            yield None
            return
        with intramuros.audit.entry_sync("backup.verify", by=LOCAL, object=backup, via="cli") as entry:
            yield entry


def _row(backup: str, manifest: Any, problem: str) -> dict[str, Any]:
    if manifest is None:
        return {"backup": backup, "problem": problem}
    return {
        "backup": backup,
        "made_at": manifest.made_at,
        "size_bytes": manifest.size_bytes,
        "files": len(manifest.blobs),
        "has_models": bool(manifest.models),
        "damaged": list(manifest.damaged),
        "version": manifest.version,
    }
