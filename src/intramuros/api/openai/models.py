"""`GET /v1/models` and `GET /v1/models/{id}`: the installed models, and `default`.

Called by the server's router. `default` is listed as a model of its own, because clients offer what is listed.
"""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from intramuros.accounts.caller import Caller
from intramuros.accounts.rights import Rights
from intramuros.errors import ModelNotFound
from intramuros.models.installed import InstalledModel, InstalledModels
from intramuros.tasks.complete import DEFAULT_MODEL


class Models:
    """The two routes."""

    def __init__(self, models: InstalledModels) -> None:
        self.models = models

    async def index(self, request: Request) -> Response:
        """All models a request may name."""
        return _json({"object": "list", "data": await asyncio.to_thread(self._all, _rights(request))})

    async def show(self, request: Request) -> Response:
        """One model. Raises: ModelNotFound, also for one that the key may not use."""
        name = request.path_params["model"]
        return _json(await asyncio.to_thread(self._one, name, _rights(request)))

    def _all(self, rights: Rights) -> list[dict[str, Any]]:
        listed = [_model(model) for model in self.models.list() if _may_use(rights, model)]
        try:
            return [self._one(DEFAULT_MODEL, rights), *listed]
        except ModelNotFound:
            return listed

    def _one(self, name: str, rights: Rights) -> dict[str, Any]:
        model = self.models.get(name)
        if not _may_use(rights, model):
            raise ModelNotFound(f"No model of the name {name} is installed, or this key may not use it.")
        return _model(model) | {"id": name}


def _may_use(rights: Rights, model: InstalledModel) -> bool:
    return rights.models is None or model.name in rights.models


def _rights(request: Request) -> Rights:
    caller: Caller = request.scope["state"]["caller"]
    return caller.rights


def _model(model: InstalledModel) -> dict[str, Any]:
    return {"id": model.name, "object": "model", "created": int(model.installed_at), "owned_by": "intramuros"}


def _json(value: Any) -> Response:
    return Response(orjson.dumps(value), media_type="application/json")
