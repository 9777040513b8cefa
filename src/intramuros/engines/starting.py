"""Brings a model's worker up, or finds the one that another process of this user runs already; and takes it down.

Called by `engines.local`, at first and again whenever a worker has ended.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from intramuros.engines.adapters import Adapters
from intramuros.engines.child import Child
from intramuros.engines.decrypted import all_in_memory
from intramuros.engines.loading import Load
from intramuros.engines.openai_http import OpenAIHttp
from intramuros.engines.options import EngineOptions
from intramuros.engines.published import Notice, Notices, began, remove_socket
from intramuros.engines.rights import rights
from intramuros.engines.run import LONGEST_PROBE_INTERVAL_S, Run
from intramuros.engines.runners import Runner
from intramuros.engines.unasked import Use
from intramuros.errors import EngineDied, EngineLoadFailed, ModelFileError
from intramuros.models.installed import InstalledModel
from intramuros.privacy.egress import Egress
from intramuros.security.isolation import confinement
from intramuros.settings import Settings


@dataclass(frozen=True, slots=True)
class Starter:
    """One model, and how its workers are started. `load` says how far a load is."""

    model: InstalledModel
    options: EngineOptions
    settings: Settings
    egress: Egress
    notices: Notices
    load: Load
    runner: Runner

    @property
    def fingerprint(self) -> str:
        """What its replies say of where they come from: the engine's package and version, and the model's files."""
        return f"{self.runner.packages[0]}-{self.runner.version}-{self.model.identity[:12]}"

    async def run(self) -> Run:
        """Finds a running engine of this model, or starts a worker. Raises: EngineLoadFailed."""
        async with self.notices.loading(self.model.name):
            notice = self.notices.find(self.model.name, sha256=self.model.identity)
            if notice is not None and (attached := await self._attach(notice)):
                return attached
            return await self._start_worker()

    async def end(self, run: Run) -> None:
        """Ends a worker, if it is ours, and the connections to it."""
        run.ended.set()
        try:
            if run.child is not None:
                self.notices.withdraw(self.model.name, pid=run.pid)
                await run.child.stop()
                remove_socket(run.socket)
        finally:
            await run.close()

    async def _attach(self, notice: Notice) -> Run | None:
        walls = confinement(notice.pid, notice.confined)
        walls.require(self.settings.isolation_required, what="the engine that another process started")
        socket = Path(notice.socket)
        run = Run(
            self._http(socket),
            socket,
            notice.pid,
            notice.context_tokens,
            notice.slots,
            confinement=walls,
            use=Use(socket),
        )
        try:
            async with asyncio.timeout(min(self.settings.engine_silence_s, LONGEST_PROBE_INTERVAL_S)):
                await run.http.slots()
        except BaseException as error:
            await run.http.close()
            if isinstance(error, TimeoutError | EngineDied):
                return None
            raise
        return run

    async def _start_worker(self) -> Run:
        socket = self.notices.new_socket()
        self.load.begin_worker()
        try:
            async with all_in_memory(self.model, self.load) as found:
                child = await Child.start(
                    self.runner.parameters(self.model, self.options, found, socket),
                    socket=socket,
                    rights=rights(
                        self.options,
                        self.model.header,
                        files=found.paths,
                        socket=socket,
                        runner=self.runner,
                        inherits=found.inherits,
                        beside_bytes=self.model.beside_bytes,
                    ),
                    timeout_s=self.settings.engine_load_timeout_s,
                    required=self.settings.isolation_required,
                    runner=self.runner,
                    started=self.load.started,
                )
        except ModelFileError as error:
            remove_socket(socket)
            raise EngineLoadFailed(error.message, hint=error.hint) from error
        except BaseException:
            remove_socket(socket)
            raise
        http = self._http(socket)
        try:
            return self._published(child, http, socket, await http.slots())
        except BaseException as error:
            await http.close()
            await child.stop()
            remove_socket(socket)
            if isinstance(error, EngineDied):
                raise EngineLoadFailed("The engine stopped right after it had loaded the model.") from error
            if isinstance(error, OSError):
                raise EngineLoadFailed(f"The engine's notice can't be written: {error.strerror}.") from error
            raise

    def _published(self, child: Child, http: OpenAIHttp, socket: Path, slots: list[dict[str, Any]]) -> Run:
        """Tells other processes of it. Raises: OSError where no notice can be written."""
        run = Run(http, socket, child.pid, int(slots[0]["n_ctx"]), len(slots), child, child.confinement)
        notice = Notice(
            socket=str(socket),
            pid=child.pid,
            began=began(child.pid),
            sha256=self.model.identity,
            context_tokens=run.context_tokens,
            slots=run.slots,
            size_bytes=child.footprint.total_bytes if child.footprint else 0,
            confined=child.confinement.to_json(),
        )
        self.notices.publish(self.model.name, notice)
        return run

    def _http(self, socket: Path) -> OpenAIHttp:
        return OpenAIHttp(
            self.egress.unix(socket),
            model=self.model.name,
            adapters=Adapters.of(self.model),
            fingerprint=self.fingerprint,
        )
