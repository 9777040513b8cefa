"""The figures are those of llama.cpp's own log for models of the same shape."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from intramuros.models.gguf import GgufHeader, read_header
from intramuros.models.memory import Footprint, kv_cache_bytes, predict
from tests.unit.models.builder import Gguf

MIB = 1 << 20


def header(tmp_path: Path, architecture: str = "llama", **numbers: Any) -> GgufHeader:
    path = tmp_path / "model.gguf"
    path.write_bytes(Gguf.model(architecture, **numbers).bytes())
    return read_header(path)


@pytest.fixture
def eight_billion(tmp_path: Path) -> GgufHeader:
    shape: dict[str, Any] = {
        "block_count": 32,
        "attention__head_count": 32,
        "attention__head_count_kv": 8,
        "attention__key_length": 128,
    }
    return header(tmp_path, attention__value_length=128, **shape)


def test_the_cache_of_plain_layers(eight_billion: GgufHeader) -> None:
    assert predict(eight_billion, context_tokens=8192).kv_bytes == 1024 * MIB
    assert predict(eight_billion, context_tokens=8192, cache_type_k="q8_0", cache_type_v="q8_0").kv_bytes == 544 * MIB
    assert predict(eight_billion, context_tokens=8192, cache_type_k="q8_0").kv_bytes == 784 * MIB


def test_slots_have_caches_of_their_own_or_share_one(eight_billion: GgufHeader) -> None:
    assert predict(eight_billion, context_tokens=2048, slots=4).kv_bytes == 1024 * MIB
    assert predict(eight_billion, context_tokens=2048, slots=4, unified=True).kv_bytes == 1024 * MIB


def test_the_context_is_padded_to_whole_cells(eight_billion: GgufHeader) -> None:
    assert predict(eight_billion, context_tokens=1).kv_bytes == predict(eight_billion, context_tokens=256).kv_bytes


def test_window_layers_keep_the_window_and_one_batch(tmp_path: Path) -> None:
    shape: dict[str, Any] = {"block_count": 34, "attention__head_count_kv": 4, "attention__key_length": 256}
    gemma = header(tmp_path, "gemma3", attention__value_length=256, attention__sliding_window=1024, **shape)
    assert predict(gemma, context_tokens=8192).kv_bytes == (160 + 174) * MIB  # 5 global and 29 window layers
    assert predict(gemma, context_tokens=2048, slots=4).kv_bytes == (160 + 4 * 174) * MIB


def test_layers_without_a_cache_and_encoders_take_none(tmp_path: Path) -> None:
    assert predict(header(tmp_path, attention__head_count_kv=[2, 0]), context_tokens=256).kv_bytes == 256 * 2 * 32 * 2
    assert predict(header(tmp_path, "bert", attention__causal=False), context_tokens=512).kv_bytes == 0


def test_the_state_of_recurrent_layers_does_not_grow_with_the_context(tmp_path: Path) -> None:
    hybrid = header(
        tmp_path,
        "qwen35",
        block_count=4,
        full_attention_interval=4,
        ssm__state_size=128,
        ssm__inner_size=4096,
        ssm__conv_kernel=4,
        ssm__group_count=16,
    )
    one = predict(hybrid, context_tokens=8192).state_bytes
    assert one == 3 * 4 * (3 * (4096 + 2 * 16 * 128) + 128 * 4096)
    assert predict(hybrid, context_tokens=65536, slots=2).state_bytes == 2 * one


def test_without_flash_attention_the_scores_are_kept(eight_billion: GgufHeader) -> None:
    with_it = predict(eight_billion, context_tokens=8192)
    without = predict(eight_billion, context_tokens=8192, flash_attention=False)
    scores, wider_mask, where_values_go = 8192 * 512 * 32 * 4, 8192 * 512 * 2, 512 * 8 * 8 * 128
    more = without.compute_bytes - with_it.compute_bytes
    assert more == pytest.approx(scores + wider_mask + where_values_go, rel=0.01)


def test_what_an_older_version_noted_of_a_model_is_enough(eight_billion: GgufHeader) -> None:
    noted = eight_billion.to_json()
    del noted["widths"]
    assert GgufHeader.from_json(eight_billion.to_json()) == eight_billion
    assert predict(GgufHeader.from_json(noted), context_tokens=4096).kv_bytes > 0


def test_a_footprint_comes_back_as_it_was_remembered(eight_billion: GgufHeader) -> None:
    footprint = predict(eight_billion, context_tokens=512)
    assert Footprint.from_json(footprint.to_json()) == footprint
    for wrong in ([1, 2, 3], None, ["a"] * 4, {"weights": 1}):
        with pytest.raises(ValueError, match="footprint"):
            Footprint.from_json(wrong)


def test_the_total_is_the_sum(eight_billion: GgufHeader) -> None:
    footprint = predict(eight_billion, context_tokens=4096)
    assert footprint.weights_bytes == eight_billion.tensor_bytes
    parts = footprint.weights_bytes + footprint.kv_bytes + footprint.state_bytes + footprint.compute_bytes
    assert footprint.total_bytes == parts


def test_negative_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="negative"):
        kv_cache_bytes(layers=1, kv_heads=1, key_length=-1, value_length=1, cells=1)
