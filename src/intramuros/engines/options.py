"""What an engine is started with: threads, attention, cache types, context, slots; and the first choice of them.

Called by the pool and by autotuning, which improves on the first choice by measuring. It knows the model's header and
the machine, no processes.

Context and slots. Each slot has a key-value cache of its own (not llama.cpp's unified cache): idle conversations then
cost memory but no time, since without flash attention the unified cache is read over the cells of all conversations.
The choice prefers a context of 8,192 tokens, then four slots, and gives up slots before it goes below 4,096 tokens.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, cast

from intramuros.errors import ModelTooLarge
from intramuros.models.gguf import GgufHeader
from intramuros.models.machine import Machine
from intramuros.models.memory import Footprint, predict
from intramuros.settings import Settings

CACHE_TYPES = ("f16", "q8_0", "bf16", "q4_0")
SPECULATIONS = ("none", "ngram-map-k")
GOOD_CONTEXT, LEAST_CONTEXT, SMALLEST_CONTEXT = 8192, 4096, 512
KV_SHARE = 0.5
"""Share of the free memory that caches may take by default; the rest is for documents, other models, the system."""
ALL_THAT_FIT = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineOptions:
    """How one engine runs. `context_tokens` is for one conversation; `batch_tokens` the physical batch of a prompt.

    `kind` is chat, embed or rerank. `flash_attention` None leaves it to the engine. `gpu_layers` 0 is the processor
    alone; -1 puts as many layers on the GPUs as fit.
    """

    threads: int
    threads_batch: int
    flash_attention: bool | None = None
    cache_type_k: str = "f16"
    cache_type_v: str = "f16"
    batch_tokens: int = 512
    speculation: str = "none"
    context_tokens: int = LEAST_CONTEXT
    slots: int = 1
    gpu_layers: int = 0
    prompt_cache_mib: int = 512
    kind: str = "chat"

    def to_json(self) -> dict[str, Any]:
        """As JSON, to be remembered."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> EngineOptions:
        """Reads what `to_json` wrote. Raises: TypeError, ValueError for anything else."""
        if set(value) != {entry.name for entry in fields(cls)}:
            raise ValueError("these are not engine options of this version")
        options = cls(**value)
        if options.cache_type_k not in CACHE_TYPES or options.speculation not in SPECULATIONS:
            raise ValueError("these engine options name something unknown")
        return options


def kind_of(header: GgufHeader) -> str:
    """What a model is for: chat, embed or rerank."""
    return "rerank" if header.is_reranker else "embed" if header.is_embedder else "chat"


def choose(header: GgufHeader, machine: Machine, settings: Settings) -> EngineOptions:
    """The options to start with: known to be good on a processor, and within the memory that is free.

    Flash attention off and q8_0 keys decode faster on a processor than the engine's defaults; a batch of 128 wins back
    most of what that costs in reading the prompt. On a GPU the engine's defaults are the right ones.
    Raises: ModelTooLarge, with the bytes needed and free.
    """
    kind, on_gpu = kind_of(header), _fits_gpu(header, machine)
    plain = kind != "chat" or on_gpu or not _takes_quantised_keys(header)
    base = EngineOptions(
        threads=machine.cores,
        threads_batch=machine.cores if kind == "chat" else machine.threads,
        flash_attention=None if plain else False,
        cache_type_k="f16" if plain else "q8_0",
        batch_tokens=512 if plain else 128,
        gpu_layers=ALL_THAT_FIT if on_gpu else 0,
        prompt_cache_mib=settings.prompt_cache_mib if kind == "chat" else 0,
        kind=kind,
    )
    for options in _sizes(base, header, settings):
        if _fits(options, header, machine):
            return options
    smallest = footprint(options, header)
    raise ModelTooLarge(
        f"The model needs {_gib(smallest.total_bytes)} of memory and {_gib(machine.room_bytes)} are free for it.",
        needed_bytes=smallest.total_bytes,
        free_bytes=machine.room_bytes,
    )


def needed_bytes(header: GgufHeader, machine: Machine, settings: Settings) -> int:
    """The memory a model takes, started as it would be on this machine now: all its slots; more than is free if it
    doesn't fit.
    """
    try:
        return footprint(choose(header, machine, settings), header).total_bytes
    except ModelTooLarge as error:
        return cast("int", error.details["needed_bytes"])


def footprint(options: EngineOptions, header: GgufHeader) -> Footprint:
    """The memory an engine with these options takes."""
    return predict(
        header,
        context_tokens=options.context_tokens,
        slots=options.slots,
        cache_type_k=options.cache_type_k,
        cache_type_v=options.cache_type_v,
        flash_attention=options.flash_attention is not False,
        batch_tokens=options.batch_tokens,
    )


def _sizes(base: EngineOptions, header: GgufHeader, settings: Settings) -> Iterator[EngineOptions]:
    """Contexts and slots to try, best first; what a setting fixes is not varied."""
    limit = header.context_tokens or LEAST_CONTEXT
    if base.kind != "chat":
        tokens = min(settings.context_tokens or GOOD_CONTEXT, limit)
        yield _with(base, context_tokens=tokens, slots=1, batch_tokens=tokens)
        return
    contexts = [settings.context_tokens] if settings.context_tokens else [GOOD_CONTEXT, LEAST_CONTEXT, 2048, 1024]
    contexts = sorted({max(1, min(tokens, limit)) for tokens in [*contexts, SMALLEST_CONTEXT]}, reverse=True)
    if settings.context_tokens:
        contexts = contexts[:1]
    for tokens in contexts:
        for slots in [settings.slots] if settings.slots else (4, 2, 1) if tokens >= min(LEAST_CONTEXT, limit) else (1,):
            yield _with(base, context_tokens=tokens, slots=slots)


def _with(options: EngineOptions, **changes: Any) -> EngineOptions:
    return EngineOptions(**(asdict(options) | changes))


def _fits(options: EngineOptions, header: GgufHeader, machine: Machine) -> bool:
    needed = footprint(options, header)
    spare = machine.room_bytes - needed.weights_bytes
    caches = needed.kv_bytes + needed.state_bytes + needed.compute_bytes
    modest = options.slots == 1 or caches <= spare * KV_SHARE
    return needed.total_bytes <= machine.room_bytes and modest


def _fits_gpu(header: GgufHeader, machine: Machine) -> bool:
    """Whether the GPUs have room for a good part of the model; the engine puts the rest beside the processor."""
    return bool(machine.gpus) and sum(gpu.free_bytes for gpu in machine.gpus) > header.tensor_bytes // 4


def _takes_quantised_keys(header: GgufHeader) -> bool:
    """Keys are quantised in blocks of 32 numbers, which a head's length must be a multiple of."""
    return not header.latent and header.recurrent is None and header.key_length % 32 == 0


def _gib(size_bytes: int) -> str:
    return f"{size_bytes / (1 << 30):.1f} GiB"
