from __future__ import annotations

import secrets
import stat
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import insert, select, text
from sqlalchemy.exc import IntegrityError, OperationalError

from intramuros.errors import Conflict, NotInitialised, StorageBusy, StorageCorrupt, WrongKey
from intramuros.storage import facts
from intramuros.storage.database import Database, create, open_database
from intramuros.storage.schema import facts as facts_table
from intramuros.storage.schema import members


def test_what_was_written_is_read_after_opening_again(database: Database, database_key: bytes) -> None:
    with database.write() as connection:
        facts.put(connection, "colour", "green")
    database.close()
    again = open_database(database.path, database_key)
    with again.read() as connection:
        assert facts.get(connection, "colour") == "green"
    again.close()


def test_a_failure_in_the_body_rolls_back(database: Database) -> None:
    with pytest.raises(ZeroDivisionError), database.write() as connection:
        facts.put(connection, "colour", "green")
        _ = 1 / 0
    with database.read() as connection:
        assert facts.get(connection, "colour") is None


def test_a_reader_sees_one_state(database: Database) -> None:
    with database.write() as connection:
        facts.put(connection, "colour", "green")
    with database.read() as reader:
        assert facts.get(reader, "colour") == "green"
        with database.write() as writer:
            facts.put(writer, "colour", "red")
        assert facts.get(reader, "colour") == "green"
    with database.read() as reader:
        assert facts.get(reader, "colour") == "red"


def test_a_reader_can_t_leave_anything(database: Database) -> None:
    """Its transaction is never committed as a writer's would be: two of them would wait for each other."""
    pragmas = {
        "journal_mode": "wal",
        "synchronous": 1,
        "foreign_keys": 1,
        "secure_delete": 1,
        "temp_store": 2,
        "trusted_schema": 0,
    }
    with database.read() as connection:
        for name, value in pragmas.items():
            assert connection.execute(text(f"PRAGMA {name}")).scalar() == value, name


def test_durable_writes_wait_for_the_disk_and_others_do_not(database: Database) -> None:
    levels = []
    for durable in (False, True, False):
        with database.write(durable=durable) as connection:
            levels.append(connection.execute(text("PRAGMA synchronous")).scalar())
    assert levels == [1, 2, 1]


def test_the_another_key_is_a_wrong_key(database: Database) -> None:
    database.close()
    with pytest.raises(WrongKey) as caught:
        open_database(database.path, secrets.token_bytes(32))
    assert "INTRAMUROS_KEY_FILE" in caught.value.hint


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(NotInitialised):
        open_database(tmp_path / "none.db", bytes(32))
    assert not (tmp_path / "none.db").exists()


def test_a_database_is_never_made_over_another(database: Database, database_key: bytes) -> None:
    with pytest.raises(Conflict):
        create(database.path, database_key)
    with database.read() as connection:
        assert connection.scalar(select(facts_table.c.name)) is not None


def test_creating_leaves_nothing_but_the_database(database: Database) -> None:
    database.close()
    assert sorted(path.name for path in database.path.parent.iterdir()) == [
        "intramuros.check",
        "intramuros.db",
        "intramuros.reserve",
    ]


def test_files_are_for_this_user_alone(database: Database) -> None:
    with database.write() as connection:
        facts.put(connection, "colour", "green")
    files = list(database.path.parent.glob("intramuros.*"))
    assert len(files) == 5
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}


def test_a_broken_rule_stays_the_callers_to_explain(database: Database) -> None:
    with pytest.raises(IntegrityError), database.write() as connection:
        connection.execute(insert(members).values(project_id="none", user_id="nobody", role="owner"))


def test_a_mistake_in_sql_is_not_taken_for_a_broken_disk(database: Database) -> None:
    with pytest.raises(OperationalError), database.read() as connection:
        connection.execute(text("SELECT nothing FROM nowhere"))


def test_values_are_not_in_the_errors(database: Database) -> None:
    with pytest.raises(IntegrityError) as caught, database.write() as connection:
        connection.execute(insert(facts_table).values(name="same", value="zebulonette"))
        connection.execute(insert(facts_table).values(name="same", value="zebulonette"))
    assert "zebulonette" not in str(caught.value)


def test_writing_inside_writing_is_a_mistake_not_a_deadlock(database: Database) -> None:
    with database.write(), pytest.raises(RuntimeError), database.write():
        pass


