"""The memory prediction against what the engine itself reports, on models of random weights and on the starter."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import gguf
import numpy as np
import pytest

from intramuros.engines.local import LocalEngine
from intramuros.engines.options import choose, needed_bytes
from intramuros.models.catalogue import load
from intramuros.models.gguf import read_header
from intramuros.models.machine import Machine
from intramuros.models.memory import Footprint, predict
from intramuros.privacy.egress import Egress
from tests.models import engines

MIB = 1 << 20
ENGINE = """
import json, os, sys, xllamacpp as x
o = json.loads(sys.argv[1])
p = x.CommonParams()
p.model.path, p.hostnames, p.ui, p.warmup, p.fit_params = o["path"], [o["socket"]], False, False, False
p.n_ctx, p.n_parallel, p.cache_ram_mib, p.verbosity = o["context"] * o["slots"], o["slots"], 0, 4
p.embedding = o["embedding"]
kind = x.llama_flash_attn_type
p.flash_attn_type = kind.LLAMA_FLASH_ATTN_TYPE_ENABLED if o["flash"] else kind.LLAMA_FLASH_ATTN_TYPE_DISABLED
if o["q8"]:
    p.cache_type_k = x.ggml_type.GGML_TYPE_Q8_0
server = x.Server(p)
sys.stderr.flush()
os._exit(0)
"""


@dataclass(frozen=True)
class Shape:
    """A random model: small in its weights, true in what decides the cache."""

    architecture: str = "llama"
    layers: int = 4
    embedding: int = 256
    heads: int = 8
    kv_heads: int = 2
    head_length: int = 64
    window: int = 0
    vocabulary: int = 2000


def write(shape: Shape, path: Path) -> Path:
    writer, random = gguf.GGUFWriter(path, shape.architecture), np.random.default_rng(0)
    writer.add_block_count(shape.layers)
    writer.add_context_length(8192)
    writer.add_embedding_length(shape.embedding)
    writer.add_feed_forward_length(512)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_key_length(shape.head_length)
    writer.add_value_length(shape.head_length)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(10000.0)
    if shape.window:
        writer.add_sliding_window(shape.window)
    words = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    words += [f"▁w{number}" for number in range(shape.vocabulary - len(words))]
    writer.add_tokenizer_model("llama")
    writer.add_token_list(words)
    writer.add_token_scores([0.0] * len(words))
    writer.add_token_types([2, 3, 3, *([6] * 256), *([1] * (len(words) - 259))])
    kv_width, width = shape.kv_heads * shape.head_length, shape.heads * shape.head_length
    tensors = {"token_embd": (len(words), shape.embedding), "output_norm": (shape.embedding,)}
    for layer in range(shape.layers):
        block = f"blk.{layer}."
        tensors |= {f"{block}attn_norm": (shape.embedding,), f"{block}ffn_norm": (shape.embedding,)}
        tensors |= {f"{block}attn_q": (width, shape.embedding), f"{block}attn_output": (shape.embedding, width)}
        tensors |= {f"{block}attn_{name}": (kv_width, shape.embedding) for name in "kv"}
        tensors |= {f"{block}ffn_{name}": (512, shape.embedding) for name in ("gate", "up")}
        tensors[f"{block}ffn_down"] = (shape.embedding, 512)
        if shape.architecture == "gemma3":
            tensors |= {f"{block}post_{name}_norm": (shape.embedding,) for name in ("attention", "ffw")}
            tensors |= {f"{block}attn_{name}_norm": (shape.head_length,) for name in "qk"}
    for name, extent in tensors.items():
        writer.add_tensor(f"{name}.weight", random.standard_normal(extent).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def reported(path: Path, tmp_path: Path, *, context: int, slots: int, flash: bool, q8: bool) -> dict[str, float]:
    """The buffer sizes in the engine's own log, in MiB, summed by kind."""
    options = {"path": str(path), "socket": str(tmp_path / "e.sock"), "context": context, "slots": slots}
    options |= {"flash": flash, "q8": q8, "embedding": False}
    done = subprocess.run(
        [sys.executable, "-c", ENGINE, json.dumps(options)], capture_output=True, text=True, check=False, timeout=60
    )
    sizes: dict[str, float] = {}
    for kind, size in re.findall(r"(KV|compute|output|model) buffer size = +([\d.]+) MiB", done.stderr + done.stdout):
        sizes[kind] = sizes.get(kind, 0) + float(size)
    assert {"KV", "compute", "model"} <= set(sizes), done.stderr[-2000:]
    return sizes


def compare(footprint: Footprint, sizes: dict[str, float]) -> None:
    assert footprint.kv_bytes / MIB == pytest.approx(sizes["KV"], abs=0.02)
    assert footprint.weights_bytes / MIB == pytest.approx(sizes["model"], abs=0.2)
    scratch = sizes["compute"] + sizes["output"]
    assert scratch <= footprint.compute_bytes / MIB <= 3 * scratch + 16


@pytest.mark.parametrize(
    ("shape", "context", "slots", "flash", "q8"),
    [
        (Shape(), 2048, 1, True, False),
        (Shape(), 2048, 3, False, False),
        (Shape(kv_heads=8, head_length=128), 1024, 2, True, True),
        (Shape("gemma3", layers=7, window=512, vocabulary=8000), 4096, 2, True, False),
    ],
)
def test_prediction_and_report_agree(
    tmp_path: Path, *, shape: Shape, context: int, slots: int, flash: bool, q8: bool
) -> None:
    path = write(shape, tmp_path / "random.gguf")
    footprint = predict(
        read_header(path),
        context_tokens=context,
        slots=slots,
        flash_attention=flash,
        cache_type_k="q8_0" if q8 else "f16",
    )
    compare(footprint, reported(path, tmp_path, context=context, slots=slots, flash=flash, q8=q8))


@pytest.mark.starter
def test_prediction_and_report_agree_on_the_starter(starter_model: Path, tmp_path: Path) -> None:
    footprint = predict(read_header(starter_model), context_tokens=4096, slots=2, flash_attention=False)
    compare(footprint, reported(starter_model, tmp_path, context=4096, slots=2, flash=False, q8=False))


@pytest.mark.starter
async def test_the_memory_shown_is_what_the_engine_takes(starter_model: Path, tmp_path: Path) -> None:
    """Mapped weights count; the interpreter and the engine's libraries, about 100 MB, come on top of the prediction."""
    roomy = Machine("test", "x86_64", 2, 2, frozenset(), 8 << 30, 8 << 30)
    settings, model = engines.settings(tmp_path), engines.installed(starter_model, "starter")
    options = choose(model.header, roomy, settings)
    shown = needed_bytes(model.header, roomy, settings)
    engine = await LocalEngine.start(model, options, tmp_path / "e", settings, egress=Egress())
    try:
        await engine.generate(engines.HELLO | {"max_tokens": 1})
        resident = int(re.findall(r"VmRSS:\s+(\d+)", Path(f"/proc/{engine.pid}/status").read_text())[0]) << 10
    finally:
        await engine.close()
    assert options.slots == 4
    assert shown == pytest.approx(resident, rel=0.2)
    assert needed_bytes(load().starter.header, roomy, settings) == pytest.approx(shown, rel=0.03)
