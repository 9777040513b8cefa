"""Reading ONNX files: as the `onnx` package reads them, and nothing but a plain refusal for what is none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from intramuros.errors import ModelFileError
from intramuros.models import onnx_file
from intramuros.models.onnx_file import INT64, read_file
from tests.models import encoders

TINY = encoders.Shape(width=4, heads=1, feed=4, layers=1, positions=8)
MODEL = encoders.graph(encoders.Weights.random(TINY, seed=1, ranks=False)).SerializeToString()


def written(path: Path, model: onnx.ModelProto | bytes) -> Path:
    path.write_bytes(model if isinstance(model, bytes) else model.SerializeToString())
    return path


def external(location: str, *, offset: int = 0, length: int | None = None) -> onnx.TensorProto:
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[4], data_location=TensorProto.EXTERNAL)
    told = {"location": location, "offset": str(offset)} | ({} if length is None else {"length": str(length)})
    for key, value in told.items():
        tensor.external_data.add(key=key, value=value)
    return tensor


def model_of(*nodes: Any, initializer: tuple[Any, ...] = (), **more: Any) -> onnx.ModelProto:
    ports = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 4])]
    graph = helper.make_graph(list(nodes), "g", ports, [], list(initializer))
    return helper.make_model(graph, **more)


def test_it_says_what_the_onnx_package_says(tmp_path: Path) -> None:
    model = onnx.load_from_string(MODEL)
    found = read_file(written(tmp_path / "m.onnx", MODEL))
    arrays = [numpy_helper.to_array(one) for one in model.graph.initializer]
    assert found.parameters == sum(one.size for one in arrays)
    assert found.tensor_bytes == sum(one.nbytes for one in arrays)
    assert found.operators == {(node.domain, node.op_type) for node in model.graph.node}
    assert list(found.inputs) == ["input_ids", "attention_mask", "token_type_ids"]
    assert found.inputs["input_ids"].type == INT64 and found.inputs["input_ids"].extents == (None, None)
    assert found.outputs["last_hidden_state"].extents == (None, None, 4)
    assert not found.external


@pytest.mark.parametrize("extent", [1, 2, (1 << 63) - 1])
def test_a_tensor_with_more_extents_than_can_be_is_refused_at_once(tmp_path: Path, extent: int) -> None:
    many = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[extent] * 400_000)
    with pytest.raises(ModelFileError, match="size that can't be"):
        read_file(written(tmp_path / "m.onnx", model_of(initializer=(many,))))


def test_weights_among_the_inputs_are_no_inputs(tmp_path: Path) -> None:
    model = onnx.load_from_string(MODEL)
    model.graph.input.append(helper.make_tensor_value_info("words", TensorProto.FLOAT, [57, 4]))
    assert "words" not in read_file(written(tmp_path / "m.onnx", model)).inputs


def in_an_initializer(tensor: Any) -> onnx.ModelProto:
    return model_of(initializer=(tensor,))


def in_a_constant(tensor: Any) -> onnx.ModelProto:
    return model_of(helper.make_node("Constant", [], ["c"], value=tensor))


def in_a_branch(tensor: Any) -> onnx.ModelProto:
    inner = helper.make_graph([], "inner", [], [], [tensor])
    return model_of(helper.make_node("If", ["x"], ["y"], then_branch=inner, else_branch=inner))


def in_a_function(tensor: Any) -> onnx.ModelProto:
    node = helper.make_node("Constant", [], ["c"], value=tensor)
    made = helper.make_function("own", "f", [], ["c"], [node], [helper.make_opsetid("", 17)])
    return model_of(functions=[made])


def in_a_sparse_tensor(tensor: Any) -> onnx.ModelProto:
    model = model_of()
    model.graph.sparse_initializer.add(values=tensor, dims=[4])
    return model


@pytest.mark.parametrize(
    "hidden",
    [in_an_initializer, in_a_constant, in_a_branch, in_a_function, in_a_sparse_tensor],
    ids=lambda f: f.__name__,
)
def test_weights_elsewhere_are_found_wherever_they_are_named(
    tmp_path: Path, hidden: Callable[[Any], onnx.ModelProto]
) -> None:
    model = hidden(external("../../etc/passwd", offset=100, length=16))
    assert read_file(written(tmp_path / "m.onnx", model)).external == {"../../etc/passwd": 116}


def test_a_file_named_without_the_word_that_it_is_elsewhere_counts_too(tmp_path: Path) -> None:
    tensor = external("weights")
    tensor.data_location = TensorProto.DEFAULT
    assert read_file(written(tmp_path / "m.onnx", in_an_initializer(tensor))).external == {"weights": 16}


@pytest.mark.parametrize("told", [{"offset": "-1"}, {"length": "2"}, {"offset": "many"}])
def test_places_that_can_not_be_are_refused(tmp_path: Path, told: dict[str, str]) -> None:
    tensor = external("weights")
    for key, value in told.items():
        tensor.external_data.add(key=key, value=value)
    with pytest.raises(ModelFileError, match="where its weights are"):
        read_file(written(tmp_path / "m.onnx", in_an_initializer(tensor)))


def test_operators_within_branches_and_functions_are_seen(tmp_path: Path) -> None:
    inner = helper.make_graph([helper.make_node("Secret", [], ["y"], domain="their.own")], "inner", [], [])
    model = model_of(helper.make_node("If", ["x"], ["y"], then_branch=inner, else_branch=inner))
    assert ("their.own", "Secret") in read_file(written(tmp_path / "m.onnx", model)).operators


def test_a_tensor_that_claims_more_than_the_file_has(tmp_path: Path) -> None:
    tensor = numpy_helper.from_array(np.zeros(4, dtype=np.float32), "w")
    tensor.dims[0] = 1 << 40
    with pytest.raises(ModelFileError, match="lacks numbers"):
        read_file(written(tmp_path / "m.onnx", in_an_initializer(tensor)))


@pytest.mark.parametrize("dims", [[1 << 62, 1 << 62], [-1, 4]])
def test_sizes_that_can_not_be(tmp_path: Path, dims: list[int]) -> None:
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=dims)
    with pytest.raises(ModelFileError):
        read_file(written(tmp_path / "m.onnx", in_an_initializer(tensor)))


def test_graphs_within_graphs_end_somewhere(tmp_path: Path) -> None:
    graph = helper.make_graph([], "g", [], [])
    for _ in range(onnx_file.DEEPEST + 2):
        graph = helper.make_graph([helper.make_node("If", ["x"], ["y"], then_branch=graph)], "g", [], [])
    with pytest.raises(ModelFileError, match="too deep"):
        read_file(written(tmp_path / "m.onnx", helper.make_model(graph)))


def test_a_graph_for_training_is_refused(tmp_path: Path) -> None:
    model = model_of()
    model.training_info.add()
    with pytest.raises(ModelFileError, match="training"):
        read_file(written(tmp_path / "m.onnx", model))


def test_looking_ends_somewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_file, "MOST_FIELDS", 100)
    with pytest.raises(ModelFileError, match="too much"):
        read_file(written(tmp_path / "m.onnx", MODEL))


@pytest.mark.parametrize("content", [b"", b"GGUF", b"\x80" * 40, b'{"a": 1}', b"PK\x03\x04" + b"\0" * 60])
def test_what_is_no_onnx_file(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(ModelFileError):
        read_file(written(tmp_path / "m.onnx", content))


def test_cut_anywhere_it_is_refused(tmp_path: Path) -> None:
    """But where only whole fields at its end are missing, which it can do without: its version of ONNX."""
    path, whole = tmp_path / "m.onnx", len(MODEL)
    graph_ends = whole - len(
        onnx.ModelProto(opset_import=onnx.load_from_string(MODEL).opset_import).SerializeToString()
    )
    for size in range(0, graph_ends, 97):
        with pytest.raises(ModelFileError):
            read_file(written(path, MODEL[:size]))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.lists(st.tuples(st.integers(0, len(MODEL) - 1), st.integers(0, 255)), min_size=1, max_size=6))
def test_damaged_bytes_are_refused_or_read_and_nothing_else(tmp_path: Path, changes: list[tuple[int, int]]) -> None:
    content = bytearray(MODEL)
    for place, value in changes:
        content[place] = value
    try:
        read_file(written(tmp_path / "m.onnx", bytes(content)))
    except ModelFileError:
        pass
