"""What an engine is started with, on machines of all sizes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from intramuros.engines.options import EngineOptions, choose, footprint
from intramuros.errors import ModelTooLarge
from intramuros.models.gguf import GgufHeader, read_header
from intramuros.models.machine import Gpu, Machine
from intramuros.settings import Settings
from tests.models import tiny

GIB = 1 << 30


@pytest.fixture(scope="module")
def header(tmp_path_factory: pytest.TempPathFactory) -> GgufHeader:
    """A model of about three billion parameters, as far as its header says."""
    found = read_header(tiny.chat(tmp_path_factory.mktemp("models") / "tiny.gguf"))
    layers = 32
    return replace(
        found,
        context_tokens=32768,
        tensor_bytes=2 * GIB,
        layers=layers,
        heads=(24,) * layers,
        kv_heads=(8,) * layers,
        key_length=128,
        value_length=128,
        window_layers=(False,) * layers,
        recurrent_layers=(False,) * layers,
        embedding_length=3072,
    )


def machine(free: float, **more: Any) -> Machine:
    plain = Machine("x", "x86_64", 4, 8, frozenset(), 64 * GIB, int((free + 1) * GIB))
    return replace(plain, **more)


def chosen(header: GgufHeader, free: float, **more: Any) -> EngineOptions:
    return choose(header, machine(free), Settings(data=Path("/d"), **more))


def test_a_roomy_machine_gets_a_long_context_and_four_slots(header: GgufHeader) -> None:
    options = chosen(header, 40)
    assert (options.context_tokens, options.slots, options.threads) == (8192, 4, 4)
    assert (options.flash_attention, options.cache_type_k, options.cache_type_v) == (False, "q8_0", "f16")


@pytest.mark.parametrize("free", [2.4, 2.6, 3, 4, 6, 10])
def test_it_always_fits_and_slots_go_before_context(header: GgufHeader, free: float) -> None:
    options = chosen(header, free)
    assert footprint(options, header).total_bytes <= free * GIB
    assert options.context_tokens >= 4096 or options.slots == 1


def test_less_memory_never_gives_more_context(header: GgufHeader) -> None:
    contexts = [chosen(header, free).context_tokens for free in (2.3, 2.5, 3, 4, 8, 20)]
    assert contexts == sorted(contexts) and len(set(contexts)) > 2


def test_a_model_that_does_not_fit_is_refused_with_numbers(header: GgufHeader) -> None:
    with pytest.raises(ModelTooLarge) as error:
        chosen(header, 1.9)
    assert error.value.details["needed_bytes"] > error.value.details["free_bytes"]  # type: ignore[operator]


def test_settings_are_kept_or_refused_never_bent(header: GgufHeader) -> None:
    options = chosen(header, 40, context_tokens=16384, slots=2)
    assert (options.context_tokens, options.slots) == (16384, 2)
    with pytest.raises(ModelTooLarge):
        chosen(header, 4, context_tokens=32768, slots=8)


def test_more_than_four_slots_only_where_their_caches_are_small_beside_the_memory(header: GgufHeader) -> None:
    caches = footprint(replace(chosen(header, 40, slots=9), slots=9), header)
    taken = (caches.kv_bytes + caches.state_bytes + caches.compute_bytes) / GIB
    weights = caches.weights_bytes / GIB
    assert chosen(header, weights + 10 * taken + 0.1).slots == 9
    assert chosen(header, weights + 10 * taken - 0.1).slots == 4
    card = Gpu("Card", memory_bytes=24 * GIB, free_bytes=23 * GIB)
    assert choose(header, machine(40, gpus=(card,)), Settings(data=Path("/d"))).slots == 4


def test_a_context_is_never_longer_than_the_model_can(header: GgufHeader) -> None:
    assert chosen(replace(header, context_tokens=2048), 40).context_tokens == 2048
    assert chosen(replace(header, context_tokens=2048), 40).slots == 9
    assert chosen(header, 40, context_tokens=1 << 20, slots=1).context_tokens == 32768


def test_a_gpu_takes_the_model_and_the_engines_own_defaults(header: GgufHeader) -> None:
    card = Gpu("Card", memory_bytes=24 * GIB, free_bytes=23 * GIB)
    options = choose(header, machine(40, gpus=(card,)), Settings(data=Path("/d")))
    assert (options.gpu_layers, options.flash_attention, options.cache_type_k) == (-1, None, "f16")
    small = replace(card, free_bytes=GIB // 4)
    assert choose(header, machine(40, gpus=(small,)), Settings(data=Path("/d"))).gpu_layers == 0


def test_keys_that_can_not_be_quantised_are_not(header: GgufHeader) -> None:
    assert chosen(replace(header, key_length=80, value_length=80), 40).cache_type_k == "f16"
    assert chosen(replace(header, latent=True), 40).cache_type_k == "f16"


def test_an_embedder_reads_a_text_in_one_batch(tmp_path: Path) -> None:
    options = chosen(read_header(tiny.embedder(tmp_path / "e.gguf")), 40)
    assert options.kind == "embed" and options.slots == 1
    assert options.batch_tokens == options.context_tokens == tiny.CONTEXT_TOKENS
    assert chosen(read_header(tiny.reranker(tmp_path / "r.gguf")), 40).kind == "rerank"


def test_options_come_back_as_they_were_remembered(header: GgufHeader) -> None:
    options = chosen(header, 40)
    assert EngineOptions.from_json(options.to_json()) == options


@pytest.mark.parametrize("change", [{"threads_more": 1}, {"cache_type_k": "q9"}, {"speculation": "magic"}])
def test_options_of_another_version_are_not_used(header: GgufHeader, change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="engine options"):
        EngineOptions.from_json(chosen(header, 40).to_json() | change)
