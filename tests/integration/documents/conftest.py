"""A library on a real encrypted database, with the real confined reader."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.shelf import Shelf, open_shelf


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    """A shelf of its own."""
    shelf = open_shelf(tmp_path / "data")
    yield shelf
    shelf.close()
