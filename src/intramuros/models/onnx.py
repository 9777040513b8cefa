"""A model in the ONNX format: which files of a repository make it up, and what they say.

Called by `models.formats`. Encoders are understood that turn texts into vectors, or rank them: as sentence-transformers
and Hugging Face's exporter lay them out. Nothing is executed, and nothing is passed to the engine that would have it
read a file outside of the model or load code: a graph's weights must lie in the model's own files, and every operator
must be one of ONNX or of the engine itself.

Source: sentence-transformers, `1_Pooling/config.json`, `modules.json`, `sentence_bert_config.json`; huggingface.co,
"transformers" (config.json of each architecture); onnx.ai, "External Data".
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from posixpath import dirname, join
from typing import Any

from intramuros.errors import ModelFileError
from intramuros.models.folder import LARGEST_TEXT_BYTES
from intramuros.models.gguf import MAX_LAYERS, MAX_SIZE, GgufHeader, Widths
from intramuros.models.onnx_file import (
    BFLOAT16,
    FLOAT,
    FLOAT16,
    INT8,
    INT32,
    INT64,
    UINT8,
    OnnxFile,
    read_file,
)
from intramuros.models.pooling import BY_ITSELF, MODULES, POOLING, RANK, check_steps, pooling_in, steps_in

ONNX, EIGHT_BITS = "onnx", "INT8"
CONFIG, TOKENIZER, TOKENIZER_CONFIG = "config.json", "tokenizer.json", "tokenizer_config.json"
SENTENCES = "sentence_bert_config.json"
TEXTS = (CONFIG, TOKENIZER, TOKENIZER_CONFIG, MODULES, SENTENCES, POOLING)
WEIGHTS = ("model_quantized.onnx", "model_int8.onnx", "model_uint8.onnx", "model.onnx")
"""The names of graphs, the one to prefer first: with whole numbers of 8 bits it is the fastest on a processor."""
FOLDERS = ("", "onnx/")
DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml", "com.microsoft", "com.microsoft.nchwc"})
FORBIDDEN = frozenset({"EPContext"})
"""Operators that would have the engine read another file."""
INPUTS = frozenset({"input_ids", "attention_mask", "token_type_ids", "position_ids"})
POOLED, OF_TOKENS = "sentence_embedding", ("last_hidden_state", "token_embeddings")
"""What outputs are called: one vector for a text, made by the graph itself; one for each of its tokens."""
SHIFTED = frozenset({
    "roberta", "xlm-roberta", "xlm-roberta-xl", "camembert", "mpnet", "longformer", "xmod", "data2vec-text",
})  # fmt: skip
"""Architectures that count positions from beyond the padding's number, so that two of them are not for tokens."""
SHIFT = 2
LARGEST_CONFIG_BYTES = 1 << 20
NAMES = {
    "layers": ("num_hidden_layers", "n_layers", "n_layer", "num_layers"),
    "embedding": ("hidden_size", "dim", "n_embd", "d_model"),
    "heads": ("num_attention_heads", "n_heads", "n_head", "num_heads"),
    "feed": ("intermediate_size", "hidden_dim", "n_inner", "d_ff"),
    "positions": ("max_position_embeddings", "n_positions", "max_seq_len", "max_sequence_length"),
}
"""What architectures call the same thing."""


def pick(names: Collection[str], asked: str = "") -> tuple[str, ...]:
    """The files of a model: its graph, the files its weights may be in, and the texts that say how it is used."""
    there = set(names)
    if asked:
        graph = asked if asked.endswith(".onnx") and asked in there else ""
    else:
        graphs = [join(folder, name) for name in WEIGHTS for folder in FOLDERS]
        graph = next((name for name in graphs if name in there), "") or _only([n for n in there if n.endswith(".onnx")])
    if not graph:
        return ()
    starts = (f"{graph}_data", f"{graph}.data", f"{graph.removesuffix('.onnx')}.data")
    return (graph, *(name for name in TEXTS if name in there), *sorted(n for n in there if n.startswith(starts)))


def read(files: Mapping[str, Path]) -> GgufHeader:
    """What the files say of the model. Raises: ModelFileError, saying what is wrong or missing."""
    for needed in (CONFIG, TOKENIZER):
        if needed not in files:
            raise ModelFileError(f"The model lacks its {needed}, which says how it is used.", hint="")
    graph = next(name for name in files if name.endswith(".onnx"))
    found = read_file(files[graph])
    _check_graph(found)
    _check_weights(found, graph, files)
    _check_tokenizer(files[TOKENIZER])
    texts = {name: _object(files[name], name) for name in TEXTS if name in files and name != TOKENIZER}
    return _header(found, texts, sum(path.stat().st_size for path in files.values()))


