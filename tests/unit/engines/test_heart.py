"""Whether a computation goes on: asked while it does, while it hangs, and while there is none."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from intramuros.engines.worker.heart import Heart


def stays() -> None:
    """A client that is still there."""


def leaves() -> None:
    raise ConnectionError


@contextmanager
def asked(heart: Heart, rests: Callable[[], bool]) -> Iterator[threading.Event]:
    """Somebody who asks in a thread; set once there is an answer."""
    told, looked = threading.Event(), threading.Event()

    def ask() -> None:
        heart.listen(rests, looked.set)
        told.set()

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    assert rests() or looked.wait(5)
    yield told
    thread.join(5)
    assert not thread.is_alive()


def test_an_answer_comes_with_the_next_beat_to_all_who_asked() -> None:
    heart = Heart()
    heart.beat()  # one that is past says nothing of now
    with asked(heart, lambda: False) as one, asked(heart, lambda: False) as other:
        assert not one.is_set() and not other.is_set()
        heart.beat("a module", "what it was given", "what it made")
        assert one.wait(5) and other.wait(5)


def test_where_nothing_is_computed_the_answer_comes_at_once() -> None:
    with asked(Heart(), lambda: True) as told:
        assert told.wait(5)


def test_what_ends_without_a_beat_is_noticed() -> None:
    done = threading.Event()
    with asked(Heart(), done.is_set) as told:
        assert not told.is_set()
        done.set()
        assert told.wait(5)


def test_who_leaves_does_not_wait() -> None:
    heart = Heart()
    with pytest.raises(ConnectionError):
        heart.listen(lambda: False, leaves)
    assert not heart._asking


def test_nothing_is_kept_of_who_asked_while_nothing_was_computed() -> None:
    heart = Heart()
    for _ in range(3):
        heart.listen(lambda: True, stays)
    assert not heart._asking
