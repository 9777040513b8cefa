"""A full disk: one clear error, nothing changed, everything still readable, and well again when there is space."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import func, select

from intramuros.accounts.caller import LOCAL
from intramuros.audit.record import Audit
from intramuros.errors import AuditUnavailable, StorageFull
from intramuros.storage import facts, fulltext, reserve
from intramuros.storage.backups.place import Place, within
from intramuros.storage.blobs import Blobs
from intramuros.storage.database import Database, create, open_database
from intramuros.storage.erasable import Subject
from intramuros.storage.schema import facts as facts_table
from intramuros.tasks import rotate_deep
from intramuros.tasks.backup import verify
from intramuros.tasks.restore import open_backup
from intramuros.tasks.rotate import rotate
from tests.support import installation
from tests.support.erasing import CHUNKS, House

SIZE_BYTES = 40 << 20


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 40 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"tmpfs", os.fsencode(folder), b"tmpfs", 0, f"size={SIZE_BYTES},mode=0700".encode()) != 0:
        pytest.skip(f"NOT TESTED: a small disk can't be mounted here: {os.strerror(ctypes.get_errno())}")
    yield folder
    libc.umount2(os.fsencode(folder), 2)


@pytest.fixture
def database(small_disk: Path, key: bytes) -> Iterator[Database]:
    database = create(small_disk / "intramuros.db", key)
    yield database
    database.close()


def fill(folder: Path) -> Path:
    """Leaves not one free byte."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (1 << 16, 512, 1):
            while True:
                try:
                    file.write(b"\0" * size)
                except OSError:
                    break
    assert os.statvfs(folder).f_bavail == 0
    return ballast


def rows(database: Database) -> int:
    with database.read() as connection:
        return (
            connection.scalar(
                select(func.count()).select_from(facts_table).where(facts_table.c.name.startswith("row "))
            )
            or 0
        )


def test_writing_until_it_is_full(database: Database, small_disk: Path, key: bytes) -> None:
    written = 0
    with pytest.raises(StorageFull) as caught:
        while True:
            with database.write() as connection:
                facts.put(connection, f"row {written}", "x" * 200_000)
                fulltext.add(connection, [(written, "titre", "", f"commun mot{written}", "project")])
            written += 1
    assert caught.value.status == 507
    assert written > 20
    assert rows(database) == written
    with database.read() as connection:
        assert fulltext.count(connection) == written
    assert database.check() == []

    database.close()
    ballast = fill(small_disk)
    again = open_database(small_disk / "intramuros.db", key)
    assert rows(again) == written
    with pytest.raises(StorageFull), again.write() as connection:
        facts.put(connection, "row more", "x" * SIZE_BYTES)
    assert rows(again) == written
    ballast.unlink()
    again.close()


def test_it_is_well_again_when_there_is_space(database: Database, small_disk: Path) -> None:
    with database.write() as connection:
        facts.put(connection, "row 1", "x")
    ballast = fill(small_disk)
    with pytest.raises(StorageFull), database.write() as connection:
        facts.put(connection, "row 2", "x" * 500_000)
    assert rows(database) == 1
    ballast.unlink()
    with database.write() as connection:
        facts.put(connection, "row 2", "x" * 500_000)
    assert rows(database) == 2
    assert database.check() == []


def test_opening_on_a_full_disk(database: Database, small_disk: Path, key: bytes) -> None:
    with database.write() as connection:
        facts.put(connection, "row 1", "x")
    database.close()
    assert not (small_disk / "intramuros.db-shm").exists()
    fill(small_disk)
    again = open_database(small_disk / "intramuros.db", key)
    assert rows(again) == 1
    again.close()


def test_erasing_works_on_a_full_disk(database: Database, small_disk: Path) -> None:
    """And without what is held back for it, it does not."""
    with database.write() as connection:
        for number in range(60):
            facts.put(connection, f"row {number}", "x" * 500)
            fulltext.add(connection, [(number, "titre", "", f"commun mot{number}", "project")])
    database.checkpoint()
    assert (small_disk / "intramuros.reserve").stat().st_size == reserve.SIZE_BYTES
    ballast = fill(small_disk)

    def erase(*, erasing: bool) -> None:
        with database.write(erasing=erasing) as connection:
            fulltext.remove(connection, range(60))
            connection.execute(facts_table.delete().where(facts_table.c.name.startswith("row ")))

    with pytest.raises(StorageFull):
        erase(erasing=False)
    assert rows(database) == 60
    erase(erasing=True)
    assert database.checkpoint()
    assert rows(database) == 0
    assert database.check() == []

    assert not (small_disk / "intramuros.reserve").exists()
    ballast.unlink()
    database.checkpoint()
    assert (small_disk / "intramuros.reserve").exists()


