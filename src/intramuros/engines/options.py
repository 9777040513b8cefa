"""What an engine is started with: threads, attention, cache types, context, slots; and the first choice of them.

Called by the pool and by autotuning, which improves on the first choice by measuring. It knows the model's header and
the machine, no processes.

Context and slots. Each slot has a key-value cache of its own (not llama.cpp's unified cache): idle conversations then
cost memory but no time, since without flash attention the unified cache is read over the cells of all conversations.
The choice prefers a context of 8,192 tokens, then nine slots where their caches are small beside the memory there is
(eight for one program, and one that the queue keeps for somebody else), else four, and gives up slots before it goes
below 4,096 tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, cast

from intramuros.errors import ModelTooLarge
from intramuros.models import torch_memory
from intramuros.models.gguf import GGUF, GgufHeader
from intramuros.models.machine import Machine
from intramuros.models.memory import Footprint, predict
from intramuros.models.onnx import EIGHT_BITS
from intramuros.models.safetensors import SAFETENSORS
from intramuros.settings import Settings

CACHE_TYPES = ("f16", "q8_0", "bf16", "q4_0")
SPECULATIONS = ("none", "ngram-map-k")
GOOD_CONTEXT, LEAST_CONTEXT, SMALLEST_CONTEXT = 8192, 4096, 512
KV_SHARE = 0.5
"""Share of the free memory that caches may take; the rest is for documents, other models, the system."""
SLOTS = {4: KV_SHARE, 2: KV_SHARE, 1: 1.0}
"""How many slots are chosen where all caches take no more than a share of the free memory, best first."""
MANY_SLOTS = {9: 0.1}
"""Before those, for llama.cpp on a processor: it computes them together, and the memory is the machine's own."""
ALL_THAT_FIT = -1
LEAST_BATCH = 1024
"""Tokens that an encoder of another format than GGUF computes at once, where its texts are shorter; with 8-bit numbers
each text is computed alone."""
IMAGE_BATCH = 512
GUESSED_TOKENS = 8
"""What `parameters.SPECULATION` has the engine guess at once."""


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


def seeing(options: EngineOptions) -> EngineOptions:
    """The same for a model with a projector: all parts of an image are read at once, and nothing is guessed ahead.

    Source: llama.cpp, tools/mtmd/mtmd-helper.cpp (attention in both directions), tools/server/server-context.cpp.
    """
    return _with(options, batch_tokens=max(options.batch_tokens, IMAGE_BATCH), speculation="none")


def kind_of(header: GgufHeader) -> str:
    """What a model is for: chat, embed or rerank."""
    return "rerank" if header.is_reranker else "embed" if header.is_embedder else "chat"


def choose(
    header: GgufHeader,
    machine: Machine,
    settings: Settings,
    *,
    room_bytes: int | None = None,
    size_of: Callable[[EngineOptions], Footprint] | None = None,
) -> EngineOptions:
    """The options to start with: known to be good on a processor, and within the memory that is free.

    `room_bytes`: what it may take, else what the machine has free. `size_of`: what it would take, else as predicted.

    Flash attention off and q8_0 keys decode faster on a processor than the engine's defaults; a batch of 128 wins back
    most of what that costs in reading the prompt. On a GPU the engine's defaults are the right ones.
    Raises: ModelTooLarge, with the bytes needed and free.
    """
    base = base_options(header, on_gpu=_fits_gpu(header, machine))
    is_chat = base.kind == "chat"
    base = _with(
        base,
        threads=machine.cores,
        threads_batch=machine.cores if is_chat else machine.threads,
        prompt_cache_mib=settings.prompt_cache_mib if is_chat else 0,
    )
    room = machine.room_bytes if room_bytes is None else room_bytes
    for options, share in _sizes(base, header, settings):
        needed = size_of(options) if size_of else footprint(options, header)
        if _fits(needed, room, caches_share=share):
            return options
    raise ModelTooLarge(
        f"The model needs {gib(needed.total_bytes)} of memory and {gib(room)} are free for it.",
        needed_bytes=needed.total_bytes,
        free_bytes=room,
    )


