"""Changes the keys that the database and everything else is sealed with.

Called by the command line, with the folder to itself. The new database is written beside the old one and takes its
place in one step together with whatever the new data key wraps; stopped before that step, nothing has changed. Keys of
projects and persons stay: they are wrapped anew, so that stored files need not be written and older backups open.
"""

from __future__ import annotations

import json
import time
from base64 import b64decode, b64encode
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection

from intramuros.accounts import one_time_codes
from intramuros.accounts.caller import LOCAL
from intramuros.audit.record import Audit
from intramuros.engines import routing
from intramuros.errors import ModelFileError, StorageCorrupt, StorageError
from intramuros.models import parts
from intramuros.models.manifest import MANIFEST
from intramuros.models.sealed import rewrapped
from intramuros.security import keys as key_files
from intramuros.security.crypto import derive, open_sealed, seal
from intramuros.security.keys import DataKeys
from intramuros.security.subject_keys import FOLDER_NAME as SUBJECTS
from intramuros.security.subject_keys import SubjectKeys
from intramuros.settings import Settings
from intramuros.storage import facts, key_check, swap
from intramuros.storage.backups.making import DATABASE, KEYS, PAGE_BYTES, Progress
from intramuros.storage.backups.restoring import database_files
from intramuros.storage.database import Database, open_database, pages_in
from intramuros.storage.failures import from_system
from intramuros.storage.use import alone
from intramuros.tasks.backup import silent

Reseal = Callable[[Connection, DataKeys, DataKeys], None]
"""Seals anew what rows hold under the data key: given the copy of the database, the old and the new keys."""


def _second_factors(connection: Connection, old: DataKeys, new: DataKeys) -> None:
    one_time_codes.reseal(connection, old=derive(old.data, "accounts"), new=derive(new.data, "accounts"))


def _certificates(connection: Connection, old: DataKeys, new: DataKeys) -> None:
    """The keys of the local authority and of its certificate, as `server.tls` keeps them."""
    for name in ("tls_authority", "tls_server"):
        kept, context = facts.get(connection, name), name.encode()
        if kept is not None:
            plain = open_sealed(derive(old.data, "tls"), b64decode(kept["key"]), context=context)
            sealed = seal(derive(new.data, "tls"), plain, context=context)
            facts.put(connection, name, {**kept, "key": b64encode(sealed).decode()})


def _upstreams(connection: Connection, old: DataKeys, new: DataKeys) -> None:
    routing.reseal(connection, old=derive(old.data, "upstreams"), new=derive(new.data, "upstreams"))


RESEALED: tuple[Reseal, ...] = (_second_factors, _certificates, _upstreams)


@dataclass(frozen=True, slots=True)
class Rotated:
    """What was done. Units: bytes of the database that was written anew, seconds it took."""

    size_bytes: int
    subjects: int
    duration_s: float


def rotate(settings: Settings, *, progress: Progress = silent) -> Rotated:
    """New keys for the database and the data, opened by the same key file, passphrase or keyring as before.

    Raises: AlreadyRunning while anything uses the folder; StorageCorrupt, StorageFull, and nothing has changed.
    """
    data, began = settings.data, time.monotonic()
    with alone(data):
        swap.finish(data)
        swap.clear(data)
        old = key_files.open_keys(data, key_file=settings.key_file, passphrase=settings.passphrase)
        new = old.renewed()
        staged = data / swap.NEXT
        try:
            staged.mkdir(mode=0o700)
            size = write_database(settings, old, new, progress, folder=staged)
            subjects = _subjects(settings, old, new)
            models = rewrap_models(settings, old, new)
            key_files.write_renewed(
                data, staged / KEYS, new, key_file=settings.key_file, passphrase=settings.passphrase
            )
        except BaseException as error:
            swap.clear(data)
            if isinstance(error, OSError):
                raise from_system(error, staged) from error
            raise
        swap.commit(data, [*database_files(), SUBJECTS, *models, KEYS], keep_as=".gone", discard=True)
    return Rotated(size, subjects, time.monotonic() - began)


def write_database(
    settings: Settings,
    old: DataKeys,
    new: DataKeys,
    progress: Progress,
    *,
    folder: Path,
    also: Callable[[Connection], None] = lambda _: None,
) -> int:
    """Writes the copy under the new key into `folder`, what is sealed in it anew, and the change into its audit.

    `also` seals what else is in it. Returns its size in bytes.
    """
    path = folder / DATABASE
    present = open_database(settings.data / DATABASE, old.database)
    try:
        if problems := present.check():
            raise StorageCorrupt(f"The database {present.path} is damaged: {pages_in(problems)}.")
        present.copy_to(
            path,
            key=new.database,
            progress=lambda done, total: progress("keys", done * PAGE_BYTES, total * PAGE_BYTES),
        )
    finally:
        present.close()
    key_check.write(path, new.database)
    copy = Database(path, new.database)
    try:
        with copy.write() as connection:
            for reseal in RESEALED:
                reseal(connection, old, new)
            also(connection)
        audit = Audit(copy, key=new.audit, instance=new.instance)
        try:
            with audit.entry_sync("keys.rotate", by=LOCAL, via="cli"):
                pass
        finally:
            audit.stop()
        if problems := copy.check():
            raise StorageCorrupt(f"The new database was not written as it is: {pages_in(problems)}.")
        if not copy.checkpoint(wait_s=10):
            raise StorageError("The new database can't be settled.")
    finally:
        copy.close()
    return path.stat().st_size


def _subjects(settings: Settings, old: DataKeys, new: DataKeys) -> int:
    """Wraps the ledger's keys anew."""
    present, staged = (
        SubjectKeys(settings.data / SUBJECTS, old.data),
        SubjectKeys(settings.data / swap.NEXT / SUBJECTS, new.data),
    )
    staged.folder.mkdir(mode=0o700)
    count = 0
    for kind, subject in present.subjects():
        staged.put_back(kind, subject, present.get(kind, subject))  # type: ignore[arg-type]
        count += 1
    return count


def rewrap_models(
    settings: Settings, old: DataKeys, new: DataKeys, *, but: Collection[str] = (), passing: bool = False
) -> list[str]:
    """Wraps the keys of sealed models and of their parts anew, in `.next`; returns the manifests that hold them.

    These, and the folders of models to leave out (`but`), are named from the data folder. `passing`: one that does not
    open is left as it is. Raises: ModelFileError where it is not.
    """
    changed = []
    models = settings.models_folder
    for path in (*models.glob(f"[!.]*/{MANIFEST}"), *parts.notes(models)):
        name = path.relative_to(settings.data).as_posix()
        manifest = json.loads(path.read_text(encoding="utf-8"))
        if not manifest.get("sealed_key") or "/".join(Path(name).parts[:2]) in but:
            continue
        try:
            wrapped = rewrapped(manifest, old=derive(old.data, "models"), new=derive(new.data, "models"))
        except StorageCorrupt as error:
            if passing:
                continue
            raise no_key(path.relative_to(models).parts[0]) from error
        staged = settings.data / swap.NEXT / name
        staged.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        swap.write_synced(staged, json.dumps(wrapped, ensure_ascii=False, indent=1).encode())
        changed.append(name)
    return changed


def no_key(model: str) -> ModelFileError:
    """What stops a change of keys: it would leave a model, or what is beside it, under a key that is no more."""
    return ModelFileError(
        f"The model {model} is damaged: its key, or that of a file beside it, does not open.",
        hint=f"Remove it, then change the keys: intramuros models remove {model}",
    )
