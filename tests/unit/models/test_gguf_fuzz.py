"""Whatever the bytes are: a header or a ModelFileError, never anything else, and quickly."""

from __future__ import annotations

import tempfile
import tracemalloc
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from intramuros.errors import ModelFileError
from intramuros.models.gguf import GgufHeader, read_header
from intramuros.models.memory import predict
from tests.unit.models.builder import Gguf

WHOLE = Gguf.model(attention__sliding_window=64).bytes()
HEADER_BYTES = len(WHOLE) - 64 * 64 * 4 - 64 * 100 // 32 * 34
FAST = settings(max_examples=150, deadline=1000, suppress_health_check=[HealthCheck.too_slow])


def _read(content: bytes) -> GgufHeader | None:
    with tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        tracemalloc.start()
        try:
            header = read_header(Path(file.name))
        except ModelFileError as error:
            assert error.message
            header = None
        finally:
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
    assert peak < 32 << 20
    return header


@FAST
@given(st.binary(max_size=2000))
def test_any_bytes(content: bytes) -> None:
    _read(content)


@FAST
@given(st.binary(max_size=600))
def test_any_bytes_after_the_magic(content: bytes) -> None:
    _read(b"GGUF\3\0\0\0" + content)


@FAST
@given(st.data())
def test_any_damage_to_a_header(data: st.DataObject) -> None:
    content = bytearray(WHOLE)
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(0, HEADER_BYTES - 1))
        content[at] = data.draw(st.integers(0, 255))
    header = _read(bytes(content[: data.draw(st.integers(0, len(content)))] if data.draw(st.booleans()) else content))
    if header is not None:  # then it can be calculated with
        assert predict(header, context_tokens=4096, slots=4).total_bytes >= 0


@FAST
@given(
    st.integers(0, HEADER_BYTES - 8), st.sampled_from([0, 1, 0x7F, 1 << 31, 1 << 32, 1 << 62, 1 << 63, (1 << 64) - 1])
)
def test_any_number_in_a_header_made_extreme(at: int, value: int) -> None:
    content = bytearray(WHOLE)
    content[at : at + 8] = value.to_bytes(8, "little")
    _read(bytes(content))
