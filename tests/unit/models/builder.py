"""Writes GGUF files byte by byte, so that a test can also write what no real writer would."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Any

Fact = tuple[str, int, Any]  # name, type number, value; for a list: (name, 9, (type number of the entries, entries))
Tensor = tuple[str, tuple[int, ...], int, int | None]  # name, shape, type number, offset (None: where it belongs)

U32, F32, BOOL, STRING, ARRAY = 4, 6, 7, 8, 9
LAYOUTS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", U32: "<I", 5: "<i", F32: "<f", BOOL: "<B", 10: "<Q", 11: "<q", 12: "<d"}
BLOCKS = {0: (1, 4), 1: (1, 2), 2: (32, 18), 8: (32, 34)}


def text(value: str | bytes) -> bytes:
    data = value.encode() if isinstance(value, str) else value
    return struct.pack("<Q", len(data)) + data


def fact(name: str, kind: int, value: Any) -> bytes:
    head = text(name) + struct.pack("<I", kind)
    if kind != ARRAY:
        return head + scalar(kind, value)
    inner, entries = value
    return head + struct.pack("<IQ", inner, len(entries)) + b"".join(scalar(inner, entry) for entry in entries)


def scalar(kind: int, value: Any) -> bytes:
    return text(value) if kind == STRING else struct.pack(LAYOUTS[kind], value)


@dataclass
class Gguf:
    """A file to be written. `facts` and `tensors` may be changed freely before `bytes()`."""

    architecture: str = "llama"
    version: int = 3
    alignment: int = 32
    facts: list[Fact] = field(default_factory=list)
    tensors: list[Tensor] = field(default_factory=list)
    magic: bytes = b"GGUF"
    counts: tuple[int, int] | None = None  # tensors, facts; None: the true ones

    @classmethod
    def model(cls, architecture: str = "llama", **numbers: Any) -> Gguf:
        """A small model whose header is complete; `numbers` replace or add facts of the architecture."""
        values = {
            "block_count": 2,
            "context_length": 256,
            "embedding_length": 64,
            "attention.head_count": 4,
            "attention.head_count_kv": 2,
            "vocab_size": 100,
        } | {name.replace("__", "."): value for name, value in numbers.items()}
        made = cls(architecture)
        made.facts = [("general.architecture", STRING, architecture), ("general.name", STRING, "Tiny")]
        for name, value in values.items():
            if value is not None:
                made.facts.append((f"{architecture}.{name}", *_typed(value)))
        made.facts.append(("tokenizer.ggml.tokens", ARRAY, (STRING, ["a", "b", "c"])))
        made.facts.append(("tokenizer.chat_template", STRING, "{{ messages }}"))
        made.tensors = [("token_embd.weight", (64, 100), 8, None), ("blk.0.attn_q.weight", (64, 64), 0, None)]
        return made

    def with_fact(self, name: str, value: Any) -> Gguf:
        self.facts = [*(f for f in self.facts if f[0] != name), (name, *_typed(value))]
        return self

    def without(self, name: str) -> Gguf:
        self.facts = [f for f in self.facts if f[0] != name]
        return self

    def bytes(self) -> bytes:
        header, offset = b"", 0
        for name, shape, kind, given in self.tensors:
            block, size = BLOCKS.get(kind, (1, 1))
            values = 1
            for extent in shape:
                values *= extent
            here = offset if given is None else given
            header += text(name) + struct.pack("<I", len(shape))
            header += b"".join(struct.pack("<Q", extent) for extent in shape) + struct.pack("<IQ", kind, here)
            end = here + values // block * size
            offset = -(-end // self.alignment) * self.alignment
        tensors, facts = self.counts or (len(self.tensors), len(self.facts))
        start = self.magic + struct.pack("<IQQ", self.version, tensors, facts)
        start += b"".join(fact(*entry) for entry in self.facts) + header
        padding = -len(start) % self.alignment
        return start + b"\0" * padding + b"\1" * min(offset, 4 << 20)


def _typed(value: Any) -> tuple[int, Any]:
    if isinstance(value, bool):
        return BOOL, value
    if isinstance(value, int):
        return U32, value
    if isinstance(value, float):
        return F32, value
    if isinstance(value, str):
        return STRING, value
    entries = list(value)
    return ARRAY, (BOOL if isinstance(entries[0], bool) else U32, entries)
