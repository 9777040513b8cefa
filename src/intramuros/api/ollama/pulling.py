"""`POST /api/pull`: brings a model of the catalogue or of a hub onto this machine, and says how far it is.

Called by the server's router; the guard lets administrators in. Names of Ollama's library are those of the catalogue
where it is the same model; Ollama's own registry is not asked.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from starlette.types import Receive, Scope, Send

from intramuros.accounts.caller import Caller
from intramuros.api.body import flag, read_object
from intramuros.api.connected import while_connected
from intramuros.api.ollama.models import model_in
from intramuros.api.ollama.names import Names
from intramuros.api.ollama.sending import Step, send_lines
from intramuros.api.openai.sending import send_json
from intramuros.audit.entry import Entry
from intramuros.models.catalogue import CatalogueModel
from intramuros.models.download import pull
from intramuros.models.hub import Door
from intramuros.models.progress import Progress

KNOWN = {"stream", "insecure", "username", "password"}
STAGES = {
    "waiting": "waiting for another pull of this model",
    "connecting": "pulling manifest",
    "unpacking": "unpacking",
    "checking": "verifying sha256 digest",
    "installing": "writing manifest",
}


@dataclass(frozen=True, slots=True)
class Pulling:
    """The route."""

    names: Names
    egress: Door
    hub_url: str

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Fetches one model. Raises: ModelNotFound with the names near it, DownloadFailed, EgressRefused."""
        body = await read_object(receive)
        name = model_in(body, KNOWN)
        entry: Entry = scope["state"]["entry"]
        by: Caller = scope["state"]["caller"]
        wanted = self._wanted(name, by)
        entry.note(model=wanted.name if isinstance(wanted, CatalogueModel) else None)
        steps = _nothing_to_do() if wanted is None else self._steps(wanted, entry)
        async with while_connected(receive):
            if body.get("stream") is None or flag(body, "stream"):
                await send_lines(send, steps)
            else:
                async for step in steps:
                    last = step
                await send_json(send, last)

    def _wanted(self, name: str, by: Caller) -> CatalogueModel | str | None:
        """A model of the catalogue, or a file at a hub: files of this machine are not for who asks over a network.

        None where it is here already and is from neither.
        """
        if name.startswith("hf:"):
            return name
        if found := self.names.in_catalogue(name):
            return found
        if self.names.has(self.names.known(name, by), by):
            return None
        raise self.names.missing(name, by)

    async def _steps(self, wanted: CatalogueModel | str, entry: Entry) -> AsyncGenerator[Step]:
        """Each step once it comes; the model is fetched to the end unless the client leaves."""
        heard: asyncio.Queue[Progress | None] = asyncio.Queue()
        fetching = asyncio.create_task(
            pull(wanted, to=self.names.models, egress=self.egress, progress=heard.put_nowait, hub_url=self.hub_url)
        )
        fetching.add_done_callback(lambda _task: heard.put_nowait(None))
        try:
            said = ""
            while (progress := await heard.get()) is not None:
                step = _step(progress, wanted)
                if step and (step["status"] != said or "completed" in step):
                    said = step["status"]
                    yield step
            model = await fetching
            entry.note(model=model.name, size_bytes=model.size_bytes)
            yield {"status": "success"}
        finally:
            fetching.cancel()
            await asyncio.gather(fetching, return_exceptions=True)


async def _nothing_to_do() -> AsyncGenerator[Step]:
    yield {"status": "success"}


def _step(progress: Progress, wanted: CatalogueModel | str) -> Step | None:
    if progress.stage in STAGES:
        return {"status": STAGES[progress.stage]}
    if progress.stage != "downloading":
        return None
    sha256 = wanted.sha256 if isinstance(wanted, CatalogueModel) else None
    step: Step = {"status": f"pulling {sha256[:12] if sha256 else 'model'}", "completed": progress.done_bytes}
    if sha256:
        step["digest"] = f"sha256:{sha256}"
    if progress.total_bytes is not None:
        step["total"] = progress.total_bytes
    return step
