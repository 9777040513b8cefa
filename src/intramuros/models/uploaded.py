"""Model files that are sent to this machine.

Those that are not models yet lie beside the downloads, each under its SHA-256, which was compared; one that nobody uses
is gone after a day: called by the door that takes them and makes models of them. What is sent to stand beside a model
is installed at once. It knows no network.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import secrets
import time
from collections.abc import AsyncIterator
from pathlib import Path

from intramuros.errors import BadRequest, Conflict
from intramuros.models.beside import Beside
from intramuros.models.installed import InstalledModels
from intramuros.models.partial import Origin, Partial, as_storage_error
from intramuros.models.parts import Part

DIGEST = re.compile(r"sha256[:-]([0-9a-f]{64})")
KEPT_S = 24 * 3600.0
WRITTEN_BYTES = 4 << 20


class Uploaded:
    """The uploaded files of one installation."""

    def __init__(self, models: InstalledModels) -> None:
        self._models = models

    @property
    def folder(self) -> Path:
        """Where they lie."""
        return self._models.incoming / "uploads"

    def find(self, digest: str) -> Path | None:
        """The file of this hash: uploaded, or that of an installed model. Raises: BadRequest for what is no hash."""
        wanted = _hash_in(digest)
        if (path := self.folder / wanted).is_file():
            return path
        return next((one.path for one in self._models.list() if one.sha256 == wanted and not one.is_sealed), None)

    async def add(self, digest: str, pieces: AsyncIterator[bytes], *, size_bytes: int | None) -> None:
        """Takes a file in. Raises: BadRequest if its hash is another one, StorageFull; nothing of it stays then."""
        wanted = _hash_in(digest)
        await asyncio.to_thread(self._clear)
        name = f"{wanted}.{secrets.token_hex(4)}"
        partial = Partial(self.folder, Origin(name, "upload"))
        with contextlib.ExitStack() as stack:
            await asyncio.to_thread(stack.enter_context, partial.opened())
            stack.callback(partial.remove)
            await _written(partial, pieces, size_bytes)
            if partial.digest != wanted:
                raise BadRequest(
                    f"The file is not the one that its hash says: its SHA-256 is {partial.digest}.",
                    code="digest_mismatch",
                )
            await asyncio.to_thread(partial.finish)
            try:
                partial.path.rename(self.folder / wanted)
            except OSError as error:
                raise as_storage_error(error) from error

    def remove(self, digest: str) -> None:
        """Forgets a file."""
        (self.folder / _hash_in(digest)).unlink(missing_ok=True)

    def _clear(self) -> None:
        """Deletes what has lain for a day: files that nobody made a model of, and what a kill left."""
        oldest = time.time() - KEPT_S
        for path in self.folder.glob("*") if self.folder.is_dir() else ():
            with contextlib.suppress(OSError):
                if path.stat().st_mtime < oldest:
                    path.unlink()


async def install_sent(
    place: Beside, name: str, pieces: AsyncIterator[bytes], *, file: str, size_bytes: int | None
) -> Part:
    """Installs beside a model what is being sent; `file` is what the sender calls it.

    Raises: BadRequest, Conflict if the name is taken, ModelFileError if it doesn't fit, StorageFull; nothing of it
    stays then.
    """
    async with place.locked(name):
        if await asyncio.to_thread(place.find, name) is not None:
            raise Conflict(f"{place.model.name} has a part named {name} already.", hint="Give this one another name.")
        partial = Partial(place.incoming, Origin(name, f"upload:{Path(file).name[:200]}"))
        with contextlib.ExitStack() as stack:
            await asyncio.to_thread(stack.enter_context, partial.opened())
            stack.callback(partial.remove)
            await _written(partial, pieces, size_bytes)
            return await asyncio.to_thread(place.install, partial, verified="nothing")


async def _written(partial: Partial, pieces: AsyncIterator[bytes], size_bytes: int | None) -> None:
    """Writes what comes into an open half file. Raises: StorageFull."""
    await asyncio.to_thread(partial.restart)
    if size_bytes:
        await asyncio.to_thread(partial.check_space, size_bytes)
    held = bytearray()
    async for piece in pieces:
        held += piece
        if len(held) >= WRITTEN_BYTES:
            await asyncio.to_thread(partial.append, bytes(held))
            held.clear()
    await asyncio.to_thread(partial.append, bytes(held))


def _hash_in(digest: str) -> str:
    found = DIGEST.fullmatch(digest)
    if found is None:
        raise BadRequest("A file is named by its hash: sha256: and 64 hexadecimal digits.", code="bad_digest")
    return found[1]
