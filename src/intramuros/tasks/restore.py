"""Restores a backup: opens its keys, brings and checks it, and puts it in the place of what was there.

Called by the command line, with no server running on the folder. It leaves its record in the restored data's own audit,
written before the data takes its place: there is no restore without it.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, select
from sqlalchemy.exc import SQLAlchemyError

from intramuros.accounts.caller import LOCAL
from intramuros.audit.record import Audit
from intramuros.errors import (
    BackupDamaged,
    IntramurosError,
    NotFound,
    SettingsError,
    StorageCorrupt,
    StorageError,
    WrongKey,
)
from intramuros.security import keys as key_files
from intramuros.security.keys import DataKeys
from intramuros.security.subject_keys import FOLDER_NAME as SUBJECTS
from intramuros.security.subject_keys import SubjectKeys
from intramuros.settings import Settings
from intramuros.storage import facts, key_check, swap
from intramuros.storage.backups import checking, restoring
from intramuros.storage.backups.ledger import Ledger, present_keys
from intramuros.storage.backups.making import BLOBS, DATABASE, KEYS, Progress
from intramuros.storage.backups.manifest import Manifest
from intramuros.storage.backups.place import Place
from intramuros.storage.backups.sealing import Opened, Subject
from intramuros.storage.blobs import Blobs
from intramuros.storage.database import Database, open_database
from intramuros.storage.schema import erasures
from intramuros.storage.use import alone
from intramuros.tasks.backup import PLACES_FACT, silent
from intramuros.tasks.rotate import rewrap_models

ERASED_FACT = "erased_before_restore"
"""Who was erased from the data that a restore replaced: what came back knows nothing of it."""


@dataclass(frozen=True, slots=True)
class NewKey:
    """What is to open the data from now on, when the recovery key opened it once: a key file unless something else."""

    key_file: Path | None = None
    passphrase: str | None = None
    use_keyring: bool = False


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore did. `kept`: the folder with what was there before. `key_place`: what opens the data now.

    `subjects`: projects and persons that came back; `gone`: those whose key was destroyed since the backup.
    """

    manifest: Manifest
    key_place: str
    kept: Path | None
    is_new_key: bool
    subjects: int
    gone: int


@dataclass(frozen=True, slots=True)
class Keyring:
    """What opens a backup: its data keys, the keys of subjects, and the `keys.json` that gave the data keys.

    `erased`: who the present data knows to be erased.
    """

    data: DataKeys
    subjects: dict[Subject, bytes]
    description: str
    erased: frozenset[Subject] = frozenset()


def open_backup(place: Place, backup: str, settings: Settings, *, words: str | None = None) -> Keyring:
    """Opens a backup's keys: with the recovery key, else with the present data's keys if it is a backup of that, else
    with the key the backup was made with.

    Raises: WrongKey, StorageError, BackupDamaged.
    """
    folder = place.folder(backup)
    instance = place.read(backup).instance
    present = None if words else _present(settings, instance)
    keys, description = _data_keys(place, backup, settings, words, present)
    newest, history = _known_here(settings, present)
    # The present ledger knows of what was erased since the last backup, too, unless it is older than the backup.
    is_newer = history is None or history.last_backup_at >= place.read(backup).made_at
    erased = history.erased if history else frozenset()
    if present and newest and is_newer and present.subjects == keys.subjects:
        return Keyring(keys, newest, description, erased)
    kept = Ledger(place.path)
    try:
        found = kept.open(instance=instance, data_key=keys.data)
    except BackupDamaged:
        newer = _described(kept.description(), folder, settings, words)  # the data key was changed since
        found = kept.open(instance=instance, data_key=newer.data)
    if newest and is_newer:  # of another generation: what has no key in it is erased, though no erasure reached this
        found = {subject: key for subject, key in found.items() if subject in newest}
    else:  # what it has no key of may have come later
        found = {subject: key for subject, key in found.items() if subject not in erased}
    return Keyring(keys, found, description, erased)


@dataclass(frozen=True, slots=True)
class _History:
    """What data knows of its past: when the last backup of it was made (0 if never), and who was erased from it."""

    last_backup_at: float
    erased: frozenset[Subject]


