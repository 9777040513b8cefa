"""The memory prediction against what the engine itself reports, on models of random weights and on the starter."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from intramuros.engines.local import LocalEngine
from intramuros.engines.options import EngineOptions, choose, footprint, kind_of, needed_bytes
from intramuros.models.catalogue import load
from intramuros.models.installed import InstalledModel
from intramuros.models.machine import Machine
from intramuros.models.memory import Footprint
from intramuros.privacy.egress import Egress
from tests.models import engines, shapes, tiny
from tests.models.shapes import KINDS, Shape

MIB = 1 << 20
ROUNDING = 0.02 * MIB
"""The log has two decimals of a mebibyte, for each of a model's buffers."""
DECODING: dict[str, Any] = {"flash_attention": False, "batch_tokens": 128}
LONG: dict[str, Any] = {"flash_attention": True, "batch_tokens": 512, "context_tokens": 6144}
RUNS: dict[str, dict[str, Any]] = {
    "as on a processor": DECODING | {"context_tokens": 2048, "slots": 4},
    "long": LONG,
    "short, in one go": {"flash_attention": False, "batch_tokens": 512, "context_tokens": 700},
}
SCRATCH_ERROR = 0.13
"""How far the scratch memory alone may be off. Most kinds are exact; see docs/known-limits.md."""


async def reported(model: InstalledModel, tmp_path: Path, **more: Any) -> tuple[Footprint, Footprint]:
    """What was predicted, and what the engine's log said."""
    options = EngineOptions(threads=1, threads_batch=1, prompt_cache_mib=0, kind=kind_of(model.header))
    options = replace(options, **more)
    engine = await LocalEngine.start(model, options, tmp_path / "e", engines.settings(tmp_path), egress=Egress())
    try:
        assert engine.footprint is not None
        return footprint(options, model.header), engine.footprint
    finally:
        await engine.close()


def compare(predicted: Footprint, measured: Footprint) -> None:
    assert predicted.total_bytes == pytest.approx(measured.total_bytes, rel=0.05, abs=ROUNDING)
    assert predicted.weights_bytes == pytest.approx(measured.weights_bytes, abs=ROUNDING)
    assert predicted.kv_bytes == pytest.approx(measured.kv_bytes, abs=ROUNDING)
    assert predicted.state_bytes == pytest.approx(measured.state_bytes, abs=ROUNDING)
    assert predicted.compute_bytes == pytest.approx(measured.compute_bytes, rel=SCRATCH_ERROR, abs=ROUNDING)


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("kind", KINDS)
async def test_prediction_and_report_agree(tmp_path: Path, kind: str, run: str) -> None:
    model = engines.installed(shapes.write(Shape(**KINDS[kind]), tmp_path / "random.gguf"))
    compare(*await reported(model, tmp_path, **RUNS[run]))


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("plain", DECODING | {"cache_type_k": "q8_0", "context_tokens": 4096}),
        ("grouped", LONG | {"cache_type_k": "q8_0", "cache_type_v": "q8_0", "slots": 2}),
        ("window", LONG | {"cache_type_k": "q4_0", "cache_type_v": "q4_0"}),
        ("latent", LONG | {"cache_type_k": "q8_0", "cache_type_v": "q8_0"}),
        ("convolution", LONG | {"cache_type_k": "bf16", "cache_type_v": "bf16"}),
    ],
)
async def test_smaller_numbers_in_the_cache_are_counted(tmp_path: Path, kind: str, more: dict[str, Any]) -> None:
    model = engines.installed(shapes.write(Shape(**KINDS[kind]), tmp_path / "random.gguf"))
    compare(*await reported(model, tmp_path, **more))


@pytest.mark.parametrize("seed", range(3))
async def test_models_of_random_shapes(tmp_path: Path, seed: int) -> None:
    """Wider and narrower than the ones above, with everything about them drawn by chance."""
    import random

    draw = random.Random(seed)
    heads, head_length = draw.choice([(4, 64), (6, 32), (12, 64)]), draw.choice([32, 64, 96])
    shape = Shape(
        layers=draw.randint(1, 9),
        embedding=64 * draw.randint(2, 10),
        feed=64 * draw.randint(2, 24),
        heads=heads[0],
        kv_heads=draw.choice([1, 2, heads[0]]),
        head_length=head_length,
        vocabulary=draw.choice([500, 9000]),
    )
    model = engines.installed(shapes.write(shape, tmp_path / "random.gguf"))
    more = draw.choice([DECODING, LONG]) | {"context_tokens": 256 * draw.randint(2, 20), "slots": draw.randint(1, 3)}
    compare(*await reported(model, tmp_path, **more))


async def test_an_embedder_and_a_reranker(tmp_path: Path) -> None:
    for make in (tiny.embedder, tiny.reranker):
        model = engines.installed(make(tmp_path / f"{make.__name__}.gguf"))
        predicted, measured = await reported(model, tmp_path, batch_tokens=1024, context_tokens=1024)
        assert predicted.weights_bytes == pytest.approx(measured.weights_bytes, abs=ROUNDING)
        assert measured.total_bytes <= predicted.total_bytes <= 2 * measured.total_bytes + MIB


@pytest.mark.starter
async def test_prediction_and_report_agree_on_the_starter(starter_model: Path, tmp_path: Path) -> None:
    model = engines.installed(starter_model, "starter")
    compare(*await reported(model, tmp_path, **DECODING, context_tokens=4096, slots=2, cache_type_k="q8_0"))


@pytest.mark.starter
async def test_the_memory_shown_is_what_the_engine_takes(starter_model: Path, tmp_path: Path) -> None:
    """Mapped weights count; the interpreter and the engine's libraries, about 100 MB, come on top of the prediction."""
    roomy = Machine("test", "x86_64", 2, 2, frozenset(), 8 << 30, 8 << 30)
    settings, model = engines.settings(tmp_path), engines.installed(starter_model, "starter")
    options = choose(model.header, roomy, settings)
    shown = needed_bytes(model.header, roomy, settings)
    engine = await LocalEngine.start(model, options, tmp_path / "e", settings, egress=Egress())
    try:
        await engine.generate(engines.HELLO | {"max_tokens": 1})
        resident = int(re.findall(r"VmRSS:\s+(\d+)", Path(f"/proc/{engine.pid}/status").read_text())[0]) << 10
    finally:
        await engine.close()
    assert options.slots == 4
    assert shown == pytest.approx(resident, rel=0.2)
    assert needed_bytes(load().starter.header, roomy, settings) == pytest.approx(shown, rel=0.03)


async def test_a_worker_that_serves_says_nothing_of_requests(tmp_path: Path) -> None:
    """Its log is told in full while it loads, and only then."""
    model = engines.installed(tiny.chat(tmp_path / "tiny.gguf"))
    async with engines.running(model, engines.settings(tmp_path)) as engine:
        assert engine._run is not None and engine._run.child is not None
        child = engine._run.child
        child.serves = False  # keeps what it says from now on
        child.lines.clear()
        await engine.generate(engines.HELLO | {"max_tokens": 2})
        assert [line for line in child.lines if " I " in line] == []
