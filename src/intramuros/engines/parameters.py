"""Engine options in the words of llama.cpp's server: the names and numbers the worker sets.

Called by `engines.runners` and autotuning. Everything that makes the server safe is here: no web page, no cross-origin
answers, nothing fetched, a bounded prompt cache, the model called by its name instead of its path.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from intramuros.engines.options import EngineOptions
from intramuros.models.pooling import RANK

# The numbers of ggml.h, llama.h and common.h.
CACHE_TYPES = {"f16": 1, "q4_0": 2, "q8_0": 8, "bf16": 30}
FLASH_ATTENTION = {None: -1, False: 0, True: 1}
LEAST_BATCH = 128
"""Tokens read between two looks at the queue: few, so that the answers of others go on while a long prompt is read, and
an engine that hangs is told from one that reads."""
# Guesses come from the conversation's own tokens: after five tokens that stood there before, the eight that followed.
# Counted with the starter model, where reading eight guesses takes as long as writing two tokens: free text gains a
# tenth, answers from sources a fifth, quotations a quarter or more. Longer guesses (the engine's default is 48) and
# rarer ones (after 12 tokens) lose. The engine's `ngram-mod` guesses more, from one table of all conversations: one
# person's timing would tell of another's text.
SPECULATION: dict[str, dict[str, Any]] = {
    "none": {},
    "ngram-map-k": {
        "speculative.types": [7],
        "speculative.ngram_map_k.size_n": 5,
        "speculative.ngram_map_k.size_m": 8,
        "speculative.ngram_map_k.min_hits": 1,
    },
}
TELLS_BUFFERS = 4
"""How much the log says while a model is loaded: the worker lowers it before it serves."""
MOST_REQUESTS = 160
"""Connections served at once; each holds a thread of the server while it waits."""


def parameters(
    options: EngineOptions,
    *,
    model: Path,
    name: str,
    socket: Path,
    adapters: Sequence[Path] = (),
    projector: Path | None = None,
) -> dict[str, Any]:
    """What the worker sets, by llama.cpp's names.

    `adapters` are loaded at scale 0: each request says which acts. With a `projector` the model sees.
    """
    found = _always(model, name, socket) | {
        "n_ctx": options.context_tokens * options.slots,
        "n_parallel": options.slots,
        "n_ubatch": options.batch_tokens,
        "n_batch": max(LEAST_BATCH, options.batch_tokens),
        "cpuparams.n_threads": options.threads,
        "cpuparams_batch.n_threads": options.threads_batch,
        "flash_attn_type": FLASH_ATTENTION[options.flash_attention],
        "cache_type_k": CACHE_TYPES[options.cache_type_k],
        "cache_type_v": CACHE_TYPES[options.cache_type_v],
        "n_gpu_layers": options.gpu_layers,
        "fit_params": options.gpu_layers < 0,  # takes 0.15 s, and only GPUs have something to fit
        "cache_ram_mib": 0 if adapters else options.prompt_cache_mib,  # it gives one adapter's cache to another
        "lora_adapters": [[str(path), 0.0] for path in adapters],
    }
    if projector is not None:
        found |= {"mmproj.path": str(projector), "mmproj_use_gpu": options.gpu_layers != 0}
    if options.kind == "chat":
        return found | SPECULATION[options.speculation]
    found |= {"embedding": True}
    return found | ({"pooling_type": RANK} if options.kind == "rerank" else {})


def _always(model: Path, name: str, socket: Path) -> dict[str, Any]:
    return {
        "model.path": str(model),
        "model_alias": [name],
        "hostnames": [str(socket)],
        "ui": False,
        "cors_origins": "",
        "cors_credentials": False,
        "endpoint_slots": True,
        "endpoint_props": False,
        "endpoint_metrics": False,
        "offline": True,
        "kv_unified": False,
        "cont_batching": True,
        "cache_prompt": True,
        "ctx_shift": False,
        "warmup": False,
        "n_threads_http": MOST_REQUESTS,
        "verbosity": TELLS_BUFFERS,
    }
