"""Puts adapters and projectors beside a model: the place that `models.download.pull` brings their files to.

Made by `InstalledModels.beside` for one model and one kind of part. A file is checked against the model before it is
there, and is stored encrypted where the model is, or where what is installed from now on is to be.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path

from intramuros.errors import BadRequest, Conflict, ModelNotFound
from intramuros.models import parts, sealed
from intramuros.models.catalogue import Catalogue, CatalogueModel
from intramuros.models.fitting import check_adapter, check_projector
from intramuros.models.folder import Brought
from intramuros.models.gguf import GGUF
from intramuros.models.manifest import NAME, InstalledModel
from intramuros.models.partial import Origin, Partial, as_storage_error
from intramuros.models.parts import ADAPTER, PLAIN, PROJECTOR, SEALED, Part

MOST_PARTS = 16
"""Beside one model: each is in memory while the model is."""
RESERVED = frozenset({"latest"})  # the tag that programs put behind any name


@dataclass(frozen=True, slots=True)
class Beside:
    """The parts of one kind of one model."""

    model: InstalledModel
    kind: str
    incoming: Path
    key: bytes
    encrypts: bool
    lock: Callable[[str, Callable[[], None]], AbstractAsyncContextManager[None]]
    catalogue: Catalogue = Catalogue(())
    """Nothing is known by name: a part has an address, or is a file."""

    def locked(self, name: str, *, waiting: Callable[[], None] = lambda: None) -> AbstractAsyncContextManager[None]:
        """Holds the name for one download. Raises: BadRequest for a name that can't be."""
        if not NAME.fullmatch(name) or name in RESERVED:
            raise BadRequest(
                f"An {self.kind} can't be named {name[:80]!r}.",
                hint="Use up to 64 lower-case letters, digits, '.', '_' and '-': --name NAME",
                code="bad_part_name",
            )
        return self.lock(f"{self.model.name}@{name}", waiting)

    def find(self, name: str) -> Part | None:
        """The part of this name. Raises: Conflict if it is of another kind."""
        found = next((part for part in self._present() if part.name == name), None)
        if found is not None and found.kind != self.kind:
            raise Conflict(f"The {found.kind} of {self.model.name} is named {name} already.", code="part_name_taken")
        return found

    def remove(self, name: str) -> Part:
        """Removes a part; requests that use it just now go on. Raises: ModelNotFound, StorageFull."""
        found = self.find(name)
        if found is None:
            raise ModelNotFound(f"{self.model.name} has no {self.kind} {name[:80]!r}.")
        try:
            parts.take_away(found)
        except OSError as error:
            raise as_storage_error(error) from error
        return found

    def install(self, partial: Partial, *, verified: str, entry: CatalogueModel | None = None) -> Part:
        """Turns a finished half file into a part of the model. `entry` is nothing here.

        Raises: ModelFileError if it doesn't fit the model (the half file is removed), BadRequest, StorageFull.
        """
        partial.finish()
        try:
            part = self._checked(partial, verified)
            parts.put(part, partial.path)
        except OSError as error:
            raise as_storage_error(error) from error
        finally:
            partial.remove()
        return part

    def install_files(
        self, brought: Brought, *, origin: Origin, verified: str, entry: CatalogueModel | None = None
    ) -> Part:
        """Never: what stands beside a model is one file. Raises: BadRequest."""
        raise BadRequest(f"The {self.kind} of {self.model.name} must be a single GGUF file.", hint="")

    def _present(self) -> tuple[Part, ...]:
        """What is beside the model now: other processes install too."""
        return parts.read_all(self.model.path.parent, self.key)

    def _checked(self, partial: Partial, verified: str) -> Part:
        if not self.model.is_chat:
            raise BadRequest(f"{self.model.name} does not write: nothing can stand beside it.")
        if self.model.format != GGUF:
            raise BadRequest(f"{self.model.name} is no GGUF model: nothing can stand beside it.")
        if self.kind == PROJECTOR and any(part.kind == PROJECTOR for part in self._present()):
            raise Conflict(
                f"{self.model.name} sees already.", hint="Take its projector away first.", code="sees_already"
            )
        if len(self._present()) >= MOST_PARTS:
            raise BadRequest(f"{self.model.name} has {MOST_PARTS} parts beside it: that is the most there can be.")
        with sealed.loadable(self.model.path, self.model.key) as (path, _):
            if self.kind == ADAPTER:
                file, rank = check_adapter(partial.path, path, name=self.model.name)
            else:
                file, rank = check_projector(partial.path, path, name=self.model.name), 0
        name = partial.origin.name
        encrypts = self.encrypts or self.model.is_sealed
        own, wrapped = sealed.new_key(self.key) if encrypts else (b"", "")
        return Part(
            name=name,
            kind=self.kind,
            path=self.model.path.parent / parts.FOLDER / f"{name}{SEALED if encrypts else PLAIN}",
            sha256=partial.digest,
            size_bytes=partial.size_bytes,
            tensor_bytes=file.tensor_bytes,
            source=partial.origin.source,
            verified=verified,
            installed_at=time.time(),
            rank=rank,
            sealed_key=wrapped,
            key=own,
        )
