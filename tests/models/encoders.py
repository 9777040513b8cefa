"""Makes small BERTs with random weights as folders in Hugging Face's layout: ONNX graph, tokenizer, configuration.

Real files for the real ONNX Runtime, made with the `onnx` package; `Weights.tokens` and what follows compute the same in
numpy, to compare with. The same seed makes the same numbers.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
LETTERS = tuple(chr(code) for code in range(0x61, 0x7B))
CONTEXT_TOKENS = 128
OPSET = 17


@dataclass(frozen=True)
class Shape:
    """How large a model is."""

    width: int = 64
    heads: int = 2
    feed: int = 128
    layers: int = 2
    vocabulary: int = len(SPECIAL) + 2 * len(LETTERS)
    positions: int = CONTEXT_TOKENS


@dataclass(frozen=True)
class Weights:
    """The numbers of one model, and what they make of token numbers, in numpy."""

    shape: Shape
    tensors: dict[str, np.ndarray] = field(repr=False)

    @classmethod
    def random(cls, shape: Shape, *, seed: int, ranks: bool) -> Weights:
        random = np.random.default_rng(seed)

        def matrix(rows: int, columns: int) -> np.ndarray:
            return random.standard_normal((rows, columns), dtype=np.float32) / np.float32(rows**0.5)

        made: dict[str, np.ndarray] = {
            "words": random.standard_normal((shape.vocabulary, shape.width), dtype=np.float32),
            "places": random.standard_normal((shape.positions, shape.width), dtype=np.float32) / 2,
            "kinds": random.standard_normal((2, shape.width), dtype=np.float32) / 2,
        }
        made |= _norm("embeddings", shape.width, random)
        for layer in range(shape.layers):
            sizes = dict.fromkeys(("q", "k", "v", "o"), (shape.width, shape.width))
            sizes |= {"up": (shape.width, shape.feed), "down": (shape.feed, shape.width)}
            for name, (rows, columns) in sizes.items():
                made[f"{layer}.{name}"] = matrix(rows, columns)
                made[f"{layer}.{name}.bias"] = random.standard_normal(columns, dtype=np.float32) / 10
            made |= _norm(f"{layer}.attended", shape.width, random) | _norm(f"{layer}.fed", shape.width, random)
        if ranks:
            made["pooler"], made["scores"] = matrix(shape.width, shape.width), matrix(shape.width, 1)
        return cls(shape, made)

    def tokens(self, ids: Sequence[int], kinds: Sequence[int] | None = None) -> np.ndarray:
        """The vector of each token of one text. Shape: [tokens, width]."""
        of, shape = self.tensors, self.shape
        x = of["words"][list(ids)] + of["places"][: len(ids)] + of["kinds"][list(kinds or [0] * len(ids))]
        x = self._normed(x, "embeddings")
        head = shape.width // shape.heads
        for layer in range(shape.layers):
            q, k, v = (
                (x @ of[f"{layer}.{n}"] + of[f"{layer}.{n}.bias"]).reshape(len(ids), shape.heads, head).swapaxes(0, 1)
                for n in "qkv"
            )
            scores = q @ k.swapaxes(1, 2) / np.float32(head**0.5)
            scores = np.exp(scores - scores.max(-1, keepdims=True))
            mixed = (scores / scores.sum(-1, keepdims=True)) @ v
            mixed = mixed.swapaxes(0, 1).reshape(len(ids), shape.width)
            x = self._normed(x + mixed @ of[f"{layer}.o"] + of[f"{layer}.o.bias"], f"{layer}.attended")
            up = np.maximum(x @ of[f"{layer}.up"] + of[f"{layer}.up.bias"], 0)
            x = self._normed(x + up @ of[f"{layer}.down"] + of[f"{layer}.down.bias"], f"{layer}.fed")
        return np.asarray(x)

    def score(self, ids: Sequence[int], kinds: Sequence[int]) -> float:
        """How well the second text answers the first."""
        pooled = np.tanh(self.tokens(ids, kinds)[0] @ self.tensors["pooler"])
        return float((pooled @ self.tensors["scores"])[0])

    def _normed(self, x: np.ndarray, name: str) -> np.ndarray:
        centred = x - x.mean(-1, keepdims=True)
        deviation = np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-12)
        return np.asarray(centred / deviation * self.tensors[f"{name}.weight"] + self.tensors[f"{name}.bias"])


@dataclass(frozen=True)
class Made:
    """A model's folder, and its weights to compute with."""

    folder: Path
    weights: Weights
    tokenizer: Tokenizer

    def vector(self, text: str, *, pooling: str = "mean", normalises: bool = True) -> np.ndarray:
        """The vector of a text, as it should be."""
        of_tokens = self.weights.tokens(self.tokenizer.encode(text).ids)
        pooled = {"mean": of_tokens.mean(0), "cls": of_tokens[0], "last": of_tokens[-1]}[pooling]
        return np.asarray(pooled / np.linalg.norm(pooled) if normalises else pooled)

    def score(self, query: str, text: str) -> float:
        """The score of a text, as it should be."""
        encoding = self.tokenizer.encode(query, text)
        return self.weights.score(encoding.ids, encoding.type_ids)


