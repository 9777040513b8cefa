"""Which model answers, how far it can be trusted, and the better one for this machine in one click.

Called by the router.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from intramuros.engines.options import needed_bytes
from intramuros.errors import Conflict
from intramuros.models.catalogue import CatalogueModel, HubSource
from intramuros.models.installed import InstalledModel
from intramuros.models.machine import Machine
from intramuros.web.downloads import Downloads
from intramuros.web.problems import Problem, problem
from intramuros.web.stream import Event, EventStream
from intramuros.web.visit import Form, Visit, read_form, redirect
from intramuros.web.words import Words

LOOK_EVERY_S = 0.5
NAMED_LANGUAGES = 6


@dataclass(frozen=True, slots=True)
class Card:
    """A model as the page shows it; what is not known is empty."""

    name: str
    title: str
    trust: str
    parameters: str
    size_bytes: int
    memory_bytes: int
    languages: str
    licence: str
    licence_note: str
    context_tokens: int
    host: str = ""
    is_installed: bool = False
    is_current: bool = False
    fits: bool = True
    is_pinned: bool = True


@dataclass(frozen=True, slots=True)
class ModelsPage:
    """The page and what is done on it."""

    downloads: Downloads

    def show(self, visit: Visit, *, said: Problem | None = None, status: int = 200) -> Response:
        """The model that answers, the best one that fits, the others."""
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
            current=_of_installed(visit, current, machine) if current else None,
            best=None if best.name in there else _of_catalogue(visit, best, machine),
            installed=[_of_installed(visit, model, machine, current=current) for model in installed if model.is_chat],
            catalogue=[
                _of_catalogue(visit, model, machine, is_installed=model.name in there)
                for model in visit.app.catalogue
                if model.is_chat
            ],
            **self._download(visit),
        )

    async def install(self, visit: Visit) -> Response:
        """Starts the download of a model of the catalogue. Raises: ModelNotFound."""
        form = await read_form(visit.request)
        visit.check_token(form.get("csrf"))
        entry = visit.app.catalogue.get(form.get("name", ""))
        visit.entry.note(model=entry.name)
        try:
            self.downloads.start(entry, host=_host(visit, entry), by=visit.caller)
        except Conflict as error:
            said = problem(error, visit.words)
            return await run_in_threadpool(self.show, visit, said=said, status=error.status)
        return redirect("/models")

    def use(self, visit: Visit, form: Form) -> Response:
        """Lets an installed model answer. Raises: ModelNotFound."""
        model = visit.app.models.use(form.get("name", ""))
        visit.entry.note(model=model.name)
        return redirect("/models")

    async def live(self, visit: Visit) -> Response:
        """How the download is going, until it has ended."""
        return EventStream(self._progress(visit))

    async def _progress(self, visit: Visit) -> AsyncIterator[Event]:
        shown = ""
        while self.downloads.current is not None:
            is_running = self.downloads.current.is_running
            html = visit.part("download.html", **self._download(visit))
            if html != shown:
                yield "download", {"html": html}
                shown = html
            if not is_running:
                break
            await asyncio.sleep(LOOK_EVERY_S)
        yield "rest", {}

    def _download(self, visit: Visit) -> dict[str, Any]:
        download = self.downloads.current
        said = problem(download.error, visit.words) if download and download.error else None
        return {"download": download, "trouble": said}


def _host(visit: Visit, model: CatalogueModel) -> str:
    if isinstance(model.source, HubSource):
        return urlsplit(visit.app.settings.hub_url).hostname or ""
    return visit.words("models.package_registry")


def _of_catalogue(visit: Visit, model: CatalogueModel, machine: Machine, *, is_installed: bool = False) -> Card:
    memory = needed_bytes(model.header, machine, visit.app.settings)
    return Card(
        name=model.name,
        title=model.title,
        trust=model.trust,
        parameters=_parameters(model.parameters, visit.words),
        size_bytes=model.weights_bytes,
        memory_bytes=memory,
        languages=_languages(model.languages, visit.words),
        licence=model.licence.id,
        licence_note=_limits(model, visit.words),
        context_tokens=model.context_tokens,
        host=_host(visit, model),
        is_installed=is_installed,
        fits=memory <= machine.room_bytes,
        is_pinned=model.is_pinned,
    )


def _of_installed(
    visit: Visit, model: InstalledModel, machine: Machine, *, current: InstalledModel | None = None
) -> Card:
    known = visit.app.catalogue.by_sha256(model.sha256)
    return Card(
        name=model.name,
        title=model.title,
        trust=model.trust,
        parameters=_parameters(model.header.parameters, visit.words),
        size_bytes=model.size_bytes,
        memory_bytes=needed_bytes(model.header, machine, visit.app.settings),
        languages=_languages(model.languages, visit.words),
        licence=model.licence or "",
        licence_note=_limits(known, visit.words) if known else "",
        context_tokens=model.header.context_tokens,
        is_installed=True,
        is_current=current is not None and current.name == model.name,
    )


def _parameters(number: int, words: Words) -> str:
    if number >= 1e9:
        return words("models.billions", number=words.number(number / 1e9, decimals=1))
    return words("models.millions", number=words.number(number / 1e6))


def _languages(codes: Iterable[str], words: Words) -> str:
    """The languages by name, those of the interface first; many are counted."""
    ordered = sorted(codes, key=lambda code: code not in {"fr", "de", "it", "en"})
    named = [words.or_else(f"language.{code}", code) for code in ordered]
    if len(named) <= NAMED_LANGUAGES:
        return ", ".join(named)
    rest = len(named) - NAMED_LANGUAGES
    return words("models.more_languages", names=", ".join(named[:NAMED_LANGUAGES]), rest=rest)


def _limits(model: CatalogueModel, words: Words) -> str:
    """What to know before using a model in a firm."""
    licence = model.licence
    if licence.commercial is None:
        return words("limit.unclear")
    notes = [] if licence.commercial else [words("limit.not_commercial")]
    return " ".join(notes + [words.or_else(f"limit.{limit}", limit) for limit in licence.limits])
