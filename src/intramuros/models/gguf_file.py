"""Reads the raw structure of a GGUF file and refuses anything the engine would stumble over.

Used by `models.gguf`, which gives the numbers their meaning. It reads the header only, never a weight, trusts nothing
in it, and spends bounded time and memory: every length is compared with what is left of the file before it is used, and
long lists (the vocabulary) are counted and skipped. Never maps the file: a file cut short while it is read must not
kill the process.

Source: the GGUF specification (ggml, docs/gguf.md) and the checks of ggml/src/gguf.cpp.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import BinaryIO

from intramuros.errors import ModelFileError
from intramuros.models.tensor_types import TENSOR_TYPES

Scalar = int | float | bool | str
Value = Scalar | tuple[Scalar, ...]

MAGIC = b"GGUF"
VERSIONS = (2, 3)
STRING, ARRAY = 8, 9
FORMATS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
BOOL = 7

MAX_KEYS = 10_000
MAX_TENSORS = 100_000
MAX_KEY_BYTES = 256
MAX_TENSOR_NAME_BYTES = 63  # GGML_MAX_NAME - 1
MAX_TEXT_BYTES = 4 << 20  # a chat template is some 10 kB
MAX_KEPT_BYTES = 16 << 20  # of all texts that are kept: bounds the memory
MAX_HEADER_BYTES = 256 << 20  # with the largest vocabularies it is some 16 MiB
MAX_LIST = 4 << 20  # entries; the largest vocabularies have 262,144 words and twice as many merges
MAX_LIST_ENTRIES = 8 << 20  # of all lists together: bounds the time
KEPT_LIST = 1024  # entries: one number for each layer is kept, a vocabulary is not
MAX_DIMENSIONS = 4
IN_A_LAYER = re.compile(r"blk\.\d+\.(.+)")
DEFAULT_ALIGNMENT = 32

OTHER_FORMATS = (
    (b"PK\x03\x04", "a zip or a PyTorch file, which may run code when it is opened"),
    (b"\x80\x02", "a pickle, which may run code when it is opened"),
    (b"\x80\x03", "a pickle, which may run code when it is opened"),
    (b"\x80\x04", "a pickle, which may run code when it is opened"),
    (b"\x80\x05", "a pickle, which may run code when it is opened"),
    (b"ggml", "a model in an old format (GGML)"),
    (b"lmgg", "a model in an old format (GGML)"),
    (b"tjgg", "a model in an old format (GGJT)"),
    (b"<!DO", "a web page: the address leads to a page and not to the file"),
    (b"<htm", "a web page: the address leads to a page and not to the file"),
    (b"vers", "a pointer of Git LFS and not the file itself"),
    (b"FUGG", "a model for machines of the other byte order"),
)


@dataclass(slots=True)
class GgufFile:
    """What the header says. `metadata` leaves out long lists; `lengths` has the length of every list."""

    version: int
    size_bytes: int
    metadata: dict[str, Value] = field(default_factory=dict)
    lengths: dict[str, int] = field(default_factory=dict)
    tensor_count: int = 0
    parameters: int = 0
    tensor_bytes: int = 0
    types: dict[str, int] = field(default_factory=dict)  # bytes held by each tensor type
    layer_tensors: set[str] = field(default_factory=set)  # the names of a layer's: attn_q.weight
    data_offset: int = 0
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)  # of each tensor, the innermost extent first


def read_file(path: Path) -> GgufFile:
    """Reads and checks the header of a file.

    Raises: ModelFileError saying what is wrong with it, also if the file can't be read at all.
    """
    try:
        if not path.is_file():
            raise ModelFileError("There is no model file at that place.")
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(0)
            return _read(_Bytes(file, size))
    except OSError as error:
        raise ModelFileError(f"The model file can't be read: {error.strerror or 'input/output error'}.") from error


class _Bytes:
    """The rest of the file, taken from the front; nothing past its end is ever asked for."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self.size = size
        self.position = 0
        self.entries = 0
        self.kept_bytes = 0

    def take(self, count: int) -> bytes:
        self.move_to(self.position + count)
        data = self._file.read(count)
        if len(data) != count:
            raise _broken("it ends in the middle of its header; it was cut short")
        return data

    def skip(self, count: int) -> None:
        self.move_to(self.position + count)
        self._file.seek(self.position)

    def move_to(self, position: int) -> None:
        if position > self.size:
            raise _broken("it ends in the middle of its header; it was cut short")
        if position > MAX_HEADER_BYTES:
            raise _broken("its header is larger than any model's")
        self.position = position

    def number(self, layout: str = "<Q") -> int:
        value: int = struct.unpack(layout, self.take(struct.calcsize(layout)))[0]
        return value

    def text(self, limit: int, what: str) -> str:
        length = self.number()
        self.kept_bytes += length
        if length > limit or self.kept_bytes > MAX_KEPT_BYTES:
            raise _broken(f"{what} is {length} bytes long; that is more than there can be")
        try:
            return self.take(length).decode("utf-8")
        except UnicodeDecodeError as error:
            raise _broken(f"{what} is not text") from error

    def count(self, limit: int, what: str) -> int:
        count = self.number()
        if count > limit:
            raise _broken(f"it claims {count} {what}; {limit} is the most there can be")
        return count


def _broken(reason: str) -> ModelFileError:
    return ModelFileError(f"The model file is broken: {reason}.")


def _read(source: _Bytes) -> GgufFile:
    _check_magic(source)
    version = source.number("<I")
    if version not in VERSIONS:
        raise _broken(f"its version is {version}; versions 2 and 3 can be read")
    tensors = source.count(MAX_TENSORS, "tensors")
    keys = source.count(MAX_KEYS, "facts about itself")
    result = GgufFile(version=version, size_bytes=source.size)
    for _ in range(keys):
        _read_fact(source, result)
    _read_tensors(source, result, tensors)
    return result