def encoder(
    folder: Path,
    *,
    shape: Shape = Shape(),
    seed: int = 1,
    ranks: bool = False,
    pooling: str = "mean",
    normalises: bool = True,
    quantised: bool = False,
    external: bool = False,
    **config: Any,
) -> Made:
    """Writes a model: it makes vectors, or scores with `ranks`; with numbers of 8 bits if `quantised`.

    `external` puts its weights into a file of their own; `config` changes what its configuration says.
    """
    weights = Weights.random(shape, seed=seed, ranks=ranks)
    (folder / "onnx").mkdir(parents=True, exist_ok=True)
    made = graph(weights, ranks=ranks)
    path = folder / "onnx/model.onnx"
    if external:
        onnx.save(made, path, save_as_external_data=True, location="model.onnx_data", size_threshold=1024)
    else:
        onnx.save(made, path)
    if quantised:
        quantise(path, folder / "onnx/model_quantized.onnx")
    tokenizer = write_tokenizer(folder, shape)
    said = {
        "model_type": "bert",
        "architectures": ["BertForSequenceClassification" if ranks else "BertModel"],
        "hidden_size": shape.width,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "intermediate_size": shape.feed,
        "max_position_embeddings": shape.positions,
        "vocab_size": shape.vocabulary,
    }
    write(folder / "config.json", said | ({"id2label": {"0": "LABEL_0"}} if ranks else {}) | config)
    if not ranks:
        modes = {"mean": "mean_tokens", "cls": "cls_token", "last": "lasttoken"}
        steps = ["Transformer", "Pooling", *(["Normalize"] if normalises else [])]
        write(
            folder / "modules.json",
            [{"idx": n, "type": f"sentence_transformers.models.{one}"} for n, one in enumerate(steps)],
        )
        write(
            folder / "1_Pooling/config.json", {f"pooling_mode_{name}": mode == pooling for mode, name in modes.items()}
        )
    return Made(folder, weights, tokenizer)


def graph(weights: Weights, *, ranks: bool = False) -> onnx.ModelProto:
    """The model as an ONNX graph."""
    shape, steps = weights.shape, _Steps(weights)
    head = shape.width // shape.heads
    words = steps("Gather", "words", "input_ids")
    length = steps("Slice", steps("Shape", "input_ids"), steps.whole([1]), steps.whole([2]))
    places = steps("Slice", "places", steps.whole([0]), length, steps.whole([0]))
    x = steps.normed(
        steps("Add", steps("Add", words, places), steps("Gather", "kinds", "token_type_ids")), "embeddings"
    )
    attended = steps("Cast", steps("Unsqueeze", "attention_mask", steps.whole([1, 2])), to=TensorProto.FLOAT)
    hidden = steps("Mul", steps("Sub", steps.number(1.0), attended), steps.number(-10000.0))
    for layer in range(shape.layers):
        split = {}
        for name in "qkv":
            flat = steps.linear(x, f"{layer}.{name}")
            parts = steps("Reshape", flat, steps.whole([0, 0, shape.heads, head]))
            split[name] = steps("Transpose", parts, perm=[0, 2, 3, 1] if name == "k" else [0, 2, 1, 3])
        scores = steps("Div", steps("MatMul", split["q"], split["k"]), steps.number(head**0.5))
        scores = steps("Softmax", steps("Add", scores, hidden), axis=-1)
        mixed = steps("Transpose", steps("MatMul", scores, split["v"]), perm=[0, 2, 1, 3])
        mixed = steps("Reshape", mixed, steps.whole([0, 0, shape.width]))
        x = steps.normed(steps("Add", x, steps.linear(mixed, f"{layer}.o")), f"{layer}.attended")
        up = steps("Relu", steps.linear(x, f"{layer}.up"))
        x = steps.normed(steps("Add", x, steps.linear(up, f"{layer}.down")), f"{layer}.fed")
    width: list[Any] = ["batch", "length", shape.width]
    if ranks:
        first = steps("Gather", x, steps.whole(0), axis=1)
        x = steps("MatMul", steps("Tanh", steps("MatMul", first, "pooler")), "scores")
        width = ["batch", 1]
    name = "logits" if ranks else "last_hidden_state"
    steps.nodes.append(helper.make_node("Identity", [x], [name]))
    inputs = [
        helper.make_tensor_value_info(one, TensorProto.INT64, ["batch", "length"])
        for one in ("input_ids", "attention_mask", "token_type_ids")
    ]
    output = helper.make_tensor_value_info(name, TensorProto.FLOAT, width)
    made = helper.make_graph(steps.nodes, "bert", inputs, [output], steps.initializers())
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)


