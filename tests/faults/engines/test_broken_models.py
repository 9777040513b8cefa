"""Model files that can't be loaded: the error says what is wrong with the file, in the engine's words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from intramuros.engines.published import Notices
from intramuros.errors import EngineLoadFailed
from tests.models import engines, tiny


def flipped(data: bytes, after: bytes, *, by: int) -> bytes:
    """The file with one bit of the value after a name turned over."""
    place = data.index(after) + len(after) + by
    return data[:place] + bytes([data[place] ^ 0x20]) + data[place + 1 :]


BROKEN: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "empty": (lambda data: b"", "failed to read magic"),
    "another format": (lambda data: b"PK" + data[2:], "invalid magic"),
    "cut in the header": (lambda data: data[:3000], "failed to read key-value pairs"),
    "cut in the weights": (lambda data: data[:-20_000], "corrupted or incomplete"),
    "unknown architecture": (lambda data: data.replace(b"llama", b"lxama"), "unknown model architecture: 'lxama'"),
    "a flipped bit in the metadata": (lambda data: flipped(data, b"llama.embedding_length", by=4), "expected 48"),
    "a flipped bit in a tensor's name": (
        lambda data: flipped(data, b"blk.1.attn_", by=0),
        "attn_norm.weight' not found",
    ),
    "a broken chat template": (
        lambda data: data.replace(b"{% for message", b"{% xor message"),
        "Unknown statement",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
async def test_the_cause_of_a_failed_load_is_told(name: str, tmp_path: Path) -> None:
    spoil, cause = BROKEN[name]
    good = tiny.chat(tmp_path / "good.gguf")
    bad = tmp_path / "bad.gguf"
    bad.write_bytes(spoil(good.read_bytes()))
    with pytest.raises(EngineLoadFailed) as error:
        await engines.start(replace(engines.installed(good), path=bad), engines.settings(tmp_path))
    assert cause.lower() in error.value.message.lower()
    assert str(tmp_path) not in error.value.message and "models pull" in error.value.hint
    assert not list((tmp_path / "data" / "run" / "engines").glob("*.sock"))


async def test_a_missing_file_is_named_as_missing(tmp_path: Path) -> None:
    good = engines.installed(tiny.chat(tmp_path / "good.gguf"))
    with pytest.raises(EngineLoadFailed, match="No such file"):
        await engines.start(replace(good, path=tmp_path / "gone.gguf"), engines.settings(tmp_path))


async def test_a_model_that_takes_too_long_is_given_up(tmp_path: Path) -> None:
    good = engines.installed(tiny.chat(tmp_path / "good.gguf"))
    with pytest.raises(EngineLoadFailed, match=r"not loaded after 0\.001 seconds"):
        await engines.start(good, engines.settings(tmp_path, engine_load_timeout_s=0.001))


async def test_a_model_that_breaks_while_it_runs_is_given_up_with_its_cause(tmp_path: Path) -> None:
    """The worker dies and its file is gone: after a few tries the cause is what requests are told."""
    model = engines.installed(tiny.chat(tmp_path / "good.gguf"))
    chosen = engines.settings(tmp_path)
    async with engines.running(model, chosen) as engine:
        model.path.unlink()
        assert engine._run is not None
        engine._run.kill()
        with pytest.raises(EngineLoadFailed, match="No such file"):
            await engine.generate(engines.HELLO)
        assert engine.state.state == "failed" and "No such file" in engine.state.detail
        assert Notices(chosen.run_folder / "engines").find(model.name, sha256=model.sha256) is None
