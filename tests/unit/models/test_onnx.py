"""What the files of an ONNX model say, and what is not let through to the engine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnx
import pytest
from onnx import TensorProto, helper

from intramuros.errors import ModelFileError
from intramuros.models import formats
from intramuros.models.folder import files_below
from intramuros.models.gguf import GgufHeader
from intramuros.models.onnx import pick
from tests.models import encoders
from tests.models.encoders import write

TINY = encoders.Shape(width=4, heads=1, feed=8, layers=1, positions=8)
TEXTS = ("config.json", "tokenizer.json")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return made(tmp_path)


def made(tmp_path: Path, **more: Any) -> Path:
    return encoders.encoder(tmp_path / "model", **{"shape": TINY} | more).folder


def read(folder: Path, asked: str = "") -> GgufHeader:
    here = files_below(folder)
    return formats.read({name: here[name] for name in formats.pick(here, asked)})


def graph_of(folder: Path) -> onnx.ModelProto:
    return onnx.load(folder / "onnx/model.onnx")


def refused(folder: Path, graph: onnx.ModelProto | None = None) -> str:
    if graph is not None:
        (folder / "onnx/model.onnx").write_bytes(graph.SerializeToString())
    with pytest.raises(ModelFileError) as error:
        read(folder)
    return error.value.message


def test_the_graph_of_8_bits_is_preferred_and_one_can_be_asked_for() -> None:
    names = ["onnx/model.onnx", "onnx/model_quantized.onnx", "onnx/model_fp16.onnx", "README.md", *TEXTS]
    assert pick(names) == ("onnx/model_quantized.onnx", *TEXTS)
    assert pick(names, "onnx/model_fp16.onnx") == ("onnx/model_fp16.onnx", *TEXTS)
    assert pick(["model.onnx", *TEXTS]) == ("model.onnx", *TEXTS)
    assert pick(["one.onnx", *TEXTS]) == ("one.onnx", *TEXTS)
    assert pick(["one.onnx", "two.onnx", *TEXTS]) == ()
    assert pick(["pytorch_model.bin", *TEXTS]) == ()


def test_weights_beside_the_graph_belong_to_it() -> None:
    names = ["onnx/model.onnx", "onnx/model.onnx_data", "onnx/model_fp16.onnx_data", *TEXTS]
    assert pick(names) == ("onnx/model.onnx", *TEXTS, "onnx/model.onnx_data")


def test_the_facts_of_an_encoder(folder: Path) -> None:
    header = read(folder)
    assert (header.format, header.architecture, header.quantisation) == ("onnx", "bert", "F32")
    assert header.is_embedder and not header.is_reranker
    assert (header.embedding_length, header.layers, header.heads, header.context_tokens) == (4, 1, (1,), 8)
    assert GgufHeader.from_json(header.to_json()) == header


def test_numbers_of_8_bits_are_told(tmp_path: Path) -> None:
    assert read(made(tmp_path, quantised=True)).quantisation == "INT8"


def test_a_cross_encoder_ranks(tmp_path: Path) -> None:
    assert read(made(tmp_path, ranks=True)).is_reranker


def test_a_classifier_is_refused(tmp_path: Path) -> None:
    assert "classes" in refused(made(tmp_path, ranks=True, id2label={"0": "good", "1": "bad"}))


@pytest.mark.parametrize(("pooling", "number"), [("mean", 1), ("cls", 2), ("last", 3)])
def test_pooling_is_as_the_model_says(tmp_path: Path, pooling: str, number: int) -> None:
    folder = made(tmp_path, pooling=pooling)
    assert read(folder).pooling == number
    write(folder / "1_Pooling/config.json", {"pooling_mode": {"cls": "cls", "last": "lasttoken"}.get(pooling, pooling)})
    assert read(folder).pooling == number


def test_pooling_that_is_not_known_is_refused(folder: Path) -> None:
    for modes in (
        {"pooling_mode_max_tokens": True},
        {"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": True},
    ):
        write(folder / "1_Pooling/config.json", modes)
        assert "pools its tokens" in refused(folder)


def test_a_model_that_says_nothing_is_pooled_by_its_mean_and_gets_the_length_1(folder: Path) -> None:
    (folder / "1_Pooling/config.json").unlink()
    (folder / "modules.json").unlink()
    header = read(folder)
    assert (header.pooling, header.normalises) == (1, True)


def test_vectors_keep_their_length_where_the_model_says_so(tmp_path: Path) -> None:
    assert read(made(tmp_path, normalises=False)).normalises is False


def test_a_step_that_is_not_done_here_is_refused(folder: Path) -> None:
    write(folder / "modules.json", [{"type": "sentence_transformers.models.Dense"}])
    assert "'Dense'" in refused(folder)


def test_a_graph_that_pools_itself_needs_no_steps(folder: Path) -> None:
    write(folder / "modules.json", [{"type": "sentence_transformers.models.Dense"}])
    graph = graph_of(folder)
    graph.graph.output.append(helper.make_tensor_value_info("sentence_embedding", TensorProto.FLOAT, ["batch", 3]))
    (folder / "onnx/model.onnx").write_bytes(graph.SerializeToString())
    header = read(folder)
    assert (header.pooling, header.embedding_length, header.is_embedder) == (0, 3, True)


def test_it_reads_as_many_tokens_as_the_least_of_what_is_said(folder: Path) -> None:
    write(folder / "tokenizer_config.json", {"model_max_length": 1000000000000000019884624838656})
    assert read(folder).context_tokens == 8
    write(folder / "sentence_bert_config.json", {"max_seq_length": 6})
    assert read(folder).context_tokens == 6


def test_positions_for_padding_are_none_for_tokens(tmp_path: Path) -> None:
    assert read(made(tmp_path, model_type="xlm-roberta", max_position_embeddings=514)).context_tokens == 512


def test_other_names_for_the_same(tmp_path: Path) -> None:
    folder = made(tmp_path)
    said = {"model_type": "distilbert", "dim": 4, "n_layers": 1, "n_heads": 1, "hidden_dim": 8}
    write(folder / "config.json", said | {"max_position_embeddings": 8})
    assert (read(folder).embedding_length, read(folder).widths.feed_length) == (4, 8)


@pytest.mark.parametrize(
    "wrong",
    [{"hidden_size": -1}, {"num_hidden_layers": "two"}, {"num_attention_heads": 1 << 40}, {"hidden_size": True}],
)
def test_numbers_that_can_not_be_are_refused(tmp_path: Path, wrong: dict[str, Any]) -> None:
    assert "can't be" in refused(made(tmp_path, **wrong))


@pytest.mark.parametrize("name", ["config.json", "modules.json", "1_Pooling/config.json"])
@pytest.mark.parametrize("content", [b"", b"[1", b"\xff", b"[" * 100_000, b"3"])
def test_damaged_texts_are_refused(folder: Path, name: str, content: bytes) -> None:
    (folder / name).write_bytes(content)
    assert name in refused(folder)


def test_a_text_may_not_be_huge(folder: Path) -> None:
    (folder / "config.json").write_bytes(b"{" + b" " * (2 << 20) + b"}")
    assert "larger" in refused(folder)


@pytest.mark.parametrize("name", TEXTS)
def test_what_is_missing_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    assert name in refused(folder)


def test_a_tokenizer_that_is_none(folder: Path) -> None:
    (folder / "tokenizer.json").write_bytes(b"\x80\x04 pickled")
    assert "tokenizer.json is damaged" in refused(folder)


@pytest.mark.parametrize("location", ["../secret", "/etc/passwd", "..", "", "sub/weights", "config.json\0", "missing"])
def test_weights_outside_of_the_model_are_refused(folder: Path, location: str) -> None:
    graph = graph_of(folder)
    tensor = graph.graph.initializer.add(
        name="w", data_type=TensorProto.FLOAT, dims=[4], data_location=TensorProto.EXTERNAL
    )
    tensor.external_data.add(key="location", value=location)
    assert "which is not part of it" in refused(folder, graph)


def test_weights_that_are_cut_short_are_refused(tmp_path: Path) -> None:
    folder = made(tmp_path, external=True, shape=encoders.Shape())
    assert read(folder).tensor_bytes > 1000
    weights = folder / "onnx/model.onnx_data"
    weights.write_bytes(weights.read_bytes()[:-1])
    assert "cut short" in refused(folder)


@pytest.mark.parametrize(
    ("domain", "operator"), [("their.own", "Secret"), ("com.microsoft", "EPContext"), ("", "EPContext")]
)
def test_code_of_its_own_is_refused(folder: Path, domain: str, operator: str) -> None:
    graph = graph_of(folder)
    graph.graph.node.append(helper.make_node(operator, ["words"], ["never"], domain=domain))
    assert "never loaded" in refused(folder, graph)


def test_the_engines_own_operators_and_the_models_functions_are_allowed(folder: Path) -> None:
    graph = graph_of(folder)
    graph.graph.node.append(helper.make_node("Gelu", ["words"], ["never"], domain="com.microsoft"))
    graph.graph.node.append(helper.make_node("half", ["words"], ["neither"], domain="its.own"))
    graph.functions.append(helper.make_function("its.own", "half", ["x"], ["x"], [], [helper.make_opsetid("", 17)]))
    (folder / "onnx/model.onnx").write_bytes(graph.SerializeToString())
    assert read(folder).is_embedder


def test_graphs_that_read_no_texts_are_refused(folder: Path) -> None:
    graph = graph_of(folder)
    more = helper.make_tensor_value_info("past_key_values.0.key", TensorProto.FLOAT, [None, 4])
    graph.graph.input.append(more)
    assert "past_key_values" in refused(folder, graph)
    graph = graph_of(folder)
    del graph.graph.input[:]
    assert "reads no texts" in refused(folder, graph)


def test_a_graph_of_fixed_sizes_is_refused(folder: Path) -> None:
    graph = graph_of(folder)
    graph.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 8
    assert "one length" in refused(folder, graph)


def test_a_graph_without_vectors_is_refused(folder: Path) -> None:
    graph = graph_of(folder)
    graph.graph.output[0].name = "something"
    del graph.graph.output[0].type.tensor_type.shape.dim[1:]
    assert "gives no vectors" in refused(folder, graph)
