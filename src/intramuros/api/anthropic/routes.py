"""The routes that speak Anthropic's API, built from the parts of one `App`. Who may call which: `server/access.py`."""

from __future__ import annotations

from dataclasses import replace

from starlette.routing import BaseRoute, Route

from intramuros.api.anthropic.batch_lines import message_doors
from intramuros.api.anthropic.batches import MessageBatches
from intramuros.api.anthropic.dialect import AnthropicRoute
from intramuros.api.anthropic.messages import CountTokens, Messages
from intramuros.api.anthropic.models import Models
from intramuros.api.openai.models import Models as NamedModels
from intramuros.app import App
from intramuros.tasks.remove_model import RemoveModel


def anthropic_routes(app: App) -> list[BaseRoute]:
    """All of them. They stand before OpenAI's: two addresses are the same, and a header tells who is meant."""
    named = NamedModels(app.models, app.presets, RemoveModel(app.models, app.pool), app.router.names)
    models = Models(named, app.models, app.pool.states)
    doors = message_doors(app.complete)
    app.batch_runner.doors.update(doors)
    return [
        Route("/v1/messages", Messages(app.complete), methods=["POST"]),
        Route("/v1/messages/count_tokens", CountTokens(app.complete), methods=["POST"]),
        *MessageBatches(replace(app.batches, of=frozenset(doors))).routes(),
        AnthropicRoute("/v1/models", models.index, methods=["GET"]),
        AnthropicRoute("/v1/models/{model:path}", models.show, methods=["GET"]),
    ]
