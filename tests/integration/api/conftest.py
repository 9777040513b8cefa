"""A running installation behind its guard."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.installed import Installed, installation


@pytest.fixture
async def installed(tmp_path: Path) -> AsyncIterator[Installed]:
    with installation(tmp_path) as made:
        async with made.app.running():
            yield made
