"""Which model answers, how far it can be trusted, and the better one for this machine in one click.

Called by the router.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from functools import lru_cache

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from intramuros.engines.fit import TIERS_GB, Fit, Place, fits
from intramuros.errors import Conflict, EngineError, MemoryBusy, ModelTooLarge
from intramuros.models.catalogue import Catalogue
from intramuros.models.machine import Machine
from intramuros.web.beside import path_of
from intramuros.web.downloads import Downloads
from intramuros.web.loading import Bar
from intramuros.web.memory import Loads
from intramuros.web.model_cards import host_of, of_catalogue, of_installed
from intramuros.web.problems import Problem, problem
from intramuros.web.stream import Event, EventStream
from intramuros.web.visit import Form, Visit, read_form, redirect

LOOK_EVERY_S = 0.5
LONGEST_S = 600.0
"""A stream ends after this; the page opens the next one."""
NAMED_FITS = 3


@dataclass(frozen=True, slots=True)
class ModelsPage:
    """The page and what is done on it."""

    downloads: Downloads
    loads: Loads

    def show(self, visit: Visit, *, said: Problem | None = None, status: int = 200) -> Response:
        """The model that answers, the best one that fits, the others."""
        downloads = self.downloads.shown(visit.words)
        machine = Machine.detect()
        current, installed = visit.model(), visit.app.models.list()
        best = visit.app.catalogue.best_for(machine)
        there = {model.name for model in installed}
        return visit.page(
            "models.html",
            section="models",
            status=status,
            problem=said,
            machine=machine,
            current=of_installed(visit, current, machine) if current else None,
            best=None if best.name in there else of_catalogue(visit, best, machine),
            installed=[of_installed(visit, model, machine, current=current) for model in installed if model.is_chat],
            catalogue=[
                of_catalogue(visit, model, machine, is_installed=model.name in there)
                for model in visit.app.catalogue
                if model.is_chat
            ],
            presets=visit.app.presets.list(by=visit.caller),
            memory=self.loads.in_memory(visit),
            page_of=None,
            tiers=[(gb, _best_of(visit.app.catalogue, gb)) for gb in TIERS_GB],
            **downloads,
        )

    async def install(self, visit: Visit) -> Response:
        """Starts the download of a model of the catalogue. Raises: ModelNotFound."""
        form = await read_form(visit.request)
        visit.check_token(form.get("csrf"))
        entry = visit.app.catalogue.get(form.get("name", ""))
        visit.entry.note(model=entry.name)
        try:
            self.downloads.start(entry, host=host_of(visit, entry), by=visit.caller)
        except Conflict as error:
            said = problem(error, visit.words)
            return await run_in_threadpool(self.show, visit, said=said, status=error.status)
        return redirect("/models")

    def use(self, visit: Visit, form: Form) -> Response:
        """Lets an installed model answer. Raises: ModelNotFound."""
        model = visit.app.models.use(form.get("name", ""))
        visit.entry.note(model=model.name)
        return redirect("/models")

    async def load(self, visit: Visit) -> Response:
        """Begins to load a model; the page shows how it goes. Raises: ModelNotFound."""

        async def loading(name: str) -> None:
            self.loads.start(name)

        return await self._changed(visit, loading)

    async def unload(self, visit: Visit) -> Response:
        """Unloads a model, unless it is in use or pinned. Raises: ModelNotFound."""
        return await self._changed(visit, visit.app.pool.unload)

    async def pin(self, visit: Visit) -> Response:
        """Loads a model and keeps it, or lets it go again. Raises: ModelNotFound."""

        async def pinned(name: str) -> object:
            if name in visit.app.pool.pinned:
                return await run_in_threadpool(visit.app.pool.note_pin, name, is_pinned=False)
            return await visit.app.pool.pin(name)

        return await self._changed(visit, pinned)

    async def _changed(self, visit: Visit, change: Callable[[str], Awaitable[object]]) -> Response:
        """Does something with a model in memory; what can't be done is said on the page."""
        form = await read_form(visit.request)
        visit.check_token(form.get("csrf"))
        name = visit.app.models.get(form.get("name", "")).name
        visit.entry.note(model=name)
        try:
            await change(name)
        except (Conflict, EngineError, MemoryBusy, ModelTooLarge) as error:
            said = problem(error, visit.words)
            return await run_in_threadpool(self.show, visit, said=said, status=error.status)
        return redirect(path_of(name) if form.get("from") == "model" else "/models")

    async def live(self, visit: Visit) -> Response:
        """How the download and the loads are going, until they have ended; `?model=` of one model only."""
        return EventStream(self._progress(visit, visit.request.query_params.get("model") or None))

    async def _progress(self, visit: Visit, only: str | None) -> AsyncIterator[Event]:
        shown, bars, until = dict[str, str](), dict[str, Bar](), time.monotonic() + LONGEST_S
        while time.monotonic() < until:
            memory = await run_in_threadpool(self.loads.in_memory, visit, only=only)
            download = self.downloads.shown(visit.words)
            is_busy = memory.is_busy or bool(self.downloads.current and self.downloads.current.is_running)
            parts = {
                "download": visit.part("download.html", **download),
                "memory": visit.part("memory.html", memory=memory.still, page_of=only),
            }
            for name, html in parts.items():
                if shown.get(name) != html:
                    yield name, {"html": html}
            shown = parts
            for name, bar in (now := memory.bars).items():
                if bars.get(name) != bar:
                    yield "load", {"name": name} | bar.to_json()
            bars = now
            if not is_busy:
                yield "rest", {}
                return
            await asyncio.sleep(LOOK_EVERY_S)


@lru_cache(maxsize=8)
def _best_of(catalogue: Catalogue, gb: int) -> tuple[Fit, ...]:
    """The best models for a graphics processor of so many gigabytes, and for how many people each is enough."""
    return tuple(found for found in fits(catalogue, Place.with_vram(gb)) if found.fits)[:NAMED_FITS]
