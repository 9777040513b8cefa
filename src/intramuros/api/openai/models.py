"""`GET /v1/models`, `GET` and `DELETE /v1/models/{id}`: installed models, `default`, routes, and the caller's presets.

Called by the server's router. `default` is listed as a model of its own, because clients offer what is listed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Literal, TypedDict

from starlette.requests import Request
from starlette.responses import Response

from intramuros.accounts.caller import Caller
from intramuros.accounts.rights import Rights
from intramuros.api.openai.listing import Deleted
from intramuros.api.request import as_json, caller_of
from intramuros.errors import ModelNotFound
from intramuros.models.installed import InstalledModel, InstalledModels
from intramuros.models.presets import Presets
from intramuros.tasks.complete import DEFAULT_MODEL
from intramuros.tasks.remove_model import RemoveModel


class ModelObject(TypedDict):
    """A model that a request may name. `created`: when it was installed, in seconds since 1970."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str


class ModelObjects(TypedDict):
    """All of them."""

    object: Literal["list"]
    data: list[ModelObject]


class Models:
    """The three routes."""

    def __init__(
        self,
        models: InstalledModels,
        presets: Presets,
        remove: RemoveModel,
        routes: Callable[[], list[str]] = list,
    ) -> None:
        self.models, self.presets, self.remove, self.routes = models, presets, remove, routes

    async def index(self, request: Request) -> Response:
        """All models a request may name."""
        return as_json(ModelObjects(object="list", data=await asyncio.to_thread(self.all, caller_of(request))))

    async def show(self, request: Request) -> Response:
        """One model. Raises: ModelNotFound, also for one that the key may not use."""
        name = request.path_params["model"]
        return as_json(await asyncio.to_thread(self.one, name, caller_of(request)))

    async def delete(self, request: Request) -> Response:
        """Removes a model. Raises: ModelNotFound, Conflict while it is in use or the default of several."""
        name, state = request.path_params["model"], request.scope["state"]
        await self.remove.run(name, by=state["caller"], entry=state["entry"])
        return as_json(Deleted(id=name, object="model", deleted=True))

    def all(self, by: Caller) -> list[ModelObject]:
        """Everything that this caller may name, `default` first."""
        routes = [name for name in self.routes() if by.rights.models is None or name in by.rights.models]
        installed = [model for model in self.models.list() if _may_use(by.rights, model) and model.name not in routes]
        listed = [*map(_model, installed), *map(_route, routes)]
        listed += [
            {**_model(model), "id": f"{model.name}:{part.name}"} for model in installed for part in model.adapters
        ]
        named = (DEFAULT_MODEL, *(preset.name for preset in self.presets.list(by=by)))
        for name in named:
            if name not in routes:
                with suppress(ModelNotFound):
                    listed.append(self.one(name, by))
        return sorted(listed, key=lambda model: model["id"] != DEFAULT_MODEL)

    def one(self, name: str, by: Caller) -> ModelObject:
        """One of them. Raises: ModelNotFound."""
        if name in self.routes() and (by.rights.models is None or name in by.rights.models):
            return _route(name)
        if preset := self.presets.find(name, by=by):
            return {**self.one(preset.model, by), "id": name, "created": int(preset.created_at)}
        model = self.models.get(self.models.split(name)[0])
        if not _may_use(by.rights, model):
            raise ModelNotFound(f"No model of the name {name} is installed, or this key may not use it.")
        return {**_model(model), "id": name}


def _may_use(rights: Rights, model: InstalledModel) -> bool:
    return rights.models is None or model.name in rights.models


def _model(model: InstalledModel) -> ModelObject:
    return {"id": model.name, "object": "model", "created": int(model.installed_at), "owned_by": "intramuros"}


def _route(name: str) -> ModelObject:
    return {"id": name, "object": "model", "created": 0, "owned_by": "intramuros"}
