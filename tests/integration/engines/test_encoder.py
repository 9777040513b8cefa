"""Encoders in ONNX Runtime on the real engine: the numbers are those of numpy, whole and with 8 bits, plain and sealed."""

from __future__ import annotations

import asyncio
import os
import signal
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from intramuros.engines import runners
from intramuros.engines.child import tried
from intramuros.engines.options import footprint
from intramuros.engines.pool import EnginePool
from intramuros.engines.rights import rights
from intramuros.errors import BadRequest, ContextOverflow, EngineDied, EngineLoadFailed
from intramuros.models.catalogue import load
from intramuros.models.download import pull
from intramuros.models.installed import InstalledModel, InstalledModels
from intramuros.models.memory import Footprint
from intramuros.privacy.egress import Egress
from intramuros.security.attempts import OPEN
from intramuros.tasks.ways_out import tempted
from tests.models import encoders, engines
from tests.models.encoders import Made, Shape, encoder
from tests.models.engines import Memory, Shelf, running, until

TEXTS = ["facture", "un contrat de bail pour deux ans", "a", "la facture du mois de mars", "deux"]
PROCESS_BYTES = 6 << 20
"""What the process takes for requests, beside the engine: texts, tokens, answers."""
MIDDLE = Shape(width=256, heads=8, feed=1024, layers=3, vocabulary=20_000, positions=256)


async def vectors_of(made: Made, folder: Path, texts: list[str] = TEXTS, asked: str = "") -> np.ndarray:
    model = engines.installed_folder(made.folder, asked=asked)
    async with running(model, engines.settings(folder)) as engine:
        return np.array(await engine.embed(texts))


