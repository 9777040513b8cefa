"""The models on this machine: a folder for each, with the file and its manifest.

Called by the engine pool, the doors (`/v1/models`, the pages, the commands) and the downloads. It knows no network. A
model is installed by one rename of its finished folder, so it is there as a whole or not at all; its file is never
written again.

    models/<name>/model.gguf, manifest.json        installed
    models/.incoming/<name>.part, .json, .lock     on its way
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import logging
import os
import re
import secrets
import shutil
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from intramuros.errors import BadRequest, Conflict, ModelFileError, ModelNotFound, StorageCorrupt
from intramuros.models import sealed
from intramuros.models.catalogue import Catalogue, CatalogueModel, trust_of
from intramuros.models.gguf import read_header
from intramuros.models.manifest import MANIFEST, MODEL_FILE, InstalledModel, Unfinished, digest_of, from_json, to_json
from intramuros.models.partial import Origin, Partial, as_storage_error, read_origin

__all__ = ["DEFAULT", "InstalledModel", "InstalledModels", "Remembered", "Unfinished", "copied", "digest_of"]

log = logging.getLogger(__name__)

DEFAULT = "default"
NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
RESERVED = frozenset({DEFAULT, "starter"})
LOCK_POLL_S = 0.2
PIECE_BYTES = 4 << 20


class Remembered(Protocol):
    """Where the name of the default model is kept."""

    def get(self) -> Any:
        """The name, or None."""
        ...

    def set(self, value: Any) -> None:
        """Keeps the name."""
        ...


class InstalledModels:
    """The models in one folder. Every call looks at the disk, so that several processes see the same."""

    def __init__(
        self,
        folder: Path,
        catalogue: Catalogue,
        default: Remembered | None = None,
        *,
        key: bytes = b"",
        encrypts: bool = False,
    ) -> None:
        """`key` wraps the keys of sealed models; with `encrypts`, what is installed from now on is sealed."""
        self.folder = folder
        self._key, self._encrypts = key, encrypts
        self.catalogue = catalogue
        self._default = default
        self._cached: dict[str, tuple[tuple[int, int], InstalledModel]] = {}

    @property
    def incoming(self) -> Path:
        """Where files on their way are."""
        return self.folder / ".incoming"

    def list(self) -> Sequence[InstalledModel]:
        """All models that can be run, by name. One whose manifest can't be read is left out, with a line in the log."""
        found = []
        for path in sorted(self.folder.glob(f"*/{MANIFEST}")) if self.folder.is_dir() else ():
            with contextlib.suppress(ModelNotFound):
                try:
                    found.append(self._read(path.parent.name))
                except ModelFileError as error:
                    log.warning("model left out: %s", error.message)
        return found

    def find(self, name: str) -> InstalledModel | None:
        """The model of this name if it is installed. Raises: ModelFileError if its folder is damaged."""
        try:
            return self._read(name)
        except ModelNotFound:
            return None

    def get(self, name: str = DEFAULT) -> InstalledModel:
        """The model of this name; `default` is the one chosen with `models use`.

        Raises: ModelNotFound; ModelFileError if its file is gone or has another size than when it was installed.
        """
        if name == DEFAULT:
            name = self._default_or_raise()
        elif name == "starter":
            name = self.catalogue.starter.name
        return self._read(name)

    @property
    def default_name(self) -> str | None:
        """The name of the model that answers as `default`; None if none is chosen and not exactly one is there."""
        chosen = self._default.get() if self._default is not None else None
        if chosen:
            return str(chosen)
        writers = [model.name for model in self.list() if model.is_chat]
        return writers[0] if len(writers) == 1 else None

    def use(self, name: str) -> InstalledModel:
        """Makes a model the default. Raises: ModelNotFound, BadRequest if it does not write."""
        model = self.get(name)
        if not model.is_chat:
            raise BadRequest(f"{name} turns texts into numbers and can't answer questions.")
        if self._default is None:
            raise BadRequest("There is no place to remember the default model in.")
        self._default.set(model.name)
        return model

    def remove(self, name: str) -> None:
        """Deletes a model, or its unfinished download.

        Raises: ModelNotFound; Conflict if it is the default and others are there, so that no other takes over silently.
        """
        folder = self._folder_of(name)
        if not folder.is_dir():
            if not (self.incoming / f"{name}.part").exists():
                raise ModelNotFound(f"The model {name!r} is not installed.")
            Partial(self.incoming, Origin(name, "")).remove()
            return
        if self._default is not None and self._default.get() == name:
            if len([model for model in self.list() if model.is_chat]) > 1:
                raise Conflict(
                    f"{name} is the default model.", hint="Choose another one first: intramuros models use NAME"
                )
            self._default.set(None)
        self._discard(folder)

    def seal(self, name: str) -> InstalledModel:
        """Stores an installed model encrypted from now on. An engine that has it loaded goes on.

        Stopped at any point, the plain or the sealed file counts. Raises: ModelNotFound, ModelFileError, StorageFull.
        """
        model = self.get(name)
        plain = model.path.parent / MODEL_FILE
        with self._lock(model.name, wait=True):
            if not model.is_sealed:
                own, wrapped = sealed.new_key(self._key)
                target = plain.with_name(sealed.SEALED_FILE)
                try:
                    sealed.write(plain, target, own)
                    if sealed.digest(target, own) != model.sha256:
                        target.unlink()
                        raise ModelFileError(f"The file of {name} is not the one that was installed; it stays plain.")
                    model = replace(model, sealed_key=wrapped, key=own, path=target)
                    unfinished = target.with_name(f".{MANIFEST}")
                    _write_manifest(unfinished, model)
                    unfinished.rename(target.with_name(MANIFEST))
                    _sync(target.parent)
                except OSError as error:
                    raise as_storage_error(error) from error
            plain.unlink(missing_ok=True)
            _sync(plain.parent)
        return model

    def unfinished(self) -> Sequence[Unfinished]:
        """Downloads that were broken off."""
        found = []
        for path in sorted(self.incoming.glob("*.part")):
            origin = read_origin(path.with_suffix(".json"))
            with contextlib.suppress(FileNotFoundError):
                found.append(Unfinished(path.stem, path.stat().st_size, origin.size_bytes if origin else None))
        return found

    def add_file(self, path: Path, name: str) -> InstalledModel:
        """Copies a model file in under a name.

        Raises: BadRequest for a name that can't be, Conflict if it is taken, ModelFileError, StorageFull.
        """
        self.check_name(name)
        with (
            self._lock(name, wait=False),
            Partial(self.incoming, Origin(name, f"file:{path.name}")).opened() as partial,
        ):
            for _ in copied(path, partial):
                pass
            return self.install(partial, verified="nothing")

    def install(self, partial: Partial, *, verified: str, entry: CatalogueModel | None = None) -> InstalledModel:
        """Turns a finished half file into an installed model. `verified`: what its hash was compared with.

        Raises: ModelFileError (the half file is removed), Conflict if the name is taken, StorageFull.
        """
        name = partial.origin.name
        partial.finish()
        try:
            header = read_header(partial.path)
        except ModelFileError:
            partial.remove()
            raise
        entry = entry or self.catalogue.by_sha256(partial.digest)
        model = InstalledModel(
            name=name,
            title=entry.title if entry else header.name or name,
            path=self._folder_of(name) / MODEL_FILE,
            sha256=partial.digest,
            size_bytes=partial.size_bytes,
            header=header,
            trust=entry.trust if entry else trust_of(header.parameters, has_chat_template=header.has_chat_template),
            languages=entry.languages if entry else header.languages,
            licence=entry.licence.id if entry else header.licence,
            source=partial.origin.source,
            verified="catalogue" if entry and entry.sha256 == partial.digest else verified,
            installed_at=time.time(),
        )
        if self._encrypts:
            own, wrapped = sealed.new_key(self._key)
            model = replace(model, sealed_key=wrapped, key=own, path=model.path.with_name(sealed.SEALED_FILE))
        self._publish(partial, model)
        if model.is_chat and self._default is not None and self._default.get() is None:
            self._default.set(name)
        return model

    @contextlib.asynccontextmanager
    async def locked(self, name: str, *, waiting: Callable[[], None] = lambda: None) -> AsyncIterator[None]:
        """Holds the name for one download, in this and other processes; calls `waiting` if it has to wait."""
        self.check_name(name)
        lock = None
        while lock is None:
            try:
                lock = contextlib.ExitStack()
                lock.enter_context(self._lock(name, wait=False))
            except Conflict:
                lock = None
                waiting()
                await asyncio.sleep(LOCK_POLL_S)
        with lock:
            yield

    @staticmethod
    def check_name(name: str) -> None:
        """Raises: BadRequest if a model can't have this name."""
        if not NAME.fullmatch(name) or name in RESERVED:
            raise BadRequest(
                f"A model can't be named {name!r}.",
                hint="Use up to 64 lower-case letters, digits, '.', '_' and '-'; 'default' and 'starter' are taken.",
            )

    @contextlib.contextmanager
    def _lock(self, name: str, *, wait: bool) -> Iterator[None]:
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

    def _folder_of(self, name: str) -> Path:
        if not NAME.fullmatch(name):
            raise ModelNotFound(f"There is no model {name[:80]!r}.")
        return self.folder / name

    def _default_or_raise(self) -> str:
        if name := self.default_name:
            return name
        if any(model.is_chat for model in self.list()):
            raise ModelNotFound("No model is chosen as the default.", hint="Choose one: intramuros models use NAME")
        raise ModelNotFound("No model is installed yet.", hint="Fetch the small one: intramuros models pull starter")

    def _read(self, name: str) -> InstalledModel:
        folder = self._folder_of(name)
        damaged = f"The model {name} is damaged: %s. Remove it and fetch it again."
        try:
            state = (folder / MANIFEST).stat()
        except OSError as error:
            raise ModelNotFound(f"The model {name!r} is not installed.") from error
        stamp = (state.st_mtime_ns, state.st_ino)
        known = self._cached.get(name)
        if known is None or known[0] != stamp:
            try:
                known = (stamp, from_json(json.loads((folder / MANIFEST).read_text(encoding="utf-8")), folder))
            except (OSError, ValueError, KeyError, TypeError) as error:
                raise ModelFileError(damaged % "its manifest can't be read") from error
            if known[1].is_sealed:
                try:
                    known = (stamp, replace(known[1], key=sealed.key_in(known[1].sealed_key, self._key)))
                except (StorageCorrupt, ValueError) as error:
                    raise ModelFileError(damaged % "its key does not open") from error
            self._cached[name] = known
        model = known[1]
        try:
            size = model.path.stat().st_size
        except OSError as error:
            raise ModelFileError(damaged % "its file is gone") from error
        if size != (sealed.stored_bytes(model.size_bytes) if model.is_sealed else model.size_bytes):
            raise ModelFileError(damaged % "its file has another size than when it was installed")
        return model

    def _publish(self, partial: Partial, model: InstalledModel) -> None:
        target = model.path.parent
        self._clear_leftovers(model.name)
        staged = self.incoming / f"{model.name}.{secrets.token_hex(4)}.new"
        staged.mkdir(mode=0o700)
        try:
            if target.exists():
                raise Conflict(f"A model named {model.name} is installed already.", hint="Give it another: --name NAME")
            _write_manifest(staged / MANIFEST, model)
            if model.is_sealed:
                sealed.write(partial.path, staged / sealed.SEALED_FILE, model.key)
            else:
                partial.path.chmod(0o600)
                partial.path.replace(staged / MODEL_FILE)
            _sync(staged)
            staged.rename(target)
            _sync(self.folder)
        except OSError as error:
            raise as_storage_error(error) from error
        finally:
            shutil.rmtree(staged, ignore_errors=True)
        partial.remove()

    def _clear_leftovers(self, name: str) -> None:
        """Deletes what a kill left between two renames; the name is locked, so nobody is working there."""
        for ending in ("new", "gone"):
            for path in self.incoming.glob(f"{name}.????????.{ending}"):
                shutil.rmtree(path, ignore_errors=True)

    def _discard(self, folder: Path) -> None:
        self.incoming.mkdir(parents=True, exist_ok=True, mode=0o700)
        gone = self.incoming / f"{folder.name}.{secrets.token_hex(4)}.gone"
        folder.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)


def copied(path: Path, partial: Partial) -> Iterator[tuple[int, int]]:
    """Copies a file of this machine into a half file, a piece a step: yields the bytes so far and in all.

    Raises: ModelFileError if it can't be read, StorageFull.
    """
    try:
        with path.open("rb") as source:
            total = os.fstat(source.fileno()).st_size
            partial.restart(size_bytes=total)
            partial.check_space(total)
            while block := source.read(PIECE_BYTES):
                partial.append(block)
                yield partial.size_bytes, total
    except OSError as error:
        raise ModelFileError(f"The file can't be read: {error.strerror or 'input/output error'}.", hint="") from error


def _write_manifest(path: Path, model: InstalledModel) -> None:
    path.write_text(json.dumps(to_json(model), ensure_ascii=False, indent=1), encoding="utf-8")
    _sync(path)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
