"""What fits where, for how many people, at what context: on the catalogue as it is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from intramuros.engines.fit import MOST_USERS, TIERS_GB, Fit, Place, fits
from intramuros.engines.options import EngineOptions, base_options, footprint
from intramuros.engines.room import GIB
from intramuros.models.catalogue import Catalogue, load
from intramuros.models.manifest import InstalledModel
from intramuros.models.parts import PROJECTOR, Part


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load()


def found(catalogue: Catalogue, gb: float, **more: Any) -> dict[str, Fit]:
    return {fit.model.name: fit for fit in fits(catalogue, Place.with_vram(gb), **more)}


def test_each_tier_runs_what_the_documentation_says(catalogue: Catalogue) -> None:
    tiers = {gb: {name for name, fit in found(catalogue, gb).items() if fit.fits} for gb in TIERS_GB}
    assert {"ministral-3-8b", "qwen3.5-9b"} <= tiers[8] and "ministral-3-14b" not in tiers[8]
    assert {"ministral-3-14b", "gpt-oss-20b"} <= tiers[16] and "qwen3-30b-a3b-2507" not in tiers[16]
    assert {"llama-3.3-70b", "qwen3-30b-a3b-2507"} <= tiers[64]
    assert tiers[8] < tiers[16] < tiers[64]


def test_what_is_said_to_fit_does_and_one_more_does_not(catalogue: Catalogue) -> None:
    place = Place.with_vram(16)
    for fit in fits(catalogue, place):
        options = base_options(fit.model.header, on_gpu=True)
        context = min(8192, fit.model.context_tokens)

        def takes(users: int, tokens: int, fit: Fit = fit, options: EngineOptions = options) -> int:
            return footprint(replace(options, slots=users, context_tokens=tokens), fit.model.header).total_bytes

        if 0 < fit.users < MOST_USERS:
            assert takes(fit.users, context) <= place.memory_bytes < takes(fit.users + 1, context)
        if fit.context_tokens:
            assert takes(1, fit.context_tokens) <= place.memory_bytes


def test_more_people_and_longer_contexts_take_more(catalogue: Catalogue) -> None:
    one, five = found(catalogue, 16), found(catalogue, 16, users=5)
    long = found(catalogue, 16, context_tokens=32768)
    for name, fit in one.items():
        assert five[name].memory_bytes >= fit.memory_bytes and five[name].context_tokens <= fit.context_tokens
        assert long[name].users <= fit.users


def test_a_context_that_the_model_can_not_read_is_no_fit(catalogue: Catalogue) -> None:
    assert not found(catalogue, 64, context_tokens=131072)["phi-4"].fits


def test_best_first_and_what_does_not_fit_last(catalogue: Catalogue) -> None:
    rows = fits(catalogue, Place.with_vram(8))
    assert [row.fits for row in rows] == sorted((row.fits for row in rows), reverse=True)
    assert all(row.model.is_chat for row in rows)


def test_a_machine_without_a_card_keeps_some_for_the_system() -> None:
    assert Place.with_ram(16) == Place(12 * GIB, on_gpu=False)
    assert Place.with_vram(16) == Place(15 * GIB, on_gpu=True)
    assert Place.with_vram(0.5).memory_bytes == 0


def test_what_stands_beside_an_installed_model_takes_its_share(catalogue: Catalogue, tmp_path: Path) -> None:
    model = catalogue.get("ministral-3-8b")
    assert model.sha256
    part = Part("eye", PROJECTOR, tmp_path, "", 1, GIB, "", "", 0.0)
    here = InstalledModel(
        model.name, "", tmp_path, model.sha256, 1, model.header, "drafts", (), None, "", "", 0.0, parts=(part,)
    )
    plain = found(catalogue, 16)[model.name]
    with_it = {fit.model.name: fit for fit in fits(catalogue, Place.with_vram(16), installed=[here])}[model.name]
    assert with_it.memory_bytes == plain.memory_bytes + GIB
    assert with_it.users < plain.users and with_it.context_tokens <= plain.context_tokens
