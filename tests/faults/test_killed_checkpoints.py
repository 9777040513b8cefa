"""`kill -9` between a record, its checkpoint and the copy of it; two processes that sign at once."""

from __future__ import annotations

import random
import time
from pathlib import Path

from intramuros.audit.ledger import Pace
from intramuros.audit.places import Folder
from intramuros.audit.record import Audit
from intramuros.audit.statement import CHECKPOINT, kept, of_line
from intramuros.storage.database import create, open_database
from tests.support.forked import Child, Say

ROUNDS = 15
OFTEN = Pace(records=2, seconds=10**6)


def test_killed_at_any_moment_the_audit_and_its_copy_agree(path: Path, key: bytes, tmp_path: Path) -> None:
    create(path, key).close()
    (tmp_path / "elsewhere").mkdir()
    place = Folder(tmp_path / "elsewhere" / "audit.jsonl")
    for rounds in range(ROUNDS):

        def work(say: Say) -> None:
            audit = Audit(open_database(path, key), key, pace=OFTEN, copy=place, copy_required=True)
            audit.start()
            while True:
                with audit.entry_sync("chat"):
                    pass
                say("done")

        child = Child(work)
        assert child.line() == "done"
        time.sleep(random.Random(rounds).uniform(0, 0.03))
        child.kill()
        child.rest()

    database = open_database(path, key)
    audit = Audit(database, key, pace=OFTEN, copy=place, copy_required=True)
    result = audit.verify()
    assert result.ok, result.reason
    assert result.copied > ROUNDS
    audit.start()
    audit.stop()
    state = audit.copy_state(anew=True)
    assert state is not None
    assert state.ok
    with database.read() as connection:
        last = kept(connection, CHECKPOINT)[-1]
    assert (last.sequence, last.hash.hex()) == (audit.verify().records, audit.verify().head)
    assert of_line(place.last() or "").sequence == last.sequence
    database.close()


def test_two_processes_sign_one_chain_with_one_key(path: Path, key: bytes, tmp_path: Path) -> None:
    create(path, key).close()
    (tmp_path / "elsewhere").mkdir()
    place = Folder(tmp_path / "elsewhere" / "audit.jsonl")

    def work(say: Say) -> None:
        database = open_database(path, key)
        audit = Audit(database, key, pace=OFTEN, copy=place)
        audit.start()
        for _ in range(60):
            with audit.entry_sync("chat"):
                pass
        audit.stop()
        database.close()
        say("done")

    children = [Child(work) for _ in range(3)]
    assert [child.rest() for child in children] == [["done"]] * 3
    database = open_database(path, key)
    audit = Audit(database, key, copy=place)
    result = audit.verify()
    assert result.ok, result.reason
    assert (result.records, result.unread) == (180, 0)
    assert result.checkpoints > 30
    assert result.copied >= 3
    assert max(of_line(line).sequence for line in place.lines()) == 180
    database.close()
