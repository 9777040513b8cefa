"""The allocator's replay: gaps are filled as the engine fills them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from intramuros.models.gguf import read_header
from intramuros.models.memory import predict
from intramuros.models.scratch import Graph, Space
from tests.unit.models.builder import Gguf


def test_the_smallest_gap_that_fits_is_taken() -> None:
    space = Space()
    places = [space.take(size) for size in (640, 64, 128, 64)]
    space.give_back(*places[0])
    space.give_back(*places[2])
    assert space.take(100)[0] == places[2][0]
    assert space.take(640)[0] == places[0][0]
    assert space.take(64)[0] == space.size - 64 == 896


def test_neighbouring_gaps_become_one() -> None:
    space = Space()
    places = [space.take(64) for _ in range(4)]
    for place in (places[0], places[2], places[1]):
        space.give_back(*place)
    assert space.take(192)[0] == 0


def test_a_result_is_freed_after_its_last_reader_and_may_be_overwritten_in_place() -> None:
    graph = Graph(inputs=[64])
    first = graph.put(1024)
    second = graph.put(1024, first)
    third = graph.put(1024, second)  # goes where the first was
    assert graph.size() == 64 + 2048
    graph.put(0, third, in_place=True)
    assert graph.size() == 64 + 2048


def test_what_is_kept_is_never_freed() -> None:
    graph = Graph()
    first = graph.put(1024, is_kept=True)
    second = graph.put(1024, first)
    graph.put(1024, second)
    assert graph.size() == 3072


@pytest.mark.parametrize(
    "numbers",
    [
        {"expert_count": 1 << 24, "expert_used_count": 1 << 24, "block_count": 1024},
        {"attention__kv_lora_rank": 512, "attention__key_length": 8, "attention__value_length": 512},
        {"ssm__state_size": 1, "ssm__inner_size": 0, "ssm__conv_kernel": 4, "attention__head_count_kv": [0, 0]},
        {"attention__head_count": 0, "embedding_length": 1},
    ],
)
def test_a_header_that_says_nonsense_is_followed_in_bounded_time(tmp_path: Path, numbers: dict[str, Any]) -> None:
    path = tmp_path / "odd.gguf"
    path.write_bytes(Gguf.model("qwen3moe", **numbers).bytes())
    footprint = predict(read_header(path), context_tokens=4096, slots=2, flash_attention=False)
    assert footprint.compute_bytes > 0
