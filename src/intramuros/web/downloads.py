"""The download that somebody has started from a page: of a model, or of what stands beside one; how it is going.

Called by the pages about models. There is one at a time; it outlives the request that started it, and has an audit
record of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from copy import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from intramuros.accounts.caller import Caller
from intramuros.audit.entry import Entry
from intramuros.background import begin
from intramuros.errors import Conflict, IntramurosError
from intramuros.models.beside import Beside
from intramuros.models.catalogue import CatalogueModel
from intramuros.models.download import pull
from intramuros.models.parts import ADAPTER
from intramuros.models.progress import Progress
from intramuros.web.problems import problem
from intramuros.web.words import Words

if TYPE_CHECKING:
    from intramuros.app import App

ACTIONS = {"model": "model.download", "adapter": "adapter.pull", "projector": "model.see"}
"""What the record of a download says was done, by the kind of what is downloaded."""


@dataclass(slots=True)
class Download:
    """One download, while it runs and after. Units: bytes; `total_bytes` 0: not known yet. `kind`: of `ACTIONS`."""

    title: str
    host: str
    kind: str = "model"
    done_bytes: int = 0
    total_bytes: int = 0
    is_running: bool = True
    error: IntramurosError | None = None

    def moved(self, progress: Progress) -> None:
        """Takes over how far it is."""
        self.done_bytes, self.total_bytes = progress.done_bytes, progress.total_bytes or 0


Work = Callable[[Download, Entry], Awaitable[None]]


class Downloads:
    """The download that runs, or the last one."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._task: asyncio.Task[None] | None = None
        self.current: Download | None = None

    def start(self, entry: CatalogueModel, *, host: str, by: Caller) -> Download:
        """Begins to download and install a model; once there, it answers. Raises: Conflict while another is running."""

        async def work(download: Download, record: Entry) -> None:
            record.note(model=entry.name)
            model = await pull(
                entry,
                to=self._app.models,
                egress=self._app.egress,
                progress=download.moved,
                hub_url=self._app.settings.hub_url,
            )
            if model.is_chat:
                await asyncio.to_thread(self._app.models.use, model.name)

        return self._begin(Download(entry.title, host), work, by)

    def start_beside(self, source: str, *, to: Beside, name: str | None, host: str, by: Caller) -> Download:
        """Begins to bring an adapter or a projector to its model. Raises: Conflict while another is running."""

        async def work(download: Download, record: Entry) -> None:
            record.note(model=to.model.name)
            part = await pull(
                source,
                to=to,
                egress=self._app.egress,
                progress=download.moved,
                name=name,
                hub_url=self._app.settings.hub_url,
            )
            record.note(adapter=part.name if part.kind == ADAPTER else None, size_bytes=part.size_bytes)

        return self._begin(Download(name or source.rpartition("/")[2], host, to.kind), work, by)

    def shown(self, words: Words) -> dict[str, Any]:
        """What a page shows of it, as it is now: to be asked for before what it may add to, or a page could say that
        something is installed and not list it.
        """
        now = copy(self.current)
        failed = now.error if now else None
        return {"download": now, "trouble": problem(failed, words) if failed else None}

    def _begin(self, download: Download, work: Work, by: Caller) -> Download:
        if self.current is not None and self.current.is_running:
            raise Conflict("A download is running already.", code="download_running")
        self.current = download
        self._task = begin(self._run(download, work, by), name="download for a page")
        return download

    async def _run(self, download: Download, work: Work, by: Caller) -> None:
        try:
            async with self._app.audit.entry(ACTIONS[download.kind], by=by, via="web") as record:
                await work(download, record)
        except IntramurosError as error:
            download.error = error
        except Exception:
            download.error = IntramurosError()
            raise
        finally:
            download.is_running = False
