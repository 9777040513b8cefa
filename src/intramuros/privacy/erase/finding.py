"""Finds what a person at the command line or an administrator names, and refuses what must not be erased."""

from __future__ import annotations

from sqlalchemy import select

from intramuros.accounts.erasing import check_user
from intramuros.errors import NotFound
from intramuros.storage.database import Database
from intramuros.storage.erasable import Kind
from intramuros.storage.schema import conversations, documents, projects, users

_TABLES = {"user": users, "project": projects, "document": documents, "conversation": conversations}


def find(database: Database, kind: Kind, given: str) -> str:
    """The id of what was given: an id, or a person's e-mail address.

    Raises: NotFound, Conflict for a person who can't be erased yet.
    """
    table = _TABLES[kind]
    which = table.c.id == given
    if kind == "user":
        which |= users.c.email == given.strip().lower()
    with database.read() as connection:
        found = connection.scalar(select(table.c.id).where(which))
    if found is None:
        raise NotFound(f"There is no such {kind}, or it is erased already.", code=f"{kind}_not_found")
    if kind == "user":
        check_user(database, str(found))
    return str(found)
