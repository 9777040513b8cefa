"""Makes small models of safetensors files with random weights, in milliseconds: real files, without torch or a download.

`chat` writes (nonsense), `embedder` makes vectors, `reranker` ranks; the tokens of all of them are bytes. The same seed
makes the same bytes.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from intramuros.engines.runners import TRANSFORMERS
from intramuros.errors import EngineLoadFailed
from tests.models.tiny import CONTEXT_TOKENS, FEED, FILLS, HEAD, HEADS, KV_HEADS, TEMPLATE, WIDTH

Tensors = dict[str, np.ndarray]
KINDS = {np.dtype(np.float32): "F32", np.dtype(np.float16): "F16"}
BEGIN, END, TURN = "<s>", "</s>", "<eot>"
SPECIAL = (BEGIN, END, TURN, *FILLS)


def needs_transformers() -> None:
    """Skips the test, with the reason, where what runs these models is not installed."""
    try:
        TRANSFORMERS.module_folders()
    except EngineLoadFailed:
        pytest.skip("NOT TESTED: torch and transformers are not installed; run: make setup-torch")


def chat(folder: Path, *, layers: int = 2, seed: int = 1, template: str = TEMPLATE, **config: Any) -> Path:
    """A llama: one token a byte of the prompt, and an answer of printable letters."""
    random, size = np.random.default_rng(seed), 256 + len(SPECIAL)
    output = _weights(random, size, WIDTH)
    letters = [token for token, letter in enumerate(_alphabet()) if "!" <= letter <= "~"]
    output[[token for token in range(size) if token not in letters]] = 0
    tensors: Tensors = {
        "model.embed_tokens.weight": _weights(random, size, WIDTH),
        "model.norm.weight": np.ones(WIDTH, dtype=np.float32),
        "lm_head.weight": output * 4,
    }
    for layer in range(layers):
        name = f"model.layers.{layer}"
        for norm in ("input_layernorm", "post_attention_layernorm"):
            tensors[f"{name}.{norm}.weight"] = np.ones(WIDTH, dtype=np.float32)
        for part, rows, columns in (
            ("self_attn.q_proj", HEADS * HEAD, WIDTH),
            ("self_attn.k_proj", KV_HEADS * HEAD, WIDTH),
            ("self_attn.v_proj", KV_HEADS * HEAD, WIDTH),
            ("self_attn.o_proj", WIDTH, HEADS * HEAD),
            ("mlp.gate_proj", FEED, WIDTH),
            ("mlp.up_proj", FEED, WIDTH),
            ("mlp.down_proj", WIDTH, FEED),
        ):
            tensors[f"{name}.{part}.weight"] = _weights(random, rows, columns)
    said = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": size,
        "hidden_size": WIDTH,
        "intermediate_size": FEED,
        "num_hidden_layers": layers,
        "num_attention_heads": HEADS,
        "num_key_value_heads": KV_HEADS,
        "head_dim": HEAD,
        "max_position_embeddings": CONTEXT_TOKENS,
        "rms_norm_eps": 1e-5,
        "tie_word_embeddings": False,
        "bos_token_id": 256,
        "eos_token_id": [257, 258],
        "dtype": "float32",
    }
    tokenizer = {"bos_token": BEGIN, "eos_token": END, "chat_template": template}
    return written(folder, {**said, **config}, tensors, tokenizer)


def embedder(folder: Path, *, seed: int = 1) -> Path:
    """A BERT that makes vectors of 64 numbers, by the mean of its tokens."""
    said, tensors = _bert(np.random.default_rng(seed))
    return written(folder, {**said, "architectures": ["BertModel"]}, tensors, {}, pooling="mean")


def reranker(folder: Path, *, seed: int = 1) -> Path:
    """A BERT that gives a pair of texts one score."""
    random = np.random.default_rng(seed)
    said, tensors = _bert(random)
    tensors = {f"bert.{name}": values for name, values in tensors.items()}
    tensors["classifier.weight"] = _weights(random, 1, WIDTH) * 4
    tensors["classifier.bias"] = np.zeros(1, dtype=np.float32)
    more = {"architectures": ["BertForSequenceClassification"], "id2label": {"0": "LABEL_0"}}
    return written(folder, {**said, **more}, tensors, {})


def written(
    folder: Path, config: Mapping[str, Any], tensors: Tensors, tokenizer: Mapping[str, Any], *, pooling: str = ""
) -> Path:
    """Writes the files of a model."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "tokenizer_config.json").write_text(json.dumps(tokenizer))
    (folder / "tokenizer.json").write_text(json.dumps(_tokenizer()))
    (folder / "model.safetensors").write_bytes(safetensors(tensors))
    if pooling:
        (folder / "1_Pooling").mkdir()
        (folder / "1_Pooling" / "config.json").write_text(json.dumps({f"pooling_mode_{pooling}_tokens": True}))
    return folder