def cosines(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    return np.asarray((one * other).sum(1) / lengths)


@pytest.mark.parametrize("normalises", [True, False])
@pytest.mark.parametrize("pooling", ["mean", "cls", "last"])
async def test_vectors_are_those_of_numpy_however_they_are_pooled(
    tmp_path: Path, pooling: str, normalises: bool
) -> None:
    made = encoder(tmp_path / "m", pooling=pooling, normalises=normalises)
    found = await vectors_of(made, tmp_path)
    wanted = np.stack([made.vector(text, pooling=pooling, normalises=normalises) for text in TEXTS])
    assert found == pytest.approx(wanted, abs=1e-5)
    assert (np.abs(np.linalg.norm(found, axis=1) - 1) < 1e-5).all() == normalises


async def test_texts_of_any_length_and_number_come_back_in_order(tmp_path: Path) -> None:
    made = encoder(tmp_path / "m")
    random = np.random.default_rng(3)
    texts = [" ".join(random.choice(list("abcdefgh"), size=size)) for size in random.integers(1, 120, size=60)]
    found = await vectors_of(made, tmp_path, texts)
    assert found == pytest.approx(np.stack([made.vector(text) for text in texts]), abs=1e-5)


async def test_scores_are_those_of_numpy(tmp_path: Path) -> None:
    made = encoder(tmp_path / "m", ranks=True)
    async with running(engines.installed_folder(made.folder), engines.settings(tmp_path)) as engine:
        found = await engine.rerank("facture de mars", TEXTS)
        assert found == pytest.approx([made.score("facture de mars", text) for text in TEXTS], abs=1e-5)
        with pytest.raises(ContextOverflow) as error:
            await engine.rerank("a " * 100, ["b " * 100])
    assert error.value.details == {"prompt_tokens": 203, "context_tokens": encoders.CONTEXT_TOKENS}


async def test_8_bits_give_nearly_the_same(tmp_path: Path) -> None:
    made = encoder(tmp_path / "m", quantised=True)
    whole = np.stack([made.vector(text) for text in TEXTS])
    found = await vectors_of(made, tmp_path)
    assert engines.installed_folder(made.folder).header.quantisation == "INT8"
    assert (cosines(found, whole) > 0.99).all() and found != pytest.approx(whole, abs=1e-5)


async def test_a_vector_depends_on_its_text_alone(tmp_path: Path) -> None:
    """A graph of 8 bits scales its numbers by all that is computed at once: by other texts, and by what fills up."""
    made = encoder(tmp_path / "m", quantised=True)
    async with running(engines.installed_folder(made.folder), engines.settings(tmp_path)) as engine:
        [alone] = await engine.embed(["facture"])
        others = [asyncio.create_task(engine.embed([f"{'b ' * number} c"])) for number in range(1, 30)]
        assert await engine.embed(["facture"]) == [alone]
        assert (await engine.embed(["un bail", "facture", "a b c d e f g h"]))[1] == alone
        await asyncio.gather(*others)


async def test_a_text_as_token_numbers_is_the_same_text(tmp_path: Path) -> None:
    made = encoder(tmp_path / "m")
    async with running(engines.installed_folder(made.folder), engines.settings(tmp_path)) as engine:
        tokens = await engine.tokenise("facture")
        found = await engine.vectors([tokens, "facture", made.tokenizer.encode("facture").ids])
        assert found.vectors[0] == pytest.approx(found.vectors[1], abs=1e-6)
        assert found.vectors[2] == pytest.approx(found.vectors[1], abs=1e-6)
        assert found.prompt_tokens == 3 * (len(tokens) + 2)
        with pytest.raises(BadRequest):
            await engine.vectors([[1_000_000]])
        with pytest.raises(ContextOverflow):
            await engine.vectors([[5] * 127])


async def test_a_text_is_never_cut(tmp_path: Path) -> None:
    """Though its tokenizer says that it should be."""
    made = encoder(tmp_path / "m")
    assert '"max_length": 8' in (made.folder / "tokenizer.json").read_text()
    async with running(engines.installed_folder(made.folder), engines.settings(tmp_path)) as engine:
        assert (await engine.vectors(["a " * 126])).prompt_tokens == 128
        with pytest.raises(ContextOverflow) as error:
            await engine.vectors(["kurz", "a " * 127])
        assert error.value.details == {"prompt_tokens": 129, "context_tokens": 128}


@pytest.mark.parametrize("external", [False, True])
async def test_sealed_it_gives_the_same_and_nothing_is_readable(tmp_path: Path, external: bool) -> None:
    made = encoder(tmp_path / "m", external=external)
    here = InstalledModels(tmp_path / "models", load(), key=bytes(range(32)), encrypts=True)
    model = await pull(str(made.folder), to=here, egress=Egress(), progress=lambda _: None, name="mine")
    assert model.is_sealed
    stored = b"".join(path.read_bytes() for path in (here.folder / "mine/sealed").rglob("*") if path.is_file())
    assert b"last_hidden_state" not in stored and b"[CLS]" not in stored
    async with running(model, engines.settings(tmp_path)) as engine:
        assert await engine.embed(TEXTS[:1]) == pytest.approx(made.vector(TEXTS[0])[None], abs=1e-5)


async def test_a_worker_that_is_killed_is_replaced(tmp_path: Path) -> None:
    made = encoder(tmp_path / "m", shape=MIDDLE)
    async with running(engines.installed_folder(made.folder), engines.settings(tmp_path)) as engine:
        first = engine.pid
        long = asyncio.create_task(engine.embed(["a b c " * 80] * 200))
        await until(lambda: engine.active == 1)
        os.kill(first, signal.SIGKILL)
        with pytest.raises(EngineDied):
            await long
        assert await engine.embed(["a"]) == pytest.approx(made.vector("a")[None], abs=1e-4)
        assert engine.pid != first


async def test_a_client_that_leaves_frees_it_and_a_short_request_need_not_wait_for_a_long_one(tmp_path: Path) -> None:
    made = encoder(tmp_path / "m", shape=MIDDLE)
    async with running(engines.installed_folder(made.folder), engines.settings(tmp_path)) as engine:
        long = asyncio.create_task(engine.embed(["a b c " * 80] * 400))
        await until(lambda: engine.active == 1)
        await engine.embed(["a"])
        assert not long.done()
        assert not await engine.is_idle()
        long.cancel()
        with pytest.raises(asyncio.CancelledError):
            await long
        await until(engine.is_idle)


async def test_its_process_has_no_way_out(tmp_path: Path) -> None:
    made = encoder(tmp_path / "m")
    model = engines.installed_folder(made.folder)
    chosen = engines.settings(tmp_path)
    async with running(model, chosen) as engine:
        assert engine.confinement is not None
        walls = engine.confinement
    files = [file.path for file in model.stored]
    given = rights(
        engines.options(model, chosen), model.header, files=files, socket=tmp_path / "s", runner=runners.ENCODER
    )
    secret = tmp_path / "secret"
    secret.write_text("of the gateway")
    with tempted(key_file=secret, database=tmp_path / "none") as targets:
        tried_walls, outcomes = await tried(given, targets)
    assert tried_walls == walls
    if walls.level != "full":
        pytest.skip("NOT TESTED: this kernel grants not all of it")
    assert [name for name, outcome in outcomes.items() if outcome == OPEN] == []


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("onnx/model.onnx", None, "could not load the model"),
        ("tokenizer.json", b'{"model": 3}', "could not load the model"),
    ],
)
async def test_what_the_engine_can_not_load_is_told(tmp_path: Path, name: str, content: bytes | None, why: str) -> None:
    made = encoder(tmp_path / "m")
    path = made.folder / name
    path.write_bytes(
        path.read_bytes().replace(b"LayerNormalization", b"LayerAbnormization") if content is None else content
    )
    with pytest.raises(EngineLoadFailed, match=why) as error:
        async with running(engines.installed_folder(made.folder), engines.settings(tmp_path)):
            pass
    assert str(tmp_path) not in error.value.message


