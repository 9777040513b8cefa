"""Makes models of random weights of every kind of attention: small in their weights, true in what decides memory.

Plain and grouped attention and mixtures of experts (llama), windows (gemma3), latent attention (deepseek2), recurrent
layers (mamba) and hybrids of these and attention (granitehybrid, lfm2).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf
import numpy as np

Extent = tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Shape:
    """The numbers of one model. `kv_heads` of 0 with `period` n: every n-th layer has attention, the others a state."""

    architecture: str = "llama"
    layers: int = 4
    embedding: int = 256
    feed: int = 512
    heads: int = 8
    kv_heads: int = 2
    head_length: int = 64
    window: int = 0
    vocabulary: int = 2000
    experts: int = 0
    experts_used: int = 2
    latent_rank: int = 128
    query_rank: int = 96
    rope_length: int = 32
    inner: int = 512
    state: int = 16
    taps: int = 4
    groups: int = 1
    period: int = 0
    context: int = 32768

    @property
    def attention(self) -> list[bool]:
        """Which layers have attention."""
        if self.architecture == "mamba":
            return [False] * self.layers
        return [not self.period or layer % self.period == self.period - 1 for layer in range(self.layers)]


def write(shape: Shape, path: Path, *, seed: int = 1) -> Path:
    """Writes a model of this shape."""
    writer, random = gguf.GGUFWriter(path, shape.architecture), np.random.default_rng(seed)
    _facts(writer, shape)
    tensors: dict[str, Extent] = {
        "token_embd.weight": (shape.vocabulary, shape.embedding),
        "output.weight": (shape.vocabulary, shape.embedding),
        ("token_embd_norm" if shape.architecture == "lfm2" else "output_norm") + ".weight": (shape.embedding,),
    }
    if shape.architecture in ("gemma3", "lfm2"):
        del tensors["output.weight"]
    for layer, has_attention in enumerate(shape.attention):
        kinds = [LAYERS[shape.architecture] if has_attention else STATES[shape.architecture]]
        if shape.architecture != "mamba":
            kinds.append(_experts if shape.experts else _feed)
        for kind in kinds:
            tensors |= {f"blk.{layer}.{name}": extent for name, extent in kind(shape).items()}
    for name, extent in tensors.items():
        small = random.standard_normal(extent, dtype=np.float32) * np.float32(0.02)
        is_matrix = len(extent) > 1 and name.endswith(".weight") and "ssm_" not in name and "shortconv.conv" not in name
        writer.add_tensor(name, small.astype(np.float16) if is_matrix else small)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _facts(writer: gguf.GGUFWriter, shape: Shape) -> None:
    writer.add_block_count(shape.layers)
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.embedding)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(10000.0)
    is_mamba = shape.architecture == "mamba"
    writer.add_feed_forward_length(0 if is_mamba else shape.feed)
    writer.add_head_count(0 if is_mamba else shape.heads)
    kv_heads = [shape.kv_heads if has else 0 for has in shape.attention]
    writer.add_head_count_kv(kv_heads if shape.period else 0 if is_mamba else shape.kv_heads)
    if shape.architecture == "deepseek2":
        writer.add_q_lora_rank(shape.query_rank)
        writer.add_kv_lora_rank(shape.latent_rank)
        writer.add_key_length(shape.latent_rank + shape.rope_length)
        writer.add_value_length(shape.latent_rank)
        writer.add_key_length_mla(shape.head_length + shape.rope_length)
        writer.add_value_length_mla(shape.head_length)
        writer.add_rope_dimension_count(shape.rope_length)
        writer.add_leading_dense_block_count(shape.layers)
        writer.add_expert_feed_forward_length(shape.feed)
        writer.add_expert_count(0)
        writer.add_expert_used_count(0)
        writer.add_expert_shared_count(0)
        writer.add_expert_weights_scale(1.0)
        writer.add_uint32("deepseek2.expert_gating_func", 1)
    elif not is_mamba:
        writer.add_key_length(shape.head_length)
        writer.add_value_length(shape.head_length)
        writer.add_rope_dimension_count(shape.head_length)
    if shape.window:
        writer.add_sliding_window(shape.window)
    if shape.experts:
        writer.add_expert_count(shape.experts)
        writer.add_expert_used_count(shape.experts_used)
        writer.add_expert_feed_forward_length(shape.feed)
    if shape.architecture == "lfm2":
        writer.add_shortconv_l_cache(shape.taps - 1)
    if shape.architecture in ("mamba", "granitehybrid"):
        writer.add_ssm_conv_kernel(shape.taps)
        writer.add_ssm_inner_size(shape.inner)
        writer.add_ssm_state_size(shape.state)
        writer.add_ssm_time_step_rank(_steps(shape))
        writer.add_ssm_group_count(0 if is_mamba else shape.groups)
    if shape.architecture == "granitehybrid":
        for add in (writer.add_embedding_scale, writer.add_residual_scale, writer.add_logit_scale):
            add(1.0)
        writer.add_attention_scale(0.125)
    _vocabulary(writer, shape.vocabulary)


def _vocabulary(writer: gguf.GGUFWriter, size: int) -> None:
    words = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    words += [f"▁w{number}" for number in range(size - len(words))]
    writer.add_tokenizer_model("llama")
    writer.add_token_list(words)
    writer.add_token_scores([0.0] * len(words))
    writer.add_token_types([2, 3, 3, *([6] * 256), *([1] * (len(words) - 259))])


def _steps(shape: Shape) -> int:
    """Mamba's rank of the time step; in the second version the number of heads."""
    return max(1, shape.embedding // 16) if shape.architecture == "mamba" else shape.inner // 64


def _plain(shape: Shape) -> dict[str, Extent]:
    width, kv_width = shape.heads * shape.head_length, shape.kv_heads * shape.head_length
    return {
        "attn_norm.weight": (shape.embedding,),
        "attn_q.weight": (width, shape.embedding),
        "attn_k.weight": (kv_width, shape.embedding),
        "attn_v.weight": (kv_width, shape.embedding),
        "attn_output.weight": (shape.embedding, width),
    }


def _normed(shape: Shape) -> dict[str, Extent]:
    return _plain(shape) | {f"attn_{name}_norm.weight": (shape.head_length,) for name in "qk"}


def _window(shape: Shape) -> dict[str, Extent]:
    return _normed(shape) | {f"post_{name}_norm.weight": (shape.embedding,) for name in ("attention", "ffw")}


def _latent(shape: Shape) -> dict[str, Extent]:
    return {
        "attn_norm.weight": (shape.embedding,),
        "attn_q_a.weight": (shape.query_rank, shape.embedding),
        "attn_q_a_norm.weight": (shape.query_rank,),
        "attn_q_b.weight": (shape.heads * (shape.head_length + shape.rope_length), shape.query_rank),
        "attn_kv_a_mqa.weight": (shape.latent_rank + shape.rope_length, shape.embedding),
        "attn_kv_a_norm.weight": (shape.latent_rank,),
        "attn_k_b.weight": (shape.heads, shape.latent_rank, shape.head_length),
        "attn_v_b.weight": (shape.heads, shape.head_length, shape.latent_rank),
        "attn_output.weight": (shape.embedding, shape.heads * shape.head_length),
    }


def _feed(shape: Shape) -> dict[str, Extent]:
    sizes: dict[str, Extent] = {f"ffn_{name}.weight": (shape.feed, shape.embedding) for name in ("gate", "up")}
    return sizes | {"ffn_norm.weight": (shape.embedding,), "ffn_down.weight": (shape.embedding, shape.feed)}


def _experts(shape: Shape) -> dict[str, Extent]:
    wide = (shape.experts, shape.feed, shape.embedding)
    return {
        "ffn_norm.weight": (shape.embedding,),
        "ffn_gate_inp.weight": (shape.experts, shape.embedding),
        "ffn_gate_exps.weight": wide,
        "ffn_up_exps.weight": wide,
        "ffn_down_exps.weight": (shape.experts, shape.embedding, shape.feed),
    }


def _mamba(shape: Shape) -> dict[str, Extent]:
    return {
        "attn_norm.weight": (shape.embedding,),
        "ssm_in.weight": (2 * shape.inner, shape.embedding),
        "ssm_conv1d.weight": (shape.inner, shape.taps),
        "ssm_conv1d.bias": (shape.inner,),
        "ssm_x.weight": (_steps(shape) + 2 * shape.state, shape.inner),
        "ssm_dt.weight": (shape.inner, _steps(shape)),
        "ssm_dt.bias": (shape.inner,),
        "ssm_a": (shape.inner, shape.state),
        "ssm_d": (shape.inner,),
        "ssm_out.weight": (shape.embedding, shape.inner),
    }


def _mamba2(shape: Shape) -> dict[str, Extent]:
    convolved, steps = shape.inner + 2 * shape.groups * shape.state, _steps(shape)
    return {
        "attn_norm.weight": (shape.embedding,),
        "ssm_in.weight": (shape.inner + convolved + steps, shape.embedding),
        "ssm_conv1d.weight": (convolved, shape.taps),
        "ssm_conv1d.bias": (convolved,),
        "ssm_dt.bias": (steps,),
        "ssm_a": (steps, 1),
        "ssm_d": (steps, 1),
        "ssm_norm.weight": (shape.groups, shape.inner // shape.groups),
        "ssm_out.weight": (shape.embedding, shape.inner),
    }


def _convolution(shape: Shape) -> dict[str, Extent]:
    return {
        "attn_norm.weight": (shape.embedding,),
        "shortconv.conv.weight": (shape.embedding, shape.taps - 1),
        "shortconv.in_proj.weight": (3 * shape.embedding, shape.embedding),
        "shortconv.out_proj.weight": (shape.embedding, shape.embedding),
    }


Tensors = Callable[[Shape], dict[str, Extent]]
LAYERS: dict[str, Tensors] = {
    "llama": _plain,
    "qwen3moe": _normed,
    "gemma3": _window,
    "deepseek2": _latent,
    "granitehybrid": _plain,
    "lfm2": _normed,
    "mamba": _mamba,
}
STATES: dict[str, Tensors] = {"mamba": _mamba, "granitehybrid": _mamba2, "lfm2": _convolution}
KINDS: dict[str, dict[str, Any]] = {
    "plain": {"kv_heads": 8},
    "grouped": {"kv_heads": 2},
    "experts": {"architecture": "qwen3moe", "experts": 8, "feed": 256},
    "window": {"architecture": "gemma3", "layers": 7, "window": 512, "vocabulary": 8000},
    "latent": {"architecture": "deepseek2", "kv_heads": 1},
    "recurrent": {"architecture": "mamba"},
    "hybrid": {"architecture": "granitehybrid", "layers": 6, "period": 3, "state": 64, "inner": 512},
    "convolution": {"architecture": "lfm2", "layers": 6, "period": 3, "heads": 4},
}
"""One model of each kind of attention."""
