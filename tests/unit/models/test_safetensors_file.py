from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intramuros.errors import ModelFileError
from intramuros.models.safetensors_file import Tensor, read_tensors
from tests.models.folders import Tensors, safetensors

ONE: Tensors = {"a": np.zeros((2, 3), dtype=np.float32), "b": np.zeros(4, dtype=np.float16)}


def entry(**changes: Any) -> dict[str, Any]:
    return {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]} | changes


def file(header: Any, data: bytes = b"", *, length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "model.safetensors"


def test_the_tensors_of_a_file(path: Path) -> None:
    path.write_bytes(safetensors(ONE))
    assert read_tensors(path) == {"a": Tensor("F32", (2, 3), 0, 24), "b": Tensor("F16", (4,), 24, 32)}
    assert [tensor.values for tensor in read_tensors(path).values()] == [6, 4]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "cut off"),
        (b"\x80\x04\x95" + bytes(40), "no safetensors"),  # a pickle
        (b"PK\x03\x04" + bytes(40), "no safetensors"),  # the archive that torch.save writes
        (file({"a": entry()}, bytes(8), length=1 << 40), "cut off"),
        (file(b"[]", bytes(8)), "no safetensors"),
        (file(b'{"a": ', bytes(8)), "can't be read"),
        (file(b"{" * 5000, bytes(8)), "can't be read"),
        (file(b'{"a": {"dtype": NaN}}', bytes(8)), "can't be read"),
        (file(b'{"a": 1, "a": 1}', bytes(8)), "can't be read"),
        (file({}, b""), "no tensors"),
        (file({"__metadata__": {"format": 3}, "a": entry()}, bytes(8)), "no texts"),
        (file({"a" * 600: entry()}, bytes(8)), "more than can be"),
        (file({"a": entry(dtype="OBJECT")}, bytes(8)), "kind that is not known"),
        (file({"a": entry(dtype=["F32"])}, bytes(8)), "kind that is not known"),
        (file({"a": entry() | {"code": "x"}}, bytes(8)), "not described"),
        (file({"a": entry(shape=[-2])}, bytes(8)), "no numbers"),
        (file({"a": entry(shape=[True])}, bytes(8)), "no numbers"),
        (file({"a": entry(shape=[1] * 9)}, bytes(8)), "no numbers"),
        (file({"a": entry(data_offsets=[8, 0])}, bytes(8)), "another size"),
        (file({"a": entry(shape=[1 << 61, 8])}, bytes(8)), "another size"),
        (file({"a": entry(), "b": entry()}, bytes(8)), "overlap"),
        (file({"a": entry(data_offsets=[8, 16])}, bytes(16)), "gaps"),
        (file({"a": entry()}, bytes(7)), "cut off"),
        (file({"a": entry()}, bytes(9)), "behind its last tensor"),
    ],
)
def test_what_is_not_whole_is_refused(path: Path, content: bytes, said: str) -> None:
    path.write_bytes(content)
    with pytest.raises(ModelFileError) as error:
        read_tensors(path)
    assert said in error.value.message


def test_a_file_that_is_not_there(path: Path) -> None:
    with pytest.raises(ModelFileError):
        read_tensors(path)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_damage_is_either_seen_or_harmless(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    content = bytearray(safetensors(ONE))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "damaged.safetensors"
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    try:
        found = read_tensors(path)
    except ModelFileError:
        return
    assert sum(tensor.end - tensor.begin for tensor in found.values()) < path.stat().st_size
