"""A model's lane: never more than its slots, people before batches, bounded, and honest about the wait."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intramuros.errors import TooMany
from intramuros.tasks.fair_queue import Share
from intramuros.tasks.lane import AGE_S, Bounds, Lane


class Clock:
    def __init__(self) -> None:
        self.at = 100.0

    def __call__(self) -> float:
        return self.at


def lane_of(slots: int = 2, **bounds: int) -> tuple[Lane, Clock]:
    clock = Clock()
    return Lane(clock, Bounds(**bounds), slots=slots), clock


def entered(lane: Lane, flow: str = "a", cost: float = 100, *, is_batch: bool = False) -> Share:
    share = Share(flow, cost, is_batch=is_batch)
    lane.enter(share)
    return share


def test_as_many_run_as_there_are_slots() -> None:
    lane, _ = lane_of(2)
    shares = [entered(lane) for _ in range(5)]
    assert [share.begun is not None for share in shares] == [True, True, False, False, False]
    assert lane.ready() is None
    lane.leave(shares[0], used=100)
    assert lane.ready() is shares[2] and lane.ready() is None
    lane.slots = 3
    assert lane.ready() is None, "the last of three is kept for somebody else"
    lane.slots = 4
    assert lane.ready() is shares[3] and lane.ready() is None
    other = entered(lane, "b")
    assert other.begun is not None and lane.running == 4


def test_the_kept_slot_goes_to_who_has_none_whoever_is_first_in_the_line() -> None:
    lane, _ = lane_of(3)
    flood = [entered(lane, "a", 1) for _ in range(6)]
    dear, second = entered(lane, "b", 1000), entered(lane, "b", 1000)
    assert dear.begun is not None and second.begun is None
    late = entered(lane, "c", 5000)
    lane.leave(flood[0], used=1)
    assert lane.ready() is late and lane.ready() is None
    lane.leave(dear, used=1000)
    assert lane.ready() is second


def test_batches_come_behind_people_and_leave_them_a_slot() -> None:
    lane, _ = lane_of(3)
    batches = [entered(lane, "b", is_batch=True) for _ in range(4)]
    assert lane.running == 2, "the last of several slots is kept for people"
    people = [entered(lane, flow) for flow in "acd"]
    assert people[0].begun is not None
    lane.leave(batches[0], used=1)
    assert lane.ready() is people[1]
    lane.leave(batches[1], used=1)
    assert lane.ready() is people[2]
    lane.leave(people[0], used=1)
    lane.leave(people[1], used=1)
    assert lane.ready() is batches[2]


def test_with_one_slot_a_batch_may_have_it() -> None:
    lane, _ = lane_of(1)
    assert entered(lane, is_batch=True).begun is not None


def test_a_batch_that_waited_long_is_next_and_then_people_again() -> None:
    lane, clock = lane_of(1)
    running = entered(lane)
    old, other = entered(lane, "b", is_batch=True), entered(lane, "b", is_batch=True)
    people = [entered(lane) for _ in range(3)]
    clock.at += AGE_S - 1
    lane.leave(running, used=1)
    assert lane.ready() is people[0]
    clock.at += 1
    lane.leave(people[0], used=1)
    assert lane.ready() is old
    lane.leave(old, used=1)
    assert lane.ready() is people[1]
    clock.at += AGE_S
    lane.leave(people[1], used=1)
    assert lane.ready() is other


def test_queues_are_bounded_for_each_and_for_all() -> None:
    lane, _ = lane_of(1, per_person=2, total=3)
    for flow in "aaa":
        entered(lane, flow)
    with pytest.raises(TooMany) as refused:
        entered(lane, "a")
    assert refused.value.code == "queue_full" and refused.value.details["retry_after_s"] == 1
    assert refused.value.details["queue"] == "yours"
    entered(lane, "b")
    with pytest.raises(TooMany, match="are waiting") as refused:
        entered(lane, "c")
    assert refused.value.details["queue"] == "everyones"
    entered(lane, "c", is_batch=True)  # a full queue of people is none of batches, and the other way round
    assert lane.waiting == 4


def test_the_wait_is_told_from_how_fast_it_went() -> None:
    lane, clock = lane_of(1)
    for _ in range(40):
        share = entered(lane, cost=100)
        clock.at += 10  # a tenth of a second for each token
        lane.leave(share, used=100, completion=100)
    running = entered(lane, cost=100)
    waiting = [entered(lane, cost=100) for _ in range(3)]
    assert [lane.ahead(share).position for share in waiting] == [0, 1, 2]
    assert [round(lane.ahead(share).expected_wait_s) for share in waiting] == [10, 20, 30]
    clock.at += 4
    assert round(lane.ahead(waiting[0]).expected_wait_s) == 6
    batch = entered(lane, "b", is_batch=True)
    assert lane.ahead(batch).position == 3
    assert abs(lane.expected_completion - 100) < 1
    lane.leave(running, used=100)


def test_what_is_refused_says_when_to_come_back() -> None:
    lane, clock = lane_of(1, per_person=1)
    for _ in range(40):
        share = entered(lane, cost=100)
        clock.at += 10
        lane.leave(share, used=100)
    entered(lane, cost=100)
    entered(lane, cost=100)
    with pytest.raises(TooMany) as refused:
        entered(lane, cost=100)
    assert refused.value.details["retry_after_s"] == 10


STEPS = st.lists(
    st.tuples(st.sampled_from(["person", "batch", "leave", "widen", "age"]), st.integers(0, 99)), max_size=150
)


@given(STEPS)
def test_no_slot_is_idle_while_somebody_waits_and_nobody_waits_for_ever(steps: list[tuple[str, int]]) -> None:
    lane, clock = lane_of(2)
    inside: list[Share] = []
    for step, number in steps:
        if step in {"person", "batch"}:
            inside.append(entered(lane, "abc"[number % 3], number + 1, is_batch=step == "batch"))
        elif step == "leave" and inside:
            share = inside.pop(number % len(inside))
            lane.leave(share, used=None if number % 2 else number)
        elif step == "widen":
            lane.slots = 1 + number % 4
        else:
            clock.at += number
        while lane.ready():
            pass
        kept = lane.slots > 2 and all(lane.people.running_of(share.flow) for share in lane.people.order())
        assert lane.people.waiting == 0 or lane.running >= lane.slots - kept
        assert lane.batches.waiting == 0 or lane.running >= max(1, lane.slots - 1)
    for _ in range(2 * len(inside) + 1):
        running = [share for share in inside if share.begun is not None]
        for share in running[:1]:
            inside.remove(share)
            lane.leave(share, used=1)
        while lane.ready():
            pass
    assert not inside and not lane.running and not lane.waiting
    assert not lane.people.flows and not lane.batches.flows
