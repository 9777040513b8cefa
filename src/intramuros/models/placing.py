"""Puts models in their places on the disk: each as a whole or not at all, sealed where it is to be.

Called by `models.installed`, which says what is put where. It knows no catalogue and no default.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import secrets
import shutil
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from intramuros.errors import Conflict, ModelFileError, ModelNotFound
from intramuros.models import parts, sealed
from intramuros.models.manifest import MANIFEST, NAME, InstalledModel, place_of, to_json
from intramuros.models.partial import as_storage_error
from intramuros.security.own_files import sync

LOCK_POLL_S = 0.2


@dataclass(frozen=True, slots=True)
class Places:
    """The folder of all models."""

    folder: Path

    @property
    def incoming(self) -> Path:
        """Where files on their way are."""
        return self.folder / ".incoming"

    def of(self, name: str) -> Path:
        """The folder of a model, there or not. Raises: ModelNotFound for what can be no name."""
        if not NAME.fullmatch(name):
            raise ModelNotFound(f"There is no model {name[:80]!r}.")
        return self.folder / name

    def publish(self, files: Mapping[str, Path], model: InstalledModel) -> None:
        """Puts the folder of a model in its place, with one rename; `files` are moved into it, by name.

        Raises: Conflict if the name is taken, StorageFull.
        """
        target = self.of(model.name)
        self._clear_leftovers(model.name)
        staged = self.incoming / f"{model.name}.{secrets.token_hex(4)}.new"
        staged.mkdir(mode=0o700)
        try:
            if target.exists():
                raise Conflict(f"A model named {model.name} is installed already.", hint="Give it another: --name NAME")
            _write_manifest(staged / MANIFEST, model)
            for file in replace(model, path=staged / model.path.name).stored:
                file.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                if model.is_sealed:
                    sealed.write(files[file.name], file.path, model.key)
                else:
                    files[file.name].chmod(0o600)
                    files[file.name].replace(file.path)
                sync(file.path.parent)
            sync(staged)
            staged.rename(target)
            sync(self.folder)
        except OSError as error:
            raise as_storage_error(error) from error
        finally:
            shutil.rmtree(staged, ignore_errors=True)

    def seal(self, model: InstalledModel, key: bytes) -> InstalledModel:
        """Stores a model encrypted from now on; `key` wraps its own.

        Stopped at any point, the plain or the sealed file counts. Raises: ModelFileError, StorageFull.
        """
        plain = self._place(model, is_sealed=False)
        with self.lock(model.name, wait=True):
            if not model.is_sealed:
                own, wrapped = sealed.new_key(key)
                hidden = replace(model, sealed_key=wrapped, key=own, path=self._place(model, is_sealed=True))
                try:
                    for file, target in zip(model.stored, hidden.stored, strict=True):
                        target.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                        sealed.write(file.path, target.path, own)
                        sync(target.path.parent)
                        sync(target.path.parent.parent)
                    if hidden.digest() != model.sha256:
                        _delete(hidden.path)
                        raise ModelFileError(
                            f"The file of {model.name} is not the one that was installed; it stays plain."
                        )
                    model = hidden
                    unfinished = plain.with_name(f".{MANIFEST}")
                    _write_manifest(unfinished, model)
                    unfinished.rename(plain.with_name(MANIFEST))
                    sync(plain.parent)
                except OSError as error:
                    raise as_storage_error(error) from error
            _delete(plain)
            try:
                model = replace(model, parts=tuple(parts.seal(part, key) for part in model.parts))
            except OSError as error:
                raise as_storage_error(error) from error
            sync(plain.parent)
        return model

    def discard(self, folder: Path) -> None:
        """Takes a model away, with one rename."""
        self.incoming.mkdir(parents=True, exist_ok=True, mode=0o700)
        gone = self.incoming / f"{folder.name}.{secrets.token_hex(4)}.gone"
        folder.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)

    @contextlib.contextmanager
    def lock(self, name: str, *, wait: bool) -> Iterator[None]:
        """Holds a name, in this and other processes. Raises: Conflict unless it is to `wait`."""
        self.incoming.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(self.incoming / f"{name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            except BlockingIOError as error:
                raise Conflict(f"The model {name} is being fetched already.") from error
            yield
        finally:
            os.close(descriptor)

    @contextlib.asynccontextmanager
    async def held(self, name: str, waiting: Callable[[], None]) -> AsyncIterator[None]:
        """Holds a name as soon as nobody else does; calls `waiting` while it has to wait."""
        lock = None
        while lock is None:
            try:
                lock = contextlib.ExitStack()
                lock.enter_context(self.lock(name, wait=False))
            except Conflict:
                lock = None
                waiting()
                await asyncio.sleep(LOCK_POLL_S)
        with lock:
            yield

    def _place(self, model: InstalledModel, *, is_sealed: bool) -> Path:
        return place_of(self.of(model.name), has_several=bool(model.files), is_sealed=is_sealed)

    def _clear_leftovers(self, name: str) -> None:
        """Deletes what a kill left between two renames; the name is locked, so nobody is working there."""
        for ending in ("new", "gone"):
            for path in self.incoming.glob(f"{name}.????????.{ending}"):
                shutil.rmtree(path, ignore_errors=True)


def _delete(path: Path) -> None:
    """Deletes a model's file, or the folder of its files."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _write_manifest(path: Path, model: InstalledModel) -> None:
    path.write_text(json.dumps(to_json(model), ensure_ascii=False, indent=1), encoding="utf-8")
    sync(path)
