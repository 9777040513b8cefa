"""The download of a model that somebody has started from the page: one at a time, and how it is going.

Called by the models page. It outlives the request that started it, and has an audit record of its own.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from intramuros.accounts.caller import Caller
from intramuros.errors import Conflict, IntramurosError
from intramuros.models.catalogue import CatalogueModel
from intramuros.models.download import pull
from intramuros.models.progress import Progress

if TYPE_CHECKING:
    from intramuros.app import App


@dataclass(slots=True)
class Download:
    """One download, while it runs and after. Units: bytes; `total_bytes` 0: not known yet."""

    title: str
    host: str
    done_bytes: int = 0
    total_bytes: int = 0
    is_running: bool = True
    error: IntramurosError | None = None

    def moved(self, progress: Progress) -> None:
        """Takes over how far it is."""
        self.done_bytes, self.total_bytes = progress.done_bytes, progress.total_bytes or 0


class Downloads:
    """The download that runs, or the last one."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._task: asyncio.Task[None] | None = None
        self.current: Download | None = None

    def start(self, entry: CatalogueModel, *, host: str, by: Caller) -> Download:
        """Begins to download and install a model; once there, it answers. Raises: Conflict while another is running."""
        if self.current is not None and self.current.is_running:
            raise Conflict("A download is running already.", code="download_running")
        self.current = Download(entry.title, host)
        self._task = asyncio.create_task(self._run(entry, self.current, by), name="download")
        return self.current

    async def _run(self, entry: CatalogueModel, download: Download, by: Caller) -> None:
        try:
            async with self._app.audit.entry("model.download", by=by, via="web") as record:
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
        except IntramurosError as error:
            download.error = error
        except Exception:
            download.error = IntramurosError()
            raise
        finally:
            download.is_running = False
