"""Presets for programs: `/api/v1/presets…`. Presets are named by their id or name. Called by the router."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from intramuros.api.request import as_json, caller_of, entry_of
from intramuros.api.shapes import Shape, emptied, thing, things, words, yes_no
from intramuros.models.presets import LONGEST_SYSTEM, Preset, Presets, Wanted

NEW = Shape(
    {
        "name": words(),
        "model": words(),
        "system": emptied(LONGEST_SYSTEM),
        "parameters": thing(),
        "messages": things("object"),
        "adapter": emptied(),
        "everyone": yes_no(),
    },
    required=("name",),
)
CHANGED = NEW.but("everyone")


class PresetObject(TypedDict):
    """A preset: a model under a name of its own, with what it is told. Times: seconds since 1970."""

    id: str
    name: str
    model: str
    everyone: bool
    system: str
    parameters: Mapping[str, Any]
    messages: Sequence[Mapping[str, Any]]
    adapter: str | None
    created_at: float
    updated_at: float


class PresetObjects(TypedDict):
    """The caller's own and everyone's, by name."""

    presets: list[PresetObject]


class PresetRoutes:
    """The routes about presets."""

    def __init__(self, presets: Presets) -> None:
        self.presets = presets

    def routes(self) -> list[BaseRoute]:
        """What the server mounts."""
        one = "/api/v1/presets/{preset:path}"
        return [
            Route("/api/v1/presets", self.index, methods=["GET"]),
            Route("/api/v1/presets", self.create, methods=["POST"]),
            Route(one, self.show, methods=["GET"]),
            Route(one, self.change, methods=["PATCH"]),
            Route(one, self.remove, methods=["DELETE"]),
        ]

    async def index(self, request: Request) -> Response:
        """The caller's own and everyone's, by name."""
        found = await asyncio.to_thread(self.presets.list, by=caller_of(request))
        return as_json(PresetObjects(presets=[preset_object(preset) for preset in found]))

    async def create(self, request: Request) -> Response:
        """Makes one: the caller's own, or with `everyone` everyone's. Raises: Conflict when the name is taken."""
        values = await NEW.of(request.receive)
        for_everyone = values.pop("everyone", False)
        wanted = Wanted(**_said(values))
        preset = await asyncio.to_thread(self.presets.create, wanted, by=caller_of(request), for_everyone=for_everyone)
        entry_of(request).about(preset.id)
        return as_json(preset_object(preset), status=201)

    async def show(self, request: Request) -> Response:
        """One preset."""
        return as_json(preset_object(await self._preset(request)))

    async def change(self, request: Request) -> Response:
        """Changes the fields that are sent; the others stay."""
        values = await CHANGED.of(request.receive)
        preset = await self._preset(request)
        changed = await asyncio.to_thread(self.presets.change, preset.id, by=caller_of(request), **_said(values))
        return as_json(preset_object(changed))

    async def remove(self, request: Request) -> Response:
        """Removes it; its model stays."""
        preset = await self._preset(request)
        await asyncio.to_thread(self.presets.remove, preset.id, by=caller_of(request))
        return Response(status_code=204)

    async def _preset(self, request: Request) -> Preset:
        preset = await asyncio.to_thread(self.presets.get, request.path_params["preset"], by=caller_of(request))
        entry_of(request).about(preset.id)
        return preset


def _said(values: dict[str, Any]) -> dict[str, Any]:
    """The fields that say something: what is null stays as it is."""
    return {name: value for name, value in values.items() if value is not None}


def preset_object(preset: Preset) -> PresetObject:
    """A preset as programs see it."""
    return {
        "id": preset.id,
        "name": preset.name,
        "model": preset.model,
        "everyone": preset.is_everyones,
        "system": preset.system,
        "parameters": preset.parameters,
        "messages": preset.messages,
        "adapter": preset.adapter,
        "created_at": preset.created_at,
        "updated_at": preset.updated_at,
    }
