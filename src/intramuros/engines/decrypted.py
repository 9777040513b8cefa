"""What an engine loads of a model: its file, or its decrypted weights in sealed memory. Called where workers start."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from intramuros.models.manifest import InstalledModel
from intramuros.models.sealed import loadable


@asynccontextmanager
async def in_memory(model: InstalledModel) -> AsyncIterator[tuple[Path, tuple[int, ...]]]:
    """The path to load, and the descriptors to inherit; the worker keeps the memory, this process lets go of it.

    Raises: ModelFileError.
    """
    opened = loadable(model.path, model.key)
    found = await asyncio.to_thread(opened.__enter__)
    try:
        yield found
    finally:
        opened.__exit__(None, None, None)
