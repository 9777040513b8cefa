"""`GET /v1/models` and `GET /v1/models/{id}`: the installed models, and `default`.

Called by the server's router. `default` is listed as a model of its own, because clients offer what is listed.
"""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from intramuros.errors import ModelNotFound
from intramuros.models.installed import InstalledModel, InstalledModels
from intramuros.tasks.complete import DEFAULT_MODEL


class Models:
    """The two routes."""

    def __init__(self, models: InstalledModels) -> None:
        self.models = models

    async def index(self, request: Request) -> Response:
        """All models a request may name."""
        return _json({"object": "list", "data": await asyncio.to_thread(self._all)})

    async def show(self, request: Request) -> Response:
        """One model. Raises: ModelNotFound."""
        return _json(await asyncio.to_thread(self._one, request.path_params["model"]))

    def _all(self) -> list[dict[str, Any]]:
        listed = [_model(model) for model in self.models.list()]
        try:
            return [self._one(DEFAULT_MODEL), *listed]
        except ModelNotFound:
            return listed

    def _one(self, name: str) -> dict[str, Any]:
        return _model(self.models.get(name)) | {"id": name}


def _model(model: InstalledModel) -> dict[str, Any]:
    return {"id": model.name, "object": "model", "created": int(model.installed_at), "owned_by": "intramuros"}


def _json(value: Any) -> Response:
    return Response(orjson.dumps(value), media_type="application/json")