def base_options(header: GgufHeader, *, on_gpu: bool) -> EngineOptions:
    """What is chosen by the model and by where it runs, before its context, slots and threads are."""
    kind = kind_of(header)
    if header.format == SAFETENSORS:
        cached = torch_memory.cache_type(header)
        return EngineOptions(
            threads=1,
            threads_batch=1,
            cache_type_k=cached,
            cache_type_v=cached,
            batch_tokens=512 if on_gpu else 128,
            gpu_layers=ALL_THAT_FIT if on_gpu else 0,
            prompt_cache_mib=0,
            kind=kind,
        )
    plain = kind != "chat" or on_gpu or not _takes_quantised_keys(header)
    return EngineOptions(
        threads=1,
        threads_batch=1,
        flash_attention=None if plain else False,
        cache_type_k="f16" if plain else "q8_0",
        batch_tokens=512 if plain else 128,
        gpu_layers=ALL_THAT_FIT if on_gpu else 0,
        prompt_cache_mib=0,
        kind=kind,
    )


def is_roomy(options: EngineOptions, header: GgufHeader, settings: Settings) -> bool:
    """Whether the context is as long as is wished, and not shorter because memory was short."""
    wished = settings.context_tokens or GOOD_CONTEXT
    return options.kind != "chat" or options.context_tokens >= min(wished, header.context_tokens or LEAST_CONTEXT)


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
    if header.format == SAFETENSORS:
        return torch_memory.predict(
            header,
            context_tokens=options.context_tokens,
            slots=options.slots,
            batch_tokens=options.batch_tokens,
            on_gpu=options.gpu_layers != 0,
        )
    return predict(
        header,
        context_tokens=options.context_tokens,
        slots=options.slots,
        cache_type_k=options.cache_type_k,
        cache_type_v=options.cache_type_v,
        flash_attention=options.flash_attention is not False,
        batch_tokens=options.batch_tokens,
        outputs_per_slot=1 if options.speculation == "none" else 1 + GUESSED_TOKENS,
    )


def _sizes(base: EngineOptions, header: GgufHeader, settings: Settings) -> Iterator[tuple[EngineOptions, float]]:
    """Contexts and slots to try, best first, with the share of the memory their caches may take; what a setting fixes
    is not varied.
    """
    limit = header.context_tokens or LEAST_CONTEXT
    if base.kind != "chat":
        tokens = min(settings.context_tokens or GOOD_CONTEXT, limit)
        batch = tokens if header.format == GGUF or header.quantisation == EIGHT_BITS else max(tokens, LEAST_BATCH)
        yield _with(base, context_tokens=tokens, slots=1, batch_tokens=batch), 1.0
        return
    choices = MANY_SLOTS | SLOTS if header.format == GGUF and not base.gpu_layers else SLOTS
    if settings.slots:
        choices = {settings.slots: KV_SHARE if settings.slots > 1 else 1.0}
    contexts = [settings.context_tokens] if settings.context_tokens else [GOOD_CONTEXT, LEAST_CONTEXT, 2048, 1024]
    contexts = sorted({max(1, min(tokens, limit)) for tokens in [*contexts, SMALLEST_CONTEXT]}, reverse=True)
    if settings.context_tokens:
        contexts = contexts[:1]
    for tokens in contexts:
        for slots, share in choices.items():
            if settings.slots or slots == 1 or tokens >= min(LEAST_CONTEXT, limit):
                yield _with(base, context_tokens=tokens, slots=slots), share


def _with(options: EngineOptions, **changes: Any) -> EngineOptions:
    return EngineOptions(**(asdict(options) | changes))


def _fits(needed: Footprint, room_bytes: int, *, caches_share: float) -> bool:
    caches = needed.kv_bytes + needed.state_bytes + needed.compute_bytes
    return needed.total_bytes <= room_bytes and caches <= (room_bytes - needed.weights_bytes) * caches_share


def _fits_gpu(header: GgufHeader, machine: Machine) -> bool:
    """Whether the GPUs have room for a good part of the model; the engine puts the rest beside the processor.

    PyTorch has all of it on the first of them, or none.
    """
    if header.format == SAFETENSORS:
        return bool(machine.gpus) and machine.gpus[0].free_bytes > header.tensor_bytes * 5 // 4
    return (
        header.format == GGUF
        and bool(machine.gpus)
        and sum(gpu.free_bytes for gpu in machine.gpus) > header.tensor_bytes // 4
    )


def _takes_quantised_keys(header: GgufHeader) -> bool:
    """Keys are quantised in blocks of 32 numbers, which a head's length must be a multiple of."""
    return not header.latent and header.recurrent is None and header.key_length % 32 == 0


def gib(size_bytes: int) -> str:
    """A size in words."""
    return f"{size_bytes / (1 << 30):.1f} GiB"
