"""The routes of the Ollama door, built from the parts of one `App`. Who may call which is in `server/access.py`."""

from __future__ import annotations

from starlette.routing import BaseRoute, Route

from intramuros.api.ollama.blobs import Blobs
from intramuros.api.ollama.creating import Creating
from intramuros.api.ollama.embedding import Embedding
from intramuros.api.ollama.generating import Generating
from intramuros.api.ollama.models import Models
from intramuros.api.ollama.names import Names
from intramuros.api.ollama.pulling import Pulling
from intramuros.api.ollama.sending import Asgi
from intramuros.app import App
from intramuros.models.embedding import may_cut
from intramuros.models.uploaded import Uploaded
from intramuros.tasks.continuing import ContinueTask
from intramuros.tasks.remove_model import RemoveModel
from intramuros.tasks.vectors import VectorTask


def ollama_routes(app: App) -> list[BaseRoute]:
    """What the server mounts."""
    names = Names(app.models, app.presets, app.catalogue, app.router.names)
    generating, models = Generating(ContinueTask(app.complete), app.pool, names), Models(names, app.pool)
    uploaded = Uploaded(app.models)
    vectors = VectorTask(app.complete, lambda name, least: may_cut(app.models.get(name), least, app.catalogue))
    embedding = Embedding(vectors, app.pool, names)
    creating, blobs = Creating(models, uploaded, RemoveModel(app.models, app.pool)), Blobs(uploaded)
    return [
        Route("/api/chat", Asgi(generating.chat), methods=["POST"]),
        Route("/api/generate", Asgi(generating.generate), methods=["POST"]),
        Route("/api/embed", Asgi(embedding.embed), methods=["POST"]),
        Route("/api/embeddings", Asgi(embedding.embeddings), methods=["POST"]),
        Route("/api/tags", models.tags, methods=["GET"]),
        Route("/api/show", models.show, methods=["POST"]),
        Route("/api/ps", models.ps, methods=["GET"]),
        Route("/api/version", models.version, methods=["GET"]),
        Route("/api/pull", Pulling(names, app.egress, app.settings.hub_url), methods=["POST"]),
        Route("/api/create", Asgi(creating.create), methods=["POST"]),
        Route("/api/copy", creating.copy, methods=["POST"]),
        Route("/api/delete", creating.delete, methods=["DELETE"]),
        Route("/api/push", creating.push, methods=["POST"]),
        Route("/api/blobs/{digest}", blobs.show, methods=["GET"]),
        Route("/api/blobs/{digest}", blobs.add, methods=["POST"]),
    ]
