"""What an engine loads: a model's file and those beside it, or their decrypted weights in sealed memory.

Called where workers start.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from intramuros.engines.loading import Load
from intramuros.models.manifest import InstalledModel, Stored
from intramuros.models.parts import Part
from intramuros.models.sealed import Moved, loadable, untold


@dataclass(frozen=True, slots=True)
class Loadable:
    """The paths to load, and the descriptors to inherit for that. `files`: a model's, by name, if it has several."""

    model: Path
    adapters: tuple[Path, ...]
    projector: Path | None
    inherits: tuple[int, ...]
    files: Mapping[str, Path] = field(default_factory=dict)

    @property
    def paths(self) -> tuple[Path, ...]:
        """Everything the engine reads of it."""
        beside = (*self.adapters, *((self.projector,) if self.projector else ()))
        return (*(self.files.values() or (self.model,)), *beside)


@asynccontextmanager
async def all_in_memory(model: InstalledModel, load: Load) -> AsyncIterator[Loadable]:
    """A model with what stands beside it; `load` is told how far it is. Raises: ModelFileError."""
    sealed_bytes = sum(file.size_bytes for file in model.stored if file.key) + sum(
        part.size_bytes for part in model.parts if part.key
    )
    if sealed_bytes:
        load.begin("decrypting", total_bytes=sealed_bytes)
    opened = partial(in_memory, moved=load.moved)
    async with AsyncExitStack() as stack:
        own = {file.name: await stack.enter_async_context(opened(file)) for file in model.stored}
        adapters = [await stack.enter_async_context(opened(one)) for one in model.adapters]
        projector = await stack.enter_async_context(opened(model.projector)) if model.projector else None
        all_opened = (*own.values(), *adapters, *((projector,) if projector else ()))
        files = {name: path for name, (path, _) in own.items()} if model.files else {}
        yield Loadable(
            model=model.path if files else own[""][0],
            adapters=tuple(path for path, _ in adapters),
            projector=projector[0] if projector else None,
            inherits=tuple(one for _, inherits in all_opened for one in inherits),
            files=files,
        )


@asynccontextmanager
async def in_memory(
    model: InstalledModel | Stored | Part, *, moved: Moved = untold
) -> AsyncIterator[tuple[Path, tuple[int, ...]]]:
    """The path to load, and the descriptors to inherit; the worker keeps the memory, this process lets go of it.

    `moved` is told how many bytes more were decrypted. Raises: ModelFileError.
    """
    opened = loadable(model.path, model.key, moved=moved)
    found = await asyncio.to_thread(opened.__enter__)
    try:
        yield found
    finally:
        opened.__exit__(None, None, None)
