"""How the command line shows the receipt of an erasure. Called by the commands that erase or show what was erased."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from rich.markup import escape

from intramuros.cli.console import out, print_json
from intramuros.privacy.erase.receipt import Receipt


def show(receipt: Receipt, *, as_json: bool = False, **more: Any) -> None:
    """A receipt in words, or as JSON with what else is to be told."""
    if as_json:
        print_json(receipt.to_json() | more)
        return
    assert receipt.statement is not None
    out.print(f"[green]Erased:[/] {receipt.kind} {escape(receipt.subject)}. Receipt {escape(receipt.id)}")
    say(receipt.statement.said)


def say(said: Mapping[str, Any]) -> None:
    """What a receipt says, and what it does not say."""
    searched, engines, samples = said["searched"], said["engines"], sum(said["samples"].values())
    removed = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in said["removed"].items() if count)
    before = f"{said['met_before']} of {samples} before, " if "met_before" in said else ""
    elsewhere = f" ({said['held_elsewhere']} stand in something else too)" if said["held_elsewhere"] else ""
    for name, words in {
        "removed": removed or "nothing stored",
        "searched": f"{searched['pages']} pages, {searched['log_frames']} log frames, {searched['files']} files",
        "found": f"{before}{said['met_after']} of {samples} after{elsewhere}",
        "key": "destroyed" if said["key_destroyed"] else "none of its own",
        "engines": f"{engines['ended']} renewed, {engines['still_running']} still running",
        "in backups": _copies(said),
        "not searched": ", ".join(said["not_searched"]),
    }.items():
        out.print(f"  {name:<12} {words}", soft_wrap=True)


def _copies(said: Mapping[str, Any]) -> str:
    """What backups made before still give, and until when."""
    if said["key_destroyed"]:
        words = "unreadable, for its key is gone"
    elif said.get("in_backups"):
        words = f"{', '.join(said['in_backups'])} until deleted: intramuros backup FOLDER --keep 1"
    else:
        words = "in none"
    unseen = said["backup_folders_not_reached"]
    return words + (f"; {unseen} folder(s) with backups could not be reached" if unseen else "")


def day(at: float) -> str:
    """A moment, to the minute."""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(at))
