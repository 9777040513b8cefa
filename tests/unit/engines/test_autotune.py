"""What autotuning would try, when it doesn't, and the stand-in it measures on."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from intramuros.engines import autotune
from intramuros.engines.autotune import Tuned, attention_candidates, busy_share, thread_candidates, tune
from intramuros.engines.options import EngineOptions
from intramuros.engines.stand_in import SAME_WORK, StandIn
from intramuros.models.gguf import GgufHeader, read_header
from intramuros.models.machine import Machine
from intramuros.privacy.egress import Egress
from tests.models import engines, tiny

OPTIONS = EngineOptions(threads=2, threads_batch=2, cache_type_k="q8_0", flash_attention=False, context_tokens=4096)


@pytest.fixture
def header(tmp_path: Path) -> GgufHeader:
    return read_header(tiny.chat(tmp_path / "tiny.gguf"))


def machine(cores: int, threads: int) -> Machine:
    return Machine("x", "x86_64", cores, threads, frozenset(), 1 << 34, 1 << 33)


def test_the_engines_default_is_the_first_candidate() -> None:
    first, other = attention_candidates(OPTIONS)
    assert (first.flash_attention, first.cache_type_k, first.batch_tokens) == (None, "f16", 512)
    assert (other.flash_attention, other.cache_type_k, other.batch_tokens) == (False, "q8_0", 128)
    assert all(option.cache_type_k == "f16" for option in attention_candidates(replace(OPTIONS, cache_type_k="f16")))


@pytest.mark.parametrize(
    ("cores", "threads", "expected"), [(2, 2, [2]), (4, 8, [4, 8]), (16, 16, [16, 8]), (16, 32, [16, 32, 8])]
)
def test_threads_are_tried_where_there_is_a_choice(cores: int, threads: int, expected: list[int]) -> None:
    assert thread_candidates(machine(cores, threads)) == expected


def test_a_stand_in_has_the_models_heads_and_is_a_model(header: GgufHeader, tmp_path: Path) -> None:
    stand_in = StandIn.of(header)
    assert stand_in is not None
    made = read_header(stand_in.write(tmp_path / "s.gguf", context_tokens=500))
    assert (made.heads[0], made.kv_heads[0], made.key_length) == (
        header.heads[0],
        header.kv_heads[0],
        header.key_length,
    )
    assert made.context_tokens == 500


def test_a_stand_in_of_a_large_model_is_small(header: GgufHeader, tmp_path: Path) -> None:
    large = StandIn.of(replace(header, heads=(64,), kv_heads=(8,), key_length=128, value_length=128))
    assert large is not None
    assert large.write(tmp_path / "s.gguf", context_tokens=2000).stat().st_size < 8 << 20


def test_larger_heads_are_measured_on_fewer_layers(header: GgufHeader) -> None:
    small, large = (
        StandIn.of(header),
        StandIn.of(replace(header, heads=(32,), kv_heads=(8,), key_length=128, value_length=128)),
    )
    assert small is not None and large is not None
    assert small.layers > large.layers >= 1 and large.layers * 32 * 128 <= max(SAME_WORK, 32 * 128)


def test_attention_of_another_kind_has_no_stand_in(header: GgufHeader) -> None:
    assert StandIn.of(replace(header, latent=True)) is None
    assert StandIn.of(replace(header, kv_heads=(0,))) is None
    assert StandIn.of(replace(header, value_length=header.key_length * 2)) is None


async def test_nothing_is_measured_on_a_busy_machine_a_gpu_or_an_embedder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def busy(**_: Any) -> float:
        return 0.9

    monkeypatch.setattr(autotune, "busy_share", busy)
    model = engines.installed(tiny.chat(tmp_path / "tiny.gguf"))

    async def tuned(options: EngineOptions) -> Tuned:
        return await tune(model, options, machine(2, 2), folder=tmp_path / "run", egress=Egress())

    assert await tuned(OPTIONS) == Tuned({}, complete=False)
    assert await tuned(replace(OPTIONS, gpu_layers=-1)) == Tuned({}, complete=True)
    assert await tuned(replace(OPTIONS, kind="embed")) == Tuned({}, complete=True)


async def test_how_busy_the_machine_is_comes_from_the_kernel(tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()
    stat = tmp_path / "proc" / "stat"
    stat.write_text("cpu  100 0 0 100 0 0 0 0 0 0\n")

    async def later() -> None:
        stat.write_text("cpu  130 0 0 110 0 0 0 0 0 0\n")

    task = asyncio.create_task(later())
    assert await busy_share(watched_s=0.01, root=tmp_path) == pytest.approx(0.75)
    await task
    assert await busy_share(watched_s=0, root=tmp_path / "nowhere") == 0


def test_what_was_found_is_laid_over_the_present_choice() -> None:
    tuned = Tuned({"speculation": "ngram-map-k", "batch_tokens": 512})
    assert tuned.applied(OPTIONS) == replace(OPTIONS, speculation="ngram-map-k", batch_tokens=512)
    with pytest.raises(ValueError, match="engine options"):
        Tuned({"gone": 1}).applied(OPTIONS)
