"""What the installation remembers about itself, by name: the default model, measured options, the audit's head."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, delete, select
from sqlalchemy.dialects.sqlite import insert

from intramuros.storage.schema import facts


def get(connection: Connection, name: str, default: Any = None) -> Any:
    """The value of a fact, or `default`."""
    row = connection.execute(select(facts.c.value).where(facts.c.name == name)).first()
    return default if row is None else row[0]


def put(connection: Connection, name: str, value: Any) -> None:
    """Remembers a value: anything JSON holds, except null."""
    statement = insert(facts).values(name=name, value=value)
    connection.execute(
        statement.on_conflict_do_update(index_elements=["name"], set_={"value": statement.excluded.value})
    )


def remove(connection: Connection, name: str) -> None:
    """Removes a fact, if it is there."""
    connection.execute(delete(facts).where(facts.c.name == name))
