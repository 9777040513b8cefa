"""What stands on the pages of the database's files, in plain: rows, index, free pages, and the log's frames.

Called by erasure, which searches there for what it removed. It reads the files, not the database, for SQLite shows only
what is in a table. A page that can't be opened is not taken for one without a match.

Source: sqlite.org/fileformat2.html, sections 1.3 (pages) and 4 (the write-ahead log).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from intramuros.errors import StorageCorrupt
from intramuros.security.pages import PAGE_BYTES, SALT_BYTES, Pages

_LOG_HEAD, _FRAME_HEAD = 32, 24
_TRIES = 5


class Image(NamedTuple):
    """One page, or one frame of the log, in plain."""

    place: str  # database | log
    content: bytes


def images(path: Path, key: bytes) -> Iterator[Image]:
    """Every page of the database at `path`, then every frame of its log.

    Raises: StorageCorrupt if a page can't be opened, also after several looks (it may be written meanwhile).
    """
    with path.open("rb") as file:
        pages = Pages(key, file.read(SALT_BYTES))
        for number in range(1, path.stat().st_size // PAGE_BYTES + 1):
            yield Image("database", _page(file, pages, number))
    yield from _frames(path.with_name(path.name + "-wal"), pages)


def _page(file: BinaryIO, pages: Pages, number: int) -> bytes:
    for _ in range(_TRIES):
        file.seek((number - 1) * PAGE_BYTES)
        page = file.read(PAGE_BYTES)
        if not any(page):  # room that was never written
            return page
        content = pages.opened(page, number)
        if content is not None:
            return content
    raise StorageCorrupt(f"Page {number} of the database can't be opened.")


def _frames(log: Path, pages: Pages) -> Iterator[Image]:
    """The log's frames, older ones behind its end too. One that is just being written has no seal yet: left out."""
    try:
        file = log.open("rb")
    except FileNotFoundError:
        return
    with file:
        file.seek(_LOG_HEAD)
        while len(head := file.read(_FRAME_HEAD)) == _FRAME_HEAD and len(page := file.read(PAGE_BYTES)) == PAGE_BYTES:
            content = pages.opened(page, int.from_bytes(head[:4], "big"))
            if content is not None:
                yield Image("log", content)
