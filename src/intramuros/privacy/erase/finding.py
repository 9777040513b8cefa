"""Whether there is what somebody at the command line wants erased."""

from __future__ import annotations

from typing import Literal

from sqlalchemy import select

from intramuros.errors import NotFound
from intramuros.storage.database import Database
from intramuros.storage.schema import conversations, documents

_TABLES = {"document": documents, "conversation": conversations}


def check(database: Database, kind: Literal["document", "conversation"], given: str) -> None:
    """Raises: NotFound unless there is a document or conversation of this id."""
    table = _TABLES[kind]
    with database.read() as connection:
        if connection.scalar(select(table.c.id).where(table.c.id == given)) is None:
            raise NotFound(f"There is no such {kind}, or it is erased already.", code=f"{kind}_not_found")
