from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf
import pytest
from gguf.constants import GGML_QUANT_SIZES, LlamaFileType

from intramuros.errors import ModelFileError
from intramuros.models import gguf_file
from intramuros.models.gguf import GgufHeader, read_header
from intramuros.models.tensor_types import FILE_TYPES, TENSOR_TYPES
from tests.unit.models.builder import ARRAY, BOOL, STRING, U32, Gguf

Write = Callable[[bytes | Gguf], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(content: bytes | Gguf) -> Path:
        path = tmp_path / "model.gguf"
        path.write_bytes(content.bytes() if isinstance(content, Gguf) else content)
        return path

    return write


def test_the_tables_of_types_are_those_of_the_engine() -> None:
    theirs = {int(kind): (kind.name, *size) for kind, size in GGML_QUANT_SIZES.items()}
    assert theirs == TENSOR_TYPES
    names = {int(kind): kind.name.removeprefix("MOSTLY_").removeprefix("ALL_") for kind in LlamaFileType}
    names[int(LlamaFileType.MOSTLY_MXFP4_MOE)] = "MXFP4"
    names.pop(int(LlamaFileType.GUESSED))
    assert names == FILE_TYPES


def test_a_header_gives_what_engine_and_memory_need(write: Write) -> None:
    header = read_header(write(Gguf.model()))
    assert (header.architecture, header.name, header.layers, header.embedding_length) == ("llama", "Tiny", 2, 64)
    assert (header.heads, header.kv_heads) == ((4, 4), (2, 2))
    assert (header.key_length, header.value_length) == (16, 16)  # 64 / 4: the file doesn't say
    assert (header.context_tokens, header.vocabulary) == (256, 3)  # the token list counts, not vocab_size
    assert header.parameters == 64 * 100 + 64 * 64
    assert header.tensor_bytes == 64 * 100 // 32 * 34 + 64 * 64 * 4
    assert header.quantisation == "F32"  # most bytes, as the file does not say
    assert header.has_chat_template
    assert not header.is_embedder


@pytest.mark.parametrize(
    ("name", "template", "has_tools"),
    [
        ("chat_template", "{% if tools %}{{ tools }}{% endif %}{{ messages }}", True),
        ("chat_template.tool_use", "{{ tools | tojson }}", True),
        ("chat_template", "{{ messages }} with toolsets", False),
    ],
)
def test_whether_the_template_writes_tools(write: Write, name: str, template: str, has_tools: bool) -> None:
    made = Gguf.model()
    made.facts = [fact for fact in made.facts if fact[0] != f"tokenizer.{name}"]
    made.facts.append((f"tokenizer.{name}", STRING, template))
    assert read_header(write(made)).template_has_tools is has_tools


def test_a_header_survives_json(write: Write) -> None:
    header = read_header(write(Gguf.model("mamba", ssm__state_size=16, ssm__inner_size=128, ssm__conv_kernel=4)))
    assert header.recurrent is not None
    assert GgufHeader.from_json(json.loads(json.dumps(header.to_json()))) == header


def test_key_length_and_heads_of_each_layer_are_taken_from_the_file(write: Write) -> None:
    model = Gguf.model(attention__key_length=128, attention__value_length=96, attention__head_count_kv=[2, 0])
    header = read_header(write(model))
    assert (header.key_length, header.value_length, header.kv_heads) == (128, 96, (2, 0))


def test_window_layers_follow_the_file_or_the_architecture(write: Write) -> None:
    six: dict[str, Any] = {"block_count": 6, "attention__sliding_window": 128}
    assert read_header(write(Gguf.model(**six))).window_layers == (False,) * 6  # not known: none
    assert read_header(write(Gguf.model("gemma3", **six))).window_layers == (True,) * 5 + (False,)
    assert read_header(write(Gguf.model("gpt-oss", **six))).window_layers == (True, False) * 3
    listed = [True, True, False, True, True, False]
    model = Gguf.model("gemma4", **six, attention__sliding_window_pattern=listed)
    assert read_header(write(model)).window_layers == tuple(listed)


def test_layers_that_share_or_recur_keep_no_cache_of_their_own(write: Write) -> None:
    shared = Gguf.model("gemma4", block_count=4, attention__shared_kv_layers=3)
    assert read_header(write(shared)).kv_heads == (2, 0, 0, 0)
    hybrid = Gguf.model(
        "qwen35", block_count=4, full_attention_interval=4, ssm__state_size=8, ssm__inner_size=32, ssm__conv_kernel=4
    )
    header = read_header(write(hybrid))
    assert header.kv_heads == (0, 0, 0, 2)
    assert header.recurrent_layers == (True, True, True, False)


def test_embedders_and_rerankers_are_told_apart(write: Write) -> None:
    encoder = read_header(write(Gguf.model("bert", attention__causal=False, pooling_type=1)))
    assert (encoder.is_encoder, encoder.is_embedder, encoder.is_reranker) == (True, True, False)
    assert read_header(write(Gguf.model("bert", pooling_type=4))).is_reranker
    last_token = read_header(write(Gguf.model("qwen3", pooling_type=3)))
    assert (last_token.is_encoder, last_token.is_embedder) == (False, True)


def test_a_name_with_control_characters_can_not_reach_a_terminal(write: Write) -> None:
    header = read_header(write(Gguf.model().with_fact("general.name", "Evil\x1b[2J\n" + "x" * 500)))
    assert header.name is not None
    assert header.name.isprintable()
    assert len(header.name) <= 120


def test_files_written_by_the_reference_writer_are_read_the_same(tmp_path: Path) -> None:
    import numpy as np

    path = tmp_path / "reference.gguf"
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_block_count(1)
    writer.add_context_length(128)
    writer.add_embedding_length(32)
    writer.add_head_count(2)
    writer.add_file_type(LlamaFileType.ALL_F32)
    writer.add_token_list([f"t{number}" for number in range(2000)])
    writer.add_tensor("token_embd.weight", np.zeros((2000, 32), dtype=np.float32))
    writer.add_tensor("odd.weight", np.zeros((3, 5), dtype=np.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()

    header = read_header(path)
    reader = gguf.GGUFReader(path)
    assert header.tensor_bytes == sum(int(tensor.n_bytes) for tensor in reader.tensors)
    assert header.parameters == sum(int(tensor.n_elements) for tensor in reader.tensors)
    assert header.vocabulary == 2000
    assert header.quantisation == "F32"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"GG", "no GGUF"),
        (b"GGUF", "cut short"),
        (b"PK\x03\x04" + b"\0" * 100, "PyTorch"),
        (b"\x80\x04\x95" + b"\0" * 100, "pickle"),
        (struct.pack("<Q", 90) + b'{"a": 1}', "safetensors"),
        (b"<!DOCTYPE html>" + b" " * 100, "web page"),
        (b"version https://git-lfs.github.com/spec/v1", "Git LFS"),
        (b"FUGG" + b"\0" * 100, "byte order"),
        (b"plain text, no model", "no GGUF"),
    ],
)
def test_what_is_no_gguf_is_named_in_plain_words(write: Write, content: bytes, words: str) -> None:
    with pytest.raises(ModelFileError, match=words):
        read_header(write(content))