def safetensors(tensors: Tensors) -> bytes:
    """A safetensors file."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    data = b""
    for name, values in tensors.items():
        piece = values.tobytes()
        place = [len(data), len(data) + len(piece)]
        header[name] = {"dtype": KINDS[values.dtype], "shape": list(values.shape), "data_offsets": place}
        data += piece
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def _tokenizer() -> dict[str, Any]:
    """A tokenizer whose tokens are the bytes, and the special ones."""
    added = [
        {"id": 256 + n, "content": word, "special": True, "normalized": False}
        | dict.fromkeys(("single_word", "lstrip", "rstrip"), False)
        for n, word in enumerate(SPECIAL)
    ]
    bytewise = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
    model = {"type": "BPE", "vocab": {letter: n for n, letter in enumerate(_alphabet())}, "merges": []}
    empty = dict.fromkeys(("truncation", "padding", "normalizer", "post_processor"))
    return {
        "version": "1.0",
        **empty,
        "added_tokens": added,
        "pre_tokenizer": bytewise,
        "decoder": bytewise,
        "model": model,
    }


def _alphabet() -> list[str]:
    """The letters that stand for the 256 bytes. Source: GPT-2's encoder, `bytes_to_unicode`."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in plain]
    return [chr(byte) for byte in plain] + [chr(256 + n) for n in range(len(others))]


def _bert(random: np.random.Generator) -> tuple[dict[str, Any], Tensors]:
    size = 256 + len(SPECIAL)
    said = {
        "model_type": "bert",
        "vocab_size": size,
        "hidden_size": WIDTH,
        "intermediate_size": FEED,
        "num_hidden_layers": 1,
        "num_attention_heads": HEADS,
        "max_position_embeddings": CONTEXT_TOKENS,
        "type_vocab_size": 2,
        "dtype": "float32",
    }
    tensors: Tensors = {
        "embeddings.word_embeddings.weight": _weights(random, size, WIDTH),
        "embeddings.position_embeddings.weight": _weights(random, CONTEXT_TOKENS, WIDTH),
        "embeddings.token_type_embeddings.weight": _weights(random, 2, WIDTH),
    }
    layer = "encoder.layer.0"
    for name, rows, columns in (
        (f"{layer}.attention.self.query", WIDTH, WIDTH),
        (f"{layer}.attention.self.key", WIDTH, WIDTH),
        (f"{layer}.attention.self.value", WIDTH, WIDTH),
        (f"{layer}.attention.output.dense", WIDTH, WIDTH),
        (f"{layer}.intermediate.dense", FEED, WIDTH),
        (f"{layer}.output.dense", WIDTH, FEED),
        ("pooler.dense", WIDTH, WIDTH),
    ):
        tensors[f"{name}.weight"] = _weights(random, rows, columns)
        tensors[f"{name}.bias"] = np.zeros(rows, dtype=np.float32)
    for name in ("embeddings", f"{layer}.attention.output", f"{layer}.output"):
        tensors[f"{name}.LayerNorm.weight"] = np.ones(WIDTH, dtype=np.float32)
        tensors[f"{name}.LayerNorm.bias"] = np.zeros(WIDTH, dtype=np.float32)
    return said, tensors


def _weights(random: np.random.Generator, rows: int, columns: int) -> np.ndarray:
    return random.standard_normal((rows, columns), dtype=np.float32) / np.float32(columns**0.5)
