"""Which embedders may join the search."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from intramuros.models.catalogue import FUSED_LANGUAGES, Catalogue, load, parse
from intramuros.models.embedding import may_cut, standing
from intramuros.models.installed import InstalledModel
from tests.models import engines, tiny


def catalogue_with(**changes: Any) -> Catalogue:
    raw = json.loads(files("intramuros.models").joinpath("catalogue.json").read_text("utf-8"))
    entry = next(model for model in raw["models"] if model["name"] == "multilingual-e5-small")
    entry.update(changes)
    return parse(raw)


@pytest.fixture
def model(tmp_path: Path) -> InstalledModel:
    return engines.installed(tiny.embedder(tmp_path / "tiny.gguf"), "mine")


def test_every_embedder_says_how_it_is_used_and_nothing_else_does() -> None:
    for entry in load():
        assert (entry.embedding is not None) == entry.embedder, entry.name
        if entry.embedding is not None and entry.embedding.fusion_weight is not None:
            assert 0 < entry.embedding.fusion_weight <= 1
            assert set(entry.languages) >= FUSED_LANGUAGES


def test_the_prefixes_are_those_of_the_publishers() -> None:
    prefixes = {m.name: (m.embedding.query_prefix, m.embedding.passage_prefix) for m in load() if m.embedding}
    assert prefixes["multilingual-e5-small"] == ("query: ", "passage: ")
    assert prefixes["qwen3-embedding-0.6b"][0].startswith("Instruct: ")
    assert prefixes["qwen3-embedding-0.6b"][0].endswith("\nQuery:")
    assert prefixes["bge-m3"] == prefixes["granite-embedding-97m"] == ("", "")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"embedding": {"fusion_weight": 0}}, "more than 0"),
        ({"embedding": {"fusion_weight": 1.5}}, "at most 1"),
        ({"languages": ["en"]}, "speaks de, fr, it too"),
        ({"embedder": False}, "has the field 'embedding'"),
    ],
)
def test_an_entry_that_can_not_be_right_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        catalogue_with(**changes)
    catalogue_with(languages=["en"], embedding={"fusion_weight": None})  # an English one that is never fused


def test_the_catalogue_s_own_file_is_fused_by_its_weight(model: InstalledModel) -> None:
    judged = standing(model, catalogue_with(sha256=model.sha256))
    assert judged.is_fused and judged.embedding is not None
    assert judged.embedding.fusion_weight == 0.7
    assert "weight 0.7" in judged.reason


def test_an_embedder_that_the_catalogue_does_not_know_is_never_fused(model: InstalledModel) -> None:
    named_like_one = replace(model, name="multilingual-e5-small")
    for unknown in (model, named_like_one):
        judged = standing(unknown, load())
        assert not judged.is_fused
        assert "not an embedder of the catalogue" in judged.reason


def test_an_unworthy_embedder_is_never_fused(model: InstalledModel) -> None:
    judged = standing(model, catalogue_with(sha256=model.sha256, embedding={"fusion_weight": None}))
    assert not judged.is_fused
    assert "makes the search of some languages worse" in judged.reason


def test_where_the_catalogue_knows_no_hash_the_source_tells(model: InstalledModel) -> None:
    catalogue = catalogue_with(sha256=None)
    source = str(catalogue.get("multilingual-e5-small").source)
    assert standing(replace(model, source=source), catalogue).is_fused
    assert not standing(model, catalogue).is_fused


def test_a_model_that_writes_or_ranks_is_no_embedder(tmp_path: Path) -> None:
    for path in (tiny.chat(tmp_path / "chat.gguf"), tiny.reranker(tmp_path / "rank.gguf")):
        judged = standing(engines.installed(path, "mine"), load())
        assert not judged.is_fused
        assert "does not turn texts into vectors" in judged.reason


def test_vectors_may_be_cut_where_the_model_was_trained_for_it(model: InstalledModel) -> None:
    catalogue = load()
    entry = catalogue.get("qwen3-embedding-0.6b")
    assert entry.embedding and entry.embedding.least_dimensions == 32
    trained = replace(model, sha256=str(entry.sha256))
    assert may_cut(trained, 32, catalogue) and not may_cut(trained, 31, catalogue)
    assert not may_cut(trained, trained.header.embedding_length + 1, catalogue)
    assert not may_cut(model, 32, catalogue), "of an unknown file nothing is known"
