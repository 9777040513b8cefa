"""The fair queue: equal flows are served equally, weights hold, and whatever is taken out leaves nothing."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from intramuros.tasks.fair_queue import FairQueue, Share

COSTS = st.lists(st.integers(1, 500), min_size=1, max_size=60)


def served(queue: FairQueue) -> Share:
    """Begins the next and ends it at what it was taken to cost."""
    share = popped(queue)
    queue.end(share, share.cost)
    return share


def popped(queue: FairQueue) -> Share:
    share = queue.pop()
    assert share is not None
    return share


@given(COSTS, COSTS, st.integers(0, 60), st.integers(0, 60))
def test_two_equal_flows_are_served_equally(mine: list[int], others: list[int], first: int, last: int) -> None:
    """While both always have one waiting: one dearest request apart from the start on, one of each in between."""
    queue = FairQueue()
    for flow, costs in (("a", mine), ("b", others)):
        for cost in costs:
            queue.push(Share(flow, cost))
    apart = [0.0]
    while queue.waiting_of("a") and queue.waiting_of("b"):
        share = served(queue)
        apart.append(apart[-1] + (share.cost if share.flow == "a" else -share.cost))
    assert max(map(abs, apart)) <= max(*mine, *others)
    begin, end = sorted((min(first, len(apart) - 1), min(last, len(apart) - 1)))
    assert abs(apart[end] - apart[begin]) <= max(mine) + max(others)


@given(st.lists(st.tuples(st.integers(1, 300), st.integers(0, 600)), min_size=20, max_size=60), st.integers(1, 4))
def test_what_was_really_used_counts(requests: list[tuple[int, int]], slots: int) -> None:
    """Guesses may be wrong: with `slots` under way at once, flows differ by no more than those and one more."""
    queue, running, used = FairQueue(), [], Counter[str]()
    real: dict[Share, int] = {}
    for index, (cost, really) in enumerate(requests):
        share = Share("ab"[index % 2], cost)
        real[share] = really
        queue.push(share)
    while queue.waiting_of("a") and queue.waiting_of("b"):
        running.append(popped(queue))
        if len(running) == slots:
            ended = running.pop(0)
            queue.end(ended, real[ended])
            used[ended.flow] += real[ended]
    assert abs(used["a"] - used["b"]) <= (slots + 1) * 600


@given(st.integers(1, 8), st.integers(1, 8))
def test_weights_are_honoured(a: int, b: int) -> None:
    queue = FairQueue()
    for _ in range(300):
        queue.push(Share("a", 10, weight=a))
        queue.push(Share("b", 10, weight=b))
    counts = Counter(served(queue).flow for _ in range(200))
    assert abs(counts["a"] / a - counts["b"] / b) <= 1 / min(a, b) + 1e-6


def test_a_flood_is_passed_by_who_comes_later() -> None:
    queue = FairQueue()
    for _ in range(64):
        queue.push(Share("flood", 100))
    for _ in range(5):
        served(queue)
    queue.push(Share("other", 100))
    assert next(queue.order()).flow == "other" and served(queue).flow == "other"


def test_a_pause_earns_no_credit_and_forgives_no_debt() -> None:
    queue = FairQueue()
    for _ in range(50):
        queue.push(Share("busy", 10))
    for _ in range(20):
        served(queue)
    for _ in range(20):
        queue.push(Share("back", 10))
    flows = [served(queue).flow for _ in range(10)]
    assert Counter(flows) == {"busy": 5, "back": 5}, "not 20 at once for the time it was away"
    dear = popped(queue)
    queue.end(dear, 500)
    flows = [served(queue).flow for _ in range(10)]
    assert dear.flow not in flows, "what it really used is paid back"


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 100), st.integers(0, 3)), max_size=80))
def test_the_order_told_is_the_order_served(script: list[tuple[str, int, int]]) -> None:
    queue = FairQueue()
    for flow, cost, serve in script:
        queue.push(Share(flow, cost))
        for _ in range(min(serve, queue.waiting)):
            served(queue)
    told = list(queue.order())
    assert told == [served(queue) for _ in told]


@given(
    st.lists(
        st.tuples(
            st.sampled_from("abcd"), st.sampled_from(["push", "pop", "begin", "end", "remove"]), st.integers(0, 99)
        ),
        max_size=120,
    )
)
def test_nothing_is_left_wherever_it_is_cut(script: list[tuple[str, str, int]]) -> None:
    queue = FairQueue()
    waiting: list[Share] = []
    running: list[Share] = []
    for flow, action, number in script:
        if action == "push":
            waiting.append(Share(flow, number + 1))
            queue.push(waiting[-1])
        elif action == "begin":
            running.append(Share(flow, number + 1))
            queue.begin(running[-1])
        elif action == "pop" and waiting:
            share = popped(queue)
            waiting.remove(share)
            running.append(share)
        elif action == "end" and running:
            queue.end(running.pop(number % len(running)), number * 2)
        elif action == "remove" and waiting:
            queue.remove(waiting.pop(number % len(waiting)))
        assert (queue.waiting, queue.running) == (len(waiting), len(running))
        assert set(queue.order()) == set(waiting)
    for share in waiting:
        queue.remove(share)
    for share in running:
        queue.end(share, 0)
    assert (queue.waiting, queue.running, queue.flows) == (0, 0, 0)


def test_a_newcomer_is_found_behind_those_who_have_something_running() -> None:
    queue = FairQueue()
    queue.begin(Share("a", 1))
    queue.push(Share("a", 1))
    assert queue.pop(of_newcomers=True) is None and queue.waiting == 1
    queue.push(Share("b", 900))
    share = queue.pop(of_newcomers=True)
    assert share is not None and share.flow == "b"
    assert FairQueue().pop() is None
