"""Fixtures of the guard's tests."""

from __future__ import annotations

import pytest

from tests.guarded import Guarded


@pytest.fixture
def guarded() -> Guarded:
    return Guarded()
