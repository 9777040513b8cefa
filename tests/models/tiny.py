"""Makes small models with random weights, in milliseconds: real files for the real engine, without any download.

`chat` writes (nonsense), `embedder` makes vectors, `reranker` ranks; `adapter` changes how `chat` writes,
and `projector` lets it see. The same seed makes the same bytes.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from gguf import GGUFWriter, TokenType

CONTEXT_TOKENS = 1024
TEMPLATE = (
    "{% if tools %}{% for tool in tools %}[{{ tool.function.name }}]{% endfor %}{% endif %}"
    "{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}<eot>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
WIDTH, HEADS, KV_HEADS, HEAD, FEED, LAYERS = 64, 2, 1, 32, 128, 2


FILLS = ("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>")


def chat(
    path: Path, *, context_tokens: int = CONTEXT_TOKENS, layers: int = LAYERS, seed: int = 1, fills: bool = False
) -> Path:
    """A llama with a byte vocabulary: one token a byte of the prompt, and an answer of printable letters.

    With `fills` it has tokens for what stands before and after a gap.
    """
    random = np.random.default_rng(seed)
    writer = GGUFWriter(path, "llama")
    writer.add_name("Tiny")
    writer.add_context_length(context_tokens)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(layers)
    writer.add_feed_forward_length(FEED)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(HEAD)
    size = _byte_vocabulary(writer, FILLS if fills else ())
    writer.add_chat_template(TEMPLATE)
    writer.add_tensor("token_embd.weight", _weights(random, size, WIDTH))
    writer.add_tensor("output_norm.weight", np.ones(WIDTH, dtype=np.float32))
    output = _weights(random, size, WIDTH)
    output[:259] = 0  # special tokens and raw bytes: the letters win
    output[size - len(FILLS if fills else ()) :] = 0
    writer.add_tensor("output.weight", output * 4)
    for layer in range(layers):
        name = f"blk.{layer}"
        writer.add_tensor(f"{name}.attn_norm.weight", np.ones(WIDTH, dtype=np.float32))
        writer.add_tensor(f"{name}.ffn_norm.weight", np.ones(WIDTH, dtype=np.float32))
        writer.add_tensor(f"{name}.attn_q.weight", _weights(random, HEADS * HEAD, WIDTH))
        writer.add_tensor(f"{name}.attn_k.weight", _weights(random, KV_HEADS * HEAD, WIDTH))
        writer.add_tensor(f"{name}.attn_v.weight", _weights(random, KV_HEADS * HEAD, WIDTH))
        writer.add_tensor(f"{name}.attn_output.weight", _weights(random, WIDTH, HEADS * HEAD))
        writer.add_tensor(f"{name}.ffn_gate.weight", _weights(random, FEED, WIDTH))
        writer.add_tensor(f"{name}.ffn_up.weight", _weights(random, FEED, WIDTH))
        writer.add_tensor(f"{name}.ffn_down.weight", _weights(random, WIDTH, FEED))
    return _written(writer, path)


ADAPTED = (("attn_q", HEADS * HEAD, WIDTH), ("attn_output", WIDTH, HEADS * HEAD), ("ffn_down", WIDTH, FEED))


def adapter(
    path: Path,
    *,
    seed: int = 1,
    rank: int = 4,
    architecture: str = "llama",
    layers: int = LAYERS,
    width: int = WIDTH,
    kind: str = "adapter",
    leaves_out: str = "",
    **facts: str,
) -> Path:
    """A LoRA adapter of `chat`'s model that changes what it writes."""
    random = np.random.default_rng(seed)
    writer = GGUFWriter(path, architecture)
    writer.add_type(kind)
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", float(rank))
    for name, value in facts.items():
        writer.add_string(name, value)
    for layer in range(layers):
        for name, rows, columns in ADAPTED:
            halves = {
                "a": _weights(random, rank, columns if columns == FEED else width),
                "b": _weights(random, rows, rank),
            }
            for half, values in halves.items():
                if half != leaves_out:
                    writer.add_tensor(f"blk.{layer}.{name}.weight.lora_{half}", values)
    return _written(writer, path)


