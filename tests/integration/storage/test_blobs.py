from __future__ import annotations

import hashlib
import io
import os
import secrets
import stat
import time
from pathlib import Path

import pytest

from intramuros.errors import NotFound, StorageCorrupt
from intramuros.security.crypto import SEGMENT_BYTES
from intramuros.storage.blobs import Blobs

CONTENT = b"The lease runs for nine years. " * 20_000


@pytest.fixture
def key(blobs: Blobs) -> bytes:
    return secrets.token_bytes(32)


def files(blobs: Blobs) -> list[Path]:
    return [path for path in blobs.folder.rglob("*") if path.is_file()]


@pytest.mark.parametrize("content", [b"", b"x", CONTENT], ids=["empty", "small", "large"])
def test_what_was_put_comes_back(blobs: Blobs, key: bytes, content: bytes) -> None:
    info = blobs.put(key, io.BytesIO(content))
    assert blobs.open(key, info.id) == content
    assert info.size_bytes == len(content)
    assert info.sha256 == hashlib.sha256(content).digest()


def test_bytes_and_files_are_the_same(blobs: Blobs, key: bytes) -> None:
    assert blobs.put(key, CONTENT).sha256 == blobs.put(key, io.BytesIO(CONTENT)).sha256


def test_names_are_random_and_files_private(blobs: Blobs, key: bytes) -> None:
    one, other = blobs.put(key, CONTENT), blobs.put(key, CONTENT)
    assert one.id != other.id
    for path in files(blobs):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert files(blobs)[0].read_bytes() != files(blobs)[1].read_bytes()


def test_read_to_streams(blobs: Blobs, key: bytes, tmp_path: Path) -> None:
    info = blobs.put(key, CONTENT)
    with (tmp_path / "out").open("wb") as file:
        blobs.read_to(file, key, info.id)
    assert (tmp_path / "out").read_bytes() == CONTENT


def test_another_project_s_key_does_not_open(blobs: Blobs, key: bytes) -> None:
    info = blobs.put(key, CONTENT)
    with pytest.raises(StorageCorrupt):
        blobs.open(secrets.token_bytes(32), info.id)


@pytest.mark.parametrize("at", [0, 5, 40, 70_000, -1])
def test_a_changed_byte_is_seen(blobs: Blobs, key: bytes, at: int) -> None:
    info = blobs.put(key, CONTENT)
    (path,) = files(blobs)
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(StorageCorrupt):
        blobs.open(key, info.id)


@pytest.mark.parametrize("left", [0, 3, 36, 36 + SEGMENT_BYTES + 16, -1])
def test_a_truncated_file_is_seen(blobs: Blobs, key: bytes, left: int) -> None:
    info = blobs.put(key, CONTENT)
    (path,) = files(blobs)
    path.write_bytes(path.read_bytes()[:left])
    with pytest.raises(StorageCorrupt):
        blobs.open(key, info.id)


def test_two_files_exchanged_are_seen(blobs: Blobs, key: bytes) -> None:
    one, other = blobs.put(key, CONTENT), blobs.put(key, CONTENT[::-1])
    first, second = (blobs.folder / info.id[:2] / info.id for info in (one, other))
    contents = first.read_bytes(), second.read_bytes()
    second.write_bytes(contents[0])
    first.write_bytes(contents[1])
    for info in (one, other):
        with pytest.raises(StorageCorrupt):
            blobs.open(key, info.id)


def test_removed_is_gone(blobs: Blobs, key: bytes) -> None:
    info = blobs.put(key, CONTENT)
    blobs.remove(info.id)
    blobs.remove(info.id)
    assert files(blobs) == []
    with pytest.raises(NotFound):
        blobs.open(key, info.id)


@pytest.mark.parametrize("blob_id", ["", "../../etc/passwd", "0" * 31, "0" * 33, "G" * 32, "0" * 31 + "/"])
def test_an_id_is_never_a_path(blobs: Blobs, key: bytes, blob_id: str) -> None:
    with pytest.raises(StorageCorrupt):
        blobs.open(key, blob_id)
    with pytest.raises(StorageCorrupt):
        blobs.remove(blob_id)


class _Breaks(io.BytesIO):
    """A source that vanishes in the middle."""

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        if self.tell() > 100_000:
            raise ConnectionResetError
        return data


def test_a_source_that_breaks_leaves_nothing_and_is_not_taken_for_the_disk(blobs: Blobs, key: bytes) -> None:
    with pytest.raises(ConnectionResetError):
        blobs.put(key, _Breaks(CONTENT))
    assert files(blobs) == []


def test_orphans_are_old_files_nobody_knows(blobs: Blobs, key: bytes) -> None:
    known, lost, fresh = (blobs.put(key, b"x") for _ in range(3))
    unfinished = blobs.folder / "ab" / ("ab" * 16 + ".part")
    unfinished.parent.mkdir(exist_ok=True)
    unfinished.write_bytes(b"half")
    old = time.time() - 7200
    for name in (known.id, lost.id):
        os.utime(blobs.folder / name[:2] / name, (old, old))
    os.utime(unfinished, (old, old))
    found = {path.name for path in blobs.orphans({known.id})}
    assert found == {lost.id, unfinished.name}
    assert fresh.id in {path.name for path in blobs.orphans({known.id}, older_than_s=0)}
