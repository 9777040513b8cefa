from __future__ import annotations

import hashlib
import shutil
from collections import namedtuple
from pathlib import Path

import pytest

from intramuros.errors import DownloadFailed, StorageFull
from intramuros.models import partial as module
from intramuros.models.partial import Origin, Partial

SOURCE = "hf:owner/repo@main/file.gguf"


def half(folder: Path, content: bytes, *, source: str = SOURCE, validator: str | None = '"v1"') -> None:
    with Partial(folder, Origin("m", source)).opened() as partial:
        partial.restart(validator=validator, size_bytes=100)
        partial.append(content)


def test_a_later_try_goes_on_with_the_bytes_of_the_same_source(tmp_path: Path) -> None:
    half(tmp_path, b"first ")
    with Partial(tmp_path, Origin("m", SOURCE)).opened() as partial:
        partial.take_up()
        assert (partial.size_bytes, partial.origin.validator, partial.origin.size_bytes) == (6, '"v1"', 100)
        partial.append(b"second")
        partial.finish()
        assert partial.digest == hashlib.sha256(b"first second").hexdigest()
    assert partial.path.read_bytes() == b"first second"


def test_bytes_of_another_source_are_thrown_away(tmp_path: Path) -> None:
    half(tmp_path, b"first ", source="hf:other/repo@main/file.gguf")
    with Partial(tmp_path, Origin("m", SOURCE)).opened() as partial:
        partial.take_up()
        assert (partial.size_bytes, partial.origin.validator) == (0, None)
        assert partial.digest == hashlib.sha256(b"").hexdigest()


@pytest.mark.parametrize("note", ["", "{", "[]", '{"name": "m"}'])
def test_a_damaged_note_means_a_new_start(tmp_path: Path, note: str) -> None:
    half(tmp_path, b"first ")
    (tmp_path / "m.json").write_text(note)
    with Partial(tmp_path, Origin("m", SOURCE)).opened() as partial:
        partial.take_up()
        assert partial.size_bytes == 0


def test_bytes_that_were_there_stay_until_something_is_done_with_them(tmp_path: Path) -> None:
    half(tmp_path, b"first ")
    with Partial(tmp_path, Origin("m", SOURCE)).opened():
        pass
    assert (tmp_path / "m.part").read_bytes() == b"first "


def test_nothing_is_left_of_a_try_that_brought_nothing(tmp_path: Path) -> None:
    with Partial(tmp_path, Origin("m", SOURCE)).opened() as partial:
        partial.restart()
    assert list(tmp_path.iterdir()) == []


def test_a_disk_without_room_is_noticed_before_the_first_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**12, 0, module.KEPT_FREE_BYTES + 1000))
    with Partial(tmp_path, Origin("m", SOURCE)).opened() as partial:
        partial.check_space(1000)
        with pytest.raises(StorageFull, match="needs") as caught:
            partial.check_space(1001)
    assert caught.value.details["needed_bytes"] == module.KEPT_FREE_BYTES + 1001


def test_a_disk_that_fills_up_is_given_back_what_was_taken(tmp_path: Path) -> None:
    half(tmp_path, b"first")
    partial = Partial(tmp_path, Origin("m", SOURCE))
    partial.path.unlink()
    partial.path.symlink_to("/dev/full")  # a file on a disk that is full
    with Partial(tmp_path, Origin("m", SOURCE)).opened() as partial, pytest.raises(StorageFull, match="full"):
        for _ in range(3):
            partial.append(b"x" * (1 << 20))
            partial.finish()
    assert not partial.path.is_symlink()
    assert not (tmp_path / "m.json").exists()


def test_a_folder_that_can_not_be_written_is_said_to_be_so(tmp_path: Path) -> None:
    (tmp_path / "models").write_text("a file where the folder should be")
    with (
        pytest.raises(DownloadFailed, match="can't be written"),
        Partial(tmp_path / "models" / "x", Origin("m", SOURCE)).opened(),
    ):
        pass
