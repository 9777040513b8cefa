"""`GET /api/tags`, `POST /api/show`, `GET /api/ps`, `GET /api/version`: what there is, and what is loaded.

Called by the server's router. A preset is listed as a model, with the digest of what it says.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NotRequired, TypedDict

import orjson
from starlette.requests import Request
from starlette.responses import Response

from intramuros import __version__
from intramuros.accounts.caller import Caller
from intramuros.api.body import read_object
from intramuros.api.ollama.answers import moment
from intramuros.api.ollama.names import Names
from intramuros.api.ollama.options import OURS
from intramuros.api.request import as_json, caller_of
from intramuros.engines.pool import EnginePool
from intramuros.errors import BadRequest, ModelFileError, ModelNotFound, kind_of
from intramuros.models.gguf import GGUF
from intramuros.models.gguf_file import read_file
from intramuros.models.installed import DEFAULT, InstalledModel
from intramuros.models.presets import Preset

SPOKEN = "0.12.6"
"""The version of Ollama whose API this door speaks: clients ask before they use what is newer."""
TEMPLATE = "tokenizer.chat_template"
LONGEST_VALUE = 10_000
SHOWN = {"verbose", "system", "template", "options"}


@dataclass(frozen=True, slots=True)
class Found:
    """What a name stands for: an installed model, and the preset of it where it is one."""

    name: str
    model: InstalledModel
    preset: Preset | None = None

    @property
    def digest(self) -> str:
        """The SHA-256 of the model's file; of a preset that of what it says, too."""
        if self.preset is None:
            return self.model.sha256
        said = [self.model.sha256, self.preset.system, self.preset.parameters, list(self.preset.messages)]
        return hashlib.sha256(orjson.dumps(said, option=orjson.OPT_SORT_KEYS)).hexdigest()

    @property
    def modified_at(self) -> float:
        """When it last changed."""
        return self.preset.updated_at if self.preset else self.model.installed_at


class ModelDetails(TypedDict):
    """What kind of model it is; of a route nothing but that it is one."""

    format: str
    family: str
    parent_model: NotRequired[str]
    families: NotRequired[list[str]]
    parameter_size: NotRequired[str]
    quantization_level: NotRequired[str]


class NamedModel(TypedDict):
    """A model by its name, its size in bytes and the SHA-256 of its file."""

    name: str
    model: str
    size: int
    digest: str
    details: ModelDetails


class ListedModel(NamedModel):
    """A model that is here."""

    modified_at: NotRequired[str]


class Tags(TypedDict):
    """All models and presets that the caller may name."""

    models: list[ListedModel]


class LoadedModel(NamedModel):
    """A model that is loaded, with the memory it takes and the tokens it reads; without `expires_at` it stays."""

    context_length: int
    expires_at: NotRequired[str]


class LoadedModels(TypedDict):
    """The models that are loaded."""

    models: list[LoadedModel]


class ShownModel(TypedDict):
    """All that is known of a model."""

    details: ModelDetails
    model_info: dict[str, Any]
    capabilities: list[str]
    modelfile: NotRequired[str]
    parameters: NotRequired[str]
    template: NotRequired[str]
    modified_at: NotRequired[str]
    license: NotRequired[str]
    system: NotRequired[str]
    messages: NotRequired[list[Mapping[str, Any]]]


class VersionObject(TypedDict):
    """Which of Ollama's APIs this is, and what stands behind it."""

    version: str
    intramuros: str


