"""Sealed models: nothing of them is readable on disk, and the real engine answers from them."""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path
from typing import Any

import pytest

from intramuros.engines.decrypted import all_in_memory
from intramuros.engines.loading import Load
from intramuros.engines.local import LocalEngine
from intramuros.errors import EngineLoadFailed, ModelFileError
from intramuros.models import sealed
from intramuros.models.catalogue import load
from intramuros.models.installed import InstalledModels
from intramuros.models.manifest import InstalledModel
from intramuros.privacy.egress import Egress
from tests.models import engines, tiny

KEY = bytes(range(32))
SIGNS = (b"GGUF", b"general.architecture", b"token_embd", b"tokenizer.ggml")


class Chosen:
    value: Any = None

    def get(self) -> Any:
        return self.value

    def set(self, value: Any) -> None:
        self.value = value


def models(tmp_path: Path, *, encrypts: bool = False, key: bytes = KEY) -> InstalledModels:
    return InstalledModels(tmp_path / "data" / "models", load(), Chosen(), key=key, encrypts=encrypts)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tiny.chat(tmp_path / "tiny.gguf")


def readable(folder: Path) -> list[bytes]:
    written = [path.read_bytes() for path in folder.rglob("*") if path.is_file()]
    return [sign for sign in SIGNS if any(sign in content for content in written)]


async def answer(model: InstalledModel, tmp_path: Path) -> str:
    chosen = engines.settings(tmp_path)
    chosen.run_folder.mkdir(parents=True, exist_ok=True)
    engine = await engines.start(model, chosen)
    try:
        return (await engine.generate(engines.HELLO | {"max_tokens": 12})).text
    finally:
        await engine.close()


@pytest.mark.parametrize("at_once", [True, False])
async def test_the_same_answer_and_nothing_readable(tmp_path: Path, file: Path, at_once: bool) -> None:
    here = models(tmp_path, encrypts=at_once)
    model = here.add_file(file, "tiny")
    plain = await answer(engines.installed(file), tmp_path)
    if not at_once:
        assert readable(here.folder)
        model = here.seal("tiny")
    assert model.is_sealed
    assert readable(here.folder) == []
    again = models(tmp_path).get("tiny")  # as another process reads it
    assert again.digest() == again.sha256 == engines_digest(file)
    assert again.header == model.header
    assert await answer(again, tmp_path) == plain
    assert {p.name for p in model.path.parent.iterdir()} == {"manifest.json", sealed.SEALED_FILE}


def engines_digest(path: Path) -> str:
    import hashlib

    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.starter
async def test_the_starter_model_answers_sealed(tmp_path: Path, starter_model: Path) -> None:
    here = models(tmp_path, encrypts=True)
    model = here.add_file(starter_model, "starter-sealed")
    assert readable(here.folder) == []
    chosen = engines.settings(tmp_path)
    chosen.run_folder.mkdir(parents=True, exist_ok=True)
    engine = await LocalEngine.start(
        model,
        engines.options(model, chosen, context_tokens=512, slots=1),
        chosen.run_folder / "engines",
        chosen,
        egress=Egress(),
    )
    try:
        reply = await engine.generate(
            {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 8, "temperature": 0}
        )
        assert reply.usage.completion_tokens > 0
        assert reply.text.strip()
        mapped = Path(f"/proc/{engine.pid}/maps").read_text() if os.geteuid() == 0 else "memfd:model"
        assert "memfd:model" in mapped
        held = [fd for fd in Path("/proc/self/fd").iterdir() if fd.exists() or fd.is_symlink()]
        assert not [fd for fd in held if "memfd:model" in str(fd.readlink())]  # this process let go
    finally:
        await engine.close()


async def test_decrypting_says_how_far_it_is(tmp_path: Path, file: Path) -> None:
    model = models(tmp_path, encrypts=True).add_file(file, "tiny")
    load = Load()
    async with all_in_memory(model, load):
        now = load.progress
    assert (now.stage, now.done_bytes, now.total_bytes) == ("decrypting", model.size_bytes, model.size_bytes)
    read = list[int]()
    assert model.stored[0].digest(moved=read.append) == model.sha256 and sum(read) == model.size_bytes


def test_the_memory_can_not_be_changed(tmp_path: Path, file: Path) -> None:
    model = models(tmp_path, encrypts=True).add_file(file, "tiny")
    with sealed.loadable(model.path, model.key) as (path, (descriptor,)):
        assert path.read_bytes() == file.read_bytes()
        with pytest.raises(PermissionError):
            os.pwrite(descriptor, b"x", 0)
        with pytest.raises(PermissionError):
            os.ftruncate(descriptor, 0)
        with pytest.raises(PermissionError):
            fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_WRITE)
        assert not os.get_inheritable(descriptor)


async def test_a_changed_bit_is_found_before_the_engine_sees_it(tmp_path: Path, file: Path) -> None:
    model = models(tmp_path, encrypts=True).add_file(file, "tiny")
    content = bytearray(model.path.read_bytes())
    content[len(content) // 2] ^= 1
    model.path.write_bytes(content)
    with pytest.raises(ModelFileError, match="changed or cut off"):
        model.digest()
    with pytest.raises(EngineLoadFailed, match="changed or cut off"):
        await answer(model, tmp_path)


def test_another_data_key_does_not_open_it(tmp_path: Path, file: Path) -> None:
    models(tmp_path, encrypts=True).add_file(file, "tiny")
    with pytest.raises(ModelFileError, match="key does not open"):
        models(tmp_path, key=bytes(32)).get("tiny")


def test_a_cut_file_is_refused(tmp_path: Path, file: Path) -> None:
    model = models(tmp_path, encrypts=True).add_file(file, "tiny")
    with model.path.open("r+b") as opened:
        opened.truncate(1000)
    with pytest.raises(ModelFileError, match="another size"):
        models(tmp_path).get("tiny")


def test_sealing_cut_short_counts_as_plain_and_can_be_done_again(
    tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = models(tmp_path)
    here.add_file(file, "tiny")
    for stop in range(3):
        with monkeypatch.context() as broken:
            steps = iter(range(10))
            real = Path.rename

            def rename(self: Path, target: Path, steps: Any = steps, stop: int = stop, real: Any = real) -> Any:
                if next(steps) == stop:
                    raise KeyboardInterrupt
                return real(self, target)

            broken.setattr(Path, "rename", rename)
            try:
                here.seal("tiny")
            except KeyboardInterrupt:
                assert not models(tmp_path).get("tiny").is_sealed
        assert models(tmp_path).get("tiny").digest() == engines_digest(file)
    assert here.seal("tiny").is_sealed
    assert readable(here.folder) == []


def test_an_installed_manifest_of_before_is_read(tmp_path: Path, file: Path) -> None:
    model = models(tmp_path).add_file(file, "tiny")
    path = model.path.with_name("manifest.json")
    manifest = json.loads(path.read_text())
    assert "key" not in manifest
    del manifest["sealed_key"]
    path.write_text(json.dumps(manifest))
    assert not models(tmp_path).get("tiny").is_sealed


@pytest.mark.parametrize("size", [0, 1, 65535, 65536, 65537, 131072, 200000])
def test_the_sealed_size_is_known(tmp_path: Path, size: int) -> None:
    (tmp_path / "a").write_bytes(bytes(size))
    sealed.write(tmp_path / "a", tmp_path / "b", KEY)
    assert (tmp_path / "b").stat().st_size == sealed.stored_bytes(size)
