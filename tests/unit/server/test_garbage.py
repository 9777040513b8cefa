"""The garbage collector in a process that serves."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from intramuros.server.garbage import keep_pauses_short


@pytest.fixture(autouse=True)
def collector() -> Iterator[None]:
    """As it was, afterwards."""
    before = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*before)


def test_what_is_there_is_not_walked_through_again() -> None:
    there = len(gc.get_objects())
    keep_pauses_short()
    assert gc.get_freeze_count() >= there
    assert len(gc.get_objects()) < there / 10


def test_what_comes_later_is_still_collected() -> None:
    class Node:
        freed = 0
        itself: Node | None = None

        def __del__(self) -> None:
            Node.freed += 1

    keep_pauses_short()
    node = Node()
    node.itself = node
    del node
    gc.collect()
    assert Node.freed == 1
