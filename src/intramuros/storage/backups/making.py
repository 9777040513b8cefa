"""Makes a backup while the data is in use: a consistent copy of the database, and the stored files that are new.

Called by `tasks.backup`. The copy of the database passes through a file under a key that is nowhere but in memory; what
stays is an archive in which each project's and person's rows are sealed under their own key (`backups.sealing`).
Everything written is read again and authenticated before the manifest makes it a backup. A file that was copied by a
backup that was broken off, or by an earlier one, is not copied again.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from intramuros import __version__
from intramuros.errors import IntramurosError, StorageCorrupt
from intramuros.security.crypto import KEY_BYTES
from intramuros.security.own_files import sync
from intramuros.security.subject_keys import SubjectKeys
from intramuros.storage.backups.ledger import Ledger
from intramuros.storage.backups.manifest import File, Manifest
from intramuros.storage.backups.place import Place
from intramuros.storage.backups.sealing import seal_content
from intramuros.storage.belongings import stored_files
from intramuros.storage.blobs import Blobs
from intramuros.storage.database import Database, pages_in
from intramuros.storage.failures import from_system
from intramuros.storage.migrations import HEAD

PIECE_BYTES = 1 << 20
PAGE_BYTES = 4096
TRIES = 5
DATABASE, KEYS, BLOBS = "intramuros.db", "keys.json", "blobs"

Progress = Callable[[str, int, int], None]
"""Told the stage, and the bytes done and in all."""


@dataclass(frozen=True, slots=True)
class Made:
    """A backup just made. `copied` and `copied_bytes`: what was not there from an earlier one."""

    manifest: Manifest
    copied: int
    copied_bytes: int


@dataclass(frozen=True, slots=True)
class Source:
    """What a backup is made of. `data_key` seals its list."""

    data: Path
    instance: str
    database: Database
    database_key: bytes
    data_key: bytes
    subjects: SubjectKeys
    blobs: Blobs


class Making:
    """One backup, being made."""

    def __init__(self, source: Source, place: Place, *, progress: Progress) -> None:
        self.source, self.place, self.progress = source, place, progress
        self._known = self._files_of_earlier_ones()
        self._copied = self._copied_bytes = 0

    def run(self, *, models: Iterable[Path] = ()) -> Made:
        """Makes it. `models`: files below the data folder to copy as well.

        Raises: StorageFull, StorageCorrupt if the database is damaged; then there is no backup, and the data and the
        earlier ones are as they were.
        """
        backup, folder = self.place.begun()
        try:
            self._check_space()
            copy = folder / DATABASE
            blobs, damaged = self._consistent(copy)
            weights = tuple(map(self._weights, models))
            shutil.copyfile(self.source.data / KEYS, folder / KEYS)
            (folder / KEYS).chmod(0o600)
            sync(folder / KEYS)
            manifest = Manifest(
                id=backup,
                instance=self.source.instance,
                made_at=time.time(),
                version=__version__,
                schema=HEAD,
                database=_measured(copy, DATABASE),
                keys=_measured(folder / KEYS, KEYS),
                blobs=blobs,
                models=weights,
                damaged=damaged,
            )
            Ledger(self.place.path).replace(
                self.source.subjects,
                description=self.source.data / KEYS,
                instance=self.source.instance,
                data_key=self.source.data_key,
            )
            manifest.write(folder, data_key=self.source.data_key)
            sync(folder)
            folder.rename(self.place.path / backup)
            sync(self.place.path)
        except BaseException as error:
            shutil.rmtree(folder, ignore_errors=True)  # what was copied of the stored files stays for the next try
            if isinstance(error, OSError):
                raise from_system(error, folder) from error
            raise
        return Made(manifest, self._copied, self._copied_bytes)

    def _consistent(self, copy: Path) -> tuple[tuple[File, ...], tuple[str, ...]]:
        """A copy of the database and of all stored files it names, and those that are damaged or lost.

        When one was removed meanwhile, the database is copied once more, without it.
        """
        for _ in range(TRIES):
            copy.unlink(missing_ok=True)
            keys = self._archive(copy)
            files, missing, damaged = self._stored(keys)
            lost = missing & self._named_now() if missing else missing
            if missing == lost:
                return files, tuple(sorted(damaged | lost))
        raise StorageCorrupt("The stored files change faster than they can be copied.", code="backup_unsettled")

    def _archive(self, copy: Path) -> dict[str, bytes]:
        """Writes the archive and authenticates every page of it; returns the key of each stored file it names."""
        if problems := self.source.database.check_seals():  # the copy alone would not show all: it seals what it gets
            raise StorageCorrupt(f"The database is damaged: {pages_in(problems)}.")
        passing = copy.with_name("passing.db")
        key = secrets.token_bytes(KEY_BYTES)
        try:
            self.source.database.copy_to(
                passing,
                key=key,
                progress=lambda done, total: self.progress("database", done * PAGE_BYTES, total * PAGE_BYTES),
            )
            database = Database(passing, key, use="making")
            try:
                if problems := database.check():
                    raise StorageCorrupt(f"The database is damaged: {pages_in(problems)}.")
                with database.write() as connection:
                    files = seal_content(connection, self.source.subjects)
                database.vacuum()
                database.copy_to(copy, key=self.source.database_key)
            finally:
                database.close()
        finally:
            for rest in passing.parent.glob(f"{passing.name}*"):
                rest.unlink()
        archive = Database(copy, self.source.database_key, use="reading")
        try:
            if problems := archive.check(is_archive=True):
                raise StorageCorrupt(f"The backup's database was not written as it is: {problems[0]}")
        finally:
            archive.close()
        return files

    def _named_now(self) -> set[str]:
        with self.source.database.read() as connection:
            return stored_files(connection)

    def _stored(self, keys: dict[str, bytes]) -> tuple[tuple[File, ...], set[str], set[str]]:
        files: list[File] = []
        missing, damaged = set[str](), set[str]()
        for number, (blob, key) in enumerate(sorted(keys.items())):
            self.progress("files", number, len(keys))
            try:
                files.append(self._document(blob, key))
            except FileNotFoundError:
                missing.add(blob)
            except StorageCorrupt:
                damaged.add(blob)
        self.progress("files", len(keys), len(keys))
        return tuple(files), missing, damaged

    def _document(self, blob: str, key: bytes) -> File:
        """One stored file's shared copy: the one that is there, if it was listed or proves whole; else a new one."""
        name = f"{BLOBS}/{blob[:2]}/{blob}"
        path, target = self.source.data / name, self.place.shared(name)
        size, known = path.stat().st_size, self._known.get(name)
        there = target.stat().st_size if target.exists() else -1
        if known and known.size_bytes == size == there:
            return known
        if there == size:  # of a backup that was broken off
            with contextlib.suppress(StorageCorrupt):
                self.source.blobs.authenticate(target, key, blob)
                return _measured(target, name)
        self._copy(path, target)
        try:
            self.source.blobs.authenticate(target, key, blob)
        except StorageCorrupt:
            target.unlink()
            raise
        return _measured(target, name)

    def _weights(self, path: Path) -> File:
        """A model's file, known by its content: another model may come under the same name."""
        file = _measured(path, path.relative_to(self.source.data).as_posix())
        target = self.place.of(file)
        self.progress("models", 0, file.size_bytes)
        if not target.exists():
            self._copy(path, target)
            if _measured(target, file.path) != file:
                target.unlink()
                raise StorageCorrupt(f"The model file {file.path} was not written as it is.", code="backup_damaged")
        self.progress("models", file.size_bytes, file.size_bytes)
        return file

    def _copy(self, path: Path, target: Path) -> None:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        unfinished = target.with_suffix(".part")
        try:
            with (
                path.open("rb") as source,
                os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file,
            ):
                shutil.copyfileobj(source, file, PIECE_BYTES)
                file.flush()
                os.fsync(file.fileno())
            size = unfinished.stat().st_size
            unfinished.rename(target)
            sync(target.parent)
            self._copied += 1
            self._copied_bytes += size
        except OSError:
            unfinished.unlink(missing_ok=True)
            raise

    def _check_space(self) -> None:
        """Says before the first byte whether at least the database fits, which is there twice for a moment."""
        size = (self.source.data / DATABASE).stat().st_size
        if shutil.disk_usage(self.place.path).free < 2 * size:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _files_of_earlier_ones(self) -> dict[str, File]:
        known: dict[str, File] = {}
        for backup in self.place.ids()[:1]:
            try:
                manifest = self.place.read(backup, data_key=self.source.data_key)
            except IntramurosError:  # damaged, or from before the data key was changed: prove each file again
                continue
            known = {file.path: file for file in (*manifest.blobs, *manifest.models)}
        return known


def _measured(path: Path, name: str) -> File:
    with path.open("rb") as file:
        return File(name, os.fstat(file.fileno()).st_size, hashlib.file_digest(file, "sha256").hexdigest())
