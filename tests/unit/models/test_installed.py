from __future__ import annotations

import asyncio
import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest

from intramuros.errors import BadRequest, Conflict, ModelFileError, ModelNotFound, StorageFull
from intramuros.models.catalogue import load
from intramuros.models.installed import InstalledModels
from intramuros.models.partial import Origin, Partial
from tests.unit.models.builder import Gguf


class Remembered:
    """Where the default's name is kept, for a test."""

    def __init__(self) -> None:
        self.value: Any = None

    def get(self) -> Any:
        return self.value

    def set(self, value: Any) -> None:
        self.value = value


@pytest.fixture
def default() -> Remembered:
    return Remembered()


@pytest.fixture
def models(tmp_path: Path, default: Remembered) -> InstalledModels:
    return InstalledModels(tmp_path / "models", load(), default)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "Tiny-Model.gguf"
    path.write_bytes(Gguf.model().bytes())
    return path


def embedder(tmp_path: Path) -> Path:
    path = tmp_path / "embedder.gguf"
    path.write_bytes(Gguf.model("bert", attention__causal=False, pooling_type=1).bytes())
    return path


def test_an_empty_folder_has_no_models(models: InstalledModels) -> None:
    assert list(models.list()) == []
    assert models.default_name is None
    with pytest.raises(ModelNotFound) as caught:
        models.get("default")
    assert "pull starter" in caught.value.hint


def test_a_file_is_copied_in_whole(models: InstalledModels, file: Path) -> None:
    model = models.add_file(file, "tiny")
    file.write_bytes(b"changed afterwards")
    assert models.get("tiny") == model
    assert [m.name for m in models.list()] == ["tiny"]
    assert (model.title, model.trust, model.verified) == ("Tiny", "quotes", "nothing")
    assert model.sha256 == hashlib.sha256(model.path.read_bytes()).hexdigest() == model.digest()
    assert model.source == "file:Tiny-Model.gguf"  # the folder it came from is nobody's business
    assert model.path.stat().st_mode & 0o077 == 0
    assert not [p for p in models.incoming.iterdir() if p.suffix != ".lock"]


def test_another_process_sees_the_same(models: InstalledModels, file: Path, default: Remembered) -> None:
    models.add_file(file, "tiny")
    assert InstalledModels(models.folder, load(), default).get("default").name == "tiny"


def test_a_file_that_is_no_model_leaves_nothing_behind(models: InstalledModels, tmp_path: Path) -> None:
    path = tmp_path / "no.gguf"
    path.write_bytes(b"PK\x03\x04 not a model")
    with pytest.raises(ModelFileError, match="PyTorch"):
        models.add_file(path, "no")
    with pytest.raises(ModelFileError):
        models.add_file(tmp_path / "missing.gguf", "no")
    assert list(models.list()) == []
    assert list(models.incoming.glob("*.part")) == [] or models.unfinished()[0].done_bytes == 0


@pytest.mark.parametrize("name", ["", "default", "starter", "../x", "A", "a/b", ".hidden", "x" * 65, "a b", "é"])
def test_names_that_can_not_be(models: InstalledModels, file: Path, name: str) -> None:
    with pytest.raises(BadRequest):
        models.add_file(file, name)
    if name not in ("default", "starter"):
        with pytest.raises(ModelNotFound):
            models.get(name)


def test_a_name_is_taken_only_once(models: InstalledModels, file: Path) -> None:
    first = models.add_file(file, "tiny")
    with pytest.raises(Conflict):
        models.add_file(file, "tiny")
    assert models.get("tiny").installed_at == first.installed_at


def test_the_first_model_that_writes_becomes_the_default_and_stays_it(
    models: InstalledModels, file: Path, tmp_path: Path, default: Remembered
) -> None:
    models.add_file(embedder(tmp_path), "vectors")
    assert default.value is None
    models.add_file(file, "first")
    models.add_file(file, "second")
    assert models.get("default").name == "first"
    models.use("second")
    assert models.get().name == "second"
    with pytest.raises(BadRequest):
        models.use("vectors")
    with pytest.raises(ModelNotFound):
        models.use("nothing")


def test_no_other_model_takes_over_silently(models: InstalledModels, file: Path, default: Remembered) -> None:
    models.add_file(file, "first")
    models.add_file(file, "second")
    with pytest.raises(Conflict):
        models.remove("first")
    models.use("second")
    models.remove("first")
    models.remove("second")
    assert default.value is None
    default.value = "gone"
    with pytest.raises(ModelNotFound, match="gone"):
        models.get("default")


