"""The page of one model: whether it is in memory, and what stands beside it: adapters, and the projector it sees with.

Called by the router. A part comes from a hub or an address, as a file sent by the browser, or from the folder `offered`
of the data folder, where whoever runs the server lays files: no page names any other file of the server. Each is
checked against the model as at the command line.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response

from intramuros.errors import BadRequest, Conflict, IntramurosError, NotFound
from intramuros.models.beside import Beside
from intramuros.models.machine import Machine
from intramuros.models.parts import ADAPTER, PROJECTOR
from intramuros.models.reference import name_from
from intramuros.models.uploaded import install_sent
from intramuros.web.downloads import Downloads
from intramuros.web.memory import Loads
from intramuros.web.model_cards import of_installed
from intramuros.web.problems import problem
from intramuros.web.visit import Form, Visit, read_form, redirect

PATH = "/models/installed/{model}"
OFFERED = "offered"


@dataclass(frozen=True, slots=True)
class BesidePage:
    """The page and what is done on it."""

    downloads: Downloads
    loads: Loads

    def show(self, visit: Visit, *, said: IntramurosError | None = None) -> Response:
        """One installed model. Raises: ModelNotFound, ModelFileError."""
        downloads = self.downloads.shown(visit.words)
        model = visit.app.models.get(visit.path("model"))
        visit.entry.note(model=model.name)
        return visit.page(
            "model.html",
            section="models",
            status=said.status if said else 200,
            problem=problem(said, visit.words) if said else None,
            card=of_installed(visit, model, Machine.detect(), current=visit.model()),
            memory=self.loads.in_memory(visit, only=model.name),
            beside=model.parts,
            projector=model.projector,
            writes=model.is_chat,
            offered=offered_files(visit.app.settings.data / OFFERED) if visit.caller.is_administrator else [],
            path=path_of(model.name),
            page_of=model.name,
            **downloads,
        )

    async def add(self, visit: Visit) -> Response:
        """Begins to bring an adapter or a projector here. Raises: NotAllowed, ModelNotFound."""
        form = await read_form(visit.request)
        visit.check_token(form.get("csrf"))
        place = await run_in_threadpool(_place, visit, form.get("kind", ""))
        try:
            source = await run_in_threadpool(_source, visit, form)
            name = _name(place, form.get("name", ""))
            host = urlsplit(visit.app.settings.hub_url if source.startswith("hf:") else source).hostname or ""
            self.downloads.start_beside(source, to=place, name=name, host=host, by=visit.caller)
        except (BadRequest, Conflict, NotFound) as error:
            visit.entry.note(error=error.code)
            return await run_in_threadpool(self.show, visit, said=error)
        return redirect(path_of(place.model.name))

    async def upload(self, visit: Visit) -> Response:
        """Takes the file of one as the body. Raises: ModelFileError if it doesn't fit, and as `install_sent`."""
        visit.check_token(visit.request.headers.get("x-csrf-token"))
        asked, file = visit.request.query_params, unquote(visit.request.headers.get("x-file-name", ""))
        place = await run_in_threadpool(_place, visit, asked.get("kind", ""))
        name = _name(place, asked.get("name", "")) or name_from(Path(file).name)
        size = visit.request.headers.get("content-length", "")
        try:
            part = await install_sent(
                place, name, visit.request.stream(), file=file, size_bytes=int(size) if size.isdecimal() else None
            )
        except ClientDisconnect:
            visit.entry.note(disconnected=True)
            return Response(status_code=400)
        visit.entry.note(adapter=part.name if part.kind == ADAPTER else None, size_bytes=part.size_bytes)
        return JSONResponse({"name": part.name}, status_code=201)

    def remove(self, visit: Visit, form: Form) -> Response:
        """Takes a part away; requests that use it just now go on. Raises: ModelNotFound."""
        place = _place(visit, form.get("kind", ""))
        part = place.remove(form.get("name", ""))
        visit.entry.note(adapter=part.name if part.kind == ADAPTER else None)
        return redirect(path_of(place.model.name))


def path_of(model: str) -> str:
    """The address of the page of one installed model."""
    return PATH.format(model=model)


def offered_files(folder: Path) -> list[str]:
    """The model files that lie ready in a folder, by name."""
    if not folder.is_dir():
        return []
    return sorted(path.name for path in folder.glob("*.gguf") if path.is_file() and not path.is_symlink())


def _place(visit: Visit, kind: str) -> Beside:
    """Where parts of this kind of the model of the address stand. Raises: ModelNotFound, BadRequest."""
    if kind not in (ADAPTER, PROJECTOR):
        visit.app.models.get(visit.path("model"))
        raise BadRequest("What stands beside a model is an adapter or a projector.", code="bad_part")
    place = visit.app.models.beside(visit.path("model"), kind)
    visit.entry.note(model=place.model.name)
    return place


def _name(place: Beside, given: str) -> str | None:
    """A model has one projector, which needs no name of its own."""
    return PROJECTOR if place.kind == PROJECTOR else given.strip() or None


def _source(visit: Visit, form: Form) -> str:
    """What is to be fetched. Raises: BadRequest, NotFound."""
    if offered := form.get("offered", ""):
        folder = visit.app.settings.data / OFFERED
        if offered not in offered_files(folder):
            raise NotFound("No such file lies ready.")
        return str(folder / offered)
    source = form.get("source", "").strip()
    if not source.startswith(("hf:", "https://")):
        raise BadRequest("A file has an address: hf:owner/repository/file.gguf, or https://…", code="bad_part")
    return source
