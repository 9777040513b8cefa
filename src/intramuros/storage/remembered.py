"""Facts of the installation handed to parts that know no database. Made by `app.assemble`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from intramuros.storage import facts
from intramuros.storage.database import Database

_FIND = "SELECT value FROM facts WHERE name = ?"


@dataclass(frozen=True, slots=True)
class Fact:
    """One stored fact that a setting may override for this run."""

    database: Database
    name: str
    override: Any = None

    def get(self) -> Any:
        """The value, or None. Some microseconds: the default model is asked for in most requests."""
        if self.override is not None:
            return self.override
        row = self.database.glance(_FIND, self.name)
        return None if row is None else json.loads(str(row[0]))  # SQLite keeps numbers as such

    def set(self, value: Any) -> None:
        """Keeps the value."""
        with self.database.write() as connection:
            facts.put(connection, self.name, value)


@dataclass(frozen=True, slots=True)
class Measured:
    """Measurements kept from one run to the next, such as autotuned engine options."""

    database: Database

    def load(self, key: str) -> Any:
        """What was saved, or None."""
        with self.database.read() as connection:
            return facts.get(connection, f"measured:{key}")

    def save(self, key: str, value: Any) -> None:
        """Keeps a JSON value."""
        with self.database.write() as connection:
            facts.put(connection, f"measured:{key}", value)