def test_without_a_memory_the_only_model_that_writes_is_the_default(tmp_path: Path, file: Path) -> None:
    models = InstalledModels(tmp_path / "models", load())
    models.add_file(file, "one")
    assert models.get("default").name == "one"
    models.add_file(file, "two")
    with pytest.raises(ModelNotFound, match="chosen"):
        models.get("default")


def test_a_removed_model_is_gone_with_its_file(models: InstalledModels, file: Path) -> None:
    path = models.add_file(file, "tiny").path
    models.remove("tiny")
    assert not path.exists()
    assert list(models.list()) == []
    with pytest.raises(ModelNotFound):
        models.remove("tiny")


def test_a_damaged_model_says_so_and_does_not_hide_the_others(models: InstalledModels, file: Path) -> None:
    good, cut, gone, odd = (models.add_file(file, name) for name in ("good", "cut", "gone", "odd"))
    os.truncate(cut.path, 10)
    gone.path.unlink()
    (odd.path.parent / "manifest.json").write_text("{}")
    for name, words in (("cut", "another size"), ("gone", "is gone"), ("odd", "manifest")):
        with pytest.raises(ModelFileError, match=words):
            models.get(name)
    assert [model.name for model in models.list()] == [good.name]


def test_a_changed_manifest_is_read_again(models: InstalledModels, file: Path) -> None:
    manifest = models.add_file(file, "tiny").path.parent / "manifest.json"
    assert models.get("tiny").title == "Tiny"
    value = json.loads(manifest.read_text())
    manifest.unlink()
    manifest.write_text(json.dumps(value | {"title": "Renamed"}))
    assert models.get("tiny").title == "Renamed"


def test_what_an_older_manifest_does_not_say_is_read_from_the_file(models: InstalledModels, file: Path) -> None:
    model = models.add_file(file, "tiny")
    manifest = model.path.parent / "manifest.json"
    value = json.loads(manifest.read_text())
    del value["header"]["template_has_tools"]
    manifest.unlink()
    manifest.write_text(json.dumps(value))
    assert models.get("tiny") == model


def test_an_unfinished_download_is_listed_and_can_be_removed(models: InstalledModels) -> None:
    with Partial(models.incoming, Origin("large", "hf:o/r@main/f.gguf")).opened() as partial:
        partial.restart(validator='"e"', size_bytes=1000)
        partial.append(b"x" * 400)
    assert list(models.list()) == []
    (unfinished,) = models.unfinished()
    assert (unfinished.name, unfinished.done_bytes, unfinished.total_bytes) == ("large", 400, 1000)
    models.remove("large")
    assert list(models.unfinished()) == []


async def test_two_who_want_the_same_name_wait_for_each_other(models: InstalledModels) -> None:
    order: list[str] = []
    waited = asyncio.Event()

    async def first() -> None:
        async with models.locked("tiny"):
            await waited.wait()
            order.append("first")

    async def second() -> None:
        await asyncio.sleep(0)
        async with models.locked("tiny", waiting=waited.set):
            order.append("second")

    await asyncio.gather(first(), second())
    assert order == ["first", "second"]
    async with models.locked("a"), models.locked("b"):  # others don't
        pass


def test_what_a_kill_left_is_cleared_by_the_next_install(models: InstalledModels, file: Path) -> None:
    for name in ("tiny.0123abcd.new", "tiny.0123abcd.gone", "tiny.x.0123abcd.new"):
        (models.incoming / name).mkdir(parents=True)
        (models.incoming / name / "model.gguf").write_bytes(b"x")
    models.add_file(file, "tiny")
    assert [path.name for path in models.incoming.iterdir() if path.is_dir()] == ["tiny.x.0123abcd.new"]


def test_a_full_disk_at_the_last_step_leaves_no_half_model(
    models: InstalledModels, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "write_text", lambda *_, **__: (_ for _ in ()).throw(OSError(28, "No space left")))
    with pytest.raises(StorageFull):
        models.add_file(file, "tiny")
    monkeypatch.undo()
    assert list(models.list()) == []
    assert not (models.folder / "tiny").exists()
    models.add_file(file, "tiny")
