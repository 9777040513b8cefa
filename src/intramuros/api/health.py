"""`GET /health`, for whoever asks whether the server is there; `GET /metrics`, for administrators' monitoring.

Called by the server's router. Health says the version and the
level of isolation, and nothing about what is stored or loaded.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import orjson
from starlette.requests import Request
from starlette.responses import Response

from intramuros import __version__
from intramuros.audit.record import Audit
from intramuros.engines.pool import EnginePool
from intramuros.engines.probing import READY
from intramuros.engines.router import Router
from intramuros.observability.metrics import CONTENT_TYPE, Metrics
from intramuros.tasks.isolation import Isolation


@dataclass(frozen=True, slots=True)
class Health:
    """That the server answers, which version it is, and how far what it runs is confined."""

    isolation: Isolation

    async def show(self, request: Request) -> Response:
        """`isolation` is full, partial or none, and unknown before any process was started."""
        said = {"status": "ok", "version": __version__, "isolation": self.isolation.standing().level}
        return Response(orjson.dumps(said), media_type="application/json")


class MetricsPage:
    """What the server has counted."""

    def __init__(self, metrics: Metrics, pool: EnginePool, router: Router, audit: Audit) -> None:
        self.metrics, self.pool, self.router, self.audit = metrics, pool, router, audit

    async def show(self, request: Request) -> Response:
        """Prometheus' text format."""
        self.metrics.engines(Counter(state.state for state in self.pool.states().values()))
        seen = self.router.probes.seen.values()
        self.metrics.upstreams((one.upstream, one.state == READY, one.last_seen_at) for one in seen)
        self.metrics.targets((one["target"], one["breaker"], one["failures"]) for one in self.router.states())
        copy = self.audit.copy_state()
        if copy is not None:
            self.metrics.audit_copy(copy.place, ok=copy.ok)
        return Response(self.metrics.render(), media_type=CONTENT_TYPE)
