from __future__ import annotations

import json
import re
from dataclasses import replace
from importlib.resources import files
from typing import Any

import pytest

from intramuros.errors import ModelNotFound
from intramuros.models.catalogue import (
    TRUST_SCALE,
    Catalogue,
    HubSource,
    PackageSource,
    load,
    parse,
    trust_of,
)
from intramuros.models.machine import Gpu, Machine

GIB = 1 << 30
LIMITS = {
    "acceptable-use-policy",
    "attribution",
    "large-companies",
    "eu-multimodal",
    "unsettled-training-data",
}


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load()


@pytest.fixture(scope="module")
def raw() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(files("intramuros.models").joinpath("catalogue.json").read_text("utf-8"))
    return loaded


def machine(*, cores: int = 8, gib: float = 16, gpus: tuple[Gpu, ...] = ()) -> Machine:
    room = int(gib * GIB)
    return Machine("test", "x86_64", cores, cores, frozenset(), room, room, gpus=gpus)


def test_the_starter_comes_first_and_from_the_package_registry(catalogue: Catalogue) -> None:
    starter = catalogue.starter
    assert starter is next(iter(catalogue))
    assert starter.name == "smollm2-135m"
    assert isinstance(starter.source, PackageSource)
    assert starter.trust == "quotes"
    assert catalogue.find("starter") is starter


def test_names_titles_and_files_are_unique(catalogue: Catalogue) -> None:
    models = list(catalogue)
    assert len(models) >= 25
    for facts in ({m.name for m in models}, {m.title for m in models}, {str(m.source) for m in models}):
        assert len(facts) == len(models)
    known = [m.sha256 for m in models if m.sha256]
    assert len(set(known)) == len(known)


def test_every_entry_is_well_formed(catalogue: Catalogue) -> None:
    for model in catalogue:
        assert re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,63}", model.name), model.name
        assert model.sha256 is None or re.fullmatch(r"[0-9a-f]{64}", model.sha256), model.name
        assert model.trust in TRUST_SCALE
        assert model.reasoning in ("none", "optional", "always")
        assert 0 < model.active_parameters <= model.parameters
        assert model.languages and all(re.fullmatch(r"[a-z]{2,3}", code) for code in model.languages), model.name
        assert model.good_for and model.good_for_fr and model.good_for != model.good_for_fr
        assert set(model.licence.limits) <= LIMITS, model.licence
        assert not model.licence.limits or model.licence.note, f"{model.licence.id} does not explain its limits"
        assert model.licence.url.startswith("https://")
        if isinstance(model.source, HubSource):
            assert model.file.endswith(".gguf")
            assert re.fullmatch(r"[0-9a-f]{40}|main", model.revision), model.name
            assert model.sha256 or model.revision == "main", f"{model.name}: a pinned revision whose hash was not noted"


def test_every_entry_is_pinned_or_marked_as_one_that_may_change(catalogue: Catalogue) -> None:
    assert catalogue.starter.is_pinned
    for model in catalogue:
        is_one_file = bool(model.sha256) and model.revision != "main"
        assert model.is_pinned is is_one_file, model.name
    assert {m.name for m in catalogue if not m.is_pinned} == {"lucie-7b", "apertus-8b", "eurollm-9b", "llama-3.3-70b"}


@pytest.mark.parametrize("change", ["branch", "hash"])
def test_what_may_change_at_its_source_is_never_offered(catalogue: Catalogue, change: str) -> None:
    for gib in (2, 4, 8, 16, 64):
        here = machine(cores=16, gib=gib)
        assert catalogue.best_for(here).is_pinned
        best = catalogue.best_for(here)
        if not isinstance(best.source, HubSource):
            continue
        loose = replace(best, source=replace(best.source, revision="main"))
        changed = loose if change == "branch" else replace(best, sha256=None)
        others = Catalogue(tuple(changed if model is best else model for model in catalogue))
        assert others.best_for(here).name != best.name


def test_the_data_has_no_field_that_the_program_does_not_know(raw: dict[str, Any]) -> None:
    broken = json.loads(json.dumps(raw))
    broken["models"][0]["colour"] = "blue"
    with pytest.raises(TypeError):
        parse(broken)
    broken = json.loads(json.dumps(raw))
    broken["models"][0]["trust"] = "everything"
    with pytest.raises(ValueError, match="scale of trust"):
        parse(broken)


def test_every_licence_is_used(raw: dict[str, Any]) -> None:
    assert set(raw["licences"]) == {model["licence"] for model in raw["models"]}


