"""Brings a backup back: beside the present data first, checked there, and then in its place at once.

Called by `tasks.restore`. A restore that was broken off goes on with the files that were brought already; one that was
decided is finished by whoever opens the folder next (`storage.swap`).
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from intramuros.errors import BackupDamaged, Conflict, StorageCorrupt
from intramuros.security.subject_keys import FOLDER_NAME as SUBJECTS
from intramuros.storage import swap
from intramuros.storage.backups.checking import Where
from intramuros.storage.backups.making import BLOBS, DATABASE, KEYS, PIECE_BYTES, Progress
from intramuros.storage.backups.manifest import File, Manifest
from intramuros.storage.backups.sealing import Opened, Subject, files_of, open_content
from intramuros.storage.database import Database, pages_in
from intramuros.storage.failures import from_system

NOTE = "restoring.json"
HARMLESS = frozenset({"run", "models", swap.NEXT, "lost+found"})


def check_empty(data: Path) -> None:
    """Refuses a folder that holds anything a restore would mix with. Raises: Conflict."""
    there = [p.name for p in data.iterdir()] if data.is_dir() else []
    if KEYS in there or DATABASE in there:
        raise Conflict(
            f"There is Intramuros data in {data} already.",
            code="data_exists",
            hint="Restore to an empty folder, or put this data aside with --replace; it can be put back with --undo.",
        )
    if any(name not in HARMLESS and not name.startswith(swap.KEPT) for name in there):
        raise Conflict(
            f"{data} holds other files; nothing was written.", code="data_exists", hint="Name an empty folder."
        )


def bring(manifest: Manifest, find: Where, data: Path, *, files: Sequence[File], progress: Progress) -> Path:
    """Copies files of a backup to where they wait for their turn, and returns that folder.

    Raises: BackupDamaged, StorageFull; the present data is as it was, and the next try goes on.
    """
    staged = data / swap.NEXT
    _begin(staged, manifest)
    total, done = sum(file.size_bytes for file in files), 0
    _check_space(staged, files, total)
    for file in files:
        progress("restoring", done, total)
        target = staged / file.path
        if not target.exists() or target.stat().st_size != file.size_bytes:
            _copy(file, find(file), target)
        done += file.size_bytes
    progress("restoring", total, total)
    return staged


def bring_database(
    manifest: Manifest, find: Where, data: Path, *, key: bytes, subjects: Mapping[Subject, bytes], progress: Progress
) -> tuple[Opened, dict[str, bytes]]:
    """Brings the archive and puts back into it what has a key; also the key of each stored file it names then.

    Raises: BackupDamaged, StorageFull.
    """
    for rest in (data / swap.NEXT).glob(f"{DATABASE}*"):
        rest.unlink()  # it was written to after it came
    staged = bring(manifest, find, data, files=[manifest.database], progress=progress)
    database = Database(staged / DATABASE, key, use="making")
    try:
        if problems := database.check(is_archive=True):
            raise BackupDamaged(f"The backup {manifest.id} is damaged: its database has {pages_in(problems)}.")
        with database.write() as connection:
            named = files_of(connection, subjects)
            opened = open_content(connection, subjects)
    except StorageCorrupt as error:
        raise BackupDamaged(f"The backup {manifest.id} is damaged: {error.message}") from error
    finally:
        database.close()
    return opened, named


def clear_others(staged: Path, *, keep: Collection[str]) -> None:
    """Removes what an earlier try brought and nobody needs now: it may have been erased since."""
    shutil.rmtree(staged / SUBJECTS, ignore_errors=True)
    for path in (staged / BLOBS).glob("*/*"):
        if path.relative_to(staged).as_posix() not in keep:
            path.unlink()


def model_folders(manifest: Manifest) -> set[str]:
    """The folders of the models in a backup, named from the data folder."""
    return {"/".join(Path(file.path).parts[:2]) for file in manifest.models}


def put_in_place(
    data: Path, manifest: Manifest, *, with_models: bool, keep_as: str, also: Collection[str] = ()
) -> None:
    """What was brought becomes the data at once, with what else is ready (`also`); `keep_as` gets what was there."""
    for folder in (BLOBS, SUBJECTS):
        (data / swap.NEXT / folder).mkdir(mode=0o700, exist_ok=True)
    names = sorted(model_folders(manifest)) if with_models else []
    swap.commit(data, [*database_files(), "journals", BLOBS, SUBJECTS, *names, *also, KEYS], keep_as=keep_as)


def database_files() -> list[str]:
    """The database and what lies beside it; the passing files first, for they belong to the old one."""
    stem = Path(DATABASE).stem
    return [f"{DATABASE}-wal", f"{DATABASE}-shm", DATABASE, f"{stem}.check"]


def _begin(staged: Path, manifest: Manifest) -> None:
    with contextlib.suppress(OSError, ValueError, KeyError):
        if json.loads((staged / NOTE).read_bytes())["backup"] == manifest.id:
            return
    shutil.rmtree(staged, ignore_errors=True)
    staged.mkdir(mode=0o700, parents=True)
    swap.write_synced(staged / NOTE, json.dumps({"backup": manifest.id}).encode())


def _copy(file: File, source: Path, target: Path) -> None:
    """Copies and compares on the way. A file that is there under its name is whole."""
    unfinished = target.with_name(f"{target.name}.part")
    digest = hashlib.sha256()
    try:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (
            _opened(file, source) as reader,
            os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as writer,
        ):
            while piece := reader(PIECE_BYTES):
                digest.update(piece)
                writer.write(piece)
            writer.flush()
            os.fsync(writer.fileno())
        if digest.hexdigest() != file.sha256:
            raise BackupDamaged(f"The file {file.path} of the backup was changed or cut off.")
        unfinished.rename(target)
    except OSError as error:
        raise from_system(error, target) from error
    finally:
        unfinished.unlink(missing_ok=True)


@contextlib.contextmanager
def _opened(file: File, source: Path) -> Iterator[Callable[[int], bytes]]:
    try:
        reader = source.open("rb")
    except OSError as error:
        raise BackupDamaged(f"The file {file.path} of the backup is missing or can't be read.") from error
    with reader:
        yield reader.read


def _check_space(staged: Path, files: Iterable[File], total: int) -> None:
    there = sum((staged / file.path).stat().st_size for file in files if (staged / file.path).exists())
    if shutil.disk_usage(staged).free < total - there:
        raise from_system(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), staged)