def projector(path: Path, *, seed: int = 1, projects_to: int = WIDTH, **facts: bool) -> Path:
    """What lets `chat` see: a tower of two layers for images of 28 × 28 pixels, in four parts."""
    random, width, side, patch = np.random.default_rng(seed), 32, 28, 14
    writer = GGUFWriter(path, "clip")
    writer.add_type("mmproj")
    for name, is_so in {"has_vision_encoder": True, "use_gelu": True, **facts}.items():
        writer.add_bool(f"clip.{name}", is_so)
    writer.add_string("clip.projector_type", "mlp")
    numbers = {"image_size": side, "patch_size": patch, "embedding_length": width, "feed_forward_length": FEED}
    numbers |= {"projection_dim": projects_to, "block_count": 2, "attention.head_count": 2}
    for name, number in numbers.items():
        writer.add_uint32(f"clip.vision.{name}", number)
    writer.add_float32("clip.vision.attention.layer_norm_epsilon", 1e-6)
    for name in ("image_mean", "image_std"):
        writer.add_array(f"clip.vision.{name}", [0.5] * 3)
    patches = random.standard_normal((width, 3, patch, patch), dtype=np.float32) * np.float32(0.05)
    writer.add_tensor("v.patch_embd.weight", patches)
    writer.add_tensor("v.position_embd.weight", _weights(random, (side // patch) ** 2, width))
    square = dict.fromkeys(("attn_q", "attn_k", "attn_v", "attn_out"), (width, width))
    for layer in range(2):
        for name, (rows, columns) in {**square, "ffn_up": (FEED, width), "ffn_down": (width, FEED)}.items():
            writer.add_tensor(f"v.blk.{layer}.{name}.weight", _weights(random, rows, columns))
            writer.add_tensor(f"v.blk.{layer}.{name}.bias", np.zeros(rows, dtype=np.float32))
        for name in ("ln1", "ln2"):
            writer.add_tensor(f"v.blk.{layer}.{name}.weight", np.ones(width, dtype=np.float32))
            writer.add_tensor(f"v.blk.{layer}.{name}.bias", np.zeros(width, dtype=np.float32))
    for name, columns in (("mm.0", width), ("mm.2", projects_to)):
        writer.add_tensor(f"{name}.weight", _weights(random, projects_to, columns))
        writer.add_tensor(f"{name}.bias", np.zeros(projects_to, dtype=np.float32))
    return _written(writer, path)


def embedder(path: Path, *, seed: int = 1) -> Path:
    """A BERT that makes vectors of 64 numbers, by the mean of its tokens."""
    writer = _bert(path, pooling=1, random=np.random.default_rng(seed))
    return _written(writer, path)


def reranker(path: Path, *, seed: int = 1) -> Path:
    """A BERT with a ranking head."""
    random = np.random.default_rng(seed)
    writer = _bert(path, pooling=4, random=random)
    writer.add_tensor("cls.weight", _weights(random, WIDTH, WIDTH))
    writer.add_tensor("cls.bias", np.zeros(WIDTH, dtype=np.float32))
    writer.add_tensor("cls.output.weight", _weights(random, 1, WIDTH))
    writer.add_tensor("cls.output.bias", np.zeros(1, dtype=np.float32))
    return _written(writer, path)


def _byte_vocabulary(writer: GGUFWriter, more: tuple[str, ...] = ()) -> int:
    """Three special tokens, the 256 bytes, and the printable ASCII letters, as llama's tokenizer has them."""
    letters = [chr(code) for code in range(0x21, 0x7F)]
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), "▁", *letters, "<eot>", *more]
    types = [TokenType.UNKNOWN, TokenType.CONTROL, TokenType.CONTROL, *[TokenType.BYTE] * 256]
    types += [TokenType.NORMAL] * (1 + len(letters)) + [TokenType.CONTROL] * (1 + len(more))
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores([0.0] * 259 + [-float(place) for place in range(len(tokens) - 259)])
    writer.add_token_types(types)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_eot_token_id(tokens.index("<eot>"))
    writer.add_unk_token_id(0)
    writer.add_add_space_prefix(False)
    writer.add_vocab_size(len(tokens))
    return len(tokens)


def _bert(path: Path, *, pooling: int, random: np.random.Generator) -> GGUFWriter:
    pieces = [f"▁{chr(code)}" for code in range(0x61, 0x7B)] + [chr(code) for code in range(0x61, 0x7B)]
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *pieces]
    writer = GGUFWriter(path, "bert")
    writer.add_name("Tiny vectors")
    writer.add_context_length(CONTEXT_TOKENS)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(1)
    writer.add_feed_forward_length(FEED)
    writer.add_head_count(HEADS)
    writer.add_layer_norm_eps(1e-12)
    writer.add_causal_attention(False)
    writer.add_uint32("bert.pooling_type", pooling)
    writer.add_tokenizer_model("bert")
    writer.add_tokenizer_pre("jina-v2-en")
    writer.add_token_list(tokens)
    writer.add_token_types([TokenType.CONTROL] * 5 + [TokenType.NORMAL] * len(pieces))
    writer.add_token_type_count(2)
    writer.add_bos_token_id(2)
    writer.add_eos_token_id(3)
    writer.add_pad_token_id(0)
    writer.add_unk_token_id(1)
    writer.add_sep_token_id(3)
    writer.add_mask_token_id(4)
    writer.add_tensor("token_embd.weight", _weights(random, len(tokens), WIDTH))
    writer.add_tensor("token_types.weight", _weights(random, 2, WIDTH))
    writer.add_tensor("position_embd.weight", _weights(random, CONTEXT_TOKENS, WIDTH))
    for name, rows, columns in (
        ("attn_q", WIDTH, WIDTH),
        ("attn_k", WIDTH, WIDTH),
        ("attn_v", WIDTH, WIDTH),
        ("attn_output", WIDTH, WIDTH),
        ("ffn_up", FEED, WIDTH),
        ("ffn_down", WIDTH, FEED),
    ):
        writer.add_tensor(f"blk.0.{name}.weight", _weights(random, rows, columns))
        writer.add_tensor(f"blk.0.{name}.bias", np.zeros(rows, dtype=np.float32))
    for name in ("token_embd_norm", "blk.0.attn_output_norm", "blk.0.layer_output_norm"):
        writer.add_tensor(f"{name}.weight", np.ones(WIDTH, dtype=np.float32))
        writer.add_tensor(f"{name}.bias", np.zeros(WIDTH, dtype=np.float32))
    return writer


def _weights(random: np.random.Generator, rows: int, columns: int) -> np.ndarray:
    return random.standard_normal((rows, columns), dtype=np.float32) / np.float32(columns**0.5)


def _written(writer: GGUFWriter, path: Path) -> Path:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
