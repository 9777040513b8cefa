"""Replaces every key below the one that opens the data, and writes anew all that they sealed.

Called by the command line. Stored files, which may be many, are sealed anew *beside* the data (`prepare`), also while a
server uses it; what is ready counts for nothing until the rest follows. The database and sealed models come last, with
the folder alone (`finish`), and everything takes its place in one step. Stopped anywhere, the same command goes on with
the files that are ready; what was erased meanwhile is erased there too (`security.subject_keys`, `storage.blobs`).

    .deep/keys.json, subjects/     the new keys, opened by what opens the present ones
    .deep/blobs/                   files that are sealed under them
    .deep/models/                  the same of models
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from sqlalchemy import literal, select

from intramuros.errors import IntramurosError, NotFound, StorageCorrupt, StorageFull
from intramuros.models import parts
from intramuros.models.manifest import MANIFEST
from intramuros.models.sealed import SEALED_FILE, key_in, new_key, resealed
from intramuros.security import keys as key_files
from intramuros.security.crypto import derive
from intramuros.security.keys import DataKeys
from intramuros.security.subject_keys import FOLDER_NAME as SUBJECTS
from intramuros.security.subject_keys import PREPARED, SubjectKeys
from intramuros.settings import Settings
from intramuros.storage import swap
from intramuros.storage.backups.making import BLOBS, DATABASE, KEYS, Progress
from intramuros.storage.backups.restoring import database_files
from intramuros.storage.blobs import Blobs
from intramuros.storage.database import Database, open_database
from intramuros.storage.failures import from_system
from intramuros.storage.schema import documents, files
from intramuros.storage.unfinished import MARK, withdraw
from intramuros.storage.use import alone
from intramuros.tasks.backup import silent
from intramuros.tasks.resealing import reseal
from intramuros.tasks.rotate import no_key, write_database


@dataclass(frozen=True, slots=True)
class Renewed:
    """What was done. Units: bytes and counts of what is sealed under new keys, seconds it took in this run.

    `is_finished`: the new keys hold; otherwise files are ready beside the data, which the old ones still open.
    """

    is_finished: bool
    files: int
    files_bytes: int
    subjects: int
    models: int = 0
    database_bytes: int = 0
    duration_s: float = 0.0


@dataclass(frozen=True, slots=True)
class _Prepared:
    keys: DataKeys
    subjects: SubjectKeys
    files: int
    files_bytes: int


def prepare(settings: Settings, keys: DataKeys, database: Database, *, progress: Progress = silent) -> Renewed:
    """Seals the stored files anew beside the data, which may be in use.

    Raises: StorageCorrupt, StorageFull; AlreadyRunning while another process does.
    """
    began = time.monotonic()
    with alone(settings.data, lock="deep.lock"), _giving_room_back(settings.data):
        made = _prepared(settings, keys, database, progress)
    subjects = sum(1 for _ in made.subjects.subjects())
    return Renewed(False, made.files, made.files_bytes, subjects, duration_s=time.monotonic() - began)


def finish(settings: Settings, *, progress: Progress = silent) -> Renewed:
    """Seals the rest anew, and has the new keys hold; the old ones are destroyed.

    Raises: AlreadyRunning while anything uses the folder; StorageCorrupt, StorageFull, and the old keys hold.
    """
    data, began = settings.data, time.monotonic()
    staged = data / PREPARED
    with alone(data), _giving_room_back(data):
        swap.finish(data)
        withdraw(data)
        swap.clear(data)
        old = key_files.open_keys(data, key_file=settings.key_file, passphrase=settings.passphrase)
        former = SubjectKeys(data / SUBJECTS, old.data)
        try:
            present = open_database(data / DATABASE, old.database)
            try:
                made = _prepared(settings, old, present, progress)
            finally:
                present.close()
            models = list(_models(settings, old, made.keys, progress))
            size = write_database(
                settings,
                old,
                made.keys,
                progress,
                folder=staged,
                also=lambda connection: reseal(connection, former, made.subjects),
            )
            _write_keys(settings, made.keys)
        except OSError as error:
            raise from_system(error, staged) from error
        staged.rename(data / swap.NEXT)
        subjects = sum(1 for _ in former.subjects())
        entries = [*database_files(), SUBJECTS, BLOBS, *(name for names in models for name in names), KEYS]
        swap.commit(data, entries, keep_as=".gone", discard=True)
    took = time.monotonic() - began
    return Renewed(True, made.files, made.files_bytes, subjects, len(models), size, took)


@contextmanager
def _giving_room_back(data: Path) -> Iterator[None]:
    """On a full disk what is ready goes, for the data in use needs the room more."""
    try:
        yield
    except StorageFull:
        shutil.rmtree(data / PREPARED, ignore_errors=True)
        raise


def _prepared(settings: Settings, old: DataKeys, database: Database, progress: Progress) -> _Prepared:
    """New keys, those of before if there are some, and the stored files under them."""
    data = settings.data
    staged = data / PREPARED
    try:
        keys = _keys(settings, old)
        former, new = SubjectKeys(data / SUBJECTS, old.data), SubjectKeys(staged / SUBJECTS, keys.data)
        new.folder.mkdir(mode=0o700, exist_ok=True)
        for kind, subject in former.subjects():
            _renew(former, new, kind, subject)
        for kind, subject in list(new.subjects()):
            if not former.has(kind, subject):
                new.destroy(cast("Any", kind), subject)
        count, size = _files(data, former, new, database, progress)
    except OSError as error:
        raise from_system(error, staged) from error
    return _Prepared(keys, new, count, size)


def _renew(former: SubjectKeys, new: SubjectKeys, kind: str, subject: str) -> None:
    """A new key for a subject, unless it is erased meanwhile."""
    new.create(cast("Any", kind), subject)
    if not former.has(kind, subject):
        new.destroy(cast("Any", kind), subject)


def _keys(settings: Settings, old: DataKeys) -> DataKeys:
    """The new keys: those that are there, where they open as the present ones do, and in no other way; else others."""
    staged = settings.data / PREPARED
    if (staged / KEYS).exists() and key_files.open_alike(settings.data, staged):
        try:
            found = key_files.open_keys(staged, key_file=settings.key_file, passphrase=settings.passphrase)
            if found.instance == old.instance:
                return found
        except IntramurosError:
            pass  # what opens the data was changed meanwhile
    shutil.rmtree(staged, ignore_errors=True)
    staged.mkdir(mode=0o700)
    (staged / BLOBS).mkdir(mode=0o700)
    swap.write_synced(staged / MARK, b"{}")
    new = old.renewed(deep=True)
    _write_keys(settings, new)
    return new


def _write_keys(settings: Settings, new: DataKeys) -> None:
    target = settings.data / PREPARED / KEYS
    key_files.write_renewed(settings.data, target, new, key_file=settings.key_file, passphrase=settings.passphrase)


def _files(
    data: Path, former: SubjectKeys, new: SubjectKeys, database: Database, progress: Progress
) -> tuple[int, int]:
    """Seals every stored file anew that is not there yet; how many there are, and their size."""
    kept = select(
        literal("project").label("kind"), documents.c.project_id.label("subject"), documents.c.blob_id,
        documents.c.size_bytes,
    )  # fmt: skip
    sent = select(literal("user"), files.c.user_id, files.c.blob_id, files.c.size_bytes)
    with database.read() as connection:
        rows = connection.execute(kept.union_all(sent)).all()
    here, there = Blobs(data / BLOBS), Blobs(data / PREPARED / BLOBS)
    total, done, count = sum(row.size_bytes for row in rows), 0, 0
    for row in rows:
        progress("resealing", done, total)
        if _resealed(row, former, new, here, there):
            count, done = count + 1, done + row.size_bytes
    progress("resealing", total, total)
    for path in there.orphans({row.blob_id for row in rows}, older_than_s=0):
        if not here.has(path.name.partition(".")[0]):
            path.unlink(missing_ok=True)
    return count, done


def _resealed(row: Any, former: SubjectKeys, new: SubjectKeys, here: Blobs, there: Blobs) -> bool:
    """Whether a file is sealed anew; not where it, or its key, is gone."""
    try:
        key = former.get(row.kind, row.subject)
        _renew(former, new, row.kind, row.subject)  # of somebody who came meanwhile
        return here.reseal_to(there, row.blob_id, key=key, new_key=new.get(row.kind, row.subject))
    except NotFound:
        there.remove(row.blob_id)
        return False


def _models(settings: Settings, old: DataKeys, new: DataKeys, progress: Progress) -> Iterator[list[str]]:
    """Seals the files of sealed models and of their parts anew; yields, for each, what changes, from the data folder.

    Its manifest comes first, with the new key; a file that is there is whole.
    """
    models = settings.models_folder
    for path in (*models.glob(f"[!.]*/{MANIFEST}"), *parts.notes(models)):
        manifest = json.loads(path.read_text(encoding="utf-8"))
        if not manifest.get("sealed_key"):
            continue
        staged = settings.data / PREPARED / path.relative_to(settings.data)
        try:
            own = key_in(manifest["sealed_key"], derive(old.data, "models"))
        except StorageCorrupt as error:
            raise no_key(path.relative_to(models).parts[0]) from error
        renewed = _manifest(staged, manifest, derive(new.data, "models"))
        changed = [path]
        for file in _sealed_files(path):
            target = staged.parent / file.relative_to(path.parent)
            progress("models", 0, file.stat().st_size)
            if not target.exists():
                target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                resealed(file, target, key=own, new_key=renewed)
            changed.append(file)
        yield [one.relative_to(settings.data).as_posix() for one in changed]


def _manifest(staged: Path, manifest: dict[str, Any], wrapping: bytes) -> bytes:
    """The new key of a model whose manifest is to be at `staged`: the one that is there, if it is of the same model."""
    try:
        there = json.loads(staged.read_text(encoding="utf-8"))
        if {**there, "sealed_key": ""} == {**manifest, "sealed_key": ""}:
            return key_in(there["sealed_key"], wrapping)
    except (OSError, ValueError, KeyError, IntramurosError):
        pass
    for file in _sealed_files(staged):
        file.unlink()
    staged.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    own, wrapped = new_key(wrapping)
    swap.write_synced(staged, json.dumps({**manifest, "sealed_key": wrapped}, ensure_ascii=False, indent=1).encode())
    return own


def _sealed_files(manifest: Path) -> list[Path]:
    """The encrypted files that a manifest, or the note of a part, speaks of."""
    if manifest.name != MANIFEST:
        found = [manifest.with_suffix(parts.SEALED)]
    else:
        several = manifest.parent / "sealed"
        found = [manifest.parent / SEALED_FILE, *sorted(path for path in several.rglob("*") if path.is_file())]
    return [path for path in found if path.is_file() and path.suffix != ".part"]
