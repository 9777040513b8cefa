from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intramuros.errors import BadRequest, ModelNotFound
from intramuros.models.catalogue import HubSource, load
from intramuros.models.manifest import NAME
from intramuros.models.reference import FileSource, UrlSource, name_from, parse

CATALOGUE = load()
SHA = "ab" * 32


def test_a_name_of_the_catalogue() -> None:
    wanted = parse("starter", CATALOGUE)
    assert (wanted.name, wanted.sha256, wanted.entry) == ("smollm2-135m", CATALOGUE.starter.sha256, CATALOGUE.starter)
    assert parse("qwen3-0.6b", CATALOGUE, name="mine").name == "mine"


def test_a_file_of_the_hub() -> None:
    wanted = parse("hf:owner/Some-Model-GGUF/Some-Model-Q4_K_M.gguf", CATALOGUE)
    assert wanted.source == HubSource("owner/Some-Model-GGUF", "Some-Model-Q4_K_M.gguf", "main")
    assert wanted.name == "some-model-q4_k_m"
    pinned = parse("hf:owner/repo@v1.0/folder/a b.gguf", CATALOGUE)
    assert pinned.source == HubSource("owner/repo", "folder/a b.gguf", "v1.0")
    assert pinned.name == "a-b"


def test_an_address_with_and_without_a_hash() -> None:
    wanted = parse(f"https://user:secret@host.example/a/Model.gguf?token=1#sha256={SHA.upper()}", CATALOGUE)
    assert wanted.sha256 == SHA
    assert wanted.name == "model"
    assert isinstance(wanted.source, UrlSource)
    assert wanted.source.url.endswith("?token=1")
    assert str(wanted.source) == "https://host.example/a/Model.gguf"  # what is kept has no secret in it


def test_a_file_of_this_machine(tmp_path: Path) -> None:
    wanted = parse(str(tmp_path / "My Model.gguf"), CATALOGUE)
    assert wanted.source == FileSource(tmp_path / "My Model.gguf")
    assert str(wanted.source) == "file:My Model.gguf"
    assert isinstance(parse("model.gguf", CATALOGUE).source, FileSource)
    assert isinstance(parse("./model.bin", CATALOGUE).source, FileSource)


@pytest.mark.parametrize(
    "text",
    [
        "hf:owner/file.gguf",
        "hf:owner/repo/../../file.gguf",
        "hf:owner/repo/file.bin",
        "hf:owner/repo@/file.gguf",
        "ftp://host/file.gguf",
        "file:///etc/passwd",
        "https:///file.gguf",
        "https://host:99999/file.gguf",
        "https://host/file.gguf#md5=1",
        f"https://host/file.gguf#sha256={SHA}00",
    ],
)
def test_what_names_nothing_is_refused(text: str) -> None:
    with pytest.raises(BadRequest):
        parse(text, CATALOGUE)


def test_an_unknown_name_is_not_taken_for_a_file() -> None:
    with pytest.raises(ModelNotFound):
        parse("gpt-5", CATALOGUE)


@given(st.text())
def test_any_file_name_gives_a_name_that_a_model_can_have(file: str) -> None:
    assert NAME.fullmatch(name_from(file))
