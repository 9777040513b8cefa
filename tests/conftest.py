"""Fixtures every test may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

# How long one example takes says something about a shared machine, and nothing about the code.
settings.register_profile("anywhere", deadline=None)
settings.load_profile("anywhere")

os.environ.pop("COLUMNS", None)  # a test that is about a width sets it

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def starter_model() -> Path:
    """The starter model's file: INTRAMUROS_TEST_MODEL, or where `make setup` puts it."""
    path = Path(os.environ.get("INTRAMUROS_TEST_MODEL") or REPOSITORY / ".models" / "smollm2-135m.gguf")
    if not path.exists():
        pytest.skip(f"NOT TESTED: the starter model is not at {path}; run: make setup")
    return path
