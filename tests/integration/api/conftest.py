"""A running installation behind its guard, whose answers are held against the OpenAPI document."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.installed import Installed, installation
from tests.support.described import Held, watch


@pytest.fixture
async def installed(tmp_path: Path) -> AsyncIterator[Installed]:
    with installation(tmp_path) as made:
        async with made.app.running():
            yield made


@pytest.fixture(autouse=True)
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[Held]:
    """What was answered. A test also fails where an answer is not as the document says."""
    held = watch(monkeypatch)
    yield held
    assert not held.wrong, "\n".join(held.wrong[:5])
