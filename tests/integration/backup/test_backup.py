"""Backups of a real installation: what they hold, what they refuse, and what damage they notice."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from intramuros.app import App
from intramuros.errors import BackupDamaged, BadRequest, Conflict, StorageCorrupt
from intramuros.storage.backups.place import Place, within
from intramuros.storage.database import Database
from intramuros.storage.erasable import Subject
from intramuros.tasks.backup import verify
from intramuros.tasks.restore import open_backup, restore
from tests.support import installation
from tests.support.installation import WORD, Installation


@pytest.fixture
def here(tmp_path: Path) -> Installation:
    return installation.make(tmp_path)


@pytest.fixture
def app(here: Installation) -> Iterator[App]:
    app = here.open()
    yield app
    app.close()


@pytest.fixture
def to(tmp_path: Path) -> Path:
    return tmp_path / "backups"


def problems(here: Installation, to: Path, backup: str | None = None) -> tuple[str, ...]:
    place, newest = within(to)
    ring = open_backup(place, backup or newest, here.settings)
    return verify(place, backup or newest, ring.data, subjects=ring.subjects).problems


def flip(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


def test_nothing_readable_and_no_key_is_in_it(here: Installation, app: App, to: Path) -> None:
    app.backup.make(to)
    key = here.settings.key_file.read_text().strip()  # type: ignore[union-attr]
    subject = app.subject_keys.get("project", here.projects["Project 0"])
    written = [path.read_bytes() for path in to.rglob("*") if path.is_file()]
    for secret in (WORD.encode(), b"anna@firm", b"Project 0", key.encode(), app.keys.database, app.keys.data, subject):
        assert not any(secret in content for content in written)
        assert not any(secret.hex().encode() in content for content in written)


def test_with_the_database_key_alone_no_content_can_be_read(app: App, to: Path) -> None:
    """What is left in the archive when every subject's key is destroyed: no word, no name, no address."""
    made = app.backup.make(to)
    archive = Database(to / made.manifest.id / "intramuros.db", app.keys.database, use="reading")
    plain = b"".join(str(row).encode() for (row,) in [(r,) for r in _dump(archive)])
    archive.close()
    assert b"keys" in plain or b"audit" in plain
    for word in (WORD.encode(), b"anna@firm", b"Anna", b"Project 0"):
        assert word not in plain


def _dump(archive: Database) -> Iterator[object]:
    with archive.read() as connection:
        names = connection.scalars(text("SELECT name FROM sqlite_master WHERE type = 'table'")).all()
        for name in names:
            yield from connection.execute(text(f'SELECT * FROM "{name}"')).all()


def test_only_what_is_new_is_copied(here: Installation, app: App, to: Path) -> None:
    assert app.backup.make(to).copied == 6
    assert app.backup.make(to).copied == 0
    installation.add(app, here.projects["Project 0"], f"{WORD} more")
    third = app.backup.make(to)
    assert third.copied == 1
    assert len(third.manifest.blobs) == 7
    assert [problems(here, to, backup) for backup in Place(to).ids()] == [(), (), ()]


def test_it_is_one_moment_though_others_write(here: Installation, app: App, to: Path) -> None:
    """Rows are written between any two steps of the copy; what is in it fits together."""
    written: list[str] = []

    def meanwhile(stage: str, done: int, total: int) -> None:
        if len(written) < 40:
            written.append(installation.add(app, here.projects["Project 1"], f"{WORD} late {len(written)}"))

    app.backup.make(to, progress=meanwhile)
    assert written
    assert problems(here, to) == ()


def test_a_file_removed_meanwhile_is_not_missed(here: Installation, app: App, to: Path) -> None:
    removed: list[str] = []

    def remove(stage: str, done: int, total: int) -> None:
        if stage == "files" and not removed:
            with app.database.write() as connection:
                row = connection.execute(text("SELECT id, blob_id FROM documents LIMIT 1")).first()
                assert row is not None
                connection.execute(text("DELETE FROM documents WHERE id = :id"), {"id": row.id})
                removed.append(row.id)
            for path in (here.data / "blobs").rglob(row.blob_id):
                path.unlink()

    made = app.backup.make(to, progress=remove)
    assert made.manifest.damaged == ()
    assert problems(here, to) == ()


def test_old_ones_go_with_the_files_only_they_had(here: Installation, app: App, to: Path) -> None:
    app.backup.make(to)
    with app.database.write() as connection:
        connection.execute(text("DELETE FROM documents"))
    app.backup.make(to, keep=1)
    assert len(Place(to).ids()) == 1
    assert not [path for path in (to / "files").rglob("*") if path.is_file()]
    assert problems(here, to) == ()


def test_a_folder_of_other_things_is_refused(here: Installation, app: App, tmp_path: Path, to: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "me.jpg").write_text("x")
    with pytest.raises(Conflict, match="other files"):
        app.backup.make(tmp_path / "photos")
    assert [p.name for p in (tmp_path / "photos").iterdir()] == ["me.jpg"]
    for inside in (here.data / "backups", here.data, tmp_path):
        with pytest.raises(BadRequest):
            app.backup.make(inside)
    other = installation.make(tmp_path / "other").open()
    other.backup.make(to)
    other.close()
    with pytest.raises(Conflict, match="another installation"):
        app.backup.make(to)


