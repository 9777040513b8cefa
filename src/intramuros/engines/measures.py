"""What was measured of models on this machine and is kept from one run to the next: their fastest options, the memory
they took, and that their files are what was installed.

Called by the pool when it loads a model. It knows no engines in use and no room.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol, cast

from intramuros.engines.autotune import Tuned, tune
from intramuros.engines.loading import Load, usual, with_one_more
from intramuros.engines.options import EngineOptions, choose, footprint, seeing
from intramuros.engines.runners import runner_of
from intramuros.errors import ModelFileError, ModelTooLarge, StorageError
from intramuros.models.installed import InstalledModel
from intramuros.models.machine import Machine
from intramuros.models.manifest import Stored
from intramuros.models.memory import Footprint
from intramuros.models.parts import Part
from intramuros.privacy.egress import Egress
from intramuros.settings import Settings

log = logging.getLogger(__name__)


class Remember(Protocol):
    """Where measurements are kept from one run to the next."""

    def load(self, key: str) -> Any:
        """What was saved, or None."""
        ...

    def save(self, key: str, value: Any) -> None:
        """Keeps a JSON value."""
        ...


@dataclass(frozen=True, slots=True)
class Measures:
    """The measurements of one pool; without `remember` nothing is measured and nothing kept."""

    remember: Remember | None
    settings: Settings
    folder: Path
    egress: Egress

    async def verify(self, model: InstalledModel, load: Load) -> None:
        """Reads the files of a model through at its first load, and again when they were touched; tells `load`.

        Raises: ModelFileError if it isn't what was installed.
        """
        if self.remember is None:
            return
        files: dict[str, Stored | Part] = {f"{model.name}:{part.name}": part for part in model.parts}
        files |= {f"{model.name}/{file.name}".rstrip("/"): file for file in model.stored}
        to_read = dict[str, tuple[Stored | Part, list[Any]]]()
        for name, file in files.items():
            try:
                found = file.path.stat()
            except OSError:
                return  # the engine says why it can't be read
            mark = [file.sha256, found.st_ino, found.st_size, found.st_mtime_ns]
            if self.remember.load(f"verified:{name}") != mark:
                to_read[name] = file, mark
        if to_read:
            load.begin("checking", total_bytes=sum(file.size_bytes for file, _ in to_read.values()))
        for name, (file, mark) in to_read.items():
            if await asyncio.to_thread(file.digest, moved=load.moved) != file.sha256:
                raise ModelFileError(f"The file of {name} has changed since it was installed: its hash is another one.")
            await self._keep(f"verified:{name}", mark)

    async def tuned(
        self, model: InstalledModel, options: EngineOptions, machine: Machine, *, report: Callable[[str, float], None]
    ) -> EngineOptions:
        """The options with what was measured for this machine, model and engine; measures it if need be."""
        if self.remember is None or not self.settings.autotune:
            return options
        key = _key(model, machine)
        if self.remember.load(key) is not None:
            return self.remembered(model, options, machine)
        tuned = await tune(
            model,
            options,
            machine,
            folder=self.folder,
            egress=self.egress,
            report=report,
            required=self.settings.isolation_required,
        )
        if tuned.complete:
            await self._keep(key, tuned.to_json())
        return tuned.applied(options)

    def remembered(self, model: InstalledModel, options: EngineOptions, machine: Machine) -> EngineOptions:
        """The options with what was measured before, if it was."""
        found = self.remember.load(_key(model, machine)) if self.remember and self.settings.autotune else None
        try:
            return Tuned(found["changes"]).applied(options) if found else options
        except (TypeError, ValueError, KeyError):
            return options

    def size(self, model: InstalledModel, machine: Machine, options: EngineOptions) -> Footprint:
        """What a model takes with these options, as they are tuned: as it took the last time, else as predicted."""
        options = self.remembered(model, options, machine)
        options = seeing(options) if model.projector else options
        found = self.remember.load(_size_key(model, machine, options)) if self.remember else None
        try:
            if found:
                return Footprint.from_json(found)
        except (TypeError, ValueError):
            pass  # what can't be read counts as never measured
        needed = footprint(options, model.header)
        return replace(needed, weights_bytes=needed.weights_bytes + model.beside_bytes)

    def needed_bytes(self, model: InstalledModel, machine: Machine) -> int:
        """The memory a model takes with all that stands beside it, started as it would be on this machine now; more
        than is free if it doesn't fit.
        """
        sized = partial(self.size, model, machine)
        try:
            return sized(choose(model.header, machine, self.settings, size_of=sized)).total_bytes
        except ModelTooLarge as error:
            return cast("int", error.details["needed_bytes"])

    async def note_size(
        self, model: InstalledModel, machine: Machine, options: EngineOptions, *, took: Footprint
    ) -> None:
        """Remembers what an engine said that it took, for the next load."""
        if self.remember is None:
            return
        key, sizes = _size_key(model, machine, options), took.to_json()
        if self.remember.load(key) != sizes:
            await self._keep(key, sizes)

    def usual_load_s(self, model: InstalledModel, machine: Machine) -> float | None:
        """What bringing this model into memory took on this machine, the last times; None if it never was."""
        return usual(self.remember.load(_load_key(model, machine))) if self.remember else None

    async def note_load(self, model: InstalledModel, machine: Machine, *, took_s: float) -> None:
        """Remembers what it took."""
        if self.remember is not None:
            key = _load_key(model, machine)
            await self._keep(key, with_one_more(self.remember.load(key), took_s))

    async def _keep(self, key: str, value: Any) -> None:
        """Remembers something, if that is possible: a model is loaded on a full disk too, and measured again later."""
        assert self.remember is not None
        try:
            await asyncio.to_thread(self.remember.save, key, value)
        except StorageError as error:
            log.warning("what was measured of a model is not kept: %s", error.message)


def _key(model: InstalledModel, machine: Machine) -> str:
    """What a measurement holds for: this machine, this file, this build of the engine."""
    return f"engine:{machine.fingerprint}:{model.sha256}:{runner_of(model).version}"


def _load_key(model: InstalledModel, machine: Machine) -> str:
    """What the time of a load holds for: all that, and whether its file has to be decrypted."""
    return f"load:{_key(model, machine)}:{'sealed' if model.is_sealed else ''}"


def _size_key(model: InstalledModel, machine: Machine, options: EngineOptions) -> str:
    """What a measured size holds for: all that, and the options that memory depends on."""
    depends_on = (
        *(options.context_tokens, options.slots, options.cache_type_k, options.cache_type_v, options.flash_attention),
        *(options.batch_tokens, options.speculation, options.gpu_layers, options.kind),
    )
    return f"size:{_key(model, machine)}:{model.identity if model.parts else ''}:" + ",".join(
        str(part) for part in depends_on
    )