def never_ending(path: Path, *, from_tokens: int) -> None:
    """Has a model count without end where a text has more tokens than that, and otherwise compute as it did."""
    model = onnx.load(path)
    whole = TensorProto.INT64
    body = helper.make_graph(
        [helper.make_node("Identity", ["on"], ["still_on"]), helper.make_node("Identity", ["count"], ["counted"])],
        "count",
        [
            helper.make_tensor_value_info("turn", whole, []),
            helper.make_tensor_value_info("on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("count", whole, [1]),
        ],
        [
            helper.make_tensor_value_info("still_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("counted", whole, [1]),
        ],
    )
    nodes = [
        helper.make_node("Shape", ["input_ids"], ["extents"]),
        helper.make_node("Slice", ["extents", "one", "two"], ["tokens"]),
        helper.make_node("Greater", ["tokens", "most"], ["are_many"]),
        helper.make_node("Squeeze", ["are_many"], ["is_many"]),
        helper.make_node("Loop", ["", "is_many", "one"], ["ended"], body=body),
        helper.make_node("Cast", ["ended"], ["ended_number"], to=TensorProto.FLOAT),
    ]
    for name, value in {"one": 1, "two": 2, "most": from_tokens}.items():
        model.graph.initializer.append(numpy_helper.from_array(np.array([value], dtype=np.int64), name))
    model.graph.node[-1].output[0] = "computed"
    model.graph.node.extend(nodes)
    model.graph.node.append(helper.make_node("Mul", ["computed", "ended_number"], ["last_hidden_state"]))
    onnx.save(model, path)


def quantise(path: Path, target: Path) -> Path:
    """The same with weights of 8 bits, scaled as it runs: what most published `model_quantized.onnx` are."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(path, target, weight_type=QuantType.QInt8)
    return target


def write_tokenizer(folder: Path, shape: Shape) -> Tokenizer:
    """Letters as tokens, with special ones around a text; more of them that never come, for a larger vocabulary."""
    pieces = [*SPECIAL, *LETTERS, *(f"##{letter}" for letter in LETTERS)]
    pieces += [f"<{number}>" for number in range(shape.vocabulary - len(pieces))]
    tokenizer = Tokenizer(models.WordPiece({piece: number for number, piece in enumerate(pieces)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer.enable_truncation(8)  # as published ones have it: to be overruled, or long texts are cut silently
    tokenizer.save(str(folder / "tokenizer.json"))
    tokenizer.no_truncation()
    return tokenizer


def write(path: Path, value: Any) -> None:
    """A file of JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")


class _Steps:
    """The nodes of a graph, as they are called; each call returns the name of its result."""

    def __init__(self, weights: Weights) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, np.ndarray] = {}
        self.weights = weights

    def __call__(self, operator: str, *inputs: str, **attributes: Any) -> str:
        name = f"{operator.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [name], name=name, **attributes))
        return name

    def linear(self, x: str, name: str) -> str:
        return self("Add", self("MatMul", x, name), f"{name}.bias")

    def normed(self, x: str, name: str) -> str:
        return self("LayerNormalization", x, f"{name}.weight", f"{name}.bias", axis=-1, epsilon=1e-12)

    def whole(self, value: Any) -> str:
        return self._constant(np.array(value, dtype=np.int64))

    def number(self, value: float) -> str:
        return self._constant(np.array(value, dtype=np.float32))

    def initializers(self) -> list[onnx.TensorProto]:
        return [numpy_helper.from_array(one, name) for name, one in (self.weights.tensors | self.constants).items()]

    def _constant(self, value: np.ndarray) -> str:
        name = f"constant_{len(self.constants)}"
        self.constants[name] = value
        return name


def _norm(name: str, width: int, random: np.random.Generator) -> dict[str, np.ndarray]:
    return {
        f"{name}.weight": 1 + random.standard_normal(width, dtype=np.float32) / 10,
        f"{name}.bias": random.standard_normal(width, dtype=np.float32) / 10,
    }
