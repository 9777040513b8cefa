"""The models that are never unloaded to make room: what the settings name, and what somebody pinned.

Kept by the pool; remembered from one run to the next.
"""

from __future__ import annotations

from collections.abc import Sequence

from intramuros.engines.measures import Remember
from intramuros.errors import Conflict

KEY = "pinned_models"


class Pins:
    """The names. `always`: those of the settings."""

    def __init__(self, remember: Remember | None, always: Sequence[str]) -> None:
        self._remember, self._always = remember, frozenset(always)
        self._own: set[str] | None = None

    @property
    def names(self) -> frozenset[str]:
        """All of them."""
        if self._own is None:
            kept = self._remember.load(KEY) if self._remember else None
            self._own = set(kept) if isinstance(kept, list) else set()
        return self._always | self._own

    def note(self, name: str, *, is_pinned: bool) -> bool:
        """Remembers that a model is pinned, or no longer; whether that changed anything.

        Raises: Conflict for one that the settings pin.
        """
        if not is_pinned and name in self._always:
            raise Conflict(f"{name} is pinned by a setting.", hint="Take it out of INTRAMUROS_PRELOAD.")
        before = self.names
        self._own = (self._own or set()) | {name} if is_pinned else (self._own or set()) - {name}
        if self._remember is not None:
            self._remember.save(KEY, sorted(self._own))
        return before != self.names
