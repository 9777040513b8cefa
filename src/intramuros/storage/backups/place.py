"""A folder of backups: which there are, which are half made, and which files nobody needs any more.

Called by the making, checking and restoring of backups. Files that never change are kept once for all backups, so that
the next backup copies only what is new. It knows no keys.

    intramuros-backups.json        whose backups these are
    files/xx/<name>                stored documents and model files, shared by the backups
    20261103T020000Z-0417/         one backup: database, wrapped keys, and its manifest, which is written last
    .20261104T020000Z-9120.part/   one that is being made, or was broken off
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from intramuros.errors import BackupDamaged, BadRequest, Conflict, NotFound
from intramuros.security.own_files import sync
from intramuros.storage.backups import manifest as manifests
from intramuros.storage.backups.manifest import File, Manifest
from intramuros.storage.failures import from_system
from intramuros.storage.swap import write_synced

MARKER = "intramuros-backups.json"
FILES = "files"
_ID = re.compile(r"\d{8}T\d{6}Z-\d{4}")
_PART = ".part"


class Place:
    """The folder `path`, which may hold backups."""

    def __init__(self, path: Path) -> None:
        self.path = path.expanduser().absolute()

    def claim(self, instance: str, *, data: Path) -> None:
        """Makes it the backup folder of an installation, if it is empty or was that before.

        Raises: Conflict if it holds anything else, BadRequest if it lies in the data folder, StorageFull.
        """
        mine, theirs = self.path.resolve(), data.resolve()
        if mine == theirs or mine.is_relative_to(theirs) or theirs.is_relative_to(mine):
            raise BadRequest(
                "The backup folder and the data folder lie one in the other.",
                hint="Choose a folder on another disk or machine.",
            )
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            owner = self.owner()
            if owner is None:
                if any(self.path.iterdir()):
                    raise Conflict(
                        f"{self.path} holds other files; nothing was written.",
                        code="not_a_backup_folder",
                        hint="Name an empty folder or one that does not exist yet.",
                    )
                write_synced(self.path / MARKER, json.dumps({"format": 1, "instance": instance}).encode() + b"\n")
                sync(self.path)
        except OSError as error:
            raise from_system(error, self.path / MARKER) from error
        if owner not in {None, instance}:
            raise Conflict(
                f"{self.path} holds the backups of another installation.",
                code="not_a_backup_folder",
                hint="Name another folder.",
            )

    def owner(self) -> str | None:
        """The installation whose backups are here; None if there are none. Raises: BackupDamaged."""
        try:
            return str(json.loads((self.path / MARKER).read_bytes())["instance"])
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError) as error:
            raise BackupDamaged(f"{self.path / MARKER} can't be read.") from error

    @contextmanager
    def locked(self) -> Iterator[None]:
        """One backup at a time. Raises: Conflict."""
        descriptor = os.open(self.path / ".lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        except BlockingIOError as error:
            raise Conflict("A backup to this folder is being made already.", code="backup_running") from error
        finally:
            os.close(descriptor)

    def ids(self) -> list[str]:
        """The complete backups, the newest first."""
        if not self.path.is_dir():
            return []
        found = (path.parent.name for path in self.path.glob(f"*/{manifests.FILE_NAME}"))
        return sorted(filter(_ID.fullmatch, found), reverse=True)

    def folder(self, backup: str) -> Path:
        """The folder of one backup. Raises: NotFound."""
        if not _ID.fullmatch(backup) or not (self.path / backup / manifests.FILE_NAME).exists():
            raise NotFound(f"There is no backup {backup!r} in {self.path}.", hint="See: intramuros backup list FOLDER")
        return self.path / backup

    def read(self, backup: str, *, data_key: bytes | None = None) -> Manifest:
        """One backup's manifest. Raises: NotFound, BackupDamaged."""
        return manifests.read(self.folder(backup), data_key=data_key)

    def begun(self) -> tuple[str, Path]:
        """A new backup's id and its unfinished folder; what was broken off before is cleared away."""
        for rest in self.path.glob(f".*{_PART}"):
            shutil.rmtree(rest, ignore_errors=True)
        now = time.time()
        backup = time.strftime("%Y%m%dT%H%M%SZ-", time.gmtime(now)) + f"{int(now % 1 * 10_000):04}"
        folder = self.path / f".{backup}{_PART}"
        folder.mkdir(mode=0o700)
        return backup, folder

    def unfinished(self) -> bool:
        """Whether a backup was broken off, or is being made now."""
        return bool(self.unfinished_ids())

    def unfinished_ids(self) -> list[str]:
        """The backups that were broken off, or are being made now."""
        return [path.name.removeprefix(".").removesuffix(_PART) for path in self.path.glob(f".*{_PART}")]

    def shared(self, path: str) -> Path:
        """Where the shared copy of a file of the data folder lies; `path` is what it is called there."""
        name = hashlib.sha256(path.encode()).hexdigest()[:40]
        return self.path / FILES / name[:2] / name

    def of(self, file: File) -> Path:
        """Where the shared copy of a listed file lies: documents never change under their name, models may."""
        return self.shared(file.path if file.path.startswith("blobs/") else f"sha256:{file.sha256}")

    def prune(self, *, keep: int) -> list[str]:
        """Deletes all but the newest `keep` backups, and the files only they had. Returns their ids."""
        gone = self.ids()[max(1, keep) :]
        for backup in gone:
            hidden = self.path / f".{backup}{_PART}"
            (self.path / backup).rename(hidden)  # from here on it is none
            shutil.rmtree(hidden, ignore_errors=True)
        self._sweep()
        return gone

    def _sweep(self) -> None:
        """Deletes shared files that no backup names. A backup whose list can't be read keeps everything."""
        try:
            lists = [self.read(backup) for backup in self.ids()]
        except BackupDamaged:
            return
        needed = {self.of(file) for one in lists for file in (*one.blobs, *one.models)}
        for path in (self.path / FILES).glob("??/*"):
            if path not in needed:
                path.unlink(missing_ok=True)


def within(path: Path) -> tuple[Place, str]:
    """The backup folder and the backup meant by a path: a folder of backups (its newest) or one backup's own folder.

    Raises: NotFound.
    """
    path = path.expanduser().absolute()
    if _ID.fullmatch(path.name) and (path / manifests.FILE_NAME).exists():
        return Place(path.parent), path.name
    place = Place(path)
    ids = place.ids()
    if not ids:
        raise NotFound(f"There is no complete backup in {path}.", hint="Make one with: intramuros backup FOLDER")
    return place, ids[0]
