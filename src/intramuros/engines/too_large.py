"""What to do about a model that does not fit: a shorter context, a smaller quantisation or model, fewer pinned ones.

Called by the pool when it has to refuse a load. Pure arithmetic on what is known.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import replace

from intramuros.engines.options import EngineOptions, choose, gib, kind_of
from intramuros.errors import ModelTooLarge
from intramuros.models.catalogue import Catalogue
from intramuros.models.gguf import GgufHeader
from intramuros.models.installed import InstalledModel
from intramuros.models.machine import Machine
from intramuros.settings import Settings

SMALL_BITS, SMALL_NAME = 4.9, "Q4_K_M"
"""Bits for each weight of the quantisation that most people use, embeddings and norms counted."""


def explained(
    model: InstalledModel,
    machine: Machine,
    settings: Settings,
    *,
    room_bytes: int,
    pinned: Mapping[str, int],
    catalogue: Catalogue | None = None,
) -> ModelTooLarge:
    """The refusal of a model, with what would fit in `room_bytes`. `pinned`: who holds how much beside it."""
    needed = _needed(model.header, machine, settings, room_bytes)
    ways = list(_ways(model.header, machine, settings, room_bytes))
    held = sum(pinned.values())
    if held and _chosen(model.header, machine, settings, room_bytes + held):
        ways.insert(0, f"unpin {_listed(pinned)}: intramuros models unpin NAME")
    smaller = _smaller(model, machine, settings, room_bytes, catalogue)
    if smaller:
        ways.append(f"{smaller} fits: intramuros models pull {smaller}")
    holders = f" Pinned models hold {gib(held)}: {_listed(pinned)}." if held else ""
    return ModelTooLarge(
        f"{model.name} needs {gib(needed)} of memory and {gib(room_bytes)} are free for it.{holders}",
        hint="What would fit: " + "; ".join(ways) + "." if ways else None,
        needed_bytes=needed,
        free_bytes=room_bytes,
        pinned=sorted(pinned),
        would_fit=ways,
    )


def _ways(header: GgufHeader, machine: Machine, settings: Settings, room_bytes: int) -> list[str]:
    """The same model in less memory."""
    ways = []
    free = replace(settings, context_tokens=0, slots=0)
    options = _chosen(header, machine, free, room_bytes)
    if options and (settings.context_tokens or settings.slots):
        ways.append(
            f"a context of {options.context_tokens} tokens for {options.slots} at once: "
            f"INTRAMUROS_CONTEXT_TOKENS={options.context_tokens}, INTRAMUROS_SLOTS={options.slots}"
        )
    bits = header.tensor_bytes * 8 / max(1, header.parameters)
    if bits > SMALL_BITS:
        small = replace(header, tensor_bytes=round(header.parameters * SMALL_BITS / 8))
        if _chosen(small, machine, settings, room_bytes) or _chosen(small, machine, free, room_bytes):
            ways.append(f"its {SMALL_NAME} version, about {gib(small.tensor_bytes)} instead of {header.quantisation}")
    return ways


def _smaller(
    model: InstalledModel, machine: Machine, settings: Settings, room_bytes: int, catalogue: Catalogue | None
) -> str:
    """The best model of the catalogue for the same use that fits; empty if there is none."""
    kind = kind_of(model.header)
    models = sorted(catalogue or (), key=lambda entry: -entry.preference)
    for entry in models:
        is_smaller = entry.weights_bytes < model.header.tensor_bytes and kind_of(entry.header) == kind
        if is_smaller and _chosen(entry.header, machine, settings, room_bytes):
            return entry.name
    return ""


def _chosen(header: GgufHeader, machine: Machine, settings: Settings, room_bytes: int) -> EngineOptions | None:
    with contextlib.suppress(ModelTooLarge):
        return choose(header, machine, settings, room_bytes=room_bytes)
    return None


def _needed(header: GgufHeader, machine: Machine, settings: Settings, room_bytes: int) -> int:
    try:
        choose(header, machine, settings, room_bytes=room_bytes)
    except ModelTooLarge as error:
        needed = error.details["needed_bytes"]
        assert isinstance(needed, int)
        return needed
    return room_bytes


def _listed(pinned: Mapping[str, int]) -> str:
    return ", ".join(f"{name} ({gib(size)})" for name, size in sorted(pinned.items(), key=lambda one: -one[1]))
