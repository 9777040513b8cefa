"""Two processes write to the same data at once: nothing is lost, and the audit stays one chain."""

from __future__ import annotations

import asyncio
from pathlib import Path

from sqlalchemy import select

from intramuros.audit.record import Audit
from intramuros.storage import facts
from intramuros.storage.database import create, open_database
from intramuros.storage.schema import audit as audit_table
from tests.support import old
from tests.support.forked import Child, Say

TIMES = 150


def test_both_count(path: Path, key: bytes) -> None:
    create(path, key).close()

    def work(say: Say) -> None:
        database = open_database(path, key)
        for _ in range(TIMES):
            with database.write() as connection:
                facts.put(connection, "count", facts.get(connection, "count", 0) + 1)
        database.close()
        say("done")

    children = [Child(work), Child(work)]
    assert [child.rest() for child in children] == [["done"], ["done"]]
    database = open_database(path, key)
    with database.read() as connection:
        assert facts.get(connection, "count") == 2 * TIMES
    assert database.check() == []
    database.close()


def test_the_audit_never_forks(path: Path, key: bytes) -> None:
    create(path, key).close()

    def work(say: Say) -> None:
        database = open_database(path, key)
        audit = Audit(database, key)

        async def client() -> None:
            for _ in range(TIMES // 5):
                async with audit.entry("chat") as entry:
                    entry.note(model="m")

        async def clients() -> None:
            await asyncio.gather(*(client() for _ in range(5)))

        audit.start()
        asyncio.run(clients())
        audit.stop()
        database.close()
        say("done")

    children = [Child(work) for _ in range(3)]
    assert [child.rest() for child in children] == [["done"]] * 3
    database = open_database(path, key)
    result = Audit(database, key).verify()
    assert result.ok
    assert result.records == 3 * TIMES
    with database.read() as connection:
        order = connection.scalars(select(audit_table.c.sequence).order_by(audit_table.c.sequence)).all()
    assert order == list(range(1, 3 * TIMES + 1))
    database.close()


def test_whoever_opens_first_brings_the_tables_up(path: Path, key: bytes) -> None:
    """Both find an old database and want to migrate it."""
    database = create(path, key)
    old.strip(database)
    database.close()

    def work(say: Say) -> None:
        open_database(path, key).close()
        say("done")

    children = [Child(work) for _ in range(3)]
    assert [child.rest() for child in children] == [["done"]] * 3
    database = open_database(path, key)
    assert database.check() == []
    database.close()
