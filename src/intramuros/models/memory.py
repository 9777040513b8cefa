"""How much memory a model takes: predicted from its header, before anything is loaded.

Called by the catalogue ("does it fit?"), by the engine's choice of context and slots, and by `models show`. Pure
arithmetic: it knows neither files nor engines. The parts are those the engine reports in its log, so that each can
be compared.
"""

from __future__ import annotations

from dataclasses import dataclass

from intramuros.models.gguf import GgufHeader
from intramuros.models.onnx import ONNX
from intramuros.models.scratch import Batch, scratch_bytes

BYTES_PER_VALUE = {
    "f32": 4.0,
    "f16": 2.0,
    "bf16": 2.0,
    "q8_0": 34 / 32,
    "q5_1": 24 / 32,
    "q5_0": 22 / 32,
    "q4_1": 20 / 32,
}
BYTES_PER_VALUE |= {"q4_0": 18 / 32, "iq4_nl": 18 / 32}
"""Bytes of one cached number in each cache type of the engine."""

CELL_STEP = 256
ENCODER_BYTES = 4 << 20
"""What ONNX Runtime takes besides, whatever the model: its own objects, and pieces of memory that stay unused."""
PHYSICAL_BATCH = 512


@dataclass(frozen=True, slots=True)
class Footprint:
    """The memory of one loaded model, in bytes."""

    weights_bytes: int
    kv_bytes: int
    state_bytes: int
    compute_bytes: int

    @property
    def total_bytes(self) -> int:
        """All parts together."""
        return self.weights_bytes + self.kv_bytes + self.state_bytes + self.compute_bytes

    def to_json(self) -> list[int]:
        """As JSON, to be remembered."""
        return [self.weights_bytes, self.kv_bytes, self.state_bytes, self.compute_bytes]

    @classmethod
    def from_json(cls, value: object) -> Footprint:
        """Reads what `to_json` wrote. Raises: ValueError for anything else."""
        if not isinstance(value, list) or len(value) != 4 or not all(isinstance(part, int) for part in value):
            raise ValueError("this is no footprint")
        return cls(*value)


def kv_cache_bytes(
    *,
    layers: int,
    kv_heads: int,
    key_length: int,
    value_length: int,
    cells: int,
    key_bytes: float = 2.0,
    value_bytes: float = 2.0,
) -> int:
    """Memory of the attention cache of equal layers.

    Shape: keys [layers, cells, kv_heads, key_length] and values [layers, cells, kv_heads, value_length].
    Units: `cells` are tokens, `_bytes` the size of one number (see BYTES_PER_VALUE); the result is bytes.
    Raises: ValueError if a length is negative.
    Source: llama.cpp, src/llama-kv-cache.cpp.
    """
    if min(layers, kv_heads, key_length, value_length, cells) < 0:
        raise ValueError("lengths can't be negative")
    return round(layers * cells * kv_heads * (key_length * key_bytes + value_length * value_bytes))


def predict(
    header: GgufHeader,
    *,
    context_tokens: int,
    slots: int = 1,
    cache_type_k: str = "f16",
    cache_type_v: str = "f16",
    flash_attention: bool = True,
    unified: bool = False,
    batch_tokens: int = PHYSICAL_BATCH,
    outputs_per_slot: int = 1,
) -> Footprint:
    """Memory of a model with `slots` conversations of `context_tokens` each.

    Units: `context_tokens` is the context of one slot; `batch_tokens` the engine's physical batch. Without `unified`
    each slot has a cache of its own. `outputs_per_slot`: tokens whose scores are kept of one step, more than one where
    the engine guesses ahead. Exact for the architectures the tests name, but for the scratch memory of others.
    """
    if header.format == ONNX:
        return _encoder_bytes(header, context_tokens=context_tokens, batch_tokens=batch_tokens)
    streams = 1 if unified else slots
    cells = _padded(context_tokens) * (slots if unified else 1)
    window = min(cells, _padded(header.window_tokens * (slots if unified else 1) + batch_tokens))
    kv = 0
    if not header.is_encoder:
        for layer, kv_heads in enumerate(header.kv_heads):
            is_window = header.window_layers[layer]
            kv += kv_cache_bytes(
                layers=1,
                kv_heads=kv_heads,
                key_length=header.key_length_window if is_window else header.key_length,
                value_length=0 if header.latent else header.value_length_window if is_window else header.value_length,
                cells=(window if is_window else cells) * streams,
                key_bytes=BYTES_PER_VALUE[cache_type_k],
                value_bytes=BYTES_PER_VALUE[cache_type_v],
            )
    return Footprint(
        weights_bytes=header.tensor_bytes,
        kv_bytes=kv,
        state_bytes=_state_bytes(header, slots),
        compute_bytes=_compute_bytes(
            header,
            Batch(
                tokens=(tokens := max(1, min(batch_tokens, cells * slots))),
                cells=tokens if header.is_encoder else cells,
                window_cells=window,
                outputs=tokens if header.is_embedder else min(tokens, outputs_per_slot * slots),
                sequences=slots,
                flash=flash_attention,
            ),
        ),
    )


def _encoder_bytes(header: GgufHeader, *, context_tokens: int, batch_tokens: int) -> Footprint:
    """Memory of an encoder in ONNX Runtime, whose texts are computed up to `batch_tokens` at once.

    Its weights are copied, those of 8 bits arranged anew besides; its scratch memory is largest either where every text
    is as long as can be, since scores are [texts, heads, length, length], or in the feed-forward layers.
    Source: measured with onnxruntime 1.32 on six graphs of three sizes; `tests/integration/engines/test_encoder.py`.
    """
    texts = max(1, batch_tokens // max(1, context_tokens))
    tokens = texts * context_tokens
    scores = 2 * texts * max(header.heads) * context_tokens**2
    widest = max(2 * tokens * header.widths.feed_length, scores)
    scratch = 4 * (4 * tokens * header.key_length * max(header.heads) + widest)
    is_whole = header.quantisation.startswith("INT")
    return Footprint(
        weights_bytes=round(header.tensor_bytes * (1.5 if is_whole else 1.1)) + ENCODER_BYTES,
        kv_bytes=0,
        state_bytes=0,
        compute_bytes=round(scratch * (1.35 if is_whole else 1.05)) + ENCODER_BYTES,
    )


def _padded(cells: int) -> int:
    return -(-cells // CELL_STEP) * CELL_STEP


def _state_bytes(header: GgufHeader, slots: int) -> int:
    """What layers without attention keep: 4-byte numbers, one state for each slot."""
    if header.recurrent is None:
        return 0
    values = header.recurrent.convolution_values + header.recurrent.state_values
    return values * 4 * slots * sum(header.recurrent_layers)


def _compute_bytes(header: GgufHeader, batch: Batch) -> int:
    """The engine's scratch memory, and its room for what comes out: scores of words, or vectors."""
    width = header.embedding_length if header.is_embedder else header.vocabulary
    return scratch_bytes(header, batch) + width * 4 * batch.sequences
