"""Models of safetensors files, in the layout of Hugging Face's repositories: which files, and what they say.

A format of `models.formats`. What passes is data only: no code of the model's own, no pickle, and nothing that names a
file outside. The facts become those of a GGUF header, which memory is predicted from.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, NoReturn

from intramuros.errors import ModelFileError
from intramuros.models.gguf import EFFORT, MAX_LAYERS, MAX_SIZE, GgufHeader, Widths
from intramuros.models.onnx import SHIFT, SHIFTED
from intramuros.models.pooling import MODULES, POOLING, RANK, check_steps, pooling_in, steps_in
from intramuros.models.safetensors_file import Tensor, read_tensors

SAFETENSORS = "safetensors"
CONFIG, TOKENIZER, WHOLE, INDEX = "config.json", "tokenizer.json", "model.safetensors", "model.safetensors.index.json"
TEMPLATE = "chat_template.jinja"
SENTENCES = "sentence_bert_config.json"
TOKENIZER_CONFIG = "tokenizer_config.json"
GENERATION = "generation_config.json"
BESIDE = (GENERATION, TOKENIZER_CONFIG, TEMPLATE, POOLING, MODULES, SENTENCES)
SHARD = re.compile(r"model-\d{5}-of-\d{5}\.safetensors")
LARGEST_CONFIG = 1 << 20
LARGEST_INDEX = 64 << 20
ALSO_CALLED = {
    "hidden_size": ("n_embd", "d_model", "dim"),
    "num_hidden_layers": ("n_layer", "n_layers", "num_layers"),
    "num_attention_heads": ("n_head", "n_heads"),
    "max_position_embeddings": ("n_positions", "n_ctx", "max_seq_len", "seq_length"),
    "intermediate_size": ("n_inner", "ffn_dim", "hidden_dim"),
}
ATTENTION = frozenset({"full_attention", "sliding_attention"})
HINT = "Take a version of the model that is not quantised, or one as a GGUF file."


def pick(names: Collection[str], asked: str) -> tuple[str, ...]:
    """The files that make up a model; none if there is none of this format.

    Where a folder has the model as an ONNX graph too, that runs encoders faster, and what writes is taken from here.
    """
    if not asked and GENERATION not in names and any(name.endswith(".onnx") for name in names):
        return ()
    if (asked and asked not in (WHOLE, INDEX, CONFIG)) or CONFIG not in names:
        return ()
    shards = sorted(name for name in names if SHARD.fullmatch(name))
    weights = [WHOLE] if WHOLE in names else [INDEX, *shards] if INDEX in names and shards else []
    if not weights:
        return ()
    return (CONFIG, *weights, *(name for name in (TOKENIZER, *BESIDE) if name in names))


def read(files: Mapping[str, Path]) -> GgufHeader:
    """What the files of a model say of it.

    Raises: ModelFileError saying in plain words what is wrong, or that such a model can't be run.
    """
    if TOKENIZER not in files:
        raise ModelFileError("The model has no tokenizer.json.", hint="Take a version of the model that has one.")
    config, tokenizer = _object(files, CONFIG), _object(files, TOKENIZER_CONFIG)
    for said in (config, tokenizer):
        if said.get("auto_map"):
            raise ModelFileError("This model needs code of its own, which is never run here.", hint="")
    if config.get("quantization_config"):
        raise ModelFileError("This model is quantised in a way that can't be run here.", hint=HINT)
    return _Facts(config, _tensors(files), files, _templates(files, tokenizer)).header()


def _tensors(files: Mapping[str, Path]) -> dict[str, Tensor]:
    """All tensors of a model. Raises: ModelFileError if its files and their index don't fit one another."""
    if INDEX not in files:
        return read_tensors(files[WHOLE])
    places = _object(files, INDEX, LARGEST_INDEX).get("weight_map")
    if not isinstance(places, dict) or not all(isinstance(place, str) for place in places.values()):
        _broken("the index of its files can't be read")
    if set(places.values()) != {name for name in files if SHARD.fullmatch(name)}:
        _broken("its index names other files than are there")
    tensors: dict[str, Tensor] = {}
    for name in sorted(set(places.values())):
        found = read_tensors(files[name])
        if any(places.get(tensor) != name for tensor in found):
            _broken(f"{name} holds other tensors than its index says")
        tensors |= found
    if set(tensors) != set(places):
        _broken("its index names tensors that are not there")
    return tensors


def _templates(files: Mapping[str, Path], tokenizer: Mapping[str, Any]) -> str:
    """All chat templates in one text; empty if there is none."""
    if TEMPLATE in files:
        return _text(files[TEMPLATE])
    found = tokenizer.get("chat_template") or ""
    if isinstance(found, list):
        return "\n".join(str(one.get("template", "")) for one in found if isinstance(one, dict))
    return found if isinstance(found, str) else ""


