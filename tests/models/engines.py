"""Starts local engines on tiny models for tests, and looks at what they do."""

from __future__ import annotations

import asyncio
import hashlib
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from intramuros.engines.local import LocalEngine
from intramuros.engines.options import EngineOptions, choose
from intramuros.models import formats
from intramuros.models.folder import ModelFile, digest_of_all, files_below
from intramuros.models.gguf import read_header
from intramuros.models.installed import InstalledModel
from intramuros.models.machine import Machine
from intramuros.privacy.egress import Egress
from intramuros.settings import Settings

HELLO: dict[str, Any] = {"messages": [{"role": "user", "content": "Bonjour"}], "temperature": 0}
LONG = HELLO | {"max_tokens": 900, "ignore_eos": True}


def installed(path: Path, name: str = "tiny") -> InstalledModel:
    """A model file as if it had been installed."""
    return InstalledModel(
        name=name,
        title=name.title(),
        path=path,
        sha256=f"{path.name}-{path.stat().st_size}" if path.exists() else path.name,
        size_bytes=path.stat().st_size if path.exists() else 0,
        header=read_header(path),
        trust="quotes",
        languages=("en",),
        licence=None,
        source="test",
        verified="nothing",
        installed_at=0,
    )


def installed_folder(folder: Path, name: str = "tiny", *, asked: str = "") -> InstalledModel:
    """A folder of files as if it had been installed."""
    here = files_below(folder)
    names = formats.pick(here, asked)
    files = tuple(
        ModelFile(one, hashlib.sha256(here[one].read_bytes()).hexdigest(), here[one].stat().st_size)
        for one in sorted(names)
    )
    return InstalledModel(
        name=name,
        title=name.title(),
        path=folder,
        sha256=digest_of_all(files),
        size_bytes=sum(file.size_bytes for file in files),
        header=formats.read({one: here[one] for one in names}),
        trust="quotes",
        languages=("en",),
        licence=None,
        source="test",
        verified="nothing",
        installed_at=0,
        files=files,
    )


def settings(tmp_path: Path, **more: Any) -> Settings:
    """Settings of a data folder that is the test's own."""
    values: dict[str, Any] = {"data": tmp_path / "data", "autotune": False, "prompt_cache_mib": 64, "slots": 4}
    return Settings(**values | more)


def options(model: InstalledModel, chosen: Settings, **changes: Any) -> EngineOptions:
    """What the product would choose on this machine, with changes; one thread, since others use the machine too."""
    return replace(choose(model.header, Machine.detect(), chosen), **{"threads": 1, "threads_batch": 1} | changes)


async def start(model: InstalledModel, chosen: Settings, **changes: Any) -> LocalEngine:
    """An engine in the settings' run folder."""
    wanted = options(model, chosen, **changes)
    return await LocalEngine.start(model, wanted, chosen.run_folder / "engines", chosen, egress=Egress())


@asynccontextmanager
async def running(model: InstalledModel, chosen: Settings, **changes: Any) -> AsyncIterator[LocalEngine]:
    """An engine for as long as the body runs."""
    engine = await start(model, chosen, **changes)
    try:
        yield engine
    finally:
        await engine.close()


class Keeper:
    """Engines that stay for several tests, on a thread of their own: of those that take seconds to load."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.engines: dict[str, LocalEngine] = {}

    def keep(self, model: InstalledModel, chosen: Settings) -> LocalEngine:
        """Starts the engine if it isn't there; engines that are started elsewhere with the same settings find it."""
        if model.name not in self.engines:
            started = asyncio.run_coroutine_threadsafe(start(model, chosen), self.loop)
            self.engines[model.name] = started.result()
        return self.engines[model.name]

    def close(self) -> None:
        """Ends them all."""
        for engine in self.engines.values():
            asyncio.run_coroutine_threadsafe(engine.close(), self.loop).result()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()


async def processing(engine: Any) -> int:
    """How many slots the engine itself says are at work; of a remote one, the engine behind it."""
    run = getattr(engine, "behind", engine)._run
    assert run is not None
    return sum(bool(slot["is_processing"]) for slot in await run.http.slots())


async def until(happens: Callable[[], Any], *, within_s: float = 5.0) -> float:
    """Waits until something holds (a function or a coroutine function); the seconds it took."""
    began = time.monotonic()
    while time.monotonic() - began < within_s:
        held = happens()
        if await held if asyncio.iscoroutine(held) else held:
            return time.monotonic() - began
        await asyncio.sleep(0.005)
    raise AssertionError(f"it did not happen within {within_s} s")


@dataclass
class Memory:
    """What is remembered from one run to the next, in memory."""

    values: dict[str, Any] = field(default_factory=dict)

    def load(self, key: str) -> Any:
        return self.values.get(key)

    def save(self, key: str, value: Any) -> None:
        self.values[key] = value


@dataclass
class Shelf:
    """Installed models by name."""

    models: dict[str, InstalledModel]

    def get(self, name: str) -> InstalledModel:
        return self.models[name]