def _known_here(settings: Settings, present: DataKeys | None) -> tuple[dict[Subject, bytes], _History | None]:
    """The keys of subjects that the present data has, and its history; None if its database can't be read."""
    if present is None:
        return {}, None
    newest = present_keys(SubjectKeys(settings.data / SUBJECTS, present.data))
    path = settings.data / DATABASE
    if not path.exists():
        return newest, None
    database = Database(path, present.database)
    try:
        with database.read() as connection:
            return newest, _history(connection)
    except (IntramurosError, SQLAlchemyError):  # damaged, or of a version without erasures
        return newest, None
    finally:
        database.close()


def _history(connection: Connection) -> _History:
    made = [one["made_at"] for one in facts.get(connection, PLACES_FACT, {}).values()]
    erased = {(row.kind, row.subject) for row in connection.execute(select(erasures.c.kind, erasures.c.subject))}
    erased |= {(kind, subject) for kind, subject in facts.get(connection, ERASED_FACT, [])}
    return _History(max(made, default=0.0), frozenset(erased))


def _data_keys(
    place: Place, backup: str, settings: Settings, words: str | None, present: DataKeys | None
) -> tuple[DataKeys, str]:
    """The keys the backup was made with, and their `keys.json`: the present one's if the keys are still the same."""
    folder = place.folder(backup)
    if present is not None:
        with contextlib.suppress(BackupDamaged):
            place.read(backup, data_key=present.data)
            return present, (settings.data / KEYS).read_text(encoding="utf-8")
    text = (folder / KEYS).read_text(encoding="utf-8")
    return _described(text, folder, settings, words), text


def _present(settings: Settings, instance: str) -> DataKeys | None:
    """The keys of the data that is there, if they open and it is the same installation's."""
    with contextlib.suppress(IntramurosError):
        keys = _opened(settings.data, settings)
        return keys if keys.instance == instance else None
    return None


def _described(text: str, folder: Path, settings: Settings, words: str | None) -> DataKeys:
    with tempfile.TemporaryDirectory() as passing:  # it holds no secret: keys.json never does
        (Path(passing) / KEYS).write_text(text, encoding="utf-8")
        if words is not None:
            return key_files.open_with_recovery(Path(passing), words)
        try:
            return _opened(Path(passing), settings)
        except WrongKey as error:
            has_recovery = key_files.recovery_facts(Path(passing)) is not None
            hint = "If the key is lost: --recovery-key FILE, or - to type it." if has_recovery else error.hint
            raise WrongKey(f"The backup {folder.name} does not open: {error.message}", hint=hint) from error


def restore(
    place: Place,
    backup: str,
    settings: Settings,
    *,
    words: str | None = None,
    new_key: NewKey | None = None,
    replace: bool = False,
    with_models: bool = False,
    progress: Progress = silent,
) -> Restored:
    """Brings a backup back into `settings.data`, which must be empty unless `replace`.

    Raises: Conflict, AlreadyRunning, WrongKey, BackupDamaged, StorageFull. The present data is then as it was.
    """
    data = settings.data
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    with alone(data):
        swap.finish(data)
        if not replace:
            restoring.check_empty(data)
        if new_key and new_key.key_file and new_key.key_file.absolute().is_relative_to(data.absolute()):
            raise SettingsError("The key file would lie in the data folder.", hint="Choose another place: --key-file")
        ring = open_backup(place, backup, settings, words=words)
        keys, manifest = ring.data, place.read(backup, data_key=ring.data.data)
        find = checking.where(place, manifest)
        staged, opened = _bring(manifest, find, data, ring, with_models=with_models, progress=progress)
        swap.write_synced(staged / KEYS, ring.description.encode())
        if words is not None:
            chosen = new_key or NewKey()
            keys = key_files.rewrap(
                staged, keys, key_file=chosen.key_file, passphrase=chosen.passphrase, use_keyring=chosen.use_keyring
            )
        _settle(staged, keys, manifest, erased=ring.erased | opened.gone)
        models: list[str] = []
        present = _present(settings, manifest.instance)
        if present and present.data != keys.data:  # the sealed models that stay are to open with the keys that come
            but = restoring.model_folders(manifest) if with_models else ()
            models = rewrap_models(settings, present, keys, but=but, passing=True)
        kept = swap.kept_name(data)
        restoring.put_in_place(data, manifest, with_models=with_models, keep_as=kept, also=models)
    there = data / kept
    return Restored(
        manifest=manifest,
        key_place=keys.place,
        kept=there if there.exists() else None,
        is_new_key=words is not None,
        subjects=opened.subjects,
        gone=len(opened.gone),
    )