def test_a_stored_file_that_does_not_fit_leaves_nothing(small_disk: Path, key: bytes) -> None:
    blobs = Blobs(small_disk / "blobs")
    kept = blobs.put(key, b"x" * 100_000)
    with pytest.raises(StorageFull):
        blobs.put(key, b"x" * SIZE_BYTES)
    assert blobs.open(key, kept.id) == b"x" * 100_000
    assert [path.name for path in (small_disk / "blobs").rglob("*") if path.is_file()] == [kept.id]
    assert blobs.put(key, b"x" * 100_000)


def test_a_database_that_does_not_fit_is_not_made_by_half(small_disk: Path, key: bytes) -> None:
    ballast = fill(small_disk)
    with pytest.raises(StorageFull):
        create(small_disk / "intramuros.db", key)
    ballast.unlink()
    assert list(small_disk.iterdir()) == []
    create(small_disk / "intramuros.db", key).close()


async def test_no_record_no_request(database: Database, small_disk: Path, key: bytes) -> None:
    audit = Audit(database, key)
    async with audit.entry("chat"):
        pass
    database.checkpoint()
    ballast = fill(small_disk)
    ran = 0
    with pytest.raises(AuditUnavailable) as caught:  # the journal's last block may have room for a few
        for _ in range(1000):
            async with audit.entry("chat"):
                ran += 1
            audit.flush()
    assert ran < 100
    assert caught.value.details["cause"] == "storage_full"
    ballast.unlink()
    async with audit.entry("chat"):
        ran += 1
    result = audit.verify()
    assert result.ok
    assert result.records == 1 + ran
    audit.stop()


def test_a_whole_erasure_with_proof_and_receipt_on_a_full_disk(small_disk: Path, key: bytes) -> None:
    house = House(create(small_disk / "intramuros.db", key), key)
    project, kept = house.project("Zebulonie"), house.project("Kept")
    for number in range(4):
        house.document(project, f"zebulonette{number}")
    house.document(kept, "quatorzaine")
    house.talk(project, LOCAL, "mirabelle")
    house.database.checkpoint()
    fill(small_disk)
    with pytest.raises(AuditUnavailable), house.audit.entry_sync("erase.project"):
        pass
    house.database.reserve.release()  # as `intramuros erase` does
    with house.audit.entry_sync("erase.project"):
        receipt = house.erasure.run(Subject("project", project.id), by=LOCAL.user_id)
    assert receipt.state == "done"
    assert house.standing("zebulonette") == 0
    assert house.words_of(kept) == CHUNKS
    assert house.database.check() == []
    house.close()


def test_a_backup_that_does_not_fit_leaves_the_others(small_disk: Path, tmp_path: Path) -> None:
    here = installation.make(tmp_path)
    app = here.open()
    app.backup.make(small_disk / "backups")
    (first,) = Place(small_disk / "backups").ids()
    for number in range(3):
        app.blobs.put(app.subject_keys.get("project", here.projects["Project 0"]), b"x")
        installation.add(app, here.projects["Project 0"], f"zanzibar {number} " + "x" * 1_000_000)
    ballast = fill(small_disk)
    with pytest.raises(StorageFull):
        app.backup.make(small_disk / "backups")
    assert Place(small_disk / "backups").ids() == [first]
    installation.texts(app)
    assert app.database.check() == []
    ballast.unlink()
    app.backup.make(small_disk / "backups")
    place, newest = within(small_disk / "backups")
    ring = open_backup(place, newest, here.settings)
    for backup in place.ids():
        assert verify(place, backup, ring.data, subjects=ring.subjects).problems == ()
    app.close()


def test_new_keys_that_do_not_fit_change_nothing(small_disk: Path, tmp_path: Path) -> None:
    here = installation.make(small_disk)
    app = here.open()
    for number in range(2):  # more than what is held back for erasing
        installation.add(app, here.projects["Project 0"], f"zanzibar {number} " + "x" * 1_000_000)
    before = installation.texts(app)
    app.close()
    ballast = fill(small_disk)
    with pytest.raises(StorageFull):
        rotate(here.settings)
    ballast.unlink()
    assert not (here.data / ".next").exists()
    app = here.open()
    assert installation.texts(app) == before
    app.close()
    rotate(here.settings)
    app = here.open()
    assert installation.texts(app) == before
    app.close()


def test_a_deep_change_of_keys_on_a_full_disk_changes_nothing_and_gives_its_room_back(
    small_disk: Path, tmp_path: Path
) -> None:
    here = installation.make(small_disk)
    app = here.open()
    for number in range(2):  # more than what is held back for erasing
        installation.add(app, here.projects["Project 0"], f"zanzibar {number} " + "x" * 1_000_000)
    before = installation.texts(app)
    app.close()
    ballast = fill(small_disk)
    with pytest.raises(StorageFull):
        rotate_deep.finish(here.settings)
    ballast.unlink()
    assert not (here.data / ".deep").exists()
    app = here.open()
    assert installation.texts(app) == before
    app.close()
    rotate_deep.finish(here.settings)
    app = here.open()
    assert installation.texts(app) == before
    app.close()