async def test_without_the_extra_it_is_said_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runners, "find_spec", lambda name: None if name == "onnxruntime" else find_spec(name))
    made = encoder(tmp_path / "m")
    with pytest.raises(EngineLoadFailed, match="onnxruntime is missing") as error:
        async with running(engines.installed_folder(made.folder), engines.settings(tmp_path)):
            pass
    assert error.value.hint == "Install it: pip install 'intramuros[onnx]'"


@pytest.mark.parametrize("quantised", [False, True])
async def test_its_memory_is_about_what_was_predicted(tmp_path: Path, quantised: bool) -> None:
    made = encoder(tmp_path / "m", shape=MIDDLE, quantised=quantised)
    model = engines.installed_folder(made.folder)
    async with running(model, engines.settings(tmp_path)) as engine:
        took, wanted = engine.footprint, footprint(engine.options, model.header)
        assert took is not None
        assert model.header.tensor_bytes < took.weights_bytes < 1.5 * wanted.weights_bytes
        before = _private(engine.pid)
        for length in (80, 70, 79, 80):
            await engine.embed(["a b c " * length] * 8)
        assert 0.4 * took.compute_bytes < _private(engine.pid) - before < took.compute_bytes + PROCESS_BYTES


async def test_the_pool_counts_and_remembers_what_it_took(tmp_path: Path) -> None:
    model = engines.installed_folder(encoder(tmp_path / "m").folder, "mine")
    memory = Memory()
    pool = EnginePool(Shelf({"mine": model}), engines.settings(tmp_path), egress=Egress(), remember=memory)
    try:
        loaded = await pool.load("mine")
        assert loaded.is_measured and loaded.size_bytes > model.header.tensor_bytes
        kept = next(value for key, value in memory.values.items() if key.startswith("size:"))
        assert Footprint.from_json(kept).total_bytes == loaded.size_bytes
        assert {key for key in memory.values if key.startswith("verified:mine/")} == {
            f"verified:mine/{file.name}" for file in model.files
        }
    finally:
        await pool.stop()


async def test_a_file_that_was_changed_is_not_loaded(tmp_path: Path) -> None:
    model = engines.installed_folder(encoder(tmp_path / "m").folder, "mine")
    _change(model)
    pool = EnginePool(Shelf({"mine": model}), engines.settings(tmp_path), egress=Egress(), remember=Memory())
    try:
        with pytest.raises(Exception, match=r"mine/tokenizer\.json has changed"):
            await pool.load("mine")
    finally:
        await pool.stop()


def _change(model: InstalledModel) -> None:
    path = model.path / "tokenizer.json"
    path.write_text(path.read_text().replace("##a", "##A"))


def _private(pid: int) -> int:
    _, resident, shared, *_rest = map(int, Path(f"/proc/{pid}/statm").read_text().split())
    return (resident - shared) * os.sysconf("SC_PAGE_SIZE")


def test_no_options_are_those_of_another_engine(tmp_path: Path) -> None:
    model = engines.installed_folder(encoder(tmp_path / "m").folder)
    options: Any = engines.options(model, engines.settings(tmp_path))
    assert (options.kind, options.context_tokens, options.batch_tokens, options.gpu_layers) == ("embed", 128, 1024, 0)
