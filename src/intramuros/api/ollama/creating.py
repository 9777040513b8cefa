"""`POST /api/create`, `POST /api/copy`, `DELETE /api/delete`: models under new names, and names that go.

Called by the server's router; the guard lets administrators in. What `create` makes from a model is a preset for
everyone; from an uploaded GGUF file it installs a model, after the same strict look at its header as anywhere.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from intramuros.accounts.caller import Caller
from intramuros.api.body import flag, only, read_object
from intramuros.api.ollama import modelfile
from intramuros.api.ollama.models import Models, model_in
from intramuros.api.ollama.names import new_name
from intramuros.api.ollama.options import options
from intramuros.api.ollama.sending import Step, send_lines
from intramuros.api.openai.sending import send_json
from intramuros.audit.entry import Entry
from intramuros.errors import BadRequest, NotFound, kind_of
from intramuros.models.presets import Wanted
from intramuros.models.uploaded import Uploaded
from intramuros.tasks.remove_model import RemoveModel

SAYS = ("system", "parameters", "messages")
"""What makes a preset of a model."""
REFUSED = {
    "template": "A model's own template is always used.",
    "quantize": "Models are not converted here: upload the file as it is to be.",
    "adapters": "They are installed with: intramuros adapters pull MODEL FILE, and asked for as MODEL:ADAPTER.",
    "path": "Files of the server are installed with: intramuros models pull FILE.gguf",
    "remote_host": "Models elsewhere are set up by the administration.",
    "renderer": "A model's own template is always used.",
    "parser": "A model's own template is always used.",
}
COPIED = {"source", "destination"}
NOT_KEPT = ("license",)
KNOWN = {"stream", "from", "files", "modelfile", *SAYS, *REFUSED, *NOT_KEPT}


@dataclass(frozen=True, slots=True)
class Creating:
    """The routes."""

    models: Models
    uploaded: Uploaded
    remove: RemoveModel

    async def create(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Makes a preset, or installs an uploaded file. Raises: BadRequest, ModelNotFound, Conflict, ModelFileError."""
        body = await read_object(receive)
        name = new_name(model_in(body, KNOWN))
        stream = body.get("stream") is None or flag(body, "stream")
        entry: Entry = scope["state"]["entry"]
        steps = self._steps(name, _wanted(body), scope["state"]["caller"], entry)
        if stream:
            await send_lines(send, steps)
        else:
            async for step in steps:
                last = step
            await send_json(send, last)

    async def copy(self, request: Request) -> Response:
        """Another name for a model or preset. Raises: ModelNotFound, Conflict."""
        body = await read_object(request.receive)
        only(body, COPIED)
        for name in sorted(COPIED, reverse=True):
            if not isinstance(body.get(name), str):
                raise BadRequest(f"'{name}' must be the name of a model, not {kind_of(body.get(name))}.", param=name)
        by: Caller = request.scope["state"]["caller"]
        source = await asyncio.to_thread(self.models.found, body["source"], by)
        presets = self.models.names.presets
        made = await asyncio.to_thread(
            presets.create, Wanted(new_name(body["destination"]), source.name), by=by, for_everyone=True
        )
        request.scope["state"]["entry"].about(made.id)
        return Response(status_code=200)

    async def delete(self, request: Request) -> Response:
        """Takes a preset or a model away. Raises: ModelNotFound; Conflict for a model that answers just now."""
        name = model_in(await read_object(request.receive), set())
        by: Caller = request.scope["state"]["caller"]
        known, presets = self.models.names.known(name, by), self.models.names.presets
        entry: Entry = request.scope["state"]["entry"]
        if preset := presets.find(known, by=by):
            entry.about(preset.id)
            await asyncio.to_thread(presets.remove, preset.id, by=by)
            return Response(status_code=200)
        await self.remove.run(known, by=by, entry=entry)
        return Response(status_code=200)

    async def push(self, request: Request) -> Response:
        """Never: nothing leaves this machine."""
        raise BadRequest("Models can't be pushed from here: nothing leaves this machine.", code="unsupported", hint="")

    async def _steps(self, name: str, wanted: dict[str, Any], by: Caller, entry: Entry) -> AsyncGenerator[Step]:
        files, base = wanted.pop("files"), wanted.pop("from")
        not_kept = wanted.pop("not_kept")
        says_more = any(wanted.values())
        if files:
            yield {"status": "parsing GGUF"}
            base = await self._install(files, f"{name}-model" if says_more else name)
            entry.note(model=base)
        if says_more or not files:
            entry.about(await asyncio.to_thread(self._keep, Wanted(name, base, **wanted), by))
            yield {"status": "using existing layer" if not files else "creating new layer"}
        for field in not_kept:
            yield {"status": f"{field} is not kept here"}
        yield {"status": "success"}

    async def _install(self, files: Mapping[str, str], name: str) -> str:
        """Installs the one file that was uploaded. Raises: NotFound if it was not."""
        [digest] = files.values()
        path = await asyncio.to_thread(self.uploaded.find, digest)
        models = self.models.names.models
        if path is None:
            raise NotFound(f"No file {digest[:80]} was uploaded.", hint="Send it first: POST /api/blobs/sha256:…")
        await asyncio.to_thread(models.add_file, path, name)
        await asyncio.to_thread(self.uploaded.remove, digest)
        return name

    def _keep(self, wanted: Wanted, by: Caller) -> str:
        """Makes the preset, or changes the one of this name, as Ollama does."""
        names = self.models.names
        found = self.models.found(wanted.model, by)
        values = {field: getattr(wanted, field) for field in SAYS} | {"model": found.name}
        present = names.presets.everyones(wanted.name)
        if present is None:
            return names.presets.create(Wanted(wanted.name, **values), by=by, for_everyone=True).id
        if found.name == wanted.name:  # made anew from itself
            values["model"] = found.model.name
        return names.presets.change(present.id, by=by, **values).id