def test_sizes_agree_with_parameters(catalogue: Catalogue) -> None:
    """A slip of a digit in a size or a parameter count gives bits that no quantisation has."""
    for model in catalogue:
        if model.size_bytes:
            bits = model.size_bytes * 8 / model.parameters
            low, high = (8.0, 9.7) if model.quantisation == "Q8_0" else (4.2, 6.0)
            assert low <= bits <= high, f"{model.name}: {bits:.2f} bits a parameter"


def test_memory_is_more_than_the_weights_and_less_than_twice(catalogue: Catalogue) -> None:
    for model in catalogue:
        assert model.weights_bytes < model.memory_bytes < 4 * model.weights_bytes + GIB, model.name


def test_small_models_are_trusted_with_quotes_only(catalogue: Catalogue) -> None:
    for model in catalogue:
        if model.is_chat and model.parameters < 1_500_000_000:
            assert model.trust == "quotes", model.name
        if model.trust == "answers":
            assert model.parameters > 7_000_000_000, model.name


def test_embedders_and_rerankers_are_flagged(catalogue: Catalogue) -> None:
    embedders = {model.name for model in catalogue if model.embedder}
    assert {"multilingual-e5-small", "granite-embedding-97m", "bge-m3", "qwen3-embedding-0.6b"} == embedders
    assert {model.name for model in catalogue if model.reranker} == {"bge-reranker-v2-m3", "qwen3-reranker-0.6b"}
    assert not any(model.is_chat for model in catalogue if model.embedder or model.reranker)


def test_fitting_is_best_first_and_fits(catalogue: Catalogue) -> None:
    fitting = catalogue.fitting(8 * GIB)
    assert [m.preference for m in fitting] == sorted((m.preference for m in fitting), reverse=True)
    assert all(m.memory_bytes <= 8 * GIB and m.is_chat for m in fitting)
    assert catalogue.fitting(0) == []


def test_what_is_offered_fits_speaks_french_and_may_be_sold(catalogue: Catalogue) -> None:
    for cores in (1, 2, 4, 8, 32):
        for gib in (1, 2, 4, 8, 16, 64):
            model, here = catalogue.best_for(machine(cores=cores, gib=gib)), machine(cores=cores, gib=gib)
            if model is not catalogue.starter:
                assert model.memory_bytes <= here.room_bytes
                assert model.answer_estimate_s(here) <= 60
                assert "fr" in model.languages
                assert model.licence.commercial


def test_what_does_not_speak_the_language_or_may_not_be_sold_is_not_offered(catalogue: Catalogue) -> None:
    here = machine(cores=16, gib=64)
    best = catalogue.best_for(here)
    unsold = replace(best, licence=replace(best.licence, commercial=None))
    for changed in (replace(best, languages=("en",)), unsold):
        others = Catalogue(tuple(changed if model is best else model for model in catalogue))
        assert others.best_for(here).name != best.name
    english = Catalogue((catalogue.starter, replace(best, languages=("en",))))
    assert english.best_for(here, language="en").name == best.name
    assert english.best_for(here) is english.starter


def test_a_better_machine_is_offered_a_better_model(catalogue: Catalogue) -> None:
    small, large = catalogue.best_for(machine(cores=2, gib=4)), catalogue.best_for(machine(cores=16, gib=64))
    assert catalogue.starter.preference < small.preference < large.preference
    assert catalogue.best_for(machine(cores=2, gib=0.5)) is catalogue.starter


def test_with_a_gpu_only_its_memory_counts(catalogue: Catalogue) -> None:
    gpu = Gpu("large", 48 * GIB, 46 * GIB)
    assert catalogue.best_for(machine(cores=2, gib=8, gpus=(gpu,))).preference == 100


def test_an_unknown_name_is_answered_with_those_that_look_alike(catalogue: Catalogue) -> None:
    with pytest.raises(ModelNotFound) as caught:
        catalogue.get("ministral-8b")
    assert "ministral-3-8b" in caught.value.hint


def test_a_model_is_found_by_its_hash(catalogue: Catalogue) -> None:
    assert catalogue.starter.sha256 is not None
    assert catalogue.by_sha256(catalogue.starter.sha256) is catalogue.starter
    assert catalogue.by_sha256("0" * 64) is None


def test_unknown_models_are_never_trusted_with_answers() -> None:
    assert trust_of(70_000_000_000, has_chat_template=True) == "drafts"
    assert trust_of(70_000_000_000, has_chat_template=False) == "quotes"
    assert trust_of(1_000_000_000, has_chat_template=True) == "quotes"