def test_one_at_a_time(app: App, to: Path) -> None:
    app.backup.make(to)
    with Place(to).locked(), pytest.raises(Conflict):
        app.backup.make(to)


@pytest.mark.parametrize("what", ["intramuros.db", "keys.json", "manifest.json", "files"])
def test_one_flipped_bit_is_found(here: Installation, app: App, to: Path, tmp_path: Path, what: str) -> None:
    made = app.backup.make(to)
    if what == "files":
        path = next(p for p in (to / "files").rglob("*") if p.is_file())
    else:
        path = to / made.manifest.id / what
    flip(path, path.stat().st_size // 2)
    assert problems(here, to)
    if what != "keys.json":  # the present data has the same
        with pytest.raises(BackupDamaged):
            restore(Place(to), made.manifest.id, here.elsewhere(tmp_path / "new"))
        assert not (tmp_path / "new" / "keys.json").exists()


def test_a_missing_and_a_cut_file_are_found(here: Installation, app: App, to: Path) -> None:
    made = app.backup.make(to)
    files = [p for p in (to / "files").rglob("*") if p.is_file()]
    files[0].unlink()
    assert any("missing" in problem for problem in problems(here, to))
    database = to / made.manifest.id / "intramuros.db"
    with database.open("r+b") as file:
        file.truncate(database.stat().st_size - 4096)
    assert any("intramuros.db was changed or cut off" in problem for problem in problems(here, to))


def test_a_manifest_that_leaves_a_file_out_is_found(here: Installation, app: App, to: Path) -> None:
    made = app.backup.make(to)
    path = to / made.manifest.id / "manifest.json"
    outer = json.loads(path.read_text())
    body = json.loads(outer["body"])
    body["blobs"] = body["blobs"][1:]
    path.write_text(json.dumps({**outer, "body": json.dumps(body, sort_keys=True, separators=(",", ":"))}))
    assert problems(here, to)


def test_a_damaged_stored_file_is_named_and_does_not_take_the_place_of_a_good_copy(
    here: Installation, app: App, to: Path
) -> None:
    app.backup.make(to)
    path = next(p for p in (here.data / "blobs").rglob("*") if p.is_file())
    flip(path, 50)
    again = app.backup.make(to)  # the good copy is there
    assert again.manifest.damaged == ()
    fresh = app.backup.make(to.with_name("fresh"))
    assert fresh.manifest.damaged == (path.name,)
    assert problems(here, to.with_name("fresh")) == ()


def test_a_damaged_database_is_not_backed_up(here: Installation, to: Path) -> None:
    app = here.open()
    app.database.checkpoint()
    app.close()
    flip(here.data / "intramuros.db", 4096 * 20 + 100)
    app = here.open()
    with pytest.raises(StorageCorrupt, match="page"):
        app.backup.make(to)
    app.close()
    assert Place(to).ids() == []


def test_what_was_erased_since_is_in_no_ledger(here: Installation, app: App, to: Path) -> None:
    app.backup.make(to)
    app.subject_keys.destroy("project", here.projects["Project 0"])
    assert list(app.backup.forget_erased()) == []
    place, newest = within(to)
    ring = open_backup(place, newest, here.elsewhere(to.with_name("nothing")))
    assert ("project", here.projects["Project 0"]) not in ring.subjects
    assert ("project", here.projects["Project 1"]) in ring.subjects
    to.rename(to.with_name("unplugged"))
    assert list(app.backup.forget_erased()) == [str(to)]


def test_models_come_along_when_asked(here: Installation, app: App, to: Path, tmp_path: Path) -> None:
    folder = here.data / "models" / "tiny"
    folder.mkdir(parents=True)
    (folder / "model.gguf").write_bytes(b"GGUF" + bytes(1000))
    (folder / "manifest.json").write_text("{}")
    beside = ("parts/formal.json", "parts/formal.gguf", "files/config.json", "files/onnx/model.onnx")
    for name in (*beside, "parts/.formal.new"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"{}")
    assert app.backup.make(to).manifest.models == ()
    made = app.backup.make(to, with_models=True)
    names = {"model.gguf", "manifest.json", *beside}
    assert {file.path for file in made.manifest.models} == {f"models/tiny/{name}" for name in names}
    (folder / "model.gguf").write_bytes(b"GGUF" + bytes(999) + b"x")  # another of the same size and name
    app.backup.make(to, with_models=True)
    restore(Place(to), made.manifest.id, here.elsewhere(tmp_path / "new"), with_models=True)
    assert (tmp_path / "new" / "models" / "tiny" / "model.gguf").read_bytes() == b"GGUF" + bytes(1000)
    assert (tmp_path / "new" / "models" / "tiny" / "files/onnx/model.onnx").read_bytes() == b"{}"


def test_an_erasure_takes_the_key_out_of_the_backup_folder(here: Installation, app: App, to: Path) -> None:
    app.backup.make(to)
    project = here.projects["Project 0"]
    receipt = app.erasure.run(Subject("project", project), by="local")
    assert receipt.state == "done"
    place, newest = within(to)
    ring = open_backup(place, newest, here.elsewhere(to.with_name("nothing")))
    assert ("project", project) not in ring.subjects
    assert problems(here, to) == ()
