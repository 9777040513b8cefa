"""Fetches one file over HTTP: from a model hub, or from any address; goes on where an earlier try ended.

Used by `models.download`. It opens no connection itself: the door to the network is handed in and decides which hosts
may be reached, also by a redirect. No account is needed; what asks for one is said to ask for one.

Source: Hugging Face Hub, `/{repository}/resolve/{revision}/{file}`: the answer's head names the commit
(`X-Repo-Commit`), the file's SHA-256 (`X-Linked-ETag`) and its size (`X-Linked-Size`) before it redirects to the store.
Resuming: RFC 9110, 13.1.5 (If-Range) and 14.2 (Range).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol, Self
from urllib.parse import quote, urljoin, urlsplit

from intramuros.errors import DownloadFailed
from intramuros.models.catalogue import HubSource
from intramuros.models.partial import Partial
from intramuros.models.progress import Meter

PIECE_BYTES = 4 << 20
SHA256 = re.compile(r"[0-9a-f]{64}")
COMMIT = re.compile(r"[0-9a-f]{40}")
RENAMED = frozenset({301, 302, 307, 308})
BUSY = frozenset({408, 425, 429, 500, 502, 503, 504})
HUGGING_FACE = "huggingface.co"
HUGGING_FACE_STORES = ("*.huggingface.co", "*.hf.co")
OFFLINE_HINT = (
    "Without internet: fetch the file on another machine and install it with: intramuros models pull FILE.gguf"
)


class Incoming(Protocol):
    """An answer whose body still comes."""

    status: int
    headers: Mapping[str, str]
    url: str

    def pieces(self, size_bytes: int) -> AsyncIterator[bytes]:
        """The body in pieces. Raises: ConnectionError if it breaks off."""
        ...


class Door(Protocol):
    """The door to the network, `privacy.egress.Egress`. Raises: EgressRefused, ConnectionError."""

    def permitting(self, hosts: Iterable[str], *, reason: str) -> Self:
        """A door that lets these hosts pass as well, for one act."""
        ...

    def fetch(
        self, url: str, *, method: str = "GET", headers: Mapping[str, str] | None = None, redirects: bool = True
    ) -> AbstractAsyncContextManager[Incoming]:
        """One request."""
        ...


@dataclass(frozen=True, slots=True)
class Remote:
    """A file that can be fetched: its address, and what is known of it before."""

    url: str
    sha256: str | None = None
    size_bytes: int | None = None


def hosts_of(url: str) -> tuple[str, ...]:
    """The hosts that fetching from this address needs: its own, and for Hugging Face the stores it redirects to.

    An address given by an administrator may lie in the organisation's network, except where it is the public hub.
    """
    parts = urlsplit(url)
    if parts.hostname == HUGGING_FACE and parts.scheme == "https":
        return (HUGGING_FACE, *HUGGING_FACE_STORES)
    return (f"private:{parts.scheme}://{parts.netloc.rpartition('@')[2]}",)


async def resolve(source: HubSource, *, hub_url: str, door: Door) -> Remote:
    """Asks the hub for a file's commit, hash and size.

    Raises: DownloadFailed if the hub has no such file, asks for an account or can't be reached; EgressRefused.
    """
    hub = hub_url.rstrip("/")
    path = f"/{source.repository}/resolve/{quote(source.revision, safe='')}/{quote(source.file)}"
    url = hub + path
    try:
        for _ in range(3):
            async with door.fetch(url, method="HEAD", redirects=False) as answer:
                target = answer.headers.get("Location", "")
                if answer.status in RENAMED and "X-Linked-Etag" not in answer.headers and target.startswith("/"):
                    url = urljoin(url, target)
                    continue
                if answer.status == 405:
                    return Remote(url)
                if answer.status >= 400:
                    raise refused(answer, str(source))
                return _described(answer, url, source)
    except ConnectionError as error:
        raise DownloadFailed(
            f"The model hub {urlsplit(hub).netloc} can't be reached: {error}.", hint=OFFLINE_HINT
        ) from error
    raise DownloadFailed(f"The model hub redirects {source} in a circle.")


def _described(answer: Incoming, url: str, source: HubSource) -> Remote:
    headers = answer.headers
    etag = (headers.get("X-Linked-Etag") or headers.get("ETag") or "").removeprefix("W/").strip('"').lower()
    size = headers.get("X-Linked-Size") or (headers.get("Content-Length") if answer.status == 200 else None) or ""
    commit = headers.get("X-Repo-Commit", "")
    if COMMIT.fullmatch(commit):  # so that a later try asks for the same file even when the branch has moved
        url = url.replace(f"/resolve/{quote(source.revision, safe='')}/", f"/resolve/{commit}/", 1)
    return Remote(url, etag if SHA256.fullmatch(etag) else None, int(size) if size.isdigit() else None)


async def download(
    remote: Remote, partial: Partial, *, door: Door, meter: Meter, attempts: int = 5, pause_s: float = 1.0
) -> None:
    """Fetches the rest of a file into its half file; a connection that breaks is taken up again a few times.

    Raises: DownloadFailed (the half file stays, a later call goes on with it), EgressRefused, StorageFull.
    """
    if partial.path.stat().st_size:
        meter.show("checking", 0, remote.size_bytes)
    await asyncio.to_thread(partial.take_up, remote.sha256)
    failures = 0
    while True:
        before = partial.size_bytes
        try:
            return await _fetch(remote, partial, door=door, meter=meter)
        except ConnectionError as error:
            failures = failures + 1 if partial.size_bytes <= before else 1
            if failures >= attempts:
                raise DownloadFailed(
                    f"The download broke off: {error}.",
                    hint="What was fetched is kept. Run the same command again to go on. " + OFFLINE_HINT,
                    done_bytes=partial.size_bytes,
                ) from error
            await asyncio.sleep(pause_s * 2 ** (failures - 1))


async def _fetch(remote: Remote, partial: Partial, *, door: Door, meter: Meter) -> None:
    if partial.size_bytes and partial.size_bytes == (partial.origin.size_bytes or remote.size_bytes):
        return  # an earlier try had it all and was stopped before it was installed
    meter.show("connecting", partial.size_bytes, remote.size_bytes)
    headers = {}
    if partial.size_bytes and (validator := partial.origin.validator):
        headers = {"Range": f"bytes={partial.size_bytes}-", "If-Range": validator}
    async with door.fetch(remote.url, headers=headers) as answer:
        total = _begin(answer, remote, partial)
        if total is not None:
            await asyncio.to_thread(partial.check_space, total - partial.size_bytes)
        async for piece in answer.pieces(PIECE_BYTES):
            await asyncio.to_thread(partial.append, piece)
            meter.moved("downloading", partial.size_bytes, total)
    if total is not None and partial.size_bytes != total:
        if partial.size_bytes > total:
            partial.remove()
            raise DownloadFailed("The server sent more than it announced; the file was removed.")
        raise ConnectionError(f"{partial.size_bytes} of {total} bytes came")


def _begin(answer: Incoming, remote: Remote, partial: Partial) -> int | None:
    """Puts the half file at the place where this answer goes on, and returns the whole size if it is known."""
    if answer.headers.get("Content-Encoding", "identity") != "identity":
        raise DownloadFailed("The server sends the file packed, though it was asked not to.")
    if answer.status == 206:
        found = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", answer.headers.get("Content-Range", ""))
        if found is None or int(found[1]) != partial.size_bytes:
            partial.restart()
            raise ConnectionError("the server sent another part than the one asked for")
        total: int | None = int(found[2])
        if total != (partial.origin.size_bytes or total):
            partial.restart()
            raise ConnectionError("the file on the server has another size than before")
    elif answer.status == 200:  # the first try, a server without ranges, or a file that has changed
        length = answer.headers.get("Content-Length", "")
        total = int(length) if length.isdigit() else None
        etag = answer.headers.get("ETag", "")
        partial.restart(validator=etag if etag.startswith('"') else None, size_bytes=total or remote.size_bytes)
    elif answer.status == 416:
        partial.restart()
        raise ConnectionError("the file on the server is shorter than before")
    elif answer.status in BUSY:
        raise ConnectionError(f"the server is busy (status {answer.status})")
    else:
        raise refused(answer, remote.url)
    if remote.size_bytes is not None and total is not None and total != remote.size_bytes:
        partial.remove()
        raise DownloadFailed(
            f"The server offers a file of {total} bytes where {remote.size_bytes} were expected; nothing was kept."
        )
    return total if total is not None else remote.size_bytes


def refused(answer: Incoming, what: str) -> DownloadFailed:
    """Why the server gives no file, in plain words."""
    reason, status = answer.headers.get("X-Error-Code", ""), answer.status
    what = re.sub(r"//[^/@]*@", "//", what.partition("?")[0])
    if reason == "GatedRepo" or (status in (401, 403) and reason != "RepoNotFound"):
        return DownloadFailed(
            f"{what} asks for an account, or for its licence to be accepted (status {status}).",
            hint="Accept it in a browser, download the file, and install it with: intramuros models pull FILE.gguf",
        )
    if status in (401, 404, 410):
        return DownloadFailed(f"There is no file {what} (status {status}).", hint="Check the name, or the address.")
    return DownloadFailed(f"The server refused {what} (status {status}).", hint="Try again later. " + OFFLINE_HINT)
