"""How much memory a model takes: predicted from its header, before anything is loaded.

Called by the catalogue ("does it fit?"), by the engine's choice of context and slots, and by `models show`. Pure
arithmetic: it knows neither files nor engines. The parts are those the engine reports in its log, so that each can
be compared.
"""

from __future__ import annotations

from dataclasses import dataclass

from intramuros.models.gguf import GgufHeader

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
PHYSICAL_BATCH = 512
ACTIVATIONS_PER_WIDTH = 12  # numbers kept for a token, in multiples of a layer's width
OUTPUTS_PER_SLOT = 8  # one token a step, a few more when speculating


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
) -> Footprint:
    """Memory of a model with `slots` conversations of `context_tokens` each.

    Units: `context_tokens` is the context of one slot; `batch_tokens` the engine's physical batch. Without `unified`
    each slot has a cache of its own. The compute part is an upper bound; the others are exact.
    """
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
        compute_bytes=_compute_bytes(header, cells, slots, batch_tokens, flash_attention=flash_attention),
    )


def _padded(cells: int) -> int:
    return -(-cells // CELL_STEP) * CELL_STEP


def _state_bytes(header: GgufHeader, slots: int) -> int:
    """What layers without attention keep: 4-byte numbers, one state for each slot."""
    if header.recurrent is None:
        return 0
    values = header.recurrent.convolution_values + header.recurrent.state_values
    return values * 4 * slots * sum(header.recurrent_layers)


def _compute_bytes(header: GgufHeader, cells: int, slots: int, batch: int, *, flash_attention: bool) -> int:
    """The engine's scratch memory: an upper bound; a test compares it with what the engine reports.

    Source: measured with llama.cpp b11549. Activations of one batch, its attention mask (as two types with flash
    attention), without flash attention one layer's attention scores, and the scores of the few tokens that are output.
    """
    batch = min(batch, cells)
    width = max(header.embedding_length, max(header.heads) * header.key_length)
    activations = batch * 4 * ACTIVATIONS_PER_WIDTH * width
    mask = cells * batch * (6 if flash_attention else 4)
    scores = 0 if flash_attention else max(header.heads) * cells * batch * 4
    outputs = 0 if header.is_encoder else header.vocabulary * 4 * slots * OUTPUTS_PER_SLOT
    return activations + mask + scores + outputs
