"""The steps that bring a database of any earlier version to this one, run by `storage.database` when it opens.

One file in `versions/` per step, written out: a step never changes once released. There is no way back but a backup.
Alembic is only imported when a step is due, for it costs a tenth of a second at every start.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, inspect, text

from intramuros.errors import StorageError

HEAD = "0018"
"""The revision this version of the program works with."""

FOLDER = Path(__file__).parent


def is_current(connection: Connection) -> bool:
    """Whether the tables are those of this version."""
    if not inspect(connection).has_table("alembic_version"):
        return False
    return bool(connection.scalar(text("SELECT version_num FROM alembic_version")) == HEAD)


def upgrade(connection: Connection) -> None:
    """Runs the steps that are missing, all in the caller's transaction.

    Raises: StorageError if the database is of a newer version.
    """
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise StorageError(
            "The database was written by a newer version of Intramuros.", hint="Install that version or a later one."
        ) from error
