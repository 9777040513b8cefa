"""Reads the header of a safetensors file, strictly: what passes is whole, and holds numbers and nothing else.

Called by `models.safetensors`. Knows no models. The files come from strangers: sizes are checked before anything is
read, and every byte of the file belongs to exactly one tensor.

Source: the safetensors format, https://github.com/huggingface/safetensors#format
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from intramuros.errors import ModelFileError

LARGEST_HEADER = 100_000_000
"""Bytes, as in the library's own reader."""
MOST_TENSORS, MOST_AXES = 200_000, 8
LONGEST_NAME = 512
NUMBER_BYTES = {
    "F64": 8, "F32": 4, "F16": 2, "BF16": 2, "F8_E4M3": 1, "F8_E5M2": 1, "F8_E8M0": 1,
    "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U64": 8, "U32": 4, "U16": 2, "U8": 1, "BOOL": 1,
}  # fmt: skip
METADATA = "__metadata__"


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor. Shape: outermost extent first. `kind`: what its numbers are, a name of `NUMBER_BYTES`."""

    kind: str
    shape: tuple[int, ...]
    begin: int
    end: int

    @property
    def values(self) -> int:
        """How many numbers it has."""
        return (self.end - self.begin) // NUMBER_BYTES[self.kind]


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a file, by name.

    Raises: ModelFileError saying in plain words what is wrong: no safetensors, cut short, damaged.
    """
    try:
        with path.open("rb") as file:
            size = path.stat().st_size
            start = file.read(8)
            length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
            if not 2 <= length <= min(LARGEST_HEADER, size - 8):
                raise ModelFileError("This is no safetensors file, or it was cut off.")
            text = file.read(length)
    except OSError as error:
        raise ModelFileError(f"The file can't be read: {error.strerror or 'input/output error'}.") from error
    tensors = {name: _tensor(value) for name, value in _header(text).items()}
    _check_places(tensors, size - 8 - length)
    return tensors


def _header(text: bytes) -> dict[str, Any]:
    if not text.startswith(b"{"):
        raise ModelFileError("This is no safetensors file.")
    try:
        header = json.loads(text, object_pairs_hook=_unique, parse_constant=_constant)
    except (ValueError, RecursionError):
        _broken("its header can't be read")
    metadata = header.pop(METADATA, {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        _broken("its notes are no texts")
    if not header or len(header) > MOST_TENSORS or any(len(name) > LONGEST_NAME for name in header):
        _broken("it names no tensors, or more than can be")
    return dict(header)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands there twice")
    return found


def _constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


def _tensor(value: Any) -> Tensor:
    if not isinstance(value, dict) or set(value) != {"dtype", "shape", "data_offsets"}:
        _broken("a tensor is not described as it must be")
    kind, shape, offsets = value["dtype"], value["shape"], value["data_offsets"]
    if not isinstance(kind, str) or kind not in NUMBER_BYTES:
        _broken("a tensor has numbers of a kind that is not known")
    if not _are_counts(shape) or len(shape) > MOST_AXES or not _are_counts(offsets) or len(offsets) != 2:
        _broken("a tensor's extents or its place are no numbers")
    count = 1
    for extent in shape:
        count *= extent
    begin, end = offsets
    if end - begin != count * NUMBER_BYTES[kind]:
        _broken("a tensor has another size than its extents say")
    return Tensor(kind, tuple(shape), begin, end)


def _are_counts(value: Any) -> bool:
    return isinstance(value, list) and all(type(one) is int and 0 <= one < 1 << 62 for one in value)


def _check_places(tensors: dict[str, Tensor], size_bytes: int) -> None:
    """One tensor after the other, from the header's end to that of the file. Raises: ModelFileError."""
    place = 0
    for tensor in sorted(tensors.values(), key=lambda one: (one.begin, one.end)):
        if tensor.begin != place:
            _broken("its tensors overlap, or leave gaps")
        place = tensor.end
    if place > size_bytes:
        raise ModelFileError("The file was cut off: its last tensors are missing.")
    if place < size_bytes:
        _broken("something stands behind its last tensor")


def _broken(what: str) -> NoReturn:
    raise ModelFileError(f"The safetensors file is broken: {what}.")
