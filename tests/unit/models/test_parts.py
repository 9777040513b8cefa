"""What may stand beside a model: only what fits it, whole, under a name that can be asked for."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from intramuros.errors import BadRequest, IntramurosError, ModelFileError, ModelNotFound
from intramuros.models import parts
from intramuros.models.catalogue import load
from intramuros.models.download import pull
from intramuros.models.installed import InstalledModels
from intramuros.models.parts import ADAPTER, Part
from intramuros.privacy.egress import Egress
from tests.models import tiny


@pytest.fixture
def models(tmp_path: Path) -> InstalledModels:
    made = InstalledModels(tmp_path / "models", load(), key=bytes(32))
    made.add_file(tiny.chat(tmp_path / "tiny.gguf"), "tiny")
    return made


async def install(models: InstalledModels, file: Path, name: str | None = "formal", model: str = "tiny") -> Part:
    place = models.beside(model, ADAPTER)
    return await pull(str(file), to=place, egress=Egress(), progress=lambda _: None, name=name)


async def test_an_adapter_stands_beside_its_model_and_goes_with_it(models: InstalledModels, tmp_path: Path) -> None:
    before = models.get("tiny").identity
    part = await install(models, tiny.adapter(tmp_path / "My Formal.gguf"), None)
    model = models.get("tiny")
    assert (part.name, part.rank, model.adapters) == ("my-formal", 4, (part,))
    assert model.identity != before and [one.name for one in models.list()] == ["tiny"]
    assert models.split("tiny:my-formal") == ("tiny", "my-formal") and models.split("tiny") == ("tiny", None)
    with pytest.raises(ModelNotFound):
        models.split("tiny:other")
    assert not any(path.is_file() and path.suffix != ".lock" for path in models.incoming.rglob("*"))
    models.remove("tiny")
    assert not part.path.exists()


async def test_the_same_adapter_twice_is_one(models: InstalledModels, tmp_path: Path) -> None:
    file = tiny.adapter(tmp_path / "a.gguf")
    assert await install(models, file) == await install(models, file)
    with pytest.raises(IntramurosError, match="installed already"):
        await install(models, tiny.adapter(tmp_path / "b.gguf", seed=5))


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"architecture": "qwen2"}, "architecture 'qwen2'"),
        ({"layers": 3}, "has no blk.2"),
        ({"width": 32}, "has another size"),
        ({"kind": "model"}, "no LoRA adapter"),
        ({"leaves_out": "b"}, "half of what it says"),
        ({"leaves_out": "a"}, "half of what it says"),
    ],
)
async def test_what_does_not_fit_is_not_installed(
    models: InstalledModels, tmp_path: Path, wrong: dict[str, Any], says: str
) -> None:
    with pytest.raises(ModelFileError, match=says):
        await install(models, tiny.adapter(tmp_path / "wrong.gguf", **wrong))
    assert models.get("tiny").parts == ()
    assert not any(path.is_file() and path.suffix != ".lock" for path in models.incoming.rglob("*"))


async def test_a_model_is_no_adapter_and_a_cut_file_is_none(models: InstalledModels, tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="no LoRA adapter"):
        await install(models, tmp_path / "tiny.gguf")
    file = tiny.adapter(tmp_path / "a.gguf")
    os.truncate(file, file.stat().st_size - 1)
    with pytest.raises(ModelFileError, match="cut short"):
        await install(models, file)


async def test_a_model_that_does_not_write_has_no_adapters(models: InstalledModels, tmp_path: Path) -> None:
    models.add_file(tiny.embedder(tmp_path / "e.gguf"), "vectors")
    with pytest.raises(BadRequest, match="does not write"):
        await install(models, tiny.adapter(tmp_path / "a.gguf"), model="vectors")


@pytest.mark.parametrize("name", ["latest", "../up", "A", "", "a:b", ".hidden", "x" * 65])
async def test_a_name_that_can_not_be_asked_for(models: InstalledModels, tmp_path: Path, name: str) -> None:
    with pytest.raises(BadRequest, match="can't be named"):
        await pull(
            str(tiny.adapter(tmp_path / "a.gguf")),
            to=_Named(models.beside("tiny", ADAPTER), name),
            egress=Egress(),
            progress=lambda _: None,
            name=name or None,
        )


class _Named:
    """A place whose lock is asked for one name, also for an empty one."""

    def __init__(self, place: Any, name: str) -> None:
        self.place, self.name = place, name

    def __getattr__(self, name: str) -> Any:
        return getattr(self.place, name)

    def locked(self, name: str, **more: Any) -> Any:
        return self.place.locked(self.name, **more)


async def test_a_damaged_part_takes_nothing_of_its_model_away(models: InstalledModels, tmp_path: Path) -> None:
    part = await install(models, tiny.adapter(tmp_path / "a.gguf"))
    note = part.path.with_suffix(".json")
    kept = note.read_text()
    for text in ("{", "[]", "{}", json.dumps({**json.loads(kept), "kind": "other"}), kept.replace("4", "5", 1)):
        note.write_text(text)
        os.utime(note.parent)
        assert models.get("tiny").name == "tiny"
    note.write_text(kept)
    os.truncate(part.path, 10)
    os.utime(note.parent)
    assert models.get("tiny").parts == ()


async def test_no_more_than_are_kept_in_memory(
    models: InstalledModels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("intramuros.models.beside.MOST_PARTS", 1)
    await install(models, tiny.adapter(tmp_path / "a.gguf"), "one")
    with pytest.raises(BadRequest, match="the most there can be"):
        await install(models, tiny.adapter(tmp_path / "b.gguf", seed=2), "two")


async def test_a_part_that_is_sealed_opens_with_its_key_only(tmp_path: Path) -> None:
    made = InstalledModels(tmp_path / "models", load(), key=bytes(32), encrypts=True)
    made.add_file(tiny.chat(tmp_path / "tiny.gguf"), "tiny")
    part = await install(made, tiny.adapter(tmp_path / "a.gguf"))
    assert part.is_sealed and b"lora_a" not in part.path.read_bytes() and part.digest() == part.sha256
    assert parts.read_all(part.path.parent.parent, b"1" * 32) == ()
    assert list(parts.notes(made.folder)) == [part.path.with_suffix(".json")]