def _check_magic(source: _Bytes) -> None:
    if source.size == 0:
        raise ModelFileError("The model file is empty.")
    start = source.take(min(8, source.size))
    if start[:4] == MAGIC:
        source._file.seek(4)
        source.position = 4
        return
    for magic, name in OTHER_FORMATS:
        if start.startswith(magic):
            raise ModelFileError(f"This is no GGUF model but {name}.", hint="Give a file that ends in .gguf.")
    if start[4:8] == b"\0\0\0\0" or len(start) < 4:
        raise ModelFileError(
            "This is no GGUF model (a safetensors file perhaps).", hint="Give a file that ends in .gguf."
        )
    raise ModelFileError("This is no GGUF model.", hint="Give a file that ends in .gguf.")


def _read_fact(source: _Bytes, result: GgufFile) -> None:
    key = source.text(MAX_KEY_BYTES, "the name of a fact")
    if not key or key in result.metadata or key in result.lengths:
        raise _broken("a fact about itself has no name, or is there twice")
    kind = source.number("<I")
    if kind != ARRAY:
        result.metadata[key] = _scalar(source, kind)
        return
    values, length = _list(source)
    result.lengths[key] = length
    if values is not None:
        result.metadata[key] = values


def _scalar(source: _Bytes, kind: int) -> Scalar:
    if kind == STRING:
        return source.text(MAX_TEXT_BYTES, "a text in its header")
    layout = FORMATS.get(kind)
    if layout is None:
        raise _broken(f"a fact has the unknown type {kind}")
    data = source.take(struct.calcsize(layout))
    if kind == BOOL and data not in (b"\0", b"\1"):
        raise _broken("a yes-or-no fact is neither")
    value: Scalar = struct.unpack(layout, data)[0]
    return value


def _list(source: _Bytes) -> tuple[tuple[Scalar, ...] | None, int]:
    """A list's values if it is short enough to be kept, and its length."""
    kind = source.number("<I")
    length = source.count(MAX_LIST, "entries in a list")
    source.entries += length
    if source.entries > MAX_LIST_ENTRIES:
        raise _broken("its lists are longer than any model's")
    if kind != STRING and kind not in FORMATS:
        raise _broken(f"a list has entries of the unknown type {kind}")
    if length <= KEPT_LIST:
        return tuple(_scalar(source, kind) for _ in range(length)), length
    if kind == STRING:
        _skip_texts(source, length)
    else:
        source.skip(length * struct.calcsize(FORMATS[kind]))
    return None, length


def _skip_texts(source: _Bytes, count: int) -> None:
    """Passes over many short texts: the one place where speed matters (262,144 words and their merges)."""
    read, unpack = source._file.read, struct.Struct("<Q").unpack
    position, last = source.position, min(source.size, MAX_HEADER_BYTES)
    for _ in range(count):
        head = read(8)
        length = unpack(head)[0] if len(head) == 8 else last
        position += 8 + length
        if position > last:
            break
        read(length)
    source.move_to(position)


def _read_tensors(source: _Bytes, result: GgufFile, count: int) -> None:
    alignment = _alignment(result)
    expected = last_end = 0
    padded: Callable[[int], int] = lambda n: (n + alignment - 1) // alignment * alignment  # noqa: E731
    for _ in range(count):
        name, shape, kind, size, offset = _tensor(source)
        if name in result.shapes:
            raise _broken("two tensors have the same name")
        result.shapes[name] = shape
        if (found := IN_A_LAYER.fullmatch(name)) and len(result.layer_tensors) < KEPT_LIST:
            result.layer_tensors.add(found.group(1))
        if offset != expected:
            raise _broken("a tensor does not begin where the one before it ends")
        last_end = offset + size
        expected = padded(last_end)
        result.parameters += prod(shape)
        result.tensor_bytes += size
        result.types[kind] = result.types.get(kind, 0) + size
    result.tensor_count = count
    result.data_offset = padded(source.position)
    if count and result.data_offset + last_end > result.size_bytes:
        missing = result.data_offset + last_end - result.size_bytes
        raise _broken(f"{missing} bytes are missing at its end; it was cut short")


def _alignment(result: GgufFile) -> int:
    value = result.metadata.get("general.alignment", DEFAULT_ALIGNMENT)
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 1 << 20 or value & (value - 1):
        raise _broken("its alignment is not a power of two")
    return value


def _tensor(source: _Bytes) -> tuple[str, tuple[int, ...], str, int, int]:
    """One entry of the tensor table: name, shape, type, bytes, offset."""
    name = source.text(MAX_TENSOR_NAME_BYTES, "the name of a tensor")
    dimensions = source.number("<I")
    if not name or not 1 <= dimensions <= MAX_DIMENSIONS:
        raise _broken("a tensor has no name, or a number of dimensions that can't be")
    shape = [source.number() for _ in range(dimensions)]
    number = source.number("<I")
    if number not in TENSOR_TYPES:
        raise _broken(f"a tensor has the type {number}, which is not known")
    kind, block, block_bytes = TENSOR_TYPES[number]
    values = prod(shape)
    if not 0 < values < 1 << 62 or shape[0] % block:
        raise _broken("a tensor has a shape that can't be")
    size = values // block * block_bytes
    offset = source.number()
    if size > source.size or offset > source.size:
        raise _broken("a tensor lies outside the file; it was cut short")
    return name, tuple(shape), kind, size, offset
