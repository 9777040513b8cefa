"""Puts new files in the place of old ones, many at once: all of them or none, whenever the machine stops.

Called by restore and by the change of keys, which prepare everything in `.next` inside the data folder; and by `app`
before it opens anything, to finish what a stop has interrupted. It knows no contents. The caller has the folder alone.

    .next/…           what is being prepared: of no account until it is ready
    .next/ready.json  from here on the new files count, even if not one was moved yet
    .before-…/        what was there before, if it is to be kept
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import time
from pathlib import Path

from intramuros.errors import Conflict, NotFound
from intramuros.security.own_files import sync

SMALL_BYTES = 64 << 10
NEXT, READY, KEPT = ".next", "ready.json", ".before-"


def commit(data: Path, entries: list[str], *, keep_as: str, discard: bool = False) -> None:
    """Puts the entries of `.next` in their places; entries that are not there are taken away.

    What they replace is kept in a folder `keep_as`, or deleted with `discard`. An entry is a file or a folder, named
    from the data folder. Those that were only half replaced are finished by `finish`.
    """
    staged = data / NEXT
    if (data / keep_as).exists():
        raise Conflict(f"There is a folder {keep_as} already.")
    plan = {
        "entries": [{"name": name, "is_new": (staged / name).exists()} for name in entries],
        "keep_as": keep_as,
        "discard": discard,
    }
    sync_tree(staged)
    unfinished = staged / f".{READY}"
    write_synced(unfinished, json.dumps(plan).encode())
    unfinished.rename(staged / READY)
    sync(staged)
    finish(data)


def is_ready(data: Path) -> bool:
    """Whether a swap was decided and not finished."""
    return (data / NEXT / READY).exists()


def finish(data: Path) -> bool:
    """Finishes a swap that was decided; whether there was one. Doing it twice changes nothing."""
    staged = data / NEXT
    try:
        plan = json.loads((staged / READY).read_bytes())
    except FileNotFoundError:
        return False
    kept = data / plan["keep_as"]
    kept.mkdir(mode=0o700, exist_ok=True)
    for entry in plan["entries"]:
        _move(data, staged, kept, entry["name"], is_new=entry["is_new"])
    sync(data)
    if plan["discard"] or not any(kept.iterdir()):
        _overwrite_small(kept)
        shutil.rmtree(kept, ignore_errors=True)
    else:
        write_synced(kept / READY, json.dumps(plan).encode())
    (staged / READY).unlink()
    sync(staged)
    shutil.rmtree(staged, ignore_errors=True)
    return True


def clear(data: Path) -> None:
    """Throws away what was being prepared. Must not be called once it is ready."""
    if is_ready(data):
        raise Conflict("A swap is under way.")
    shutil.rmtree(data / NEXT, ignore_errors=True)


def kept(data: Path) -> list[Path]:
    """What earlier swaps replaced, the newest first."""
    return sorted((p for p in data.glob(f"{KEPT}*") if (p / READY).exists()), reverse=True)


def kept_name(data: Path) -> str:
    """A name for what the next swap replaces, that sorts by time."""
    while (
        data / (name := f"{KEPT}{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-{time.time_ns() % 10**9:09}")
    ).exists():
        continue
    return name


def undo(data: Path, folder: Path, *, keep_as: str) -> None:
    """Puts back what a swap replaced, and keeps what it had put there. Raises: NotFound."""
    try:
        plan = json.loads((folder / READY).read_bytes())
    except OSError as error:
        raise NotFound(f"There is nothing to put back in {folder.name}.") from error
    clear(data)
    (folder / READY).unlink()
    folder.rename(data / NEXT)
    commit(data, [entry["name"] for entry in plan["entries"]], keep_as=keep_as)


def _move(data: Path, staged: Path, kept: Path, name: str, *, is_new: bool) -> None:
    new, place, old = staged / name, data / name, kept / name
    if is_new and not new.exists():
        return  # moved before
    if os.path.lexists(place) and not os.path.lexists(old):
        old.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        place.rename(old)
        sync(place.parent)
    if is_new:
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        new.rename(place)
        sync(place.parent)


def _overwrite_small(folder: Path) -> None:
    """Overwrites what may be a wrapped key, before it is deleted with the rest."""
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink() and path.stat().st_size <= SMALL_BYTES:
            with contextlib.suppress(OSError), path.open("r+b") as file:
                file.write(bytes(path.stat().st_size))
                file.flush()
                os.fsync(file.fileno())


def write_synced(path: Path, content: bytes) -> None:
    """Writes a file that is on the disk when this returns, readable by this user alone."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def sync_tree(folder: Path) -> None:
    """Puts the names in a folder and in those below it on the disk."""
    for below, _, _ in os.walk(folder):
        sync(Path(below))
