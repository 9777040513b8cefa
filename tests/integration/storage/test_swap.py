"""Many files change places at once, whenever the machine stops in between."""

from __future__ import annotations

from itertools import count
from pathlib import Path

import pytest

from intramuros.errors import Conflict
from intramuros.storage import swap

OLD = {"db": "old db", "db-wal": "old log", "blobs/aa/1": "old file", "keys.json": "old keys", "other": "stays"}
NEW = {"db": "new db", "blobs/bb/2": "new file", "keys.json": "new keys"}
ENTRIES = ["db-wal", "db", "blobs", "keys.json"]
AFTER = {**NEW, "other": "stays"}


class Stopped(BaseException):
    """The machine stopped."""


def write(folder: Path, files: dict[str, str]) -> None:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)


def read(folder: Path) -> dict[str, str]:
    files = (p for p in folder.rglob("*") if p.is_file() and not p.relative_to(folder).parts[0].startswith("."))
    return {p.relative_to(folder).as_posix(): p.read_text() for p in files}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write(tmp_path, OLD)
    write(tmp_path / swap.NEXT, NEW)
    return tmp_path


def test_all_take_their_places_and_can_go_back(data: Path) -> None:
    swap.commit(data, ENTRIES, keep_as=".before-1")
    assert read(data) == AFTER
    (kept,) = swap.kept(data)
    swap.undo(data, kept, keep_as=".before-2")
    assert read(data) == OLD
    (kept,) = swap.kept(data)
    swap.undo(data, kept, keep_as=".before-3")
    assert read(data) == AFTER


def test_what_was_there_is_deleted_when_asked(data: Path) -> None:
    swap.commit(data, ENTRIES, keep_as=".gone", discard=True)
    assert read(data) == AFTER
    assert {p.name for p in data.iterdir()} == {"db", "blobs", "keys.json", "other"}


@pytest.mark.parametrize("discard", [False, True])
def test_stopped_before_any_step_it_is_all_old_or_becomes_all_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, discard: bool
) -> None:
    for stop in count():
        data = tmp_path / str(stop)
        write(data, OLD)
        write(data / swap.NEXT, NEW)
        steps = count()
        real = {name: getattr(Path, name) for name in ("rename", "unlink", "mkdir")}

        def step(name: str, real=real, steps=steps, stop=stop):  # type: ignore[no-untyped-def]
            def wrapped(self: Path, *args: object, **more: object) -> object:
                if next(steps) == stop:
                    raise Stopped
                return real[name](self, *args, **more)

            return wrapped

        with monkeypatch.context() as broken:
            for name in real:
                broken.setattr(Path, name, step(name))
            try:
                swap.commit(data, ENTRIES, keep_as=".before-1", discard=discard)
                is_done = True
            except Stopped:
                is_done = False
        was_decided = swap.is_ready(data) or is_done
        assert swap.finish(data) is (was_decided and not is_done) or read(data) == AFTER
        assert read(data) == (AFTER if was_decided or read(data) == AFTER else OLD)
        assert not swap.finish(data)
        if is_done:
            break
    assert stop > 8


def test_what_is_decided_is_not_thrown_away(data: Path) -> None:
    (data / swap.NEXT / swap.READY).write_text("{}")
    with pytest.raises(Conflict):
        swap.clear(data)
    assert read(data) == OLD
