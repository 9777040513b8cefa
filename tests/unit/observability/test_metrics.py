"""Counting: each application for itself, by names that hold no content."""

from __future__ import annotations

from intramuros.engines.engine import Usage
from intramuros.observability.metrics import Metrics


def test_two_applications_count_apart() -> None:
    one, other = Metrics(), Metrics()
    one.request(route="/health", method="GET", status=200, seconds=0.01)
    assert 'route="/health"' in one.render().decode() and 'route="/health"' not in other.render().decode()


def test_generations_by_model_and_outcome() -> None:
    metrics = Metrics()
    metrics.generation(model="m", outcome="ok", usage=Usage(10, 5, 8), first_token_s=0.3)
    metrics.generation(model="m", outcome="cancelled", usage=Usage(), first_token_s=None)
    counted = metrics.render().decode()
    for line in (
        'intramuros_tokens_total{kind="prompt",model="m"} 10.0',
        'intramuros_tokens_total{kind="cached",model="m"} 8.0',
        'intramuros_generations_total{model="m",outcome="cancelled"} 1.0',
        'intramuros_first_token_seconds_count{model="m"} 1.0',
    ):
        assert line in counted


def test_an_engine_that_is_gone_is_not_shown_any_more() -> None:
    metrics = Metrics()
    metrics.engines({"ready": 2})
    metrics.engines({"loading": 1})
    counted = metrics.render().decode()
    assert 'state="loading"} 1.0' in counted and 'state="ready"' not in counted
