"""`GET /v1/models` and `/v1/models/{id}` for those who speak Anthropic's API: the same models in its shape.

Called by the server's router.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Literal, TypedDict

from starlette.requests import Request
from starlette.responses import Response

from intramuros.accounts.caller import Caller
from intramuros.api.anthropic.dialect import check_version
from intramuros.api.anthropic.shape import as_json, moment, page
from intramuros.api.openai import models as openai
from intramuros.api.request import caller_of
from intramuros.engines.seat import Loaded
from intramuros.errors import ModelNotFound
from intramuros.models.installed import InstalledModels

ACTIVE = "active"
"""The lifecycle of every model that is here."""


class MessageModel(TypedDict):
    """A model in Anthropic's shape; how many tokens it reads, where that is known."""

    type: Literal["model"]
    id: str
    display_name: str
    created_at: str
    max_input_tokens: int | None
    max_tokens: int | None
    lifecycle: str
    deprecated_at: None
    retires_at: None
    line: None
    capabilities: None


class Models:
    """The two routes. `named` knows what may be named; `states`: how each loaded engine is, and how much it reads."""

    def __init__(
        self, named: openai.Models, installed: InstalledModels, states: Callable[[], Mapping[str, Loaded]]
    ) -> None:
        self.named, self.installed, self.states = named, installed, states

    async def index(self, request: Request) -> Response:
        """One page of the chat models that the caller may use, `default` first."""
        check_version(request.scope)
        found = await asyncio.to_thread(self._all, caller_of(request))
        query = request.query_params
        wanted = query.getlist("lifecycle[]") or query.getlist("lifecycle") or [ACTIVE]
        found = found if ACTIVE in wanted else []
        return as_json(request, page(found, query, show=lambda one: one, id_of=lambda one: str(one["id"])))

    async def show(self, request: Request) -> Response:
        """One model. Raises: ModelNotFound, also for one that the key may not use."""
        check_version(request.scope)
        name = request.path_params["model"]
        return as_json(request, await asyncio.to_thread(lambda: self._object(self.named.one(name, caller_of(request)))))

    def _all(self, by: Caller) -> list[MessageModel]:
        return [self._object(entry) for entry in self.named.all(by) if self._writes(entry["id"])]

    def _writes(self, name: str) -> bool:
        """Whether it may be one that writes answers: of a model elsewhere only its administrator knows."""
        model = self.installed.find(name)
        return model is None or model.is_chat

    def _object(self, entry: Mapping[str, Any]) -> MessageModel:
        tokens = None
        with suppress(ModelNotFound):
            model = self.installed.get(entry["id"])
            state = self.states().get(model.name)
            tokens = (state.health.context_tokens if state else 0) or model.header.context_tokens
        return {
            "type": "model",
            "id": entry["id"],
            "display_name": entry["id"],
            "created_at": moment(entry["created"]),
            "max_input_tokens": tokens,
            "max_tokens": tokens,
            "lifecycle": ACTIVE,
            "deprecated_at": None,
            "retires_at": None,
            "line": None,
            "capabilities": None,
        }
