"""The names given to llama.cpp: all known to the installed release, and the dangerous ones switched off."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import xllamacpp

from intramuros.engines.options import CACHE_TYPES, SPECULATIONS, EngineOptions
from intramuros.engines.parameters import CACHE_TYPES as CACHE_NUMBERS
from intramuros.engines.parameters import SPECULATION, parameters

OPTIONS = EngineOptions(threads=2, threads_batch=2, context_tokens=4096, slots=3)


def wanted(**changes: Any) -> dict[str, Any]:
    options = EngineOptions.from_json(OPTIONS.to_json() | changes)
    return parameters(options, model=Path("/m/model.gguf"), name="a-model", socket=Path("/s/e.sock"))


@pytest.mark.parametrize("changes", [{"speculation": name} for name in SPECULATIONS] + [{"kind": "rerank"}])
def test_every_name_exists_in_the_installed_release(changes: dict[str, Any]) -> None:
    for name in wanted(**changes):
        target = xllamacpp.CommonParams()
        for step in name.split("."):
            assert hasattr(target, step), f"llama.cpp no longer has {name}"
            target = getattr(target, step)


def test_the_server_shows_no_page_answers_no_site_and_fetches_nothing() -> None:
    found = wanted()
    assert found["ui"] is False and found["cors_origins"] == "" and found["cors_credentials"] is False
    assert found["offline"] is True and found["hostnames"] == ["/s/e.sock"]
    assert found["model_alias"] == ["a-model"]


def test_slots_share_no_context() -> None:
    assert wanted()["n_ctx"] == 3 * 4096 and wanted()["kv_unified"] is False


def test_the_prompt_cache_is_bounded() -> None:
    assert wanted(prompt_cache_mib=64)["cache_ram_mib"] == 64


def test_options_have_their_numbers() -> None:
    assert set(CACHE_NUMBERS) == set(CACHE_TYPES) and set(SPECULATION) == set(SPECULATIONS)
    for name, number in CACHE_NUMBERS.items():
        assert xllamacpp.ggml_type(number).name == f"GGML_TYPE_{name.upper()}"
    assert wanted(flash_attention=False)["flash_attn_type"] == 0
    assert wanted(flash_attention=None)["flash_attn_type"] == -1