def _break(**changes: object) -> Callable[[Gguf], Gguf]:
    def apply(model: Gguf) -> Gguf:
        for name, value in changes.items():
            setattr(model, name, value)
        return model

    return apply


BROKEN = {
    "version": (_break(version=1), "version is 1"),
    "version of another byte order": (_break(version=0x03000000), "version is"),
    "more tensors than there can be": (_break(counts=(1 << 40, 1)), "claims"),
    "more facts than there can be": (_break(counts=(1, 1 << 60)), "claims"),
    "more tensors than there are": (_break(counts=(50, 10)), "broken"),
    "fact twice": (lambda m: _break(facts=[*m.facts, m.facts[0]])(m), "twice"),
    "fact without name": (lambda m: _break(facts=[*m.facts, ("", U32, 1)])(m), "no name"),
    "yes or no that is neither": (lambda m: _break(facts=[*m.facts, ("x", BOOL, 7)])(m), "neither"),
    "alignment of three": (lambda m: m.with_fact("general.alignment", 3), "alignment"),
    "alignment of zero": (lambda m: m.with_fact("general.alignment", 0), "alignment"),
    "tensor twice": (lambda m: _break(tensors=[m.tensors[0], m.tensors[0]])(m), "same name"),
    "tensor of unknown type": (lambda m: _break(tensors=[("a", (32,), 99, None)])(m), "type 99"),
    "removed tensor type": (lambda m: _break(tensors=[("a", (32,), 4, None)])(m), "type 4"),
    "tensor without extent": (lambda m: _break(tensors=[("a", (0,), 0, None)])(m), "shape"),
    "tensor of half a block": (lambda m: _break(tensors=[("a", (33,), 8, None)])(m), "shape"),
    "tensor larger than numbers": (lambda m: _break(tensors=[("a", (1 << 40, 1 << 40), 0, None)])(m), "shape"),
    "tensor larger than the file": (lambda m: _break(tensors=[("a", (1 << 30,), 0, None)])(m), "outside"),
    "tensor in five dimensions": (lambda m: _break(tensors=[("a", (1, 1, 1, 1, 1), 0, None)])(m), "dimensions"),
    "tensor in none": (lambda m: _break(tensors=[("a", (), 0, None)])(m), "dimensions"),
    "tensor name too long": (lambda m: _break(tensors=[("a" * 64, (32,), 0, None)])(m), "more than there can be"),
    "tensors that overlap": (
        lambda m: _break(tensors=[("a", (64,), 0, None), ("b", (64,), 0, 128)])(m),
        "does not begin where",
    ),
    "tensor behind a gap": (
        lambda m: _break(tensors=[("a", (8,), 0, None), ("b", (8,), 0, 4096)])(m),
        "does not begin where",
    ),
    "tensor off its alignment": (
        lambda m: _break(tensors=[("a", (3,), 0, None), ("b", (8,), 0, 12)])(m),
        "does not begin where",
    ),
    "no layers": (lambda m: m.with_fact("llama.block_count", 0), "block count"),
    "layers beyond reason": (lambda m: m.with_fact("llama.block_count", 1 << 30), "block count"),
    "layers as text": (lambda m: m.with_fact("llama.block_count", "two"), "block count"),
    "no context": (lambda m: m.without("llama.context_length"), "context length"),
    "no architecture": (lambda m: m.without("general.architecture"), "architecture"),
    "list of heads too short": (lambda m: m.with_fact("llama.attention.head_count_kv", [2]), "head count kv"),
    "no weights": (_break(tensors=[]), "no weights"),
    "an adapter": (lambda m: m.with_fact("general.type", "adapter"), "a part of one"),
    "one of several files": (lambda m: m.with_fact("split.count", 3), "several files"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_header_is_refused_and_says_why(write: Write, name: str) -> None:
    change, words = BROKEN[name]
    with pytest.raises(ModelFileError, match=words):
        read_header(write(change(Gguf.model())))


def test_text_that_is_longer_than_the_file_or_no_text_is_refused(write: Write) -> None:
    model = Gguf.model()
    model.facts = []
    start = struct.pack("<4sIQQ", b"GGUF", 3, 0, 1)
    with pytest.raises(ModelFileError, match="more than there can be"):
        read_header(write(start + struct.pack("<Q", 1 << 62) + b"general.name"))
    with pytest.raises(ModelFileError, match="not text"):
        read_header(write(start + struct.pack("<Q", 2) + b"\xff\xfe" + struct.pack("<I", U32)))


def test_unknown_types_and_nested_and_endless_lists_are_refused(write: Write) -> None:
    start = struct.pack("<4sIQQ", b"GGUF", 3, 0, 1) + struct.pack("<Q", 1) + b"x" + struct.pack("<I", ARRAY)
    with pytest.raises(ModelFileError, match="unknown type 77"):
        read_header(write(start[:-4] + struct.pack("<I", 77)))
    with pytest.raises(ModelFileError, match="unknown type 9"):
        read_header(write(start + struct.pack("<IQ", ARRAY, 1)))
    with pytest.raises(ModelFileError, match="claims"):
        read_header(write(start + struct.pack("<IQ", U32, 1 << 50)))
    with pytest.raises(ModelFileError, match="cut short"):
        read_header(write(start + struct.pack("<IQ", STRING, 1 << 20) + b"\0" * 80))


def test_every_cut_of_a_file_is_noticed(write: Write) -> None:
    whole = Gguf.model().bytes()
    read_header(write(whole))
    for length in [*range(0, len(whole) - 32, 97), len(whole) - 33]:
        with pytest.raises(ModelFileError):
            read_header(write(whole[:length]))


def test_the_kept_texts_have_a_limit_together(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gguf_file, "MAX_KEPT_BYTES", 1000)
    with pytest.raises(ModelFileError, match="more than there can be"):
        read_header(write(Gguf.model().with_fact("general.description", "x" * 900)))


def test_a_folder_a_pipe_and_nothing_at_all_are_no_models(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe", tmp_path / "nothing"):
        with pytest.raises(ModelFileError, match="no model file"):
            read_header(path)


@pytest.mark.starter
def test_the_starter_model(starter_model: Path) -> None:
    header = read_header(starter_model)
    assert (header.architecture, header.layers, header.heads[0], header.kv_heads[0]) == ("llama", 30, 9, 3)
    assert (header.key_length, header.context_tokens, header.vocabulary) == (64, 8192, 49152)
    assert (header.quantisation, header.parameters) == ("Q4_1", 134515008)
