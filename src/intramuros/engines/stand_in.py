"""Makes a stand-in for a model: the same attention heads, and next to nothing else.

Called by autotuning, which measures on it how fast each kind of attention is with a long context: that depends on the
heads and the context alone, and reading a long prompt with the whole model would take minutes on a large one. The
weights are random numbers: with zeros all scores are equal, and flash attention is faster than it is in truth.
"""

from __future__ import annotations

import struct
from array import array
from dataclasses import dataclass
from pathlib import Path
from random import Random

from intramuros.models.gguf import GgufHeader

WIDTH, FEED = 64, 64
SAME_WORK = 3456
"""Layers times heads times their length: what is measured takes about as long for every model."""
MOST_LAYERS = 6
BLOCK = 4099
"""Different numbers in the weights: a prime, so that rows differ."""
ALIGNMENT = 32
F32 = 0
UINT32, FLOAT32, STRING, ARRAY, INT32 = 4, 6, 8, 9, 5
UNKNOWN, CONTROL, BYTE = 2, 3, 6
BYTES = 256
FIRST_BYTE = 3
"""Number of the token for the byte 0; before it come the three special ones."""


@dataclass(frozen=True, slots=True)
class StandIn:
    """The shape of a stand-in's attention."""

    heads: int
    kv_heads: int
    key_length: int
    value_length: int
    layers: int

    @classmethod
    def of(cls, header: GgufHeader) -> StandIn | None:
        """The stand-in of a model; None for one whose attention is of another kind."""
        heads, kv_heads = max(header.heads), max(header.kv_heads)
        usual = not header.latent and header.recurrent is None and kv_heads and heads % kv_heads == 0
        if not usual or header.key_length % 2 or header.key_length != header.value_length:
            return None
        layers = max(1, min(MOST_LAYERS, SAME_WORK // (heads * header.key_length)))
        return cls(heads, kv_heads, header.key_length, header.value_length, layers)

    def write(self, path: Path, *, context_tokens: int) -> Path:
        """Writes the model file. Source: the GGUF specification, version 3."""
        metadata, tensors = self._metadata(context_tokens), self._tensors()
        head = struct.pack("<4sIQQ", b"GGUF", 3, len(tensors), len(metadata)) + b"".join(metadata)
        offset = 0
        for name, shape in tensors:
            head += _text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, F32, offset)
            offset += _aligned(4 * _product(shape))
        block, ones = _numbers(BLOCK), array("f", [1.0] * WIDTH).tobytes()
        with path.open("wb") as file:
            file.write(head.ljust(_aligned(len(head)), b"\0"))
            for name, shape in tensors:
                size = 4 * _product(shape)
                data = ones if "norm" in name else (block * -(-size // len(block)))[:size]
                file.write(data.ljust(_aligned(size), b"\0"))
        return path

    def _metadata(self, context_tokens: int) -> list[bytes]:
        numbers = {
            "context_length": context_tokens,
            "embedding_length": WIDTH,
            "block_count": self.layers,
            "feed_forward_length": FEED,
            "attention.head_count": self.heads,
            "attention.head_count_kv": self.kv_heads,
            "attention.key_length": self.key_length,
            "attention.value_length": self.value_length,
            "rope.dimension_count": self.key_length,
        }
        tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(BYTES))]
        kinds = [UNKNOWN, CONTROL, CONTROL, *[BYTE] * BYTES]
        return [
            _text("general.architecture") + struct.pack("<I", STRING) + _text("llama"),
            *(_text(f"llama.{name}") + struct.pack("<II", UINT32, number) for name, number in numbers.items()),
            _text("llama.attention.layer_norm_rms_epsilon") + struct.pack("<If", FLOAT32, 1e-5),
            _text("tokenizer.ggml.model") + struct.pack("<I", STRING) + _text("llama"),
            _array("tokenizer.ggml.tokens", STRING, [_text(token) for token in tokens]),
            _array("tokenizer.ggml.scores", FLOAT32, [struct.pack("<f", 0.0)] * len(tokens)),
            _array("tokenizer.ggml.token_type", INT32, [struct.pack("<i", kind) for kind in kinds]),
        ]

    def _tensors(self) -> list[tuple[str, tuple[int, ...]]]:
        vocabulary = FIRST_BYTE + BYTES
        keys, values = self.kv_heads * self.key_length, self.kv_heads * self.value_length
        found: list[tuple[str, tuple[int, ...]]] = [
            ("token_embd.weight", (WIDTH, vocabulary)),
            ("output_norm.weight", (WIDTH,)),
            ("output.weight", (WIDTH, vocabulary)),
        ]
        for layer in range(self.layers):
            shapes = {
                "attn_norm": (WIDTH,),
                "attn_q": (WIDTH, self.heads * self.key_length),
                "attn_k": (WIDTH, keys),
                "attn_v": (WIDTH, values),
                "attn_output": (self.heads * self.value_length, WIDTH),
                "ffn_norm": (WIDTH,),
                "ffn_gate": (WIDTH, FEED),
                "ffn_up": (WIDTH, FEED),
                "ffn_down": (FEED, WIDTH),
            }
            found += [(f"blk.{layer}.{name}.weight", shape) for name, shape in shapes.items()]
        return found


def _numbers(count: int) -> bytes:
    """Random numbers of the size that weights have; always the same."""
    random = Random(1)  # noqa: S311 - no secret
    return array("f", [random.uniform(-0.2, 0.2) for _ in range(count)]).tobytes()


def _text(text: str) -> bytes:
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def _array(name: str, kind: int, items: list[bytes]) -> bytes:
    return _text(name) + struct.pack("<IIQ", ARRAY, kind, len(items)) + b"".join(items)


def _aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT


def _product(shape: tuple[int, ...]) -> int:
    result = 1
    for length in shape:
        result *= length
    return result
