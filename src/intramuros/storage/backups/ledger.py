"""The keys of subjects as a backup folder has them: one file for all backups, replaced by each backup and each erasure.

Called by the making of backups, by erasure and by restore. It is the newest state only: what was erased has no key in
it, so a backup of any age stays sealed there. It carries the `keys.json` it belongs to, since the data key may have
been changed after older backups were made.
"""

from __future__ import annotations

import contextlib
import json
from base64 import b64decode, b64encode
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from intramuros.errors import BackupDamaged, Conflict, NotFound, StorageCorrupt
from intramuros.security.crypto import derive, open_sealed, seal
from intramuros.security.own_files import sync
from intramuros.security.subject_keys import Kind, SubjectKeys
from intramuros.storage.backups.sealing import Subject
from intramuros.storage.swap import write_synced

FILE_NAME = "subjects.json"
KINDS = ("project", "user")


@dataclass(frozen=True, slots=True)
class Ledger:
    """The ledger of the backup folder `place`."""

    place: Path

    def replace(self, keys: SubjectKeys, *, description: Path, instance: str, data_key: bytes) -> None:
        """Writes the present keys in the place of those that were there. Raises: OSError, Conflict as `check`."""
        self.check(description)
        present = {f"{kind}:{subject}": key.hex() for (kind, subject), key in present_keys(keys).items()}
        sealed = seal(derive(data_key, "backup ledger"), json.dumps(present).encode(), context=instance.encode())
        text = json.dumps({"keys": description.read_text(encoding="utf-8"), "ledger": b64encode(sealed).decode()})
        unfinished = self.place / f".{FILE_NAME}"
        write_synced(unfinished, text.encode())
        unfinished.replace(self.place / FILE_NAME)
        sync(self.place)

    def check(self, description: Path) -> None:
        """Raises: Conflict if the backups here were made before a deep change of keys, and would not open any more."""
        if not (self.place / FILE_NAME).exists():
            return
        try:
            there = json.loads(self.description())
        except (BackupDamaged, ValueError):
            return  # it is written again
        present = json.loads(description.read_text(encoding="utf-8"))
        if there.get("subjects", "") != present.get("subjects", ""):
            raise Conflict(
                f"The backups in {self.place} were made before the keys of projects and persons were changed.",
                code="backup_of_former_keys",
                hint="Back up to a new folder (INTRAMUROS_BACKUP_FOLDER). Delete this one when you no longer need it.",
            )

    def description(self) -> str:
        """The `keys.json` that opens it. Raises: BackupDamaged."""
        return self._read()["keys"]

    def open(self, *, instance: str, data_key: bytes) -> dict[Subject, bytes]:
        """The keys. Raises: BackupDamaged if they were changed, or belong to another data key."""
        try:
            sealed = b64decode(self._read()["ledger"])
            text = open_sealed(derive(data_key, "backup ledger"), sealed, context=instance.encode())
        except (StorageCorrupt, ValueError) as error:
            raise _damaged(self.place) from error
        return {_subject(name): bytes.fromhex(key) for name, key in json.loads(text).items()}

    def _read(self) -> dict[str, str]:
        try:
            value = json.loads((self.place / FILE_NAME).read_bytes())
            return {"keys": str(value["keys"]), "ledger": str(value["ledger"])}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise _damaged(self.place) from error


def present_keys(keys: SubjectKeys) -> dict[Subject, bytes]:
    """Every subject's key; one that is destroyed meanwhile is left out."""
    found: dict[Subject, bytes] = {}
    for kind, subject in keys.subjects():
        if kind in KINDS:
            with contextlib.suppress(NotFound):
                found[kind, subject] = keys.get(cast("Kind", kind), subject)
    return found


def _subject(name: str) -> Subject:
    kind, _, subject = name.partition(":")
    return kind, subject


def _damaged(place: Path) -> BackupDamaged:
    return BackupDamaged(
        f"The keys of projects and persons in {place / FILE_NAME} are damaged or missing.",
        hint="If the data folder still opens, the next backup to this folder writes them again.",
    )
