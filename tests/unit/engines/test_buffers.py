"""The engine's log of a load, as the one of b11549 says it."""

from __future__ import annotations

from intramuros.engines.buffers import footprint_in
from intramuros.models.memory import Footprint

MIB = 1 << 20
LOG = """0.00.868.783 I load_tensors:   CPU_Mapped model buffer size =    92.00 MiB
0.00.872.097 I llama_context:        CPU  output buffer size =     0.50 MiB
0.00.872.217 I llama_kv_cache:        CPU KV buffer size =    45.00 MiB
0.00.872.220 I llama_kv_cache:        CPU KV buffer size =     3.00 MiB
0.00.872.217 I llama_memory_recurrent:        CPU RS buffer size =     2.00 MiB
0.01.264.470 I sched_reserve:        CPU compute buffer size =    47.50 MiB""".splitlines()


def test_the_buffers_are_added_up() -> None:
    assert footprint_in(LOG) == Footprint(92 * MIB, 48 * MIB, 2 * MIB, 48 * MIB)


def test_weights_that_were_rearranged_are_copies_of_mapped_ones() -> None:
    line = "0.00.868.783 I load_tensors:   CPU_REPACK model buffer size =    60.00 MiB"
    assert footprint_in([line, *LOG]) == footprint_in(LOG)
    unmapped = [line, LOG[0].replace("CPU_Mapped", "CPU"), *LOG[1:]]
    found = footprint_in(unmapped)
    assert found is not None and found.weights_bytes == 152 * MIB


def test_a_log_without_buffers_says_nothing() -> None:
    assert footprint_in([]) is None
    assert footprint_in(LOG[:-1]) is None
    assert footprint_in(LOG[1:]) is None