def _wanted(body: dict[str, Any]) -> dict[str, Any]:
    """What is to be made: `from` or `files`, and what a preset says. Raises: BadRequest."""
    if body.get("modelfile") is not None:
        if not isinstance(body["modelfile"], str):
            raise BadRequest("'modelfile' must be text.", param="modelfile")
        body = {**modelfile.read(body["modelfile"]), **{k: v for k, v in body.items() if k != "modelfile"}}
    for field, reason in REFUSED.items():
        if body.get(field):
            raise BadRequest(f"'{field}' is not supported. {reason}", code="unsupported_parameter", param=field)
    base, files = body.get("from"), body.get("files") or {}
    if isinstance(base, str) and base.startswith("@sha256:"):  # how older clients name an uploaded file
        files = {"model.gguf": base[1:]}
        base = None
    if not isinstance(files, dict) or len(files) > 1 or not all(isinstance(one, str) for one in files.values()):
        raise BadRequest(
            "'files' must name one GGUF file and its digest: models in parts can't be made.", param="files"
        )
    if bool(files) == bool(base):
        raise BadRequest("A model is made either 'from' another, or of one of the 'files' that were uploaded.")
    if base is not None and not isinstance(base, str):
        raise BadRequest("'from' must be the name of a model.", param="from")
    parameters, not_used = options(body.get("parameters"), path="parameters")
    messages, system = body.get("messages") or [], body.get("system") or ""
    if not isinstance(messages, list) or not all(isinstance(one, dict) for one in messages):
        raise BadRequest("'messages' must be a list of messages.", param="messages")
    if not isinstance(system, str):
        raise BadRequest("'system' must be text.", param="system")
    return {
        "from": base or "",
        "files": files,
        "system": system,
        "parameters": parameters,
        "messages": [{key: value for key, value in one.items() if value is not None} for one in messages],
        "not_kept": [field for field in NOT_KEPT if body.get(field)] + not_used,
    }
