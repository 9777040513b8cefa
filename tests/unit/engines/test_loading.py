"""How far a load is: what is counted, what is measured, and what is said not to be known."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from intramuros.engines import loading
from intramuros.engines.loading import Load, LoadProgress, held_bytes, usual, with_one_more


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_bytes_are_counted_and_the_time_is_that_of_the_stage() -> None:
    clock = Clock()
    load = Load(clock)
    clock.now += 3
    assert load.progress == LoadProgress("waiting", 3.0) and load.progress.done_share is None
    load.begin("checking", total_bytes=200)
    clock.now += 1
    load.moved(50)
    load.moved(50)
    assert load.progress == LoadProgress("checking", 1.0, 100, 200)
    assert load.progress.to_json()["share"] == 0.5
    load.begin("measuring", step="attention", share=0.0)
    clock.now += 2
    load.begin("measuring", step="threads", share=1 / 3)
    assert load.progress == LoadProgress("measuring", 2.0, step="threads", share=1 / 3)
    assert load.progress.to_json()["share"] == 0.333


def test_decrypting_and_loading_are_timed_together_as_they_are_remembered() -> None:
    clock = Clock()
    load = Load(clock)
    load.usual_s = 6.0
    clock.now += 10
    load.begin_worker()
    clock.now += 1
    load.begin("decrypting", total_bytes=10)
    load.moved(10)
    assert load.progress.usual_s == 6.0
    began = load.progress.elapsed_s
    clock.now += 2
    load.started(os.getpid())
    assert load.progress.elapsed_s == began + 2 and load.progress.usual_s == 6.0
    load.begin_worker()  # it died and is started again
    assert load.progress.elapsed_s == 0


def test_the_memory_a_process_takes_is_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    held = [1000]
    monkeypatch.setattr(loading, "held_bytes", lambda pid: held[0])
    load = Load()
    load.needs_bytes = 400
    load.started(7)
    assert load.progress.done_bytes == 0
    held[0] += 100
    assert (load.progress.done_bytes, load.progress.done_share) == (100, 0.25)
    held[0] += 900  # more than it was expected to take
    now = load.progress
    assert (now.done_bytes, now.step, now.done_share) == (400, "starting", None)


def test_what_can_not_be_seen_is_not_invented(monkeypatch: pytest.MonkeyPatch) -> None:
    load = Load()
    load.started(os.getpid())  # on a GPU: its memory isn't in the process
    assert load.progress.done_share is None and load.progress.total_bytes is None
    monkeypatch.setattr(loading, "held_bytes", lambda pid: None)
    load.needs_bytes = 400
    load.started(7)  # a system without /proc
    assert load.progress.done_share is None and load.progress.to_json()["share"] is None


def test_what_the_kernel_says_is_read(tmp_path: Path) -> None:
    assert held_bytes(os.getpid()) or not Path("/proc/self/statm").exists()
    folder = tmp_path / "proc/7"
    folder.mkdir(parents=True)
    (folder / "statm").write_text("900 20 10 1 0 5 0\n")
    assert held_bytes(7, root=tmp_path) == 20 * os.sysconf("SC_PAGE_SIZE")
    (folder / "statm").write_text("")
    assert held_bytes(7, root=tmp_path) is None
    assert held_bytes(8, root=tmp_path) is None


def test_the_usual_time_is_the_median_of_the_last_ones() -> None:
    times: object = None
    for took_s in (90.0, 4.0, 5.0, 6.004, 5.0, 30.0):
        times = with_one_more(times, took_s)
    assert times == [4.0, 5.0, 6.0, 5.0, 30.0] and usual(times) == 5.0
    for nonsense in (None, [], "6", [None], {"a": 1}):
        assert usual(nonsense) is None and with_one_more(nonsense, 2.0) == [2.0]
