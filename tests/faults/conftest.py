"""A data folder to be broken."""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest


@pytest.fixture
def key() -> bytes:
    return secrets.token_bytes(32)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a test makes its database."""
    return tmp_path / "intramuros.db"
