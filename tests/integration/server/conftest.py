"""A running installation behind its guard, whose answers are held against the OpenAPI document."""

from __future__ import annotations

from tests.integration.api.conftest import held, installed

__all__ = ["held", "installed"]
