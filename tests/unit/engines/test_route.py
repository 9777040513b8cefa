"""Which target is first: the same for the same beginning, each for its share, and only the lost one's share moves."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intramuros.engines.route import Route, Target, prefix_of
from intramuros.engines.upstream import Upstream, checked
from intramuros.errors import BadRequest

KEY = b"k" * 32


def request(question: str, *, system: str = "You help.", turns: int = 0) -> dict[str, object]:
    later = [{"role": "assistant", "content": "…"}, {"role": "user", "content": "And?"}] * turns
    return {"messages": [{"role": "system", "content": system}, {"role": "user", "content": question}, *later]}


def prefixes(number: int) -> list[bytes]:
    return [prefix_of(request(str(n)), key=KEY) for n in range(number)]


@given(question=st.text(max_size=30), turns=st.integers(0, 5))
@settings(max_examples=40)
def test_all_turns_of_a_conversation_begin_alike(question: str, turns: int) -> None:
    assert prefix_of(request(question, turns=turns), key=KEY) == prefix_of(request(question), key=KEY)
    assert prefix_of(request(question), key=b"other") != prefix_of(request(question), key=KEY)
    assert prefix_of(request(question, system="!"), key=KEY) != prefix_of(request(question), key=KEY)


def test_odd_requests_have_a_prefix_too() -> None:
    for odd in ({}, {"messages": "hello"}, {"messages": [1, None]}, {"prompt": ["a", [1]]}, {"input": {1, 2}}):
        assert len(prefix_of(odd, key=KEY)) == 32


def test_each_is_first_for_its_weights_share() -> None:
    route = Route.of({"name": "big", "targets": ["a/m=1", "b/m=3"]})
    first = Counter(route.order(prefix)[0].upstream for prefix in prefixes(2000))
    assert 0.21 < first["a"] / 2000 < 0.29


@given(weights=st.lists(st.floats(0.1, 10), min_size=2, max_size=6), lost=st.integers(0, 5))
@settings(max_examples=40)
def test_only_the_lost_ones_share_moves(weights: list[float], lost: int) -> None:
    targets = tuple(Target(f"u{n}", "m", weight) for n, weight in enumerate(weights))
    gone = targets[lost % len(targets)]
    rest = Route("big", tuple(target for target in targets if target != gone))
    for prefix in prefixes(40):
        order = Route("big", targets).order(prefix)
        assert sorted(order, key=str) == sorted(targets, key=str)
        assert [target for target in order if target != gone] == rest.order(prefix)


def test_a_route_reads_as_it_is_written() -> None:
    values = {
        "name": "big",
        "targets": ["local/a", "vllm/meta/llama-3=2.5"],
        "fallbacks": ["cloud/gpt-5"],
        "overflows": ["vllm/long"],
        "shadow": "vllm/new",
        "shadow_share": 0.05,
    }
    route = Route.of(values)
    assert route.to_json() == values and Route.of(route.to_json()) == route
    assert route.targets[1] == Target("vllm", "meta/llama-3", 2.5) and route.is_compared
    assert [target.name for target in route.all_targets] == [
        "local/a", "vllm/meta/llama-3", "cloud/gpt-5", "vllm/long", "vllm/new",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "wrong",
    [
        {"targets": []},
        {"targets": ["nothing"]},
        {"targets": ["A/m"]},
        {"targets": ["a/m=0"]},
        {"targets": ["a/m=-1"]},
        {"targets": ["a/m=1.2.3"]},
        {"targets": ["a/m=9999"]},
        {"targets": ["a/m", "a/m=2"]},
        {"targets": "a/m"},
        {"targets": [f"a/m{n}" for n in range(17)]},
        {"targets": ["a/m"], "shadow": "a/n"},
        {"targets": ["a/m"], "shadow": "a/n", "shadow_share": 2},
        {"targets": ["a/m"], "shadow": "a/n", "shadow_share": "half"},
        {"targets": ["a/m"], "name": "spaces are not good"},
    ],
)
def test_what_is_no_route_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(BadRequest):
        Route.of({"name": "big"} | wrong)


@pytest.mark.parametrize(
    ("url", "is_outside", "wanted"),
    [
        ("https://api.example.com", True, "https://api.example.com/v1"),
        ("https://api.example.com/v1/", True, "https://api.example.com/v1"),
        ("https://api.example.com/openai/v4", True, "https://api.example.com/openai/v4"),
        ("http://gpu.lan:8000", False, "http://gpu.lan:8000/v1"),
        ("http://127.0.0.1:11434/v1", True, "http://127.0.0.1:11434/v1"),
    ],
)
def test_an_address_has_one_form(url: str, is_outside: bool, wanted: str) -> None:
    assert checked(Upstream("a", url, is_outside=is_outside)).url == wanted


@pytest.mark.parametrize(
    "wrong",
    [
        {"url": "http://api.example.com"},  # outside, in the clear
        {"url": "ftp://api.example.com"},
        {"url": "api.example.com"},
        {"url": "https://me:secret@api.example.com"},
        {"url": "https://api.example.com/v1?key=secret"},
        {"url": "https://api.example.com:99999"},
        {"name": "local"},
        {"name": "Has Spaces"},
        {"key": "two words"},
        {"key": "line\nbreak"},
        {"models": ("a b",)},
        {"price_in": float("nan")},
        {"price_out": -1.0},
        {"context_tokens": -1},
    ],
)
def test_what_is_no_upstream_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(BadRequest):
        checked(Upstream(**({"name": "a", "url": "https://api.example.com"} | wrong)))  # type: ignore[arg-type]


def test_a_key_is_shown_nowhere() -> None:
    upstream = Upstream("a", "https://api.example.com/v1", key="sk-secret")
    assert "sk-secret" not in repr(upstream) + str(upstream.to_json()) and upstream.to_json()["has_key"] is True


def test_a_host_outside_may_not_be_a_private_address_behind_a_name() -> None:
    assert Upstream("a", "https://api.example.com/v1").rule.private is False
    assert Upstream("a", "http://gpu.lan:8000/v1", is_outside=False).rule.private is True
