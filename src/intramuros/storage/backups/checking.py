"""Checks a backup: that every file is the one that was written, and that all of it opens.

Called by `tasks.backup` and by restore, where the files lie. Every file is hashed against the sealed list; every
page of the database and every segment of every stored file is authenticated with its key.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from intramuros.errors import StorageCorrupt, StorageError
from intramuros.storage.backups.making import DATABASE, KEYS, Progress
from intramuros.storage.backups.manifest import File, Manifest
from intramuros.storage.backups.place import Place
from intramuros.storage.backups.sealing import Subject, files_of
from intramuros.storage.blobs import Blobs
from intramuros.storage.database import Database

Where = Callable[[File], Path]


@dataclass(frozen=True, slots=True)
class Checked:
    """What was looked at, and what is wrong with it; nothing, if the backup is whole."""

    files: int
    size_bytes: int
    problems: tuple[str, ...]


def where(place: Place, manifest: Manifest) -> Where:
    """Finds a backup's files in its folder."""
    own = {DATABASE, KEYS}
    return lambda file: place.path / manifest.id / file.path if file.path in own else place.of(file)


def check(
    manifest: Manifest,
    find: Where,
    *,
    keys: Mapping[Subject, bytes],
    blobs: Blobs,
    database_key: bytes,
    progress: Progress,
) -> Checked:
    """Looks at everything. What belongs to a subject without a key can't be opened, as it should be; it is hashed."""
    files = (manifest.database, manifest.keys, *manifest.blobs, *manifest.models)
    problems: list[str] = []
    done = 0
    for file in files:
        progress("checking", done, manifest.size_bytes)
        problems += _differences(file, find(file))
        done += file.size_bytes
    if not problems:
        problems += _unopened(manifest, find, keys, blobs, database_key)
    progress("checking", done, manifest.size_bytes)
    return Checked(len(files), done, tuple(problems))


def _differences(file: File, path: Path) -> Iterator[str]:
    try:
        with path.open("rb") as content:
            if hashlib.file_digest(content, "sha256").hexdigest() != file.sha256:
                yield f"{file.path} was changed or cut off"
    except OSError as error:
        yield f"{file.path} {'is missing' if isinstance(error, FileNotFoundError) else 'cannot be read'}"


def _unopened(
    manifest: Manifest, find: Where, keys: Mapping[Subject, bytes], blobs: Blobs, database_key: bytes
) -> Iterator[str]:
    database = Database(find(manifest.database), database_key, use="reading")
    try:
        yield from database.check(is_archive=True)
        with database.read() as connection:
            named = files_of(connection, keys)
    except StorageError as error:
        yield error.message
        return
    finally:
        database.close()
    listed = {file.path.rpartition("/")[2]: file for file in manifest.blobs}
    for blob, key in named.items():
        if blob not in listed:
            if blob not in manifest.damaged:
                yield f"the stored file {blob} is not in the backup"
            continue
        try:
            blobs.authenticate(find(listed[blob]), key, blob)
        except StorageCorrupt:
            yield f"the stored file {blob} does not open"