def _check_graph(graph: OnnxFile) -> None:
    """Raises: ModelFileError for what the engine must not do, and for what is not given to a text encoder."""
    own = {domain for domain, _ in graph.functions}
    for domain, operator in sorted(graph.operators | graph.functions):
        if operator in FORBIDDEN or (domain not in DOMAINS and domain not in own):
            raise ModelFileError(
                f"The model needs the operator {_shown(f'{domain}.{operator}')}, which would be code of its own:"
                " that is never loaded."
            )
    if "input_ids" not in graph.inputs or "attention_mask" not in graph.inputs:
        raise ModelFileError("This ONNX model reads no texts: it has no inputs input_ids and attention_mask.")
    if more := sorted(graph.inputs.keys() - INPUTS):
        raise ModelFileError(f"This ONNX model wants the input {_shown(more[0])}, which no text encoder has.")
    if any(port.type not in (INT32, INT64) or len(port.extents) != 2 for port in graph.inputs.values()):
        raise ModelFileError("The inputs of this ONNX model are not those of a text encoder.")
    if any(extent is not None for port in graph.inputs.values() for extent in port.extents):
        raise ModelFileError(
            "This ONNX model takes texts of one length only.", hint="Take a version without fixed sizes."
        )


def _check_weights(graph: OnnxFile, name: str, files: Mapping[str, Path]) -> None:
    """Raises: ModelFileError unless all weights lie within the model's own files."""
    for location, end in graph.external.items():
        inside = join(dirname(name), location)
        if inside not in files:  # as it is written: `..`, and what begins at the root, is no file's name
            raise ModelFileError(
                f"The model's weights are to be read from {_shown(location)}, which is not part of it."
            )
        if files[inside].stat().st_size < end:
            raise ModelFileError(f"The model's {inside} is cut short: weights are missing.")


def _check_tokenizer(path: Path) -> None:
    """Its tokens are read by the engine's process, which is confined; here only that it can be what it says."""
    with path.open("rb") as file:
        if file.read(64).lstrip()[:1] != b"{" or path.stat().st_size > LARGEST_TEXT_BYTES:
            raise ModelFileError(f"The model's {TOKENIZER} is damaged.")


def _header(graph: OnnxFile, texts: Mapping[str, Mapping[str, Any]], file_bytes: int) -> GgufHeader:
    config = texts[CONFIG]
    layers, heads = _number(config, "layers", high=MAX_LAYERS), _number(config, "heads", high=MAX_SIZE)
    width = _number(config, "embedding", high=MAX_SIZE)
    pooling, head = _pooling(graph, texts), width // heads
    pooled = graph.outputs[POOLED].extents[-1:] if pooling == BY_ITSELF else ()
    return GgufHeader(
        architecture=_label(config.get("model_type")) or ONNX,
        name=_label(str(config.get("_name_or_path") or "").rstrip("/").rpartition("/")[2]),
        quantisation=_quantisation(graph),
        parameters=graph.parameters,
        tensor_bytes=graph.tensor_bytes,
        file_bytes=file_bytes,
        layers=layers,
        embedding_length=(pooled and pooled[0]) or width,
        heads=(heads,) * layers,
        kv_heads=(heads,) * layers,
        key_length=head,
        value_length=head,
        key_length_window=head,
        value_length_window=head,
        window_tokens=0,
        window_layers=(False,) * layers,
        recurrent_layers=(False,) * layers,
        recurrent=None,
        latent=False,
        context_tokens=_context(texts),
        vocabulary=_whole(config.get("vocab_size"), 0, high=MAX_SIZE) or 0,
        experts=0,
        experts_used=0,
        has_chat_template=False,
        template_has_tools=False,
        template_has_effort=False,
        is_encoder=True,
        pooling=pooling,
        licence=None,
        languages=(),
        widths=Widths(feed_length=_number(config, "feed", high=MAX_SIZE, default=4 * width)),
        format=ONNX,
        normalises=MODULES not in texts or "Normalize" in _steps(texts),
    )