@dataclass(frozen=True, slots=True)
class Undone:
    """`kept`: where the restored data is now. `recorded`: whether the data that is back opened to take the record."""

    kept: Path
    recorded: bool


def undo(settings: Settings) -> Undone:
    """Puts back what the last restore replaced, also where its key is not at hand. Raises: NotFound."""
    data = settings.data
    with alone(data):
        swap.finish(data)
        before = swap.kept(data)
        if not before:
            raise NotFound(f"No restore replaced anything in {data}.")
        name = swap.kept_name(data)
        swap.undo(data, before[0], keep_as=name)
        try:
            keys = _opened(data, settings)
            with _audit(data, keys) as audit, audit.entry_sync("backup.undo", by=LOCAL, via="cli"):
                pass
        except IntramurosError:
            return Undone(data / name, recorded=False)
        return Undone(data / name, recorded=True)


def _opened(folder: Path, settings: Settings) -> DataKeys:
    return key_files.open_keys(folder, key_file=settings.key_file, passphrase=settings.passphrase)


def _bring(
    manifest: Manifest, find: checking.Where, data: Path, ring: Keyring, *, with_models: bool, progress: Progress
) -> tuple[Path, Opened]:
    """Everything the backup has that may come back, each file compared and each stored file opened."""
    opened, named = restoring.bring_database(
        manifest, find, data, key=ring.data.database, subjects=ring.subjects, progress=progress
    )
    listed = {file.path.rpartition("/")[2]: file for file in manifest.blobs}
    if missing := named.keys() - listed.keys() - set(manifest.damaged):
        raise BackupDamaged(f"The backup {manifest.id} lacks {len(missing)} stored files.")
    files = [listed[blob] for blob in named if blob in listed] + list(manifest.models if with_models else ())
    staged = restoring.bring(manifest, find, data, files=files, progress=progress)
    blobs = Blobs(staged / BLOBS)
    for blob in named.keys() & listed.keys():
        try:
            blobs.authenticate(staged / listed[blob].path, named[blob], blob)
        except StorageCorrupt as error:
            (staged / listed[blob].path).unlink()
            raise BackupDamaged(f"The stored file {blob} of the backup {manifest.id} does not open.") from error
    restoring.clear_others(staged, keep={file.path for file in files})
    subjects = SubjectKeys(staged / SUBJECTS, ring.data.data)
    for (kind, subject), key in ring.subjects.items():
        subjects.put_back(kind, subject, key)
    return staged, opened


def _settle(staged: Path, keys: DataKeys, manifest: Manifest, *, erased: AbstractSet[Subject]) -> None:
    """Brings the database to this version, tells it who is erased and writes the restore into its audit."""
    key_check.write(staged / DATABASE, keys.database)
    database = open_database(staged / DATABASE, keys.database)
    try:
        with database.write() as connection:
            known = {(kind, subject) for kind, subject in facts.get(connection, ERASED_FACT, [])}
            facts.put(connection, ERASED_FACT, sorted(known | erased))
    finally:
        database.close()
    with (
        _audit(staged, keys) as audit,
        audit.entry_sync("backup.restore", by=LOCAL, object=manifest.id, via="cli") as entry,
    ):
        entry.note(size_bytes=manifest.size_bytes, results=len(manifest.blobs))


@contextlib.contextmanager
def _audit(folder: Path, keys: DataKeys) -> Iterator[Audit]:
    """The audit of the data in a folder that nobody else has open; settled at the end."""
    database = open_database(folder / DATABASE, keys.database)
    try:
        audit = Audit(database, key=keys.audit, instance=keys.instance)
        try:
            audit.recover()
            yield audit
        finally:
            audit.stop()
        if not database.checkpoint(wait_s=10):
            raise StorageError("The restored database can't be settled.")
    finally:
        database.close()


def forget(settings: Settings) -> int:
    """Deletes what restores have put aside; how many folders. Raises: WrongKey, StorageError: then nothing is gone."""
    data = settings.data
    with alone(data):
        swap.finish(data)
        before = swap.kept(data)
        if not before:
            return 0
        with (
            _audit(data, _opened(data, settings)) as audit,
            audit.entry_sync("backup.forget", by=LOCAL, via="cli") as entry,
        ):
            for folder in before:
                shutil.rmtree(folder)
            entry.note(results=len(before))
        return len(before)
