"""`GET /health`, for whoever asks whether the server is there; `GET /metrics`, for administrators' monitoring.

Called by the server's router. Health says the version and the level of isolation, and nothing about what is stored or
loaded; an administrator is told how the scheduled backups stand, too, and that is recorded.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Literal, NotRequired, TypedDict

import orjson
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from intramuros import __version__
from intramuros.accounts.caller import Caller
from intramuros.accounts.identity import Identity
from intramuros.audit.record import Audit
from intramuros.engines.pool import EnginePool
from intramuros.engines.probing import READY
from intramuros.engines.router import Router
from intramuros.errors import IntramurosError
from intramuros.observability.metrics import CONTENT_TYPE, Metrics
from intramuros.settings import Settings
from intramuros.tasks.backup import Backup
from intramuros.tasks.backup_standing import BackupsObject, standing
from intramuros.tasks.isolation import Isolation


class HealthObject(TypedDict):
    """That the server answers, which version it is, and how far what it runs is confined; for administrators more."""

    status: Literal["ok"]
    version: str
    isolation: str
    backups: NotRequired[BackupsObject]


@dataclass(frozen=True, slots=True)
class Health:
    """That the server answers, which version it is, and how far what it runs is confined."""

    isolation: Isolation
    identity: Identity
    audit: Audit
    backup: Backup
    settings: Settings

    async def show(self, request: Request) -> Response:
        """`isolation` is full, partial or none, and unknown before any process was started."""
        said: HealthObject = {"status": "ok", "version": __version__, "isolation": self.isolation.standing().level}
        caller = self._administrator(request)
        if caller is not None:
            async with self.audit.entry("health", by=caller, via="api"):
                said["backups"] = (await run_in_threadpool(standing, self.backup, self.settings)).to_json()
        return Response(orjson.dumps(said), media_type="application/json")

    def _administrator(self, request: Request) -> Caller | None:
        """Who asks, if they may read `/metrics` too; for anybody else, and on any trouble, health is what it is."""
        try:
            caller = self.identity.caller(request.headers)
            if caller is None or not caller.is_administrator or caller.must_enrol:
                return None
            if caller.key_id is not None:
                caller.rights.check_scope("admin")
        except IntramurosError:
            return None
        return caller


class MetricsPage:
    """What the server has counted."""

    def __init__(
        self, metrics: Metrics, pool: EnginePool, router: Router, audit: Audit, *, backup: Backup, settings: Settings
    ) -> None:
        self.metrics, self.pool, self.router, self.audit = metrics, pool, router, audit
        self.backup, self.settings = backup, settings

    async def show(self, request: Request) -> Response:
        """Prometheus' text format."""
        self.metrics.engines(Counter(state.state for state in self.pool.states().values()))
        seen = self.router.probes.seen.values()
        self.metrics.upstreams((one.upstream, one.state == READY, one.last_seen_at) for one in seen)
        self.metrics.targets((one["target"], one["breaker"], one["failures"]) for one in self.router.states())
        copy = self.audit.copy_state()
        if copy is not None:
            self.metrics.audit_copy(copy.place, ok=copy.ok)
        stands = await run_in_threadpool(standing, self.backup, self.settings)
        self.metrics.backups(str(stands.folder) if stands.folder else None, ok=stands.is_well, last_at=stands.last_at)
        return Response(self.metrics.render(), media_type=CONTENT_TYPE)
