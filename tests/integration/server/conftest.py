"""A running installation behind its guard."""

from __future__ import annotations

from tests.integration.api.conftest import installed

__all__ = ["installed"]
