from __future__ import annotations

from typing import Any

import pytest

from intramuros.errors import ModelFileError
from intramuros.models.pooling import FIRST, LAST, MEAN, check_steps, pooling_in, steps_in


@pytest.mark.parametrize(
    ("said", "pooling"),
    [
        ({}, MEAN),
        ({"word_embedding_dimension": 384}, MEAN),
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, FIRST),
        ({"pooling_mode_lasttoken": True, "include_prompt": True}, LAST),
        ({"pooling_mode": "cls"}, FIRST),
        ({"pooling_mode": "lasttoken"}, LAST),
        ({"pooling_mode": "mean"}, MEAN),
    ],
)
def test_how_vectors_become_one(said: dict[str, Any], pooling: int) -> None:
    assert pooling_in(said) == pooling


@pytest.mark.parametrize(
    "said",
    [
        {"pooling_mode": "weightedmean"},
        {"pooling_mode_max_tokens": True},
        {"pooling_mode_mean_tokens": False},
        {"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": True},
    ],
)
def test_a_way_that_is_not_known_is_refused(said: dict[str, Any]) -> None:
    with pytest.raises(ModelFileError):
        pooling_in(said)


def test_steps() -> None:
    listed = [{"type": "sentence_transformers.models.Pooling"}, {"type": "sentence_transformers.models.Dense"}]
    assert steps_in(listed) == {"Pooling", "Dense"}
    check_steps(steps_in(listed[:1]))
    others: list[Any] = [{}, ["Pooling"], None]
    for wrong in others:
        with pytest.raises(ModelFileError):
            steps_in(wrong)
    with pytest.raises(ModelFileError, match="'Dense'"):
        check_steps(steps_in(listed))
