"""What a loaded model takes, read from the engine's own log.

Called by `engines.child` with the lines of a load. The engine names every buffer it takes: weights, key-value caches,
recurrent states, scratch and output. A prediction is only as good as its formula; this is what is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from intramuros.models.memory import Footprint

BUFFER = re.compile(r"(\S+)\s+(model|LoRA|KV|RS|compute|output) buffer size *= +([\d.]+) MiB")
PROJECTOR = re.compile(r"load_hparams: model size: +([\d.]+) MiB")
"""The weights through which a model sees."""
REPACKED = "_REPACK"
"""Weights rearranged for the processor: copies of pages of the mapped file, which the system takes back."""
MAPPED = "_Mapped"


def footprint_in(lines: Iterable[str]) -> Footprint | None:
    """The buffers that a log names, or None where it names no weights or no scratch memory."""
    lines = list(lines)
    projector = sum(float(size) for line in lines for size in PROJECTOR.findall(line))
    found = [(place, kind, float(size)) for line in lines for place, kind, size in BUFFER.findall(line)]
    is_mapped = any(kind == "model" and MAPPED in place for place, kind, _ in found)
    sizes = dict.fromkeys(("model", "LoRA", "KV", "RS", "compute", "output"), 0.0)
    for place, kind, size in found:
        if not (kind == "model" and is_mapped and REPACKED in place):
            sizes[kind] += size
    if not sizes["model"] or not sizes["compute"]:
        return None
    parts = (sizes["model"] + sizes["LoRA"] + projector, sizes["KV"], sizes["RS"], sizes["compute"] + sizes["output"])
    return Footprint(*(round(part * (1 << 20)) for part in parts))
