"""How much memory a model of safetensors files takes in PyTorch: predicted from its header, before anything is loaded.

Called by `engines.options`, as `models.memory` is for GGUF models. Pure arithmetic.
"""

from __future__ import annotations

from intramuros.models.gguf import GgufHeader
from intramuros.models.memory import Footprint, kv_cache_bytes

LIBRARIES_BYTES = 400 << 20
"""Python, torch and transformers themselves; measured with torch 2.13 for processors: 350 MiB."""
GPU_CONTEXT_BYTES = 600 << 20
"""What CUDA and its libraries take of a card's memory."""
CACHED = {"F32": "f32", "F64": "f32", "BF16": "bf16"}
"""Keys and values have the numbers that the weights have; what is not here has 16 bits, as f16."""
SCORE_BYTES = 4


def cache_type(header: GgufHeader) -> str:
    """What a number of keys and values is, in the words of `models.memory`."""
    return CACHED.get(header.quantisation, "f16")


def predict(header: GgufHeader, *, context_tokens: int, slots: int, batch_tokens: int, on_gpu: bool) -> Footprint:
    """Memory of a model with `slots` conversations of `context_tokens` each, all of them full.

    Units: `batch_tokens` of a prompt are read in one step. The cache grows with the conversations; this is its end.
    Exact for weights and cache; an upper bound for what one step takes.
    """
    number = 4 if cache_type(header) == "f32" else 2
    kv = 0
    for layer, kv_heads in enumerate(() if header.is_embedder else header.kv_heads):
        seen = min(context_tokens, header.window_tokens) if header.window_layers[layer] else context_tokens
        kv += kv_cache_bytes(
            layers=1,
            kv_heads=kv_heads,
            key_length=header.key_length,
            value_length=header.value_length,
            cells=seen * slots,
            key_bytes=number,
            value_bytes=number,
        )
    tokens = context_tokens if header.is_embedder else min(batch_tokens, context_tokens)
    attention = tokens * context_tokens * max(header.heads) * SCORE_BYTES
    values = tokens * (3 * header.widths.feed_length + 8 * header.embedding_length) * number
    scores = 4 * header.vocabulary * SCORE_BYTES
    renewed = kv // max(1, header.layers * slots)  # a layer's cache is copied while a token is added to it
    scratch = attention + values + scores + renewed
    return Footprint(header.tensor_bytes, kv, 0, scratch + (GPU_CONTEXT_BYTES if on_gpu else LIBRARIES_BYTES))
