"""Options and durations: honoured, named, or refused; never dropped."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ollama import Options

from intramuros.api.ollama.options import OF_LOADING, ONLY_AS, keep_alive, options
from intramuros.errors import BadRequest
from intramuros.models import sampling

VALUES: dict[str, Any] = {
    "stop": ["x"],
    "num_ctx": 5,
    "num_predict": 5,
    "seed": 5,
    "top_k": 5,
    "repeat_last_n": 5,
    "mirostat": 1,
}


def test_every_option_of_the_official_client_has_its_place() -> None:
    for name in Options.model_fields:
        value = ONLY_AS[name][0] if name in ONLY_AS else VALUES.get(name, True if name in OF_LOADING else 0.5)
        read, not_used = options({name: value})
        assert read or not_used or name in ONLY_AS, name


def test_names_and_values() -> None:
    read, not_used = options({"num_predict": 9, "num_ctx": 100, "seed": -1, "top_p": None, "num_thread": 3})
    assert read == {"max_tokens": 9, "context_tokens": 100, "seed": -1 % sampling.RANDOM_SEED}
    assert not_used == ["options.num_thread"]
    assert options(None) == ({}, []) == options({"num_predict": -2})


@pytest.mark.parametrize(
    "bad", [{"num_predict": -3}, {"num_predict": 1.5}, {"stop": 5}, {"x": 1}, {"tfs_z": 2}, {"penalize_newline": True},
            {"context_tokens": 5}, [], "x"],
)  # fmt: skip
def test_what_is_refused(bad: Any) -> None:
    with pytest.raises(BadRequest):
        options(bad)


@pytest.mark.parametrize(
    ("given", "seconds"),
    [(None, None), (0, 0), (-1, -1), (300, 300), ("5m", 300), ("1h30m", 5400), ("-1", -1), ("-1s", -1), ("0", 0),
     ("1.5s", 1.5), ("250ms", 0.25), (1e300, 365 * 86400)],
)  # fmt: skip
def test_durations(given: Any, seconds: float | None) -> None:
    assert keep_alive(given) == seconds


@pytest.mark.parametrize("bad", [True, [], {}, "", "soon", "5 m", "5x", "m", "--5", float("nan"), "١s", "5m-"])
def test_what_is_no_duration(bad: Any) -> None:
    with pytest.raises(BadRequest):
        keep_alive(bad)


@given(st.one_of(st.text(max_size=20), st.floats(), st.integers(), st.none(), st.booleans()))
def test_any_duration_is_a_number_or_refused(given: Any) -> None:
    try:
        seconds = keep_alive(given)
    except BadRequest:
        return
    assert seconds is None or -(366 * 86400) < seconds < 366 * 86400
