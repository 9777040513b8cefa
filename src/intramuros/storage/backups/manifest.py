"""What one backup consists of, file by file, sealed by the data key: nobody can change, swap or leave out one unseen.

Written by `backups.making` when all else is on the disk, so that a backup without it is none; read by all others.
It holds sizes and hashes of encrypted files under their random names, and no content.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from intramuros.errors import BackupDamaged
from intramuros.security.crypto import derive
from intramuros.storage.swap import write_synced

FILE_NAME = "manifest.json"
FORMAT = 1


@dataclass(frozen=True, slots=True)
class File:
    """One file: `path` from the data folder, and its bytes as they are stored."""

    path: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """One backup. Times are UTC epoch seconds."""

    id: str
    instance: str
    made_at: float
    version: str
    schema: str
    database: File
    keys: File
    blobs: tuple[File, ...] = ()
    models: tuple[File, ...] = ()
    damaged: tuple[str, ...] = field(default=())
    """Stored files that were damaged already when the backup was made."""

    @property
    def size_bytes(self) -> int:
        """All its files, those it shares with others too."""
        return sum(file.size_bytes for file in (self.database, self.keys, *self.blobs, *self.models))

    def write(self, folder: Path, *, data_key: bytes) -> None:
        """Makes the backup in `folder` complete."""
        body = _canonical(asdict(self))
        text = json.dumps({"format": FORMAT, "body": body, "mac": _mac(body, data_key)}, indent=1)
        unfinished = folder / f".{FILE_NAME}"
        write_synced(unfinished, text.encode())
        unfinished.rename(folder / FILE_NAME)


def read(folder: Path, *, data_key: bytes | None = None) -> Manifest:
    """The manifest of the backup in `folder`; with the key, only if it is as it was written.

    Raises: BackupDamaged.
    """
    try:
        outer = json.loads((folder / FILE_NAME).read_bytes())
        if outer["format"] != FORMAT:
            raise BackupDamaged(f"The backup {folder.name} is of another version of Intramuros.")
        body = str(outer["body"])
        if data_key is not None and not hmac.compare_digest(_mac(body, data_key), str(outer["mac"])):
            raise BackupDamaged(f"The list of files of the backup {folder.name} was changed, or is of other data.")
        return _from(json.loads(body))
    except BackupDamaged:
        raise
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BackupDamaged(f"The list of files of the backup {folder.name} can't be read.") from error


def _from(value: dict[str, Any]) -> Manifest:
    files = {name: File(**value[name]) for name in ("database", "keys")}
    lists = {name: tuple(File(**file) for file in value[name]) for name in ("blobs", "models")}
    manifest = Manifest(**{**value, **files, **lists, "damaged": tuple(value["damaged"])})
    for file in (manifest.database, manifest.keys, *manifest.blobs, *manifest.models):
        if Path(file.path).is_absolute() or ".." in Path(file.path).parts:
            raise ValueError("a path leads out of the data folder")
    return manifest


def _canonical(value: dict[str, Any]) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _mac(body: str, data_key: bytes) -> str:
    return hmac.new(derive(data_key, "backup manifest"), body.encode(), hashlib.sha256).hexdigest()
