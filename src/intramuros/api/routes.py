"""All routes for programs, built from the parts of one `App`. Who may call which is in `server/access.py`."""

from __future__ import annotations

from starlette.routing import BaseRoute, Route

from intramuros.api.ask import Ask
from intramuros.api.break_glass import BreakGlassRoutes
from intramuros.api.erasing import ErasureRoutes
from intramuros.api.groups import GroupRoutes
from intramuros.api.health import Health, MetricsPage
from intramuros.api.openai.chat import ChatCompletions
from intramuros.api.openai.models import Models
from intramuros.api.people import PeopleRoutes
from intramuros.api.privacy import PrivacyRoutes
from intramuros.api.projects import ProjectRoutes
from intramuros.api.sharing import SharingRoutes
from intramuros.app import App
from intramuros.security.crypto import derive


def routes(app: App) -> list[BaseRoute]:
    """The routes of /v1, /api/v1, /privacy/v1, /health and /metrics; the one whose latency counts comes first."""
    models = Models(app.models)
    return [
        Route("/v1/chat/completions", ChatCompletions(app.complete), methods=["POST"]),
        Route("/v1/models", models.index, methods=["GET"]),
        Route("/v1/models/{model:path}", models.show, methods=["GET"]),
        *ProjectRoutes(app.projects, app.library, app.search, app.erasure).routes(),
        Route("/api/v1/projects/{project}/ask", Ask(app.projects, app.conversations, app.answer), methods=["POST"]),
        *SharingRoutes(app.projects, app.users, app.groups, app.remove_project).routes(),
        *PeopleRoutes(app.users, app.groups, app.leaving, app.reach, app.factors).routes(),
        *GroupRoutes(app.groups, app.users).routes(),
        *BreakGlassRoutes(app.break_glass).routes(),
        *ErasureRoutes(app.projects, app.conversations, app.erasure, app.retention).routes(),
        *PrivacyRoutes(app.redactor, app.directory, key=derive(app.keys.data, "aliases")).routes(),
        Route("/health", Health(app.isolation).show, methods=["GET"]),
        Route("/metrics", MetricsPage(app.metrics, app.pool, app.audit).show, methods=["GET"]),
    ]
