"""`kill -9` at any moment: what was acknowledged is there, nothing is there by half, and the audit holds."""

from __future__ import annotations

import random
import time
from itertools import count
from pathlib import Path

from sqlalchemy import select

from intramuros.audit.record import Audit
from intramuros.errors import NotFound
from intramuros.storage import facts, fulltext
from intramuros.storage.blobs import Blobs
from intramuros.storage.database import create, open_database
from intramuros.storage.schema import audit as audit_table
from intramuros.storage.schema import facts as facts_table
from tests.support.forked import Child, Say

ROUNDS = 25


def pause(rounds: int) -> float:
    """From the first write on, some at once and some later."""
    return random.Random(rounds).uniform(0, 0.03)


def test_acknowledged_rows_and_passages_survive(path: Path, key: bytes) -> None:
    create(path, key).close()
    numbers = count()
    acknowledged: set[int] = set()
    for rounds in range(ROUNDS):
        first = next(numbers) * 1_000_000

        def work(say: Say, first: int = first) -> None:
            database = open_database(path, key)
            for number in range(first, first + 100_000):
                with database.write() as connection:
                    facts.put(connection, f"row {number}", "x" * 300)
                    fulltext.add(connection, [(number, "titre", "", f"commun mot{number}", "project")])
                say(str(number))

        child = Child(work)
        acknowledged.add(int(child.line()))
        time.sleep(pause(rounds))
        child.kill()
        acknowledged |= set(map(int, child.rest()))

    assert len(acknowledged) > 2 * ROUNDS
    database = open_database(path, key)
    assert database.check() == []
    with database.read() as connection:
        names = set(connection.scalars(select(facts_table.c.name).where(facts_table.c.name.startswith("row "))))
        passages = {n for n, _ in fulltext.search(connection, ["commun"], project_ids=["project"], limit=10**6)}
    rows = {int(name.removeprefix("row ")) for name in names}
    assert acknowledged <= rows
    assert len(rows) <= len(acknowledged) + ROUNDS  # at most the one that was being written
    assert passages == rows
    with database.write() as connection:
        fulltext.check(connection)
    database.close()


def test_every_request_that_began_has_one_record(path: Path, key: bytes) -> None:
    create(path, key).close()
    began: set[str] = set()
    ended: set[str] = set()
    for rounds in range(ROUNDS):

        def work(say: Say) -> None:
            audit = Audit(open_database(path, key), key)
            audit.start()
            while True:
                with audit.entry_sync("chat") as entry:
                    say(f"began {entry.id}")
                    entry.note(model="m")
                    time.sleep(0.001)
                say(f"ended {entry.id}")

        child = Child(work)
        said = [child.line()]
        time.sleep(pause(rounds))
        child.kill()
        for line in said + child.rest():
            what, _, entry_id = line.partition(" ")
            (began if what == "began" else ended).add(entry_id)

    database = open_database(path, key)
    audit = Audit(database, key)
    audit.start()
    assert audit.verify().ok
    with database.read() as connection:
        outcomes = {row.id: row.outcome for row in connection.execute(select(audit_table))}
    assert len(began) > 2 * ROUNDS
    assert began <= set(outcomes)
    assert all(outcomes[entry_id] == "ok" for entry_id in ended)
    assert {outcomes[entry_id] for entry_id in began - ended} <= {"interrupted", "ok"}
    assert "interrupted" in outcomes.values()
    assert len(outcomes) <= len(began) + ROUNDS
    assert list((path.parent / "journals").iterdir()) == []
    assert list((path.parent / "run").glob("*.alive")) == [path.parent / "run" / f"{audit._ledger._alive().name}.alive"]
    audit.stop()
    database.close()


def test_stored_files_are_whole_or_not_there(tmp_path: Path, key: bytes) -> None:
    blobs = Blobs(tmp_path / "blobs")
    content = b"0123456789" * 30_000
    acknowledged: set[str] = set()
    for rounds in range(ROUNDS):

        def work(say: Say) -> None:
            while True:
                say(blobs.put(key, content).id)

        child = Child(work)
        acknowledged.add(child.line())
        time.sleep(pause(rounds))
        child.kill()
        acknowledged |= set(child.rest())

    for blob_id in acknowledged:
        assert blobs.open(key, blob_id) == content
    lost = list(blobs.orphans(acknowledged, older_than_s=0))
    assert len(lost) <= ROUNDS
    for leftover in lost:
        leftover.unlink()
    assert {path.name for path in (tmp_path / "blobs").glob("*/*")} == acknowledged


def test_a_killed_creation_leaves_no_half_database(path: Path, key: bytes) -> None:
    for rounds in range(8):

        def work(say: Say) -> None:
            say("begin")
            create(path, key).close()

        child = Child(work)
        child.line()
        time.sleep(0.004 * rounds)
        child.kill()
        child.rest()
        if path.exists():
            open_database(path, key).close()
            path.unlink()
    create(path, key).close()
    database = open_database(path, key)
    assert database.check() == []
    database.close()


def test_a_removed_file_is_gone_and_others_are_not(tmp_path: Path, key: bytes) -> None:
    blobs = Blobs(tmp_path / "blobs")
    ids = [blobs.put(key, b"x" * 1000).id for _ in range(200)]

    def work(say: Say) -> None:
        for blob_id in ids:
            blobs.remove(blob_id)
            say(blob_id)

    child = Child(work)
    child.line()
    child.kill()
    removed = {ids[0], *child.rest()}
    for blob_id in ids:
        try:
            assert blobs.open(key, blob_id) == b"x" * 1000
            assert blob_id not in removed
        except NotFound:
            removed.add(blob_id)
