from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from intramuros.security import quick_calls
from intramuros.security.quick_calls import random_bytes, write


def test_what_is_written(tmp_path: Path) -> None:
    descriptor = os.open(tmp_path / "file", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        assert [write(descriptor, b"a\0b"), write(descriptor, b"c")] == [3, 1]
    finally:
        os.close(descriptor)
    assert (tmp_path / "file").read_bytes() == b"a\0bc"


def test_a_write_that_fails_says_why() -> None:
    with pytest.raises(OSError, match="No space left") as full:
        write(os.open("/dev/full", os.O_WRONLY), b"x")
    assert full.value.errno == errno.ENOSPC


@pytest.mark.parametrize("count", [12, 256, 300])
def test_random_bytes_differ(count: int) -> None:
    some = {random_bytes(count) for _ in range(200)}
    assert len(some) == 200
    assert {len(one) for one in some} == {count}


def test_without_getrandom_they_come_another_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quick_calls, "_getrandom", None)
    assert len({random_bytes(12) for _ in range(100)}) == 100


def test_a_failed_call_gives_no_zeros(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quick_calls, "_getrandom", lambda *_: -1)
    assert random_bytes(12) != bytes(12)
