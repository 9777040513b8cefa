"""Where the server is, and a key for it."""

from __future__ import annotations

import os

import pytest


@pytest.fixture(scope="session")
def url() -> str:
    """The server's address."""
    return os.environ["COMPAT_URL"]


@pytest.fixture(scope="session")
def key() -> str:
    """A key of an administrator with every scope."""
    return os.environ["COMPAT_KEY"]
