"""Backups of this installation: make one while it serves, list them, check them.

Called by the command line, the administration page and the schedule. It knows the parts; how a backup is laid out is
known by `storage.backups`.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from intramuros.errors import BackupDamaged, IntramurosError, error_kind
from intramuros.security.keys import DataKeys
from intramuros.security.subject_keys import SubjectKeys
from intramuros.storage import facts
from intramuros.storage.backups import checking
from intramuros.storage.backups.checking import Checked
from intramuros.storage.backups.ledger import Ledger
from intramuros.storage.backups.making import KEYS, Made, Making, Progress, Source
from intramuros.storage.backups.manifest import Manifest
from intramuros.storage.backups.place import Place
from intramuros.storage.backups.sealing import Subject
from intramuros.storage.blobs import Blobs
from intramuros.storage.database import Database
from intramuros.storage.failures import from_system

PLACES_FACT = "backup_places"
FAILURES_FACT = "backup_failures"


def silent(stage: str, done: int, total: int) -> None:
    """Progress that nobody watches."""


@dataclass(frozen=True, slots=True)
class Listed:
    """One backup of a folder: its manifest, or why it can't be read."""

    id: str
    manifest: Manifest | None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why no backup to a folder could be made, and when that was tried last."""

    at: float
    error: IntramurosError


@dataclass(frozen=True, slots=True)
class Backup:
    """Makes and checks backups of one installation."""

    data: Path
    models_folder: Path
    keys: DataKeys
    subjects: SubjectKeys
    database: Database
    blobs: Blobs

    def make(
        self, to: Path, *, with_models: bool = False, keep: int | None = None, progress: Progress = silent
    ) -> Made:
        """Makes a backup in the folder `to`, then deletes all but the newest `keep`.

        Raises: Conflict if the folder holds other things or a backup to it is being made, StorageFull, StorageCorrupt.
        """
        place = Place(to)
        try:
            place.claim(self.keys.instance, data=self.data)
            self.check_generation(place.path)
            with place.locked():
                made = Making(self._source(), place, progress=progress).run(
                    models=self._models() if with_models else ()
                )
                self._remember(place.path, made.manifest)
                if keep:
                    place.prune(keep=keep)
        except OSError as error:
            raise from_system(error, place.path / KEYS) from error
        return made

    def check_generation(self, folder: Path) -> None:
        """Raises: Conflict if the backups in a folder were made before a deep change of keys; OSError."""
        Ledger(folder).check(self.data / KEYS)

    def _source(self) -> Source:
        return Source(
            data=self.data,
            instance=self.keys.instance,
            database=self.database,
            database_key=self.keys.database,
            data_key=self.keys.data,
            subjects=self.subjects,
            blobs=self.blobs,
        )

    def note_failure(self, folder: Path, error: IntramurosError) -> None:
        """Remembers why there is no backup, until the next one to this folder. Raises: StorageError."""
        failure = {"at": time.time(), "code": error.code, "message": error.message, "hint": error.hint}
        failure["kind"] = type(error).code
        with self.database.write() as connection:
            known = facts.get(connection, FAILURES_FACT, {})
            facts.put(connection, FAILURES_FACT, {**known, _named(folder): failure})

    def failure(self, folder: Path) -> Failure | None:
        """Why the last try to back up to a folder was none; None if it was one."""
        with self.database.read() as connection:
            found = facts.get(connection, FAILURES_FACT, {}).get(_named(folder))
        if found is None:
            return None
        kind = error_kind(found["kind"])
        return Failure(found["at"], kind(found["message"], hint=found["hint"], code=found["code"]))

    def forget_erased(self) -> Sequence[str]:
        """Replaces the keys that backup folders hold by the present ones, after some were destroyed.

        Returns the folders that can't be reached: what was erased opens there until the next backup to them.
        """
        return [folder for folder in self.known() if not self._replace_ledger(Path(folder))]

    def copies(self) -> tuple[Mapping[str, float], int]:
        """The backups there are, one that is being made too, and when each was; how many folders can't be reached."""
        made: dict[str, float] = {}
        unseen = 0
        for folder in map(Path, self.known()):
            try:
                place = Place(folder)
                if place.owner() != self.keys.instance:
                    raise BackupDamaged(f"The backups in {folder} are not this installation's.")
                made |= {one.id: one.manifest.made_at if one.manifest else time.time() for one in self.list(folder)}
                made |= dict.fromkeys(place.unfinished_ids(), time.time())
            except (OSError, IntramurosError):
                unseen += 1
        return made, unseen

    def known(self) -> dict[str, Any]:
        """The folders that backups were made to, with the last one of each: its id, time, size and damaged files."""
        with self.database.read() as connection:
            return dict(facts.get(connection, PLACES_FACT, {}))

    def _replace_ledger(self, folder: Path) -> bool:
        try:
            if Place(folder).owner() != self.keys.instance:
                return False
            Ledger(folder).replace(
                self.subjects, description=self.data / KEYS, instance=self.keys.instance, data_key=self.keys.data
            )
        except (OSError, IntramurosError):
            return False
        return True

    def _remember(self, folder: Path, manifest: Manifest) -> None:
        last = {
            "id": manifest.id,
            "made_at": manifest.made_at,
            "size_bytes": manifest.size_bytes,
            "damaged": len(manifest.damaged),
        }
        with self.database.write() as connection:
            facts.put(connection, PLACES_FACT, {**facts.get(connection, PLACES_FACT, {}), str(folder): last})
            if failed := facts.get(connection, FAILURES_FACT, {}):
                facts.put(connection, FAILURES_FACT, {name: one for name, one in failed.items() if name != str(folder)})

    def list(self, folder: Path) -> Sequence[Listed]:
        """The backups of a folder, the newest first."""
        place = Place(folder)
        return [self._listed(place, backup) for backup in place.ids()]

    def _listed(self, place: Place, backup: str) -> Listed:
        try:
            return Listed(backup, place.read(backup))
        except BackupDamaged as error:
            return Listed(backup, None, error.message)

    def _models(self) -> Sequence[Path]:
        return sorted(
            path for path in self.models_folder.glob("[!.]*/**/*") if path.is_file() and not path.name.startswith(".")
        )


def _named(folder: Path) -> str:
    return str(folder.expanduser().absolute())


def verify(
    place: Place, backup: str, keys: DataKeys, *, subjects: Mapping[Subject, bytes], progress: Progress = silent
) -> Checked:
    """Reads a backup through to its last byte. Its problems are returned, not raised."""
    try:
        manifest = place.read(backup, data_key=keys.data)
    except BackupDamaged as error:
        return Checked(0, 0, (error.message,))
    return checking.check(
        manifest,
        checking.where(place, manifest),
        keys=subjects,
        blobs=Blobs(place.path),
        database_key=keys.database,
        progress=progress,
    )
