"""Turns of those who compute: one at a time, in the order they asked, and nobody holds one who has left."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from intramuros.engines.worker.turns import Turns


def stays() -> None:
    """A client that is still there."""


def leaves() -> None:
    raise ConnectionError


def started(work: Callable[[], None], turns: Turns, *, waiting: int) -> threading.Thread:
    """A thread that does something, once it is in the queue."""
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    for _ in range(1000):
        if turns.waiting == waiting:
            return thread
        threading.Event().wait(0.005)
    raise AssertionError("it never came into the queue")


def test_one_at_a_time_in_the_order_they_asked() -> None:
    turns, order, inside = Turns(), list[int](), 0

    def work(number: int) -> Callable[[], None]:
        def run() -> None:
            nonlocal inside
            with turns.taken(stays):
                inside += 1
                assert inside == 1
                order.append(number)
                inside -= 1

        return run

    with turns.taken(stays):
        threads = [started(work(number), turns, waiting=number + 2) for number in range(4)]
        assert order == []
    for thread in threads:
        thread.join(5)
    assert order == [0, 1, 2, 3] and turns.waiting == 0


def test_a_long_one_and_a_short_one_take_turns() -> None:
    turns, order = Turns(), list[str]()

    def short() -> None:
        with turns.taken(stays):
            order.append("short")

    with turns.taken(stays):
        order.append("long")
        thread = started(short, turns, waiting=2)
    with turns.taken(stays):
        order.append("long")
    thread.join(5)
    assert order == ["long", "short", "long"]


def test_who_leaves_while_it_waits_is_passed_over() -> None:
    turns = Turns()
    failed = list[BaseException]()

    def work() -> None:
        try:
            with turns.taken(leaves):
                pass
        except ConnectionError as error:
            failed.append(error)

    with turns.taken(stays):
        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        thread.join(5)
        assert len(failed) == 1 and turns.waiting == 1
    with turns.taken(stays):
        assert turns.waiting == 1


def test_what_fails_gives_its_turn_back() -> None:
    turns = Turns()
    with pytest.raises(ValueError), turns.taken(stays):
        raise ValueError
    with turns.taken(stays):
        pass
