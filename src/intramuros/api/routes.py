"""All routes for programs, built from the parts of one `App`. Who may call which is in `server/access.py`."""

from __future__ import annotations

from starlette.routing import BaseRoute, Route

from intramuros.api.anthropic.routes import anthropic_routes
from intramuros.api.ask import Ask
from intramuros.api.break_glass import BreakGlassRoutes
from intramuros.api.erasing import ErasureRoutes
from intramuros.api.groups import GroupRoutes
from intramuros.api.health import Health, MetricsPage
from intramuros.api.mcp.routes import mcp_routes
from intramuros.api.ollama.routes import ollama_routes
from intramuros.api.openai.routes import openai_routes
from intramuros.api.people import PeopleRoutes
from intramuros.api.presets import PresetRoutes
from intramuros.api.privacy import PrivacyRoutes
from intramuros.api.projects import ProjectRoutes
from intramuros.api.quotas import QuotaRoutes
from intramuros.api.sharing import SharingRoutes
from intramuros.api.upstreams import UpstreamRoutes
from intramuros.app import App
from intramuros.app.uploads import Uploads
from intramuros.security.crypto import derive


def routes(app: App) -> list[BaseRoute]:
    """The routes of every door for programs; those whose latency counts come first."""
    uploads = Uploads()
    return [
        *anthropic_routes(app),
        *openai_routes(app, uploads),
        *ollama_routes(app),
        *mcp_routes(app),
        *ProjectRoutes(app.projects, app.library, app.search, app.erasure, uploads).routes(),
        Route("/api/v1/projects/{project}/ask", Ask(app.projects, app.conversations, app.answer), methods=["POST"]),
        *SharingRoutes(app.projects, app.users, app.groups, app.erasure).routes(),
        *PeopleRoutes(
            app.users, app.groups, app.remove_person, reach=app.reach, factors=app.factors, sessions=app.sessions
        ).routes(),
        *GroupRoutes(app.groups, app.users).routes(),
        *QuotaRoutes(app.quotas, app.usage).routes(),
        *PresetRoutes(app.presets).routes(),
        *BreakGlassRoutes(app.break_glass).routes(),
        *ErasureRoutes(app.projects, app.conversations, app.erasure, app.retention).routes(),
        *UpstreamRoutes(app.router, app.users).routes(),
        *PrivacyRoutes(app.redactor, app.directory, key=derive(app.keys.data, "aliases")).routes(),
        Route(
            "/health",
            Health(app.isolation, app.identity, app.audit, app.backup, app.settings).show,
            methods=["GET"],
        ),
        Route(
            "/metrics",
            MetricsPage(app.metrics, app.pool, app.router, app.audit, backup=app.backup, settings=app.settings).show,
            methods=["GET"],
        ),
    ]
