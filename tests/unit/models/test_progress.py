from __future__ import annotations

from intramuros.models.progress import Meter, Progress


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_speed_and_remaining_time_come_from_the_last_seconds() -> None:
    seen: list[Progress] = []
    clock = Clock()
    meter = Meter(seen.append, clock=clock)
    for second in range(21):
        clock.now = float(second)
        meter.moved("downloading", second * 100 if second <= 10 else 1000 + (second - 10) * 10, 2000)
    assert seen[10].bytes_per_s == 100
    assert seen[10].eta_s == 10
    assert seen[20].bytes_per_s == 10  # the fast start is forgotten
    assert seen[20].eta_s == 90


def test_reports_are_not_more_often_than_asked_but_the_last_one_comes() -> None:
    seen: list[Progress] = []
    clock = Clock()
    meter = Meter(seen.append, clock=clock, every_s=0.1)
    for step in range(1000):
        clock.now = step / 1000
        meter.moved("downloading", step + 1, 1000)
    assert 10 <= len(seen) <= 12
    assert seen[-1].done_bytes == 1000


def test_what_is_not_known_is_none() -> None:
    seen: list[Progress] = []
    meter = Meter(seen.append, clock=Clock())
    meter.show("connecting")
    meter.moved("downloading", 5, None)
    assert seen == [Progress("connecting", 0, None, None, None), Progress("downloading", 5, None, None, None)]
