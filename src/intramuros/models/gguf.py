"""What a GGUF model is: the facts of its header that the engine, the memory prediction and the pages need.

Called when a model is installed, before an engine is started, and by `models show`. Knows nothing of downloads or
engines. `read_header` is the gate: a file that passes has a whole tensor table, and its weights lie inside the file.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from intramuros.errors import ModelFileError
from intramuros.models.gguf_file import GgufFile, Value, read_file
from intramuros.models.pooling import RANK
from intramuros.models.tensor_types import FILE_TYPES

ENCODERS = frozenset(
    {"bert", "modern-bert", "nomic-bert", "nomic-bert-moe", "neo-bert", "jina-bert-v2", "jina-bert-v3", "eurobert"}
    | {"gemma-embedding", "t5encoder"}
)
"""Architectures that read a text at once and keep no cache."""

SWA_PERIODS = {
    "gemma2": 2,
    "gemma3": 6,
    "gemma3n": 5,
    "gpt-oss": 2,
    "cohere2": 4,
    "llama4": 4,
    "exaone4": 4,
    "olmo2": 4,
}
"""Every n-th layer sees the whole context, the others a window, where the file itself doesn't say.

Source: llama.cpp, src/models/*.cpp, `set_swa_pattern`.
"""

LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z]{2,8})?")
TOOLS = re.compile(r"\btools\b")
EFFORT = re.compile(r"\b(?:reasoning_effort|enable_thinking)\b")
GGUF = "gguf"
MAX_LAYERS = 1024
MAX_SIZE = 1 << 24  # of a head, a layer, a vocabulary: far above any model's


@dataclass(frozen=True, slots=True)
class Recurrent:
    """The state that layers without attention keep for each conversation, in values; independent of its length."""

    convolution_values: int
    state_values: int


@dataclass(frozen=True, slots=True)
class Widths:
    """How wide a model's operations are, beside its heads, and which it has: what scratch memory depends on.

    0 or False: it has none. `feed_length` of 0 is also what an older version did not note.
    """

    feed_length: int = 0
    expert_feed_length: int = 0
    dense_layers: int = 0
    has_head_norms: bool = False
    has_post_norms: bool = False
    scales_embedding: bool = False
    scales_queries: bool = False
    scales_residual: bool = False
    query_rank: int = 0
    key_length_latent: int = 0
    value_length_latent: int = 0
    inner_length: int = 0
    state_length: int = 0
    state_steps: int = 0
    state_groups: int = 0


@dataclass(frozen=True, slots=True)
class GgufHeader:
    """The facts of one model, in the terms of GGUF; those of other formats are read into them too.

    `format` says what it is written in, and so what runs it.
    Shape: `heads`, `kv_heads`, `window_layers` and `recurrent_layers` have one entry for each layer; 0 key-value heads
    mean that the layer keeps no cache. `windows`: tokens a window layer sees. Units: `_tokens`, `_bytes`.
    """

    architecture: str
    name: str | None
    quantisation: str
    parameters: int
    tensor_bytes: int
    file_bytes: int
    layers: int
    embedding_length: int
    heads: tuple[int, ...]
    kv_heads: tuple[int, ...]
    key_length: int
    value_length: int
    key_length_window: int
    value_length_window: int
    window_tokens: int
    window_layers: tuple[bool, ...]
    recurrent_layers: tuple[bool, ...]
    recurrent: Recurrent | None
    latent: bool  # multi-head latent attention: keys only, no values
    context_tokens: int
    vocabulary: int
    experts: int
    experts_used: int
    has_chat_template: bool
    template_has_tools: bool
    template_has_effort: bool  # says how much to think
    is_encoder: bool
    pooling: int | None
    licence: str | None
    languages: tuple[str, ...]
    widths: Widths = Widths()
    format: str = GGUF
    normalises: bool = True  # an embedder's vectors have the length 1

    @property
    def is_embedder(self) -> bool:
        """Whether it turns texts into vectors instead of writing."""
        return self.is_encoder or self.pooling is not None

    @property
    def is_reranker(self) -> bool:
        """Whether it scores how well a text answers a question."""
        return self.pooling == RANK

    def to_json(self) -> dict[str, Any]:
        """As JSON, for the manifest of an installed model."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> GgufHeader:
        """Reads what `to_json` wrote, also that of older versions. Raises: KeyError, TypeError for anything else."""
        ready: dict[str, Any] = {}
        value = {"widths": {}, "template_has_effort": False, "format": GGUF, "normalises": True, **value}
        for entry in fields(cls):
            found = value[entry.name]
            ready[entry.name] = tuple(found) if isinstance(found, list) else found
        if ready["recurrent"] is not None:
            ready["recurrent"] = Recurrent(**ready["recurrent"])
        ready["widths"] = Widths(**ready["widths"])
        return cls(**ready)


def read_header(path: Path) -> GgufHeader:
    """Checks a model file strictly and reads what it is.

    Raises: ModelFileError saying in plain words what is wrong: no GGUF, cut short, damaged, not a language model.
    """
    file = read_file(path)
    _check_kind(file)
    return _Facts(file).header()


def _check_kind(file: GgufFile) -> None:
    kind = file.metadata.get("general.type", "model")
    parts = file.metadata.get("split.count", 1)
    if kind != "model":
        raise ModelFileError(f"This GGUF file holds no language model but a part of one ({str(kind)[:20]}).")
    if parts not in (0, 1):
        raise ModelFileError(
            "This is one of several files that make up a model together.", hint="Take a version that is a single file."
        )
    if file.tensor_count == 0:
        raise ModelFileError("This GGUF file holds a vocabulary but no weights.")


class _Facts:
    """Reads facts by name, each checked for its type and range: the engine trusts these numbers."""

    def __init__(self, file: GgufFile) -> None:
        self.file = file
        self.architecture = self._text("general.architecture")
        if not self.architecture:
            raise ModelFileError("The model file does not say which architecture it has.")
        self.layers = self.number("block_count", low=1, high=MAX_LAYERS)

    def header(self) -> GgufHeader:
        file, embedding = self.file, self.number("embedding_length", low=1)
        heads = self.per_layer("attention.head_count", 0)
        kv_heads = self.per_layer("attention.head_count_kv", None) or heads
        fallback = embedding // max(heads) if max(heads) else 0
        key = self.number("attention.key_length", fallback)
        value = self.number("attention.value_length", fallback)
        window = self.number("attention.sliding_window", 0, high=1 << 32)
        recurrent, state = self._recurrent(kv_heads, embedding)
        return GgufHeader(
            architecture=self.architecture,
            name=self._label("general.name"),
            quantisation=self._quantisation(),
            parameters=file.parameters,
            tensor_bytes=file.tensor_bytes,
            file_bytes=file.size_bytes,
            layers=self.layers,
            embedding_length=embedding,
            heads=heads,
            kv_heads=self._with_cache(kv_heads, recurrent),
            key_length=key,
            value_length=value,
            key_length_window=self.number("attention.key_length_swa", key),
            value_length_window=self.number("attention.value_length_swa", value),
            window_tokens=window,
            window_layers=self._window_layers(window),
            recurrent_layers=recurrent,
            recurrent=state,
            latent=self.has("attention.kv_lora_rank"),
            context_tokens=self.number("context_length", low=1, high=1 << 32),
            vocabulary=file.lengths.get("tokenizer.ggml.tokens") or self.number("vocab_size", 0),
            experts=self.number("expert_count", 0),
            experts_used=self.number("expert_used_count", 0),
            has_chat_template=bool(self._text("tokenizer.chat_template")),
            template_has_tools=self._template_has(TOOLS),
            template_has_effort=self._template_has(EFFORT),
            is_encoder=self.architecture in ENCODERS or self._value("attention.causal") is False,
            pooling=self.number("pooling_type", 0, high=16) if self.has("pooling_type") else None,
            licence=self._label("general.license"),
            languages=self._languages(),
            widths=self._widths(),
        )

    def _widths(self) -> Widths:
        tensors = self.file.layer_tensors
        is_gemma = self.architecture.startswith("gemma")
        return Widths(
            feed_length=max(self.per_layer("feed_forward_length", 0)),
            expert_feed_length=self.number("expert_feed_forward_length", 0),
            dense_layers=self.number("leading_dense_block_count", 0),
            has_head_norms="attn_q_norm.weight" in tensors,
            has_post_norms="post_ffw_norm.weight" in tensors,
            scales_embedding=is_gemma or self.has("embedding_scale"),
            scales_queries=is_gemma,
            scales_residual=self.has("residual_scale"),
            query_rank=self.number("attention.q_lora_rank", 0),
            key_length_latent=self.number("attention.key_length_mla", 0),
            value_length_latent=self.number("attention.value_length_mla", 0),
            inner_length=self.number("ssm.inner_size", 0),
            state_length=self.number("ssm.state_size", 0),
            state_steps=self.number("ssm.time_step_rank", 0),
            state_groups=self.number("ssm.group_count", 0),
        )

    def has(self, name: str) -> bool:
        return self._value(name) is not None

    def number(self, name: str, default: int | None = None, *, low: int = 0, high: int = MAX_SIZE) -> int:
        value = self._value(name)
        value = default if value is None else value
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise ModelFileError(f"The model file is broken: its {name.replace('_', ' ')} is missing or can't be.")
        return value

    def per_layer(self, name: str, default: int | None) -> tuple[int, ...]:
        """A number for each layer: the file has one number for all of them, or a list."""
        value = self._value(name)
        if not isinstance(value, tuple):
            if value is None and default is None:
                return ()
            return (self.number(name, default),) * self.layers
        numbers = tuple(v for v in value if isinstance(v, int) and not isinstance(v, bool) and 0 <= v <= MAX_SIZE)
        if len(value) < self.layers or len(numbers) != len(value):
            raise ModelFileError(f"The model file is broken: its list of {name.replace('_', ' ')} can't be.")
        return numbers[: self.layers]

    def _value(self, name: str) -> Value | None:
        return self.file.metadata.get(f"{self.architecture}.{name}")

    def _text(self, name: str) -> str:
        value = self.file.metadata.get(name, "")
        return value if isinstance(value, str) else ""

    def _label(self, name: str) -> str | None:
        """A text that is shown to people: without control characters, which a terminal would obey, and not long."""
        return "".join(c for c in self._text(name) if c.isprintable())[:120].strip() or None

    def _template_has(self, word: re.Pattern[str]) -> bool:
        """Whether a template writes something of a request; without that a model never hears of it."""
        templates = ("tokenizer.chat_template", "tokenizer.chat_template.tool_use")
        return any(word.search(self._text(name)) for name in templates)

    def _languages(self) -> tuple[str, ...]:
        value = self.file.metadata.get("general.languages", ())
        return (
            tuple(v for v in value if isinstance(v, str) and LANGUAGE.fullmatch(v)) if isinstance(value, tuple) else ()
        )

    def _quantisation(self) -> str:
        number = self.file.metadata.get("general.file_type")
        if isinstance(number, int) and number in FILE_TYPES:
            return FILE_TYPES[number]
        return max(self.file.types, key=lambda kind: self.file.types[kind])

    def _window_layers(self, window: int) -> tuple[bool, ...]:
        """Which layers see only a window. Not known: none, so that the memory is rather over- than underestimated."""
        if not window:
            return (False,) * self.layers
        pattern = self._value("attention.sliding_window_pattern")
        if isinstance(pattern, tuple) and len(pattern) >= self.layers:
            return tuple(bool(is_window) for is_window in pattern[: self.layers])
        period = SWA_PERIODS.get(self.architecture, 1)
        if isinstance(pattern, int) and not isinstance(pattern, bool) and 1 <= pattern <= MAX_LAYERS:
            period = pattern
        return tuple(layer % period < period - 1 for layer in range(self.layers))

    def _recurrent(self, kv_heads: tuple[int, ...], embedding: int) -> tuple[tuple[bool, ...], Recurrent | None]:
        """Which layers keep a fixed state instead of a cache (Mamba, gated delta nets, short convolutions)."""
        none = (False,) * self.layers
        if self.has("shortconv.l_cache"):
            state = Recurrent(embedding * max(0, self.number("shortconv.l_cache", high=1024) - 1), 0)
        elif self.has("ssm.state_size"):
            inner, width = self.number("ssm.inner_size"), self.number("ssm.state_size")
            taps = max(0, self.number("ssm.conv_kernel", high=1024) - 1)
            state = Recurrent(taps * (inner + 2 * self.number("ssm.group_count", 0) * width), width * inner)
        else:
            return none, None
        interval = self.number("full_attention_interval", 0, high=MAX_LAYERS)
        if interval:
            return tuple((layer + 1) % interval != 0 for layer in range(self.layers)), state
        if len(set(kv_heads)) == 1 and kv_heads[0] and self.architecture in {"falcon-h1"}:
            return (True,) * self.layers, state
        return tuple(heads == 0 for heads in kv_heads), state

    def _with_cache(self, kv_heads: tuple[int, ...], recurrent: tuple[bool, ...]) -> tuple[int, ...]:
        """Key-value heads of the layers that keep a cache of their own; 0 for those that don't."""
        own = self.layers - min(self.layers, self.number("attention.shared_kv_layers", 0))
        hybrid = self.has("full_attention_interval")
        return tuple(
            0 if layer >= own or (hybrid and recurrent[layer]) else heads for layer, heads in enumerate(kv_heads)
        )
