"""Trials are kept for the page that comes after one: not for long, not without end, and not of another description."""

from __future__ import annotations

from intramuros.engines.trial import KEPT_S, MOST_KEPT, Trial, Trials

WELL = Trial("ready", "")


def test_a_trial_is_found_for_some_minutes_while_its_upstream_is_described_as_it_was() -> None:
    now = [0.0]
    trials = Trials(clock=lambda: now[0])
    kept = trials.keep(WELL, of="gpu", version="1")
    assert trials.find(kept, versions={"gpu": "1"}) == ("gpu", WELL) == trials.find(kept, versions={"gpu": "1"})
    assert trials.find("", versions={"gpu": "1"}) is None
    assert trials.find(kept, versions={"gpu": "2"}) is None and trials.find(kept, versions={}) is None
    now[0] = KEPT_S + 1
    assert trials.find(kept, versions={"gpu": "1"}) is None


def test_only_the_latest_are_kept() -> None:
    trials = Trials()
    first, *_, last = [trials.keep(WELL, of="gpu", version="1") for _ in range(MOST_KEPT + 1)]
    assert trials.find(first, versions={"gpu": "1"}) is None
    assert trials.find(last, versions={"gpu": "1"}) is not None
