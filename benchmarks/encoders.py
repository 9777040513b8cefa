"""Texts embedded a second by one small encoder: ONNX Runtime with weights of 8 bits against llama.cpp with q8_0.

Both run the same random weights (six layers of 384 numbers, as MiniLM has) in the product's own engines, confined, with
as many threads, on the same texts of 122 tokens, in turn. They compute the same but for one thing: llama.cpp's BERT has
GELU where the graph has ReLU.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path

import numpy as np
from gguf import GGMLQuantizationType, GGUFWriter, TokenType, quants

from intramuros.engines.local import LocalEngine
from intramuros.models.machine import Machine
from tests.models import encoders, engines
from tests.models.encoders import LETTERS, SPECIAL, Shape, Weights

SHAPE = Shape(width=384, heads=12, feed=1536, layers=6, vocabulary=30_522, positions=512)
WORDS, TEXTS = 120, 32
LAYER = {"q": "attn_q", "k": "attn_k", "v": "attn_v", "o": "attn_output", "up": "ffn_up", "down": "ffn_down"}
NORMS = {"attended": "attn_output_norm", "fed": "layer_output_norm"}


def gguf(path: Path, weights: Weights) -> Path:
    """The same weights as llama.cpp reads them, matrices in q8_0."""
    shape, of = weights.shape, weights.tensors
    writer = GGUFWriter(path, "bert")
    writer.add_name("Encoder")
    writer.add_context_length(shape.positions)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.feed)
    writer.add_head_count(shape.heads)
    writer.add_layer_norm_eps(1e-12)
    writer.add_causal_attention(False)
    writer.add_uint32("bert.pooling_type", 1)
    writer.add_file_type(7)
    tokens = [*SPECIAL, *(f"▁{letter}" for letter in LETTERS), *LETTERS]
    tokens += [f"<{number}>" for number in range(shape.vocabulary - len(tokens))]
    writer.add_tokenizer_model("bert")
    writer.add_tokenizer_pre("jina-v2-en")
    writer.add_token_list(tokens)
    writer.add_token_types([TokenType.CONTROL] * len(SPECIAL) + [TokenType.NORMAL] * (len(tokens) - len(SPECIAL)))
    writer.add_token_type_count(2)
    for name, number in {"bos": 2, "eos": 3, "pad": 0, "unk": 1, "sep": 3, "mask": 4}.items():
        getattr(writer, f"add_{name}_token_id")(number)
    packed = GGMLQuantizationType.Q8_0
    writer.add_tensor("token_embd.weight", quants.quantize(of["words"], packed), raw_dtype=packed)
    writer.add_tensor("token_types.weight", of["kinds"])
    writer.add_tensor("position_embd.weight", of["places"])
    norms = {"token_embd_norm": "embeddings"}
    for layer in range(shape.layers):
        for ours, name in LAYER.items():
            matrix = np.ascontiguousarray(of[f"{layer}.{ours}"].T)
            writer.add_tensor(f"blk.{layer}.{name}.weight", quants.quantize(matrix, packed), raw_dtype=packed)
            writer.add_tensor(f"blk.{layer}.{name}.bias", of[f"{layer}.{ours}.bias"])
        norms |= {f"blk.{layer}.{name}": f"{layer}.{ours}" for ours, name in NORMS.items()}
    for name, ours in norms.items():
        writer.add_tensor(f"{name}.weight", of[f"{ours}.weight"])
        writer.add_tensor(f"{name}.bias", of[f"{ours}.bias"])
    for write in (
        writer.write_header_to_file,
        writer.write_kv_data_to_file,
        writer.write_tensors_to_file,
        writer.close,
    ):
        write()
    return path


def texts(seed: int) -> list[str]:
    """Texts of one-letter words, a token each in both."""
    random = np.random.default_rng(seed)
    return [" ".join(random.choice(list(LETTERS), size=WORDS)) for _ in range(TEXTS)]


async def speed(engine: LocalEngine, given: list[str]) -> float:
    """Texts a second."""
    start = time.perf_counter()
    found = await engine.vectors(given)
    taken = time.perf_counter() - start
    assert found.prompt_tokens == TEXTS * (WORDS + 2)
    return TEXTS / taken


async def measure(runs: int) -> dict[str, object]:
    """Medians of runs in turn."""
    threads = Machine.detect().cores
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        made = encoders.encoder(folder / "onnx", shape=SHAPE, quantised=True)
        graph = engines.installed_folder(made.folder, "onnx")
        whole = engines.installed_folder(made.folder, "whole", asked="onnx/model.onnx")
        file = engines.installed(gguf(folder / "model.gguf", made.weights), "gguf")
        chosen = engines.settings(folder)
        async with AsyncExitStack() as stack:
            models = {"onnx_int8": graph, "onnx_f32": whole, "llama_cpp_q8_0": file}
            running = {
                name: await stack.enter_async_context(
                    engines.running(model, chosen, threads=threads, threads_batch=threads)
                )
                for name, model in models.items()
            }
            for engine in running.values():
                await speed(engine, texts(0))
            rounds = []
            for run in range(1, runs + 1):
                rounds.append({name: await speed(engine, texts(run)) for name, engine in running.items()})
            vectors = {name: np.array(await engine.embed(texts(0))) for name, engine in running.items()}
    result: dict[str, object] = {"runs": runs, "threads": threads}
    result |= {f"{name}_texts_s": round(statistics.median(run[name] for run in rounds), 1) for name in running}
    ratios = [run["onnx_int8"] / run["llama_cpp_q8_0"] for run in rounds]
    result["onnx_int8_to_llama_cpp_q8_0"] = round(statistics.median(ratios), 2)
    result["onnx_f32_to_llama_cpp_q8_0"] = round(
        statistics.median(run["onnx_f32"] / run["llama_cpp_q8_0"] for run in rounds), 2
    )
    cosine = (vectors["onnx_int8"] * vectors["onnx_f32"]).sum(1)
    result["cosine_int8_to_f32_least"] = round(float(cosine.min()), 4)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    result = asyncio.run(measure(options.runs))
    print(json.dumps(result) if options.json else "\n".join(f"{name}: {value}" for name, value in result.items()))


if __name__ == "__main__":
    main()
