"""The models on this machine: a folder for each, with the file and its manifest.

Called by the engine pool, the doors (`/v1/models`, the pages, the commands) and the downloads. It knows no network. A
model is installed by one rename of its finished folder (`models.placing`), so it is there as a whole or not at all; its
file is never written again.

    models/<name>/model.gguf, manifest.json        installed
    models/<name>/files/, manifest.json            installed, where it is made of several files: see `models.folder`
    models/<name>/parts/                           its adapters and its projector: see `models.parts`
    models/.incoming/<name>.part, .json, .lock     on its way
    models/.incoming/<name>.files/                 on its way, where it is made of several
"""

from __future__ import annotations

import contextlib
import json
import logging
import shutil
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from intramuros.errors import BadRequest, Conflict, ModelFileError, ModelNotFound, StorageCorrupt
from intramuros.models import formats, parts, sealed
from intramuros.models.beside import Beside
from intramuros.models.catalogue import Catalogue, CatalogueModel, trust_of
from intramuros.models.folder import ON_THEIR_WAY, Brought, ModelFile, digest_of_all
from intramuros.models.gguf import GgufHeader, read_header
from intramuros.models.manifest import (
    MANIFEST,
    NAME,
    InstalledModel,
    Unfinished,
    from_json,
    place_of,
)
from intramuros.models.partial import Origin, Partial, copied, read_origin
from intramuros.models.placing import Places
from intramuros.models.sealed import digest_of

__all__ = ["DEFAULT", "InstalledModel", "InstalledModels", "Remembered", "Unfinished", "digest_of"]

log = logging.getLogger(__name__)

