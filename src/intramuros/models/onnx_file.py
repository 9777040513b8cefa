"""Reads what an ONNX file holds, strictly and without running it: inputs, outputs, operators, where its weights are.

Called by `models.onnx` before a model is installed. The file is a protocol buffer; only the fields that matter are
looked into, weights are passed over. Whatever is not as the format says, ends the reading: the engine's own parser gets
to see only files that have passed.

Source: onnx/onnx.proto3 (field numbers); protobuf.dev, "Encoding" (wire format).
"""

from __future__ import annotations

import mmap
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from intramuros.errors import ModelFileError

LARGEST_BYTES = (2 << 30) - 1
"""A protocol buffer can't be larger; weights beyond are in files of their own."""
MOST_FIELDS = 5_000_000
DEEPEST = 8
MOST_EXTENTS = 64
MOST_NUMBERS = 1 << 50
"""Of one tensor, and bytes of it."""
IMPOSSIBLE = "The ONNX file is damaged: a tensor in it has a size that can't be."
LONGEST_NAME = 4096
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
BITS = {1: 32, 2: 8, 3: 8, 4: 16, 5: 16, 6: 32, 7: 64, 9: 8, 10: 16, 11: 64, 12: 32, 13: 64, 16: 16}
BITS |= {17: 8, 18: 8, 19: 8, 20: 8, 21: 4, 22: 4, 23: 4, 24: 8}
"""Bits of one number of each type. Source: onnx.proto3, TensorProto.DataType; without texts and complex numbers."""
FLOAT, UINT8, INT8, INT32, INT64, FLOAT16, BFLOAT16 = 1, 2, 3, 6, 7, 10, 16
MODEL = {"graph": 7, "opset": 8, "training": 20, "function": 25}
GRAPH = {"node": 1, "initializer": 5, "input": 11, "output": 12, "sparse": 15}
NODE = {"op_type": 4, "attribute": 5, "domain": 7}
ATTRIBUTE = {"tensor": 5, "graph": 6, "tensors": 10, "graphs": 11, "sparse": 22, "sparses": 23}
TENSOR = {"dims": 1, "type": 2, "name": 8, "external": 13, "location": 14}
FUNCTION = {"name": 1, "node": 7, "domain": 10, "attribute": 11}


@dataclass(frozen=True, slots=True)
class Port:
    """An input or output of the graph. `extents`: its shape, None where that is not fixed."""

    type: int
    extents: tuple[int | None, ...]


@dataclass(slots=True)
class OnnxFile:
    """What one file holds. `external`: the names of files its weights are in, each with how far it is read."""

    inputs: dict[str, Port] = field(default_factory=dict)
    outputs: dict[str, Port] = field(default_factory=dict)
    operators: set[tuple[str, str]] = field(default_factory=set)
    functions: set[tuple[str, str]] = field(default_factory=set)
    external: dict[str, int] = field(default_factory=dict)
    bytes_of: Counter[int] = field(default_factory=Counter)
    """Bytes of weights by their type."""
    parameters: int = 0

    @property
    def tensor_bytes(self) -> int:
        """The size of its weights."""
        return sum(self.bytes_of.values())


def read_file(path: Path) -> OnnxFile:
    """Reads a file. Raises: ModelFileError if it is none, is cut short or damaged."""
    try:
        with path.open("rb") as file:
            size = path.stat().st_size
            if not 0 < size <= LARGEST_BYTES:
                raise ModelFileError("The ONNX file is empty, or larger than such a file can be.", hint="")
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                return _Reader(data).read(size)
    except OSError as error:
        raise ModelFileError(f"The file can't be read: {error.strerror or 'input/output error'}.") from error


