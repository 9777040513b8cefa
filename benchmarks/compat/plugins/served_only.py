"""Leaves out the cases of a suite that answer themselves: what they say, no server has said."""

from __future__ import annotations

import pytest

MOCKS = {"respx_mock", "respx2_mock"}


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Drops them."""
    mocked = [item for item in items if MOCKS & set(getattr(item, "fixturenames", ()))]
    config.hook.pytest_deselected(items=mocked)
    items[:] = [item for item in items if item not in mocked]
