"""What is in memory: the models that are loaded, those that could be, and the loads that were asked for on the pages.

Called by the pages about models. A load outlives the request that asked for it; what went wrong is kept to be shown.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from intramuros.background import begin
from intramuros.engines.seat import Loaded
from intramuros.errors import IntramurosError
from intramuros.models.installed import InstalledModel
from intramuros.models.machine import Machine
from intramuros.web.loading import Bar, bar_of
from intramuros.web.problems import Problem, problem
from intramuros.web.visit import Visit

if TYPE_CHECKING:
    from intramuros.app import App

NOT_RUNNING = ("failed", "stopped")


@dataclass(frozen=True, slots=True)
class Line:
    """One model that is in memory, on its way there, or could not be brought there."""

    name: str
    title: str
    state: str
    size_bytes: int = 0
    loaded: Loaded | None = None
    bar: Bar | None = None
    beside: Sequence[str] = ()
    trouble: Problem | None = None


@dataclass(frozen=True, slots=True)
class InMemory:
    """What is loaded, what all of it takes of the budget, and what else could be loaded: names with titles."""

    lines: Sequence[Line]
    others: Sequence[tuple[str, str]]
    used_bytes: int
    budget_bytes: int

    @property
    def is_busy(self) -> bool:
        """Whether something is on its way."""
        return any(line.state == "loading" for line in self.lines)

    @property
    def bars(self) -> dict[str, Bar]:
        """How far each load is, by model."""
        return {line.name: line.bar for line in self.lines if line.bar}

    @property
    def still(self) -> InMemory:
        """The same without what moves: what changes when more than a bar does, and the page is drawn anew."""
        return replace(self, lines=[replace(line, bar=Bar(None, "", "") if line.bar else None) for line in self.lines])


class Loads:
    """The loads that run, and why the last one of a model failed."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._running: dict[str, asyncio.Task[None]] = {}
        self._failed: dict[str, IntramurosError] = {}

    def start(self, name: str) -> None:
        """Has a model loaded; nothing more if that is being done already."""
        self._failed.pop(name, None)
        if name not in self._running:
            self._running[name] = task = begin(self._run(name), name=f"load {name} for a page")
            self._app.tasks.add(task)
            task.add_done_callback(self._app.tasks.discard)

    async def _run(self, name: str) -> None:
        try:
            await self._app.pool.load(name)
        except IntramurosError as error:
            self._failed[name] = error
        except Exception:
            self._failed[name] = IntramurosError()
            raise
        finally:
            del self._running[name]

    def in_memory(self, visit: Visit, *, only: str | None = None) -> InMemory:
        """How everything in memory is now; `only` this model, with what all take together."""
        installed = {model.name: model for model in visit.app.models.list()}
        states = {
            name: loaded
            for name, loaded in visit.app.pool.states().items()
            if name in installed or loaded.state not in NOT_RUNNING
        }
        self._failed = {
            name: error
            for name, error in self._failed.items()
            if name in installed
            and (name not in states or states[name].state in NOT_RUNNING)  # nobody asked for it since
        }
        names = [name for name in sorted({*states, *self._running, *self._failed}) if only in (None, name)]
        lines = [self._line(visit, name, installed.get(name), states.get(name)) for name in names]
        return InMemory(
            lines=lines,
            others=[
                (name, model.title)
                for name, model in installed.items()
                if only in (None, name) and not any(line.name == name for line in lines if line.state != "failed")
            ],
            used_bytes=sum(loaded.size_bytes for loaded in states.values()),
            budget_bytes=visit.app.pool.budget_bytes(Machine.detect()),
        )

    def _line(self, visit: Visit, name: str, model: InstalledModel | None, loaded: Loaded | None) -> Line:
        failed = self._failed.get(name)
        is_asked = name in self._running and (loaded is None or loaded.state != "ready")
        is_loading = is_asked or (loaded is not None and loaded.state == "loading")
        return Line(
            name=name,
            title=model.title if model else name,
            state="loading" if is_loading else loaded.state if loaded else "failed",
            size_bytes=loaded.size_bytes if loaded else 0,
            loaded=loaded,
            bar=bar_of(loaded.progress if loaded else None, visit.words) if is_loading else None,
            beside=[part.name for part in model.parts] if model else [],
            trouble=problem(failed, visit.words) if failed else None,
        )