class _Reader:
    """One reading; counts what it looks at."""

    def __init__(self, data: mmap.mmap) -> None:
        self.data, self.steps, self.found = data, 0, OnnxFile()

    def read(self, size: int) -> OnnxFile:
        graphs = []
        for number, start, end in self.messages(0, size):
            if number == MODEL["graph"]:
                graphs.append((start, end))
            elif number == MODEL["function"]:
                self._function(start, end)
            elif number == MODEL["training"]:
                raise ModelFileError("The ONNX file holds a training graph: it is made for training, not for use.")
        if len(graphs) != 1:
            raise ModelFileError("This is no ONNX model: it has no graph.")
        self._graph(*graphs[0], depth=0)
        return self.found

    def fields(self, start: int, end: int) -> Iterator[tuple[int, int, int, int]]:
        """The fields of a message: number, wire type, and the value or the place of what is inside."""
        at = start
        while at < end:
            self.steps += 1
            if self.steps > MOST_FIELDS:
                raise ModelFileError("The ONNX file holds too much to be looked through.")
            key, at = self._varint(at, end)
            number, kind = key >> 3, key & 7
            if kind == VARINT:
                value, at = self._varint(at, end)
                yield number, kind, value, at
            elif kind == BYTES:
                length, at = self._varint(at, end)
                if length > end - at:
                    raise _cut()
                yield number, kind, at, at + length
                at += length
            elif kind in (FIXED32, FIXED64):
                at += 4 if kind == FIXED32 else 8
                if at > end:
                    raise _cut()
            else:
                raise ModelFileError("This is no ONNX file, or it is damaged.")

    def messages(self, start: int, end: int) -> Iterator[tuple[int, int, int]]:
        """The fields of a message that are messages or texts: number and place."""
        return ((number, at, to) for number, kind, at, to in self.fields(start, end) if kind == BYTES)

    def _varint(self, at: int, end: int) -> tuple[int, int]:
        value = shift = 0
        while at < end and shift < 70:
            byte = self.data[at]
            value |= (byte & 0x7F) << shift
            at, shift = at + 1, shift + 7
            if not byte & 0x80:
                return value, at
        raise _cut()

    def _text(self, start: int, end: int) -> str:
        if end - start > LONGEST_NAME:
            raise ModelFileError("The ONNX file is damaged: a name in it is too long.")
        try:
            return self.data[start:end].decode()
        except UnicodeDecodeError as error:
            raise ModelFileError("The ONNX file is damaged: a name in it is no text.") from error

    def _graph(self, start: int, end: int, *, depth: int) -> None:
        if depth > DEEPEST:
            raise ModelFileError("The ONNX file nests graphs too deep.")
        initialised, inputs = set(), dict[str, Port]()
        for number, at, to in self.messages(start, end):
            if number == GRAPH["node"]:
                self._node(at, to, depth)
            elif number == GRAPH["initializer"]:
                initialised.add(self._tensor(at, to))
            elif number == GRAPH["sparse"]:
                self._sparse(at, to)
            elif number in (GRAPH["input"], GRAPH["output"]) and depth == 0:
                name, port = self._port(at, to)
                (inputs if number == GRAPH["input"] else self.found.outputs)[name] = port
        if depth == 0:  # older files list weights among the inputs
            self.found.inputs = {name: port for name, port in inputs.items() if name not in initialised}

    def _function(self, start: int, end: int) -> None:
        name = domain = ""
        for number, at, to in self.messages(start, end):
            if number == FUNCTION["node"]:
                self._node(at, to, 0)
            elif number == FUNCTION["attribute"]:
                self._attribute(at, to, 0)
            elif number == FUNCTION["name"]:
                name = self._text(at, to)
            elif number == FUNCTION["domain"]:
                domain = self._text(at, to)
        self.found.functions.add((domain, name))

    def _node(self, start: int, end: int, depth: int) -> None:
        operator = domain = ""
        for number, at, to in self.messages(start, end):
            if number == NODE["op_type"]:
                operator = self._text(at, to)
            elif number == NODE["domain"]:
                domain = self._text(at, to)
            elif number == NODE["attribute"]:
                self._attribute(at, to, depth)
        self.found.operators.add((domain, operator))

    def _attribute(self, start: int, end: int, depth: int) -> None:
        for number, at, to in self.messages(start, end):
            if number in (ATTRIBUTE["tensor"], ATTRIBUTE["tensors"]):
                self._tensor(at, to)
            elif number in (ATTRIBUTE["graph"], ATTRIBUTE["graphs"]):
                self._graph(at, to, depth=depth + 1)
            elif number in (ATTRIBUTE["sparse"], ATTRIBUTE["sparses"]):
                self._sparse(at, to)

    def _sparse(self, start: int, end: int) -> None:
        for number, at, to in self.messages(start, end):
            if number in (1, 2):  # values, indices
                self._tensor(at, to)

    def _tensor(self, start: int, end: int) -> str:
        """Counts a tensor's numbers, and notes where they are if that is elsewhere; its name."""
        name, kind, count, extents, elsewhere, told = "", 0, 1, 0, False, dict[str, str]()
        for number, wire, at, to in self.fields(start, end):
            if number == TENSOR["dims"]:
                for extent in [at] if wire == VARINT else self._packed(at, to):
                    count, extents = count * extent, extents + 1
                    if count >= MOST_NUMBERS or extents > MOST_EXTENTS:
                        raise ModelFileError(IMPOSSIBLE)
            elif number == TENSOR["type"] and wire == VARINT:
                kind = at
            elif number == TENSOR["location"] and wire == VARINT:
                elsewhere = at == 1
            elif number == TENSOR["name"] and wire == BYTES:
                name = self._text(at, to)
            elif number == TENSOR["external"] and wire == BYTES:
                pair = {place: self._text(first, last) for place, first, last in self.messages(at, to)}
                told[pair.get(1, "")] = pair.get(2, "")
        size = -(-count * BITS.get(kind, 8) // 8)
        if not 0 <= size < MOST_NUMBERS:
            raise ModelFileError(IMPOSSIBLE)
        if elsewhere or told:
            self._note_external(told, size)
        elif size > 64 + 10 * (end - start):  # numbers stored in the file take their room in it
            raise ModelFileError("The ONNX file is cut short, or damaged: a tensor in it lacks numbers.")
        self.found.bytes_of[kind] += size
        self.found.parameters += count
        return name

    def _note_external(self, told: dict[str, str], size: int) -> None:
        try:
            offset, length = int(told.get("offset") or 0), int(told.get("length") or size)
        except ValueError as error:
            raise ModelFileError("The ONNX file is damaged: it does not say where its weights are.") from error
        if offset < 0 or length < size:
            raise ModelFileError("The ONNX file is damaged: it does not say where its weights are.")
        location = told.get("location", "")
        self.found.external[location] = max(self.found.external.get(location, 0), offset + length)

    def _packed(self, at: int, end: int) -> Iterator[int]:
        while at < end:
            value, at = self._varint(at, end)
            yield value

    def _port(self, start: int, end: int) -> tuple[str, Port]:
        name, port = "", Port(0, ())
        for number, at, to in self.messages(start, end):
            if number == 1:
                name = self._text(at, to)
            elif number == 2:
                for kind, first, last in self.messages(at, to):
                    if kind == 1:  # a tensor, not a sequence or a map
                        port = self._tensor_type(first, last)
        return name, port

    def _tensor_type(self, start: int, end: int) -> Port:
        kind, extents = 0, list[int | None]()
        for number, wire, at, to in self.fields(start, end):
            if number == 1 and wire == VARINT:
                kind = at
            elif number == 2 and wire == BYTES:
                for _, first, last in self.messages(at, to):
                    values = [value for n, w, value, _ in self.fields(first, last) if n == 1 and w == VARINT]
                    extents.append(values[0] if values else None)
        return Port(kind, tuple(extents))


def _cut() -> ModelFileError:
    return ModelFileError("The ONNX file is cut short, or damaged.")
