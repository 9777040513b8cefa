"""Makes a database of this version one that needs every migration."""

from __future__ import annotations

from sqlalchemy import text

from intramuros.storage.database import Database
from intramuros.storage.schema import metadata


def strip(database: Database) -> None:
    with database.write() as connection:
        for table in reversed(metadata.sorted_tables):
            connection.execute(text(f"DROP TABLE {table.name}"))
        for name in ("passage_terms", "passages", "alembic_version"):
            connection.execute(text(f"DROP TABLE {name}"))