class _Facts:
    """Reads facts by name, each checked for its type and range: memory is reckoned with them."""

    def __init__(
        self, config: dict[str, Any], tensors: dict[str, Tensor], files: Mapping[str, Path], template: str
    ) -> None:
        self.config, self.tensors, self.files, self.template = config, tensors, files, template
        self.architecture = self._label("model_type") or _broken("it does not say which architecture it has")
        self.layers = self.number("num_hidden_layers", low=1, high=MAX_LAYERS)

    def header(self) -> GgufHeader:
        kind = self._kind()
        width, heads = self.number("hidden_size", low=1), self.number("num_attention_heads", low=1)
        kv_heads = self.number("num_key_value_heads", heads, low=1)
        key = value = self.number("head_dim", max(1, width // heads), low=1)
        if self.config.get("kv_lora_rank"):  # the library keeps whole keys and values, for each head
            kv_heads, value = heads, self.number("v_head_dim", low=1)
            key = self.number("qk_nope_head_dim") + self.number("qk_rope_head_dim")
        windows, window = self._windows()
        sizes = Counter[str]()
        for tensor in self.tensors.values():
            sizes[tensor.kind] += tensor.end - tensor.begin
        weights = sum(sizes.values())
        return GgufHeader(
            architecture=self.architecture,
            name=None,
            quantisation=sizes.most_common(1)[0][0],
            parameters=sum(tensor.values for tensor in self.tensors.values()),
            tensor_bytes=weights,
            file_bytes=sum(path.stat().st_size for path in self.files.values()),
            layers=self.layers,
            embedding_length=width,
            heads=(heads,) * self.layers,
            kv_heads=(kv_heads,) * self.layers,
            key_length=key,
            value_length=value,
            key_length_window=key,
            value_length_window=value,
            window_tokens=window,
            window_layers=windows,
            recurrent_layers=(False,) * self.layers,
            recurrent=None,
            latent=False,
            context_tokens=self._context(),
            vocabulary=self.number("vocab_size", low=1),
            experts=0,
            experts_used=0,
            has_chat_template=kind == "chat" and bool(self.template),
            template_has_tools=False,  # the engine reads no calls: a schema holds them
            template_has_effort=bool(EFFORT.search(self.template)),
            is_encoder=kind != "chat" and not self._is_writer,
            pooling=None if kind == "chat" else RANK if kind == "rerank" else self._pooling(),
            licence=None,
            languages=(),
            widths=Widths(feed_length=self.number("intermediate_size", 4 * width)),
            format=SAFETENSORS,
            normalises=MODULES not in self.files or "Normalize" in self._modules(),
        )

    def number(self, name: str, default: int | None = None, *, low: int = 0, high: int = MAX_SIZE) -> int:
        names = (name, *ALSO_CALLED.get(name, ()))
        found = next((self.config[one] for one in names if self.config.get(one) is not None), default)
        if not isinstance(found, int) or isinstance(found, bool) or not low <= found <= high:
            _broken(f"its {name.replace('_', ' ')} is missing or can't be")
        return found

    @property
    def _class(self) -> str:
        named = self.config.get("architectures")
        return str(named[0]) if isinstance(named, list) and named else ""

    @property
    def _is_writer(self) -> bool:
        return self._class.endswith(("ForCausalLM", "LMHeadModel"))

    def _kind(self) -> str:
        """What the model is for: chat, embed or rerank."""
        if self._class.endswith("ForSequenceClassification"):
            labels = self.config.get("id2label")
            if isinstance(labels, dict) and len(labels) == 1:
                return "rerank"
        elif MODULES in self.files or POOLING in self.files:
            return "embed"
        elif self._is_writer:
            return "chat"
        elif self._class.endswith(("Model", "ForMaskedLM")) and not self.config.get("is_encoder_decoder"):
            return "embed"
        raise ModelFileError(
            f"Models of this kind can't be run here ({self._class[:60] or 'none is named'}).",
            hint="What runs: models that write text, that make vectors, or that give a pair of texts one score.",
        )

    def _windows(self) -> tuple[tuple[bool, ...], int]:
        """Which layers see only a window, and how many tokens that has."""
        kinds = self.config.get("layer_types")
        window = self.number("sliding_window", 0, high=1 << 32)
        if kinds is None:
            is_so = window > 0 and self.config.get("use_sliding_window", True) is True
            return (is_so,) * self.layers, window if is_so else 0
        if not isinstance(kinds, list) or len(kinds) != self.layers:
            _broken("its list of layers has another length than it says")
        if strange := sorted({str(kind) for kind in kinds} - ATTENTION):
            raise ModelFileError(f"Layers of the kind {strange[0][:40]!r} can't be run here.", hint=HINT)
        windows = tuple(kind == "sliding_attention" for kind in kinds)
        return windows, window if any(windows) else 0

    def _context(self) -> int:
        tokens = self.number("max_position_embeddings", low=1, high=1 << 32)
        tokens = max(1, tokens - SHIFT) if self.architecture in SHIFTED else tokens
        said = _object(self.files, SENTENCES).get("max_seq_length")
        return min(tokens, said) if isinstance(said, int) and said > 0 else tokens

    def _modules(self) -> frozenset[str]:
        """The steps that make a vector; none if they are not listed."""
        return steps_in(_value(self.files[MODULES])) if MODULES in self.files else frozenset()

    def _pooling(self) -> int:
        """How the vectors of tokens become one. Raises: ModelFileError for ways that are not known here."""
        check_steps(self._modules())
        return pooling_in(_object(self.files, POOLING))

    def _label(self, name: str) -> str:
        found = self.config.get(name)
        return found if isinstance(found, str) and re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", found) else ""


def _object(files: Mapping[str, Path], name: str, largest: int = LARGEST_CONFIG) -> dict[str, Any]:
    """What a file of JSON says; nothing if it is not there. Raises: ModelFileError."""
    found = _value(files[name], largest) if name in files else {}
    if not isinstance(found, dict):
        _broken(f"its {name} is no object")
    return found


def _value(path: Path, largest: int = LARGEST_CONFIG) -> Any:
    try:
        return json.loads(_text(path, largest))
    except (ValueError, RecursionError):
        _broken(f"its {path.name} can't be read")


def _text(path: Path, largest: int = LARGEST_CONFIG) -> str:
    try:
        if path.stat().st_size > largest:
            _broken(f"its {path.name} is larger than can be")
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ModelFileError(f"The file can't be read: {error.strerror or 'input/output error'}.") from error
    except UnicodeDecodeError:
        _broken(f"its {path.name} is no text")


def _broken(what: str) -> NoReturn:
    raise ModelFileError(f"The model is broken: {what}.", hint="")
