"""The routes under /v1, built from the parts of one `App`. Who may call which is in `server/access.py`."""

from __future__ import annotations

from collections.abc import Collection

from starlette.routing import BaseRoute, Route

from intramuros.api.openai.audio import Audio
from intramuros.api.openai.batch_lines import batch_doors
from intramuros.api.openai.batches import BatchRoutes
from intramuros.api.openai.chat import ChatCompletions
from intramuros.api.openai.completions import Completions
from intramuros.api.openai.embeddings import Embeddings, Rerank
from intramuros.api.openai.files import FileRoutes
from intramuros.api.openai.images import Images
from intramuros.api.openai.models import Models
from intramuros.api.openai.moderations import Moderations
from intramuros.api.openai.responses.compacting import Compact
from intramuros.api.openai.responses.conversations import ConversationRoutes
from intramuros.api.openai.responses.routes import Create, Responses
from intramuros.api.openai.responses.running import Running
from intramuros.api.openai.stored import Keeping, StoredCompletions
from intramuros.api.openai.vector_store_files import Attaching, VectorStoreFileRoutes
from intramuros.api.openai.vector_store_search import VectorStoreSearch
from intramuros.api.openai.vector_stores import VectorStoreRoutes
from intramuros.app import App
from intramuros.app.uploads import Uploads
from intramuros.models.embedding import may_cut
from intramuros.tasks.batch_door import LineDoor
from intramuros.tasks.continuing import ContinueTask
from intramuros.tasks.media import MediaTask
from intramuros.tasks.moderating import ModerateTask
from intramuros.tasks.remove_model import RemoveModel
from intramuros.tasks.vectors import VectorTask


def openai_routes(app: App, uploads: Uploads) -> list[BaseRoute]:
    """All of them; the one whose latency counts comes first."""
    models = Models(app.models, app.presets, RemoveModel(app.models, app.pool), app.router.names)
    vectors, continuing = _vectors(app), ContinueTask(app.complete)
    media = MediaTask(app.complete)
    audio, images = Audio(media, uploads), Images(media, uploads)
    moderate = ModerateTask(app.complete, trust=lambda name: app.models.get(name).trust)
    running = _running(app)
    doors = line_doors(app)
    app.batch_runner.doors.update(doors)
    return [
        Route("/v1/chat/completions", ChatCompletions(app.complete, Keeping(app.replies)), methods=["POST"]),
        *StoredCompletions(app.replies).routes(),
        Route("/v1/responses", Create(running, app.identity), methods=["POST"]),
        Route("/v1/responses/compact", Compact(running), methods=["POST"]),
        *Responses(running).routes(),
        *ConversationRoutes(running.conversations, app.compactions, app.respond).routes(),
        Route("/v1/completions", Completions(continuing), methods=["POST"]),
        Route("/v1/embeddings", Embeddings(vectors), methods=["POST"]),
        Route("/v1/rerank", Rerank(vectors), methods=["POST"]),
        Route("/v1/moderations", Moderations(moderate), methods=["POST"]),
        Route("/v1/audio/speech", audio.speech, methods=["POST"]),
        Route("/v1/audio/transcriptions", audio.transcriptions, methods=["POST"]),
        Route("/v1/audio/translations", audio.translations, methods=["POST"]),
        Route("/v1/images/generations", images.generations, methods=["POST"]),
        Route("/v1/images/edits", images.edits, methods=["POST"]),
        Route("/v1/images/variations", images.variations, methods=["POST"]),
        Route("/v1/models", models.index, methods=["GET"]),
        Route("/v1/models/{model:path}", models.show, methods=["GET"]),
        Route("/v1/models/{model:path}", models.delete, methods=["DELETE"]),
        *_stored(app, uploads, doors),
    ]


def line_doors(app: App) -> dict[str, LineDoor]:
    """What answers the lines of batches, by endpoint."""
    return batch_doors(app.complete, Keeping(app.replies), _running(app), ContinueTask(app.complete), _vectors(app))


def _running(app: App) -> Running:
    return Running(
        app.respond, app.replies, app.audit,
        compactions=app.compactions, usage=app.usage, price_of=app.price_of, tasks=app.tasks,
    )  # fmt: skip


def _vectors(app: App) -> VectorTask:
    return VectorTask(
        app.complete,
        lambda name, least: not app.router.has(name) and may_cut(app.models.get(name), least, app.catalogue),
    )


def _stored(app: App, uploads: Uploads, doors: Collection[str]) -> list[BaseRoute]:
    """Files, batches, and projects by the name of vector stores."""
    attaching = Attaching(app.files, app.attached)
    return [
        *FileRoutes(app.files, uploads).routes(),
        *BatchRoutes(app.batches, doors).routes(),
        *VectorStoreRoutes(app.projects, app.descriptions, app.attached, attaching, app.retention).routes(),
        *VectorStoreFileRoutes(app.projects, app.library, attaching, app.erasure).routes(),
        *VectorStoreSearch(app.projects, app.attached, app.search).routes(),
    ]
