"""Brings the files of a model that is made of several onto this machine, one after the other.

Called by `models.download.pull`. Each file has a half file of its own, so a download that was broken off goes on with
the file it had reached; nothing is a model before all are there.

Source: Hugging Face Hub, `/api/models/{repository}/revision/{revision}`: a repository's commit and its files' names.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import orjson

from intramuros.errors import DownloadFailed, ModelFileError
from intramuros.models import formats, hub
from intramuros.models.catalogue import HubSource
from intramuros.models.folder import (
    LARGEST_TEXT_BYTES,
    Brought,
    ModelFile,
    digest_of_all,
    files_below,
    is_name,
    is_text,
)
from intramuros.models.hub import Door, Remote
from intramuros.models.partial import Origin, Partial, copied
from intramuros.models.progress import Meter
from intramuros.models.reference import FolderSource, HubFolder
from intramuros.models.sealed import digest_of

LARGEST_LIST_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class Way:
    """How files come: the door to the network, the hub, how often a connection is tried, who is told of it."""

    door: Door
    hub_url: str
    attempts: int
    pause_s: float
    meter: Meter


async def bring(source: FolderSource | HubFolder, folder: Path, way: Way) -> tuple[Brought, str]:
    """Brings all files of a model into half files below `folder`; also what their hashes were compared with.

    Raises: ModelFileError, DownloadFailed, EgressRefused, StorageFull.
    """
    if isinstance(source, FolderSource):
        return await _copied(source, folder, way.meter), "nothing"
    return await _fetched(source, folder, way)


def digest_here(source: FolderSource) -> str:
    """The hash of the model in a folder of this machine. Raises: ModelFileError."""
    here = files_below(source.path)
    names = formats.pick(here, source.asked)
    return digest_of_all(ModelFile(name, digest_of(here[name]), 0) for name in names)


async def _copied(source: FolderSource, folder: Path, meter: Meter) -> Brought:
    here = await asyncio.to_thread(files_below, source.path)
    names = formats.pick(here, source.asked)
    total, before, brought = sum(here[name].stat().st_size for name in names), 0, list[Partial]()
    for name in names:
        _check_size(name, here[name].stat().st_size)
        partial = Partial(folder, Origin(name, str(source)))
        with partial.opened():
            steps = copied(here[name], partial)
            while step := await asyncio.to_thread(next, steps, None):
                meter.moved("downloading", before + step[0], total)
            await asyncio.to_thread(partial.finish)
        before += partial.size_bytes
        brought.append(partial)
    return _all(brought)


async def _fetched(source: HubFolder, folder: Path, way: Way) -> tuple[Brought, str]:
    asking = way.door.permitting(hub.hosts_of(way.hub_url), reason=f"asking for the model {source.repository}")
    commit, there = await _listed(source, way.hub_url, asking)
    names = formats.pick(there, source.asked)
    brought, compared = list[Partial](), True
    for name in names:
        file = HubSource(source.repository, name, commit)
        remote = await hub.resolve(file, hub_url=way.hub_url, door=asking)
        _check_size(name, remote.size_bytes or 0)
        partial = Partial(folder, Origin(name, str(file)))
        with partial.opened():
            await _whole(remote, partial, way)
        compared = compared and (is_text(name) or remote.sha256 is not None)
        brought.append(partial)
    return _all(brought), "hub" if compared else "nothing"


async def _whole(remote: Remote, partial: Partial, way: Way) -> None:
    """Fetches one file and compares its hash, if the hub tells it: it does for large ones."""
    door = way.door.permitting(hub.hosts_of(remote.url), reason=f"fetching {partial.origin.source}")
    await hub.download(remote, partial, door=door, meter=way.meter, attempts=way.attempts, pause_s=way.pause_s)
    if remote.sha256 and partial.digest != remote.sha256:
        partial.remove()
        raise DownloadFailed(
            f"The file {partial.origin.name} is not the one that was expected (its SHA-256 differs); it was removed.",
            hint="Fetch the model again. If it happens twice, the file at the source was changed: do not use it.",
        )
    _check_size(partial.origin.name, partial.size_bytes)
    await asyncio.to_thread(partial.finish)


async def _listed(source: HubFolder, hub_url: str, door: Door) -> tuple[str, Sequence[str]]:
    """A repository's commit, and the names of its files. Raises: DownloadFailed."""
    url = f"{hub_url.rstrip('/')}/api/models/{source.repository}/revision/{quote(source.revision, safe='')}"
    body = bytearray()
    try:
        async with door.fetch(url) as answer:
            if answer.status >= 400:
                raise hub.refused(answer, str(source))
            async for piece in answer.pieces(hub.PIECE_BYTES):
                body += piece
                if len(body) > LARGEST_LIST_BYTES:
                    raise DownloadFailed(f"The list of the files of {source} is too long.")
        found: dict[str, Any] = orjson.loads(body)
        commit, listed = str(found["sha"]), [str(file["rfilename"]) for file in found["siblings"]]
    except ConnectionError as error:
        raise DownloadFailed(
            f"The model hub {urlsplit(hub_url).netloc} can't be reached: {error}.", hint=hub.OFFLINE_HINT
        ) from error
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise DownloadFailed(f"The model hub answered with something else than the files of {source}.") from error
    if not hub.COMMIT.fullmatch(commit):
        raise DownloadFailed(f"The model hub does not say which commit {source} is.")
    return commit, [name for name in listed if is_name(name)]  # others can be no file of a model


def _check_size(name: str, size_bytes: int) -> None:
    if is_text(name) and size_bytes > LARGEST_TEXT_BYTES:
        raise ModelFileError(f"The model's {name} is larger than such a file can be.", hint="")


def _all(brought: Sequence[Partial]) -> Brought:
    files = [ModelFile(one.origin.name, one.digest, one.size_bytes) for one in brought]
    return Brought({one.origin.name: one.path for one in brought}, tuple(sorted(files, key=lambda file: file.name)))
