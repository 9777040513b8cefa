from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, text

from intramuros.errors import StorageError
from intramuros.storage import migrations
from intramuros.storage.database import Database, open_database
from intramuros.storage.schema import metadata
from tests.support import old

OF_THE_STORE_ITSELF = ("sqlite_", "alembic_version", "passages", "passage_terms")


@pytest.fixture
def connection(database: Database) -> Iterator[Connection]:
    with database.read() as connection:
        yield connection


def test_the_migrations_make_what_the_schema_says(connection: Connection) -> None:
    """Column by column, so that also what Alembic doesn't compare (keys' actions, AUTOINCREMENT) agrees."""
    with create_engine("sqlite://").connect() as other:
        metadata.create_all(other)
        assert dump(connection) == dump(other)


def test_alembic_finds_nothing_to_do(connection: Connection) -> None:
    context = MigrationContext.configure(
        connection,
        opts={
            "compare_type": True,
            "include_name": lambda name, kind, parents: (
                kind != "table" or name in metadata.tables  # the full-text index makes tables of its own
            ),
        },
    )
    assert compare_metadata(context, metadata) == []


def test_the_newest_step_is_the_one_the_program_works_with() -> None:
    assert ScriptDirectory(str(migrations.FOLDER)).get_heads() == [migrations.HEAD]


def test_steps_only_go_up_one_at_a_time() -> None:
    steps = list(ScriptDirectory(str(migrations.FOLDER)).walk_revisions())
    assert [step.revision for step in reversed(steps)] == [f"{number:04}" for number in range(1, len(steps) + 1)]


def test_a_database_of_a_newer_version_is_refused(database: Database, database_key: bytes) -> None:
    with database.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StorageError, match="newer version"):
        open_database(database.path, database_key)


def test_an_empty_database_is_brought_up_when_it_opens(database: Database, database_key: bytes) -> None:
    """What a crash in the middle of the first migration leaves: nothing, and the next start does it."""
    old.strip(database)
    again = open_database(database.path, database_key)
    with again.read() as connection, create_engine("sqlite://").connect() as other:
        metadata.create_all(other)
        assert dump(connection) == dump(other)
    again.close()


def test_starting_does_not_load_alembic(database: Database, database_key: bytes) -> None:
    code = (
        "import sys; from pathlib import Path; from intramuros.storage.database import open_database;"
        f"open_database(Path({str(database.path)!r}), bytes.fromhex('{database_key.hex()}')).close();"
        "sys.exit('alembic' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def dump(connection: Connection) -> dict[str, Any]:
    names = connection.scalars(text("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")).all()
    return {name: _table(connection, name) for name in names if not name.startswith(OF_THE_STORE_ITSELF)}


def _table(connection: Connection, name: str) -> dict[str, Any]:
    def rows(pragma: str, of: str) -> list[tuple[Any, ...]]:
        return sorted(map(tuple, connection.execute(text(f"PRAGMA {pragma}({of})"))), key=repr)

    indexes = {row[1]: (row[2:], rows("index_info", row[1])) for row in rows("index_list", name)}
    source = connection.scalar(text("SELECT sql FROM sqlite_schema WHERE name = :name"), {"name": name}) or ""
    return {
        "columns": rows("table_info", name),
        "foreign keys": sorted((row[2:] for row in rows("foreign_key_list", name)), key=repr),
        "indexes": indexes,
        "counts up": "AUTOINCREMENT" in source,
        "named": sorted(word.strip('",') for word in source.split() if word.startswith("uq_")),
    }


def test_the_dump_sees_differences() -> None:
    with create_engine("sqlite://").connect() as one, create_engine("sqlite://").connect() as other:
        one.execute(text("CREATE TABLE a (b INTEGER NOT NULL)"))
        other.execute(text("CREATE TABLE a (b INTEGER)"))
        assert dump(one) != dump(other)