DEFAULT = "default"
RESERVED = frozenset({DEFAULT, "starter"})


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
        self.folder, self._places = folder, Places(folder)
        self._key, self._encrypts = key, encrypts
        self.catalogue = catalogue
        self._default = default
        self.is_taken: Callable[[str], bool] = lambda _name: False
        """Whether something else answers under a name, so that no model can be installed under it."""
        self._cached: dict[str, tuple[tuple[int, int, int], InstalledModel]] = {}

    @property
    def incoming(self) -> Path:
        """Where files on their way are."""
        return self._places.incoming

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
        folder = self._places.of(name)
        if not folder.is_dir():
            several = self.incoming / f"{name}{ON_THEIR_WAY}"
            if not (self.incoming / f"{name}.part").exists() and not several.is_dir():
                raise ModelNotFound(f"The model {name!r} is not installed.")
            Partial(self.incoming, Origin(name, "")).remove()
            shutil.rmtree(several, ignore_errors=True)
            return
        self.check_removable(name)
        if self._default is not None and self._default.get() == name:
            self._default.set(None)
        self._places.discard(folder)

    def check_removable(self, name: str) -> None:
        """Raises: Conflict if it is the default and others are there."""
        if self._default is None or self._default.get() != name:
            return
        if len([model for model in self.list() if model.is_chat]) > 1:
            raise Conflict(f"{name} is the default model.", hint="Choose another one first: intramuros models use NAME")

    def seal(self, name: str) -> InstalledModel:
        """Stores an installed model encrypted from now on. An engine that has it loaded goes on.

        Stopped at any point, the plain or the sealed file counts. Raises: ModelNotFound, ModelFileError, StorageFull.
        """
        return self._places.seal(self.get(name), self._key)

    def beside(self, name: str, kind: str) -> Beside:
        """Where parts of a model are brought to. Raises: ModelNotFound, ModelFileError."""
        model = self.get(name)
        return Beside(
            model, kind, self.incoming / parts.FOLDER / model.name, self._key, self._encrypts, lock=self._places.held
        )

    def split(self, name: str) -> tuple[str, str | None]:
        """The model and the adapter that a name such as `model:adapter` means.

        Raises: ModelNotFound if the model has no such adapter.
        """
        model, _, adapter = name.partition(":")
        if not adapter:
            return name, None
        found = self.get(model)
        if not any(part.name == adapter for part in found.adapters):
            raise ModelNotFound(
                f"{found.name} has no adapter {adapter[:80]!r}.", hint="See them with: intramuros adapters list"
            )
        return found.name, adapter

    def unfinished(self) -> Sequence[Unfinished]:
        """Downloads that were broken off."""
        found = []
        for path in sorted(self.incoming.glob("*.part")):
            origin = read_origin(path.with_suffix(".json"))
            with contextlib.suppress(FileNotFoundError):
                found.append(Unfinished(path.stem, path.stat().st_size, origin.size_bytes if origin else None))
        for path in sorted(self.incoming.glob(f"*{ON_THEIR_WAY}")):
            with contextlib.suppress(FileNotFoundError):  # it is done meanwhile
                done = sum(part.stat().st_size for part in path.rglob("*.part"))
                found.append(Unfinished(path.name.removesuffix(ON_THEIR_WAY), done, None))
        return found

    def add_file(self, path: Path, name: str) -> InstalledModel:
        """Copies a model file in under a name.

        Raises: BadRequest for a name that can't be, Conflict if it is taken, ModelFileError, StorageFull.
        """
        self._check_free(name)
        with (
            self._places.lock(name, wait=False),
            Partial(self.incoming, Origin(name, f"file:{path.name}")).opened() as partial,
        ):
            for _ in copied(path, partial):
                pass
            return self.install(partial, verified="nothing")

    def install(self, partial: Partial, *, verified: str, entry: CatalogueModel | None = None) -> InstalledModel:
        """Turns a finished half file into an installed model. `verified`: what its hash was compared with.

        Raises: ModelFileError (the half file is removed), Conflict if the name is taken, StorageFull.
        """
        partial.finish()
        try:
            header = read_header(partial.path)
        except ModelFileError:
            partial.remove()
            raise
        model = self._described(
            partial.origin, header, sha256=partial.digest, size_bytes=partial.size_bytes, verified=verified, entry=entry
        )
        self._places.publish({"": partial.path}, model)
        partial.remove()
        self._take_as_default(model)
        return model

    def install_files(
        self, brought: Brought, *, origin: Origin, verified: str, entry: CatalogueModel | None = None
    ) -> InstalledModel:
        """Turns finished files into one installed model; they are moved.

        Raises: ModelFileError, Conflict if the name is taken, StorageFull.
        """
        header = formats.read(brought.paths)
        model = self._described(
            origin,
            header,
            sha256=digest_of_all(brought.files),
            size_bytes=sum(file.size_bytes for file in brought.files),
            files=brought.files,
            verified=verified,
            entry=entry,
        )
        self._places.publish(brought.paths, model)
        self._take_as_default(model)
        return model

    def _described(
        self,
        origin: Origin,
        header: GgufHeader,
        *,
        sha256: str,
        size_bytes: int,
        verified: str,
        entry: CatalogueModel | None,
        files: tuple[ModelFile, ...] = (),
    ) -> InstalledModel:
        """What the manifest of a model is going to say."""
        hashes = {sha256, *(file.sha256 for file in files)}
        entry = entry or self.catalogue.by_sha256(*hashes)
        own, wrapped = sealed.new_key(self._key) if self._encrypts else (b"", "")
        return InstalledModel(
            name=origin.name,
            title=entry.title if entry else header.name or origin.name,
            path=place_of(self._places.of(origin.name), has_several=bool(files), is_sealed=bool(own)),
            sha256=sha256,
            size_bytes=size_bytes,
            header=header,
            trust=entry.trust if entry else trust_of(header.parameters, has_chat_template=header.has_chat_template),
            languages=entry.languages if entry else header.languages,
            licence=entry.licence.id if entry else header.licence,
            source=origin.source,
            verified="catalogue" if entry and {entry.sha256, *entry.same_weights} & hashes else verified,
            installed_at=time.time(),
            sealed_key=wrapped,
            key=own,
            files=files,
        )

    def _take_as_default(self, model: InstalledModel) -> None:
        if model.is_chat and self._default is not None and self._default.get() is None:
            self._default.set(model.name)

    @contextlib.asynccontextmanager
    async def locked(self, name: str, *, waiting: Callable[[], None] = lambda: None) -> AsyncIterator[None]:
        """Holds the name for one download, in this and other processes; calls `waiting` if it has to wait."""
        self._check_free(name)
        async with self._places.held(name, waiting):
            yield

    def _check_free(self, name: str) -> None:
        self.check_name(name)
        if self.is_taken(name):
            raise Conflict(f"A preset is named {name} already.", hint="Give the model another name: --name NAME")

    @staticmethod
    def check_name(name: str) -> None:
        """Raises: BadRequest if a model can't have this name."""
        if not NAME.fullmatch(name) or name in RESERVED:
            raise BadRequest(
                f"A model can't be named {name!r}.",
                hint="Use up to 64 lower-case letters, digits, '.', '_' and '-'; 'default' and 'starter' are taken.",
            )

    def _default_or_raise(self) -> str:
        if name := self.default_name:
            return name
        if any(model.is_chat for model in self.list()):
            raise ModelNotFound("No model is chosen as the default.", hint="Choose one: intramuros models use NAME")
        raise ModelNotFound("No model is installed yet.", hint="Fetch the small one: intramuros models pull starter")

    def _read(self, name: str) -> InstalledModel:
        folder = self._places.of(name)
        damaged = f"The model {name} is damaged: %s. Remove it and fetch it again."
        try:
            state = (folder / MANIFEST).stat()
        except OSError as error:
            raise ModelNotFound(f"The model {name!r} is not installed.") from error
        stamp = (state.st_mtime_ns, state.st_ino, parts.stamp(folder))
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
            known = (stamp, replace(known[1], parts=parts.read_all(folder, self._key)))
            self._cached[name] = known
        model = known[1]
        for file in model.stored:
            try:
                size = file.path.stat().st_size
            except OSError as error:
                raise ModelFileError(damaged % " ".join(filter(None, ("its file", file.name, "is gone")))) from error
            if size != file.stored_bytes:
                raise ModelFileError(damaged % "its file has another size than when it was installed")
        return model
