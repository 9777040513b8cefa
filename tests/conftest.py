"""Fixtures every test may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def starter_model() -> Path:
    """The starter model's file: INTRAMUROS_TEST_MODEL, or where `make setup` puts it."""
    path = Path(os.environ.get("INTRAMUROS_TEST_MODEL") or REPOSITORY / ".models" / "smollm2-135m.gguf")
    if not path.exists():
        pytest.skip(f"NOT TESTED: the starter model is not at {path}; run: make setup")
    return path
