from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from intramuros.errors import ModelFileError
from intramuros.models import formats, torch_memory
from intramuros.models.folder import files_below
from intramuros.models.gguf import GgufHeader
from intramuros.models.safetensors import INDEX, SAFETENSORS
from tests.models import folders, tiny


def read(folder: Path) -> GgufHeader:
    here = files_below(folder)
    return formats.read({name: here[name] for name in formats.pick(here)})


def change(folder: Path, name: str, **fields: Any) -> None:
    path = folder / name
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


@pytest.fixture
def chat(tmp_path: Path) -> Path:
    return folders.chat(tmp_path / "chat")


def sharded(folder: Path, *, places: dict[str, str] | None = None) -> Path:
    """The same weights in two files, with an index."""
    halves = {"model-00001-of-00002.safetensors": ("a",), "model-00002-of-00002.safetensors": ("b", "c")}
    found = {name: file for file, names in halves.items() for name in names}
    for file, names in halves.items():
        (folder / file).write_bytes(folders.safetensors({name: np.zeros(8, dtype=np.float32) for name in names}))
    (folder / INDEX).write_text(json.dumps({"metadata": {}, "weight_map": found | (places or {})}))
    (folder / "model.safetensors").unlink()
    return folder


def test_a_model_that_writes(chat: Path) -> None:
    header = read(chat)
    assert (header.format, header.architecture, header.quantisation) == (SAFETENSORS, "llama", "F32")
    assert (header.layers, header.heads, header.kv_heads) == (2, (2, 2), (1, 1))
    assert (header.key_length, header.context_tokens, header.vocabulary) == (tiny.HEAD, tiny.CONTEXT_TOKENS, 262)
    assert header.tensor_bytes == 4 * header.parameters < header.file_bytes
    assert header.has_chat_template and not header.template_has_tools and not header.is_embedder
    assert GgufHeader.from_json(json.loads(json.dumps(header.to_json()))) == header


def test_models_that_make_vectors_and_that_rank(tmp_path: Path) -> None:
    vectors, ranks = read(folders.embedder(tmp_path / "a")), read(folders.reranker(tmp_path / "b"))
    assert vectors.is_embedder and vectors.is_encoder and not vectors.is_reranker and vectors.pooling == 1
    assert ranks.is_reranker and ranks.is_encoder


def test_a_writer_that_is_noted_as_an_embedder_is_one(chat: Path) -> None:
    (chat / "1_Pooling").mkdir()
    (chat / "1_Pooling" / "config.json").write_text(
        '{"pooling_mode_lasttoken": true, "pooling_mode_mean_tokens": false}'
    )
    header = read(chat)
    assert header.is_embedder and not header.is_encoder and header.pooling == 3


def test_files_of_weights_that_belong_together(chat: Path) -> None:
    assert read(sharded(chat)).tensor_bytes == 3 * 32
    assert set(formats.pick(files_below(chat))) >= {INDEX, "model-00002-of-00002.safetensors", "tokenizer.json"}


@pytest.mark.parametrize(
    ("places", "said"),
    [
        ({"a": "../../etc/passwd"}, "other files"),
        ({"a": "model-00003-of-00002.safetensors"}, "other files"),
        ({"a": "model-00002-of-00002.safetensors"}, "other files"),
        ({"b": "model-00001-of-00002.safetensors"}, "other tensors"),
        ({"d": "model-00001-of-00002.safetensors"}, "not there"),
    ],
)
def test_an_index_that_names_something_else(chat: Path, places: dict[str, str], said: str) -> None:
    with pytest.raises(ModelFileError) as error:
        read(sharded(chat, places=places))
    assert said in error.value.message


@pytest.mark.parametrize(
    ("name", "fields", "said"),
    [
        ("config.json", {"auto_map": {"AutoModel": "code.Model"}}, "code of its own"),
        ("tokenizer_config.json", {"auto_map": {"AutoTokenizer": ["code.Tokenizer", None]}}, "code of its own"),
        ("config.json", {"quantization_config": {"quant_method": "gptq"}}, "quantised"),
        ("config.json", {"architectures": ["T5ForConditionalGeneration"]}, "can't be run here"),
        ("config.json", {"architectures": []}, "can't be run here"),
        ("config.json", {"model_type": "../llama"}, "which architecture"),
        ("config.json", {"hidden_size": "64"}, "hidden size"),
        ("config.json", {"num_hidden_layers": 100_000}, "num hidden layers"),
        ("config.json", {"vocab_size": 1 << 40}, "vocab size"),
        ("config.json", {"layer_types": ["full_attention", "linear_attention"]}, "linear_attention"),
        ("config.json", {"layer_types": ["full_attention"]}, "list of layers"),
    ],
)
def test_what_can_not_be_run_is_refused(chat: Path, name: str, fields: dict[str, Any], said: str) -> None:
    change(chat, name, **fields)
    with pytest.raises(ModelFileError) as error:
        read(chat)
    assert said in error.value.message


def test_vectors_made_in_a_way_that_is_not_known(tmp_path: Path) -> None:
    folder = folders.embedder(tmp_path / "a")
    for said in ('{"pooling_mode_max_tokens": true}', '{"pooling_mode": "weightedmean"}', "[]"):
        (folder / "1_Pooling" / "config.json").write_text(said)
        with pytest.raises(ModelFileError):
            read(folder)
    (folder / "1_Pooling" / "config.json").write_text('{"pooling_mode": "cls"}')
    assert read(folder).pooling == 2
    (folder / "modules.json").write_text('[{"type": "sentence_transformers.models.Dense"}]')
    with pytest.raises(ModelFileError):
        read(folder)


def test_pickles_are_not_looked_at(chat: Path) -> None:
    shutil.copy(chat / "model.safetensors", chat / "pytorch_model.bin")
    (chat / "modeling_llama.py").write_text("raise SystemExit")
    assert not [name for name in formats.pick(files_below(chat)) if name.endswith((".bin", ".py"))]
    (chat / "model.safetensors").unlink()
    with pytest.raises(ModelFileError):
        formats.pick(files_below(chat))


def test_a_folder_without_its_tokenizer(chat: Path) -> None:
    (chat / "tokenizer.json").unlink()
    with pytest.raises(ModelFileError) as error:
        read(chat)
    assert "tokenizer.json" in error.value.message


def test_memory_grows_with_what_is_kept(chat: Path) -> None:
    header = read(chat)

    def size(**changes: Any) -> int:
        wanted = {"context_tokens": 512, "slots": 2, "batch_tokens": 128, "on_gpu": False} | changes
        return torch_memory.predict(header, **wanted).kv_bytes

    assert size() == 2 * 2 * 512 * 2 * tiny.HEAD * 4  # slots, layers, tokens, keys and values, 32-bit numbers
    assert size(slots=4) == 2 * size() and size(context_tokens=1024) == 2 * size()
    change(chat, "config.json", sliding_window=128, layer_types=["full_attention", "sliding_attention"])
    header = read(chat)
    assert size() == 2 * (512 + 128) * 2 * tiny.HEAD * 4