def _pooling(graph: OnnxFile, texts: Mapping[str, Mapping[str, Any]]) -> int:
    """What becomes of the vectors of a text's tokens, or that the model ranks. Raises: ModelFileError."""
    config = texts[CONFIG]
    architectures = config.get("architectures")
    named = [str(name) for name in architectures] if isinstance(architectures, list) else []
    if any(name.endswith("ForSequenceClassification") for name in named):
        labels = config.get("id2label")
        number = len(labels) if isinstance(labels, dict) else _whole(config.get("num_labels"), 1) or 2
        last = [port.extents[-1] for port in graph.outputs.values() if port.extents]
        if number != 1 or any(extent not in (None, 1) for extent in last):
            raise ModelFileError("This model sorts texts into classes; it makes no vectors and does not rank.", hint="")
        return RANK
    if POOLED in graph.outputs:
        return BY_ITSELF
    if not any(
        name in graph.outputs or len(port.extents) == 3 for name in OF_TOKENS for port in graph.outputs.values()
    ):
        raise ModelFileError("This ONNX model gives no vectors: none of its tokens, and none of a text.", hint="")
    check_steps(_steps(texts))
    return pooling_in(texts.get(POOLING, {}))


def _steps(texts: Mapping[str, Mapping[str, Any]]) -> frozenset[str]:
    """The steps that make a vector; none if they are not listed."""
    return steps_in(texts[MODULES].get("modules")) if MODULES in texts else frozenset()


def _context(texts: Mapping[str, Mapping[str, Any]]) -> int:
    """How many tokens it reads at once: the least of what its files say."""
    config = texts[CONFIG]
    positions = _number(config, "positions", high=1 << 32, default=0)
    if config.get("model_type") in SHIFTED and positions > SHIFT:
        positions -= SHIFT
    said = [positions, _whole(texts.get(SENTENCES, {}).get("max_seq_length"), 1, high=1 << 32)]
    said.append(_whole(texts.get(TOKENIZER_CONFIG, {}).get("model_max_length"), 1, high=1 << 32))
    known = [number for number in said if number]
    if not known:
        raise ModelFileError(f"The model's {CONFIG} does not say how many tokens it reads.")
    return min(known)


def _quantisation(graph: OnnxFile) -> str:
    operators = {operator for _, operator in graph.operators}
    if operators & {"MatMulNBits", "GatherBlockQuantized"}:
        return "INT4"
    kind = max(graph.bytes_of, key=lambda kind: graph.bytes_of[kind], default=FLOAT)
    if operators & {"MatMulInteger", "QLinearMatMul", "DynamicQuantizeMatMul", "QAttention", "DequantizeLinear"}:
        kind = INT8
    return {FLOAT: "F32", FLOAT16: "F16", BFLOAT16: "BF16", INT8: EIGHT_BITS, UINT8: EIGHT_BITS}.get(kind, "F32")


def _object(path: Path, name: str) -> Mapping[str, Any]:
    """One of the small texts. Raises: ModelFileError."""
    try:
        if path.stat().st_size > LARGEST_CONFIG_BYTES:
            raise ModelFileError(f"The model's {name} is larger than such a file can be.")
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelFileError(f"The model's {name} is damaged.") from error
    value = {"modules": value} if name == MODULES and isinstance(value, list) else value
    if not isinstance(value, dict):
        raise ModelFileError(f"The model's {name} is damaged.")
    return value


def _number(config: Mapping[str, Any], what: str, *, high: int, default: int | None = None) -> int:
    for name in NAMES[what]:
        if config.get(name) is not None:
            value = _whole(config[name], 1, high=high)
            if value is None:
                raise ModelFileError(f"The model's {CONFIG} is damaged: its {name} can't be.")
            return value
    if default is None:
        raise ModelFileError(f"The model's {CONFIG} does not say its {NAMES[what][0]}.")
    return default


def _whole(value: Any, low: int, *, high: int = MAX_SIZE) -> int | None:
    """A whole number in a range, else None."""
    is_one = isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
    return value if is_one else None


def _label(value: Any) -> str | None:
    """A text that is shown to people: without control characters, and not long."""
    if not isinstance(value, str):
        return None
    return "".join(c for c in value if c.isprintable())[:120].strip() or None


def _shown(text: str) -> str:
    return repr("".join(c for c in text if c.isprintable())[:80])


def _only(names: list[str]) -> str:
    return names[0] if len(names) == 1 else ""