def in_thread(work: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def test_writers_wait_for_each_other(database: Database) -> None:
    def add() -> None:
        for _ in range(50):
            with database.write() as connection:
                facts.put(connection, "count", facts.get(connection, "count", 0) + 1)

    threads = [in_thread(add) for _ in range(4)]
    for thread in threads:
        thread.join(30)
    with database.read() as connection:
        assert facts.get(connection, "count") == 200


def test_a_writer_gives_up_after_its_time(database: Database) -> None:
    started, done = threading.Event(), threading.Event()

    def hold() -> None:
        with database.write():
            started.set()
            done.wait(10)

    thread = in_thread(hold)
    started.wait(10)
    with pytest.raises(StorageBusy) as caught, database.write(wait_s=0.02):
        pass
    assert caught.value.retry
    done.set()
    thread.join(10)


def test_a_writer_gives_up_waiting_for_another_process_too(database: Database, database_key: bytes) -> None:
    other = Database(database.path, database_key)
    with other.write(), pytest.raises(StorageBusy), database.write(wait_s=0.02):
        pass
    with database.write() as connection:
        facts.put(connection, "colour", "green")
    other.close()


def test_many_readers_at_once(database: Database) -> None:
    with database.write() as connection:
        facts.put(connection, "colour", "green")
    found = []

    def look() -> None:
        for _ in range(20):
            with database.read() as connection:
                found.append(facts.get(connection, "colour"))

    threads = [in_thread(look) for _ in range(24)]
    for thread in threads:
        thread.join(30)
    assert found == ["green"] * 480


def test_the_version_of_the_data_changes_with_each_write_and_only_then(database: Database, database_key: bytes) -> None:
    before = database.data_version()
    with database.read() as connection:
        facts.get(connection, "colour")
    assert database.data_version() == before
    with database.write() as connection:
        facts.put(connection, "colour", "green")
    after = database.data_version()
    assert after != before
    other = open_database(database.path, database_key)
    with other.write() as connection:
        facts.put(connection, "colour", "red")
    other.close()
    assert database.data_version() != after


def test_a_glance_sees_what_is_committed(database: Database) -> None:
    statement = "SELECT value FROM facts WHERE name = ?"
    assert database.glance(statement, "count") is None
    with database.write() as connection:
        facts.put(connection, "count", 3)
        connection.execute(select(facts_table))
        assert database.glance(statement, "count") is None
    assert database.glance(statement, "count") == (3,)


def test_checkpoint_empties_the_log(database: Database) -> None:
    log = database.path.with_name("intramuros.db-wal")
    with database.write() as connection:
        facts.put(connection, "colour", "green")
    assert log.stat().st_size > 0
    assert database.checkpoint()
    assert log.stat().st_size == 0


def test_checkpoint_tells_when_a_reader_prevents_it(database: Database) -> None:
    with database.read() as reader:
        facts.get(reader, "colour")
        with database.write() as writer:
            facts.put(writer, "colour", "green")
        assert not database.checkpoint(wait_s=0.02)
    assert database.checkpoint()


def test_a_sound_database_has_nothing_wrong(database: Database) -> None:
    with database.write() as connection:
        facts.put(connection, "colour", "green")
    assert database.check() == []


def test_a_flipped_byte_is_found_and_named(database: Database, database_key: bytes) -> None:
    flip(database, at=-1000)
    again = Database(database.path, database_key)
    assert any("page" in line for line in again.check())
    again.close()


@pytest.mark.parametrize("at", [100, 4096 * 3 + 200, -2000], ids=["first page", "a page", "last page"])
def test_a_flipped_byte_is_corruption_not_a_wrong_key(database: Database, database_key: bytes, at: int) -> None:
    with database.write() as connection:
        for number in range(200):
            facts.put(connection, f"fact {number}", "x" * 500)
    flip(database, at=at)
    with pytest.raises(StorageCorrupt):
        read_everything(database, database_key)


@pytest.mark.parametrize("left", [0, 100, 4096, 4096 * 5, 4096 * 5 + 17])
def test_a_truncated_database_is_corrupt(database: Database, database_key: bytes, left: int) -> None:
    database.checkpoint()
    database.close()
    with database.path.open("r+b") as file:
        file.truncate(left)
    with pytest.raises(StorageCorrupt):
        read_everything(database, database_key)


def test_a_file_that_is_no_database_is_corrupt(database: Database, database_key: bytes) -> None:
    database.close()
    database.path.write_bytes(b"Nothing of this is a database. " * 1000)
    with pytest.raises(StorageCorrupt):
        read_everything(database, database_key)


def flip(database: Database, *, at: int) -> None:
    database.checkpoint()
    database.close()
    content = bytearray(database.path.read_bytes())
    content[at] ^= 0xFF
    database.path.write_bytes(bytes(content))


def read_everything(database: Database, key: bytes) -> None:
    again = open_database(database.path, key)
    try:
        with again.read() as connection:
            for table in facts_table.metadata.sorted_tables:
                connection.execute(select(table)).all()
    finally:
        again.close()


def test_closing_waits_for_who_writes(database: Database) -> None:
    """One connection writes for all threads; closed under the feet of another thread, it ends the process."""
    begun, ended = threading.Event(), []

    def write() -> None:
        with database.write() as connection:
            begun.set()
            for number in range(200):
                facts.put(connection, f"late {number}", number)
        ended.append(True)

    writer = threading.Thread(target=write)
    writer.start()
    begun.wait()
    database.close()
    writer.join()
    assert ended == [True]
    with database.read() as connection:
        assert facts.get(connection, "late 199") == 199
