"""Loads safetensors files with `transformers`: data only, no code of the model's own, nothing looked for or fetched.

Used by the worker alone, after it has confined itself. The library is never given a folder or a name, which it would
search for more: only what the files say that were checked when the model was installed.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from intramuros.engines.worker.door import Failed
from intramuros.engines.worker.heart import Heart

QUIET: Mapping[str, str] = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
    "HF_HOME": "/nonexistent",
    "TRANSFORMERS_VERBOSITY": "error",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "TORCHINDUCTOR_CACHE_DIR": "/",
    "TORCHDYNAMO_DISABLE": "1",
}
"""Nothing is fetched, told or written. The compiler's cache is a folder that is there and can't be written."""
NOT_NEEDED = ("trio", "torchvision", "torchaudio", "sklearn", "scipy", "pandas", "tensorflow", "jax", "flash_attn")
"""What `transformers` would take along if it is installed: more code than a model needs."""
SAMPLED = ("temperature", "top_k", "top_p", "min_p")
TOKENS = ("bos_token", "eos_token", "unk_token", "pad_token", "sep_token", "cls_token", "mask_token")
WEIGHTS = ".safetensors"
INVALID = "invalid_request_error"
"""The kind of error of a request that can't be."""

Files = Mapping[str, Path]
"""A model's files, by name."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model that is ready, what it is for, and what its files say of sampling.

    `pooling`: how the vectors of tokens become one, see `models.pooling`.
    """

    kind: str
    model: Any
    tokenizer: Any
    device: Any
    ends: tuple[int, ...] = ()
    usual: Mapping[str, Any] = field(default_factory=dict)
    pooling: int | None = None
    normalises: bool = True
    heart: Heart = field(default_factory=Heart)
    """Beats while the model computes."""

    def __post_init__(self) -> None:
        from torch.nn import ModuleList

        layers = [layer for module in self.model.modules() if isinstance(module, ModuleList) for layer in module]
        for part in (self.model, *layers):
            part.register_forward_hook(self.heart.beat)

    @property
    def vocabulary(self) -> int:
        """How many tokens have a score."""
        return int(self.model.config.get_text_config().vocab_size)


def prepare() -> None:
    """To be called before torch is imported: keeps the libraries from what the walls would refuse them."""
    os.environ.update(QUIET)
    tempfile.tempdir = "/nonexistent"
    sys.modules.update(dict.fromkeys(NOT_NEEDED))  # type: ignore[arg-type]


def load(files: Files, *, kind: str, threads: int, on_gpu: bool, pooling: int | None, normalises: bool) -> Loaded:
    """Loads a model. `kind` is chat, embed or rerank; `pooling` a number of `models.pooling`.

    Raises: Failed, and what the libraries raise.
    """
    import torch
    import transformers

    torch.set_num_threads(threads)
    torch.set_grad_enabled(False)
    device = torch.device("cuda" if on_gpu and torch.cuda.is_available() else "cpu")
    classes = {
        "chat": transformers.MODEL_FOR_CAUSAL_LM_MAPPING,
        "embed": transformers.MODEL_MAPPING,
        "rerank": transformers.MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING,
    }
    said = _object(files, "config.json")
    try:
        config = transformers.AutoConfig.for_model(**{name: said[name] for name in said if not _is_switch(name)})
        own = classes[kind][type(config)]
    except (ValueError, KeyError):
        raise Failed(f"transformers {transformers.__version__} knows no such architecture") from None
    model = _weighed(own[0] if isinstance(own, tuple) else own, config, files).to(device).eval()
    tokenizer = _tokenizer(files)
    if kind != "chat":
        model.config.use_cache = False
        return Loaded(kind, model, tokenizer, device, pooling=pooling, normalises=normalises)
    usual = _object(files, "generation_config.json")
    ends = _ends(usual.get("eos_token_id"), said.get("eos_token_id"), tokenizer.eos_token_id)
    return Loaded(kind, model, tokenizer, device, ends, {name: usual[name] for name in SAMPLED if _is_set(usual, name)})


def _is_switch(name: str) -> bool:
    """Whether a field of a configuration says how to compute: some values name code that is fetched from a hub."""
    return name.startswith("_") or name == "attn_implementation"


def _is_set(said: Mapping[str, Any], name: str) -> bool:
    """Whether a file says a number here that changes anything."""
    return isinstance(said.get(name), int | float) and said[name] > 0


def _weighed(own: Any, config: Any, files: Files) -> Any:
    """The model with its weights, which stay mapped to their files on a processor. Raises: Failed."""
    from safetensors.torch import load_file

    state: dict[str, Any] = {}
    for name, path in files.items():
        if name.endswith(WEIGHTS):
            state |= load_file(path)
    told: dict[str, Any] = {"output_loading_info": True, "ignore_mismatched_sizes": True, "local_files_only": True}
    model, report = own.from_pretrained(None, config=config, state_dict=state, dtype="auto", **told)
    lacks = [*report["missing_keys"], *report["mismatched_keys"]]
    if lacks:
        raise Failed(f"{len(lacks)} of the tensors that its architecture has are missing or of another size")
    return model


def _tokenizer(files: Files) -> Any:
    """The tokenizer as its file has it, with the names of its special tokens and the chat template."""
    import transformers

    said = _object(files, "tokenizer_config.json")
    named = {name: said[name] for name in TOKENS if said.get(name)}
    named = {name: value["content"] if isinstance(value, dict) else value for name, value in named.items()}
    return transformers.PreTrainedTokenizerFast(
        tokenizer_file=str(files["tokenizer.json"]), chat_template=_template(files, said), **named
    )


def _template(files: Files, said: Mapping[str, Any]) -> str | None:
    """The chat template: from a file of its own, or from among those that the configuration has."""
    if "chat_template.jinja" in files:
        return files["chat_template.jinja"].read_text(encoding="utf-8")
    found = said.get("chat_template")
    if isinstance(found, list):
        found = {one.get("name"): one.get("template") for one in found}.get("default")
    return found if isinstance(found, str) else None


def _ends(*named: Any) -> tuple[int, ...]:
    """The tokens that end an answer, from every place that names some."""
    found: set[int] = set()
    for one in named:
        found |= {token for token in (one if isinstance(one, list) else [one]) if isinstance(token, int)}
    return tuple(sorted(found))


def _object(files: Files, name: str) -> dict[str, Any]:
    """What a file of JSON says; nothing if it is not there."""
    return dict(json.loads(files[name].read_text(encoding="utf-8"))) if name in files else {}