@dataclass(frozen=True, slots=True)
class Models:
    """The routes."""

    names: Names
    pool: EnginePool

    async def tags(self, request: Request) -> Response:
        """All models and presets that the caller may name."""
        by = caller_of(request)
        found = await asyncio.to_thread(self._all, by)
        routes = [_along(name) for name in self._routes(by)]
        return as_json(Tags(models=[*(_listed(one) for one in found if not self._is_route(one.name)), *routes]))

    async def show(self, request: Request) -> Response:
        """All that is known of one. Raises: ModelNotFound, also for one that the key may not use."""
        name = model_in(await read_object(request.receive), SHOWN)
        if (known := self.names.known(name, caller_of(request))) in self._routes(caller_of(request)):
            return as_json(ShownModel(details=_along(known)["details"], model_info={}, capabilities=["completion"]))
        return as_json(await asyncio.to_thread(self._shown, name, caller_of(request)))

    async def ps(self, request: Request) -> Response:
        """The models that are loaded, with the memory they take; without `expires_at` one stays."""
        loaded = await asyncio.to_thread(self._loaded, caller_of(request))
        return as_json(LoadedModels(models=loaded))

    async def version(self, request: Request) -> Response:
        """Which of Ollama's APIs this is, and what stands behind it."""
        return as_json(VersionObject(version=SPOKEN, intramuros=__version__))

    def found(self, name: str, by: Caller) -> Found:
        """What the name stands for. Raises: ModelNotFound."""
        known = self.names.known(name, by)
        preset = self.names.presets.find(known, by=by)
        model = self.names.models.get(preset.model if preset else known)
        if by.rights.models is not None and model.name not in by.rights.models:
            raise ModelNotFound(f"No model of the name {known} is installed, or this key may not use it.")
        return Found(known, model, preset)

    def _routes(self, by: Caller) -> list[str]:
        """The routes that the caller may name: what answers there is not known here."""
        return [name for name in self.names.routes() if by.rights.models is None or name in by.rights.models]

    def _is_route(self, name: str) -> bool:
        return name in self.names.routes()

    def _all(self, by: Caller) -> list[Found]:
        names = [DEFAULT, *(model.name for model in self.names.models.list())]
        names += [preset.name for preset in self.names.presets.list(by=by)]
        found = []
        for name in dict.fromkeys(names):
            try:
                found.append(self.found(name, by))
            except (ModelNotFound, ModelFileError):
                continue
        return found

    def _shown(self, name: str, by: Caller) -> ShownModel:
        found = self.found(name, by)
        header, preset = found.model.header, found.preset
        info = _metadata(found.model)
        facts = {key: value for key, value in info.items() if key != TEMPLATE}
        shown: ShownModel = {
            "modelfile": _modelfile(found),
            "parameters": "\n".join(_parameter_lines(preset)),
            "template": str(info.get(TEMPLATE, "")),
            "details": _details(found),
            "model_info": facts,
            "capabilities": _capabilities(found.model),
            "modified_at": moment(found.modified_at),
        }
        facts.setdefault("general.architecture", header.architecture)
        facts.setdefault("general.parameter_count", header.parameters)
        if found.model.licence:
            shown["license"] = found.model.licence
        if preset is not None and preset.system:
            shown["system"] = preset.system
        if preset is not None and preset.messages:
            shown["messages"] = list(preset.messages)
        return shown

    def _loaded(self, by: Caller) -> list[LoadedModel]:
        loaded: list[LoadedModel] = []
        for name, held in self.pool.states().items():
            if held.state not in {"ready", "busy"}:
                continue
            try:
                found = self.found(name, by)
            except (ModelNotFound, ModelFileError):
                continue
            row: LoadedModel = {
                "name": found.name,
                "model": found.name,
                "size": held.size_bytes,
                "digest": found.digest,
                "details": _details(found),
                "context_length": held.health.context_tokens,
            }
            if held.expires_s is not None:
                row["expires_at"] = moment(held.expires_s)
            loaded.append(row)
        return loaded


def model_in(body: dict[str, Any], known: set[str]) -> str:
    """The model that a request names, as `model` or in the old way as `name`. Raises: BadRequest."""
    for field in body:
        if field not in {"model", "name"} | known:
            raise BadRequest(f"Unknown field '{field[:64]}'.", code="unknown_parameter", param=field[:64])
    name = body.get("model") or body.get("name")
    if not isinstance(name, str) or not name.strip() or len(name) > 512:
        raise BadRequest(f"'model' must be the name of a model, not {kind_of(name)}.", param="model")
    return name


def _listed(found: Found) -> ListedModel:
    return {
        "name": found.name,
        "model": found.name,
        "modified_at": moment(found.modified_at),
        "size": found.model.size_bytes,
        "digest": found.digest,
        "details": _details(found),
    }


def _along(name: str) -> ListedModel:
    return {"name": name, "model": name, "size": 0, "digest": "", "details": {"format": "route", "family": ""}}


def _details(found: Found) -> ModelDetails:
    header = found.model.header
    return {
        "parent_model": found.preset.model if found.preset else "",
        "format": header.format,
        "family": header.architecture,
        "families": [header.architecture],
        "parameter_size": _size(header.parameters),
        "quantization_level": header.quantisation,
    }


def _size(parameters: int) -> str:
    return f"{parameters / 1e9:.1f}B" if parameters >= 1e9 else f"{parameters / 1e6:.2f}M"


def _capabilities(model: InstalledModel) -> list[str]:
    if not model.is_chat:
        return ["rerank" if model.header.is_reranker else "embedding"]
    more = {"tools": model.header.template_has_tools, "vision": model.projector is not None}
    return ["completion", *(name for name, is_so in more.items() if is_so)]


def _metadata(model: InstalledModel) -> dict[str, Any]:
    """What the file says of itself; of a sealed one or another format only what was kept when it was installed."""
    header = model.header
    if model.is_sealed or model.format != GGUF:
        return {f"{header.architecture}.context_length": header.context_tokens}
    return {
        key: value
        for key, value in read_file(model.path).metadata.items()
        if key == TEMPLATE or not isinstance(value, str) or len(value) <= LONGEST_VALUE
    }


def _parameter_lines(preset: Preset | None) -> list[str]:
    theirs = {ours: name for name, ours in OURS.items()}
    lines = []
    for name, value in (preset.parameters if preset else {}).items():
        lines += [f'{theirs.get(name, name)} "{one}"' for one in value] if name == "stop" else []
        lines += [f"{theirs.get(name, name)} {value}"] if name != "stop" else []
    return lines


def _modelfile(found: Found) -> str:
    """The text that `create` would make the same from."""
    lines = [f"FROM {found.preset.model if found.preset else found.name}"]
    lines += [f"PARAMETER {line}" for line in _parameter_lines(found.preset)]
    if found.preset is not None and found.preset.system:
        lines.append(f'SYSTEM """{found.preset.system}"""')
    for message in found.preset.messages if found.preset else ():
        lines.append(f"MESSAGE {message['role']} {_one_line(message)}")
    return "\n".join(lines) + "\n"


def _one_line(message: Mapping[str, str]) -> str:
    return message["content"].replace("\n", " ")
