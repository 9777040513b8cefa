"""Files and batches of people in backups: they come back with their person, and not without."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from intramuros.accounts.caller import LOCAL, Caller
from intramuros.errors import NotFound
from intramuros.storage.backups.place import Place
from intramuros.storage.schema import batch_lines, batches, files
from intramuros.tasks.batch_lines import Line, LineStore
from intramuros.tasks.restore import restore
from tests.support import installation
from tests.support.installation import Installation

ANNA = Caller(user_id="anna", name="Anna", role="member", credential="session")
SECRET = b"where the zebulonette is"


def backed_up(tmp_path: Path) -> tuple[Installation, Path, str]:
    """An installation with a file of Anna's, one of the operator's, and a batch with a line, and its backup."""
    here, to = installation.make(tmp_path), tmp_path / "backups"
    app = here.open()
    for by in (ANNA, LOCAL):
        app.files.add(f"of-{by.user_id}.txt", "batch", io.BytesIO(SECRET + by.user_id.encode()), by=by)
    [file] = app.files.list(by=ANNA)
    batch = app.batches.create(file.id, "/v1/chat/completions", by=ANNA)
    LineStore(app.database, app.subject_keys, batch, "nobody").add([Line(1, {"custom_id": "a", "body": {}})])
    app.backup.make(to)
    app.close()
    return here, to, batch.id


def test_they_come_back(tmp_path: Path) -> None:
    here, to, batch_id = backed_up(tmp_path)
    there = Installation(here.elsewhere(tmp_path / "new"), here.projects)
    restore(Place(to), Place(to).ids()[0], there.settings)
    app = there.open()
    for by in (ANNA, LOCAL):
        [file] = app.files.list(by=by)
        assert app.files.content(file) == SECRET + by.user_id.encode()
    batch = app.batches.get(batch_id, by=ANNA)
    lines = LineStore(app.database, app.subject_keys, batch, "nobody")
    assert list(lines.replies("waiting")) == [{"custom_id": "a", "body": {}}], "and it goes on"
    app.close()


def test_those_of_an_erased_person_do_not(tmp_path: Path) -> None:
    here, to, batch_id = backed_up(tmp_path)
    app = here.open()
    app.subject_keys.destroy("user", "anna")
    assert list(app.backup.forget_erased()) == []
    app.close()
    archive = [path for path in to.rglob("*") if path.is_file()]
    assert not any(SECRET in path.read_bytes() or b"of-anna" in path.read_bytes() for path in archive)
    there = Installation(here.elsewhere(tmp_path / "new"), here.projects)
    restore(Place(to), Place(to).ids()[0], there.settings)
    app = there.open()
    assert app.files.list(by=ANNA) == [] and len(app.files.list(by=LOCAL)) == 1
    with pytest.raises(NotFound):
        app.batches.get(batch_id, by=ANNA)
    with app.database.read() as connection:
        assert len(connection.execute(files.select()).all()) == 1
        assert connection.execute(batches.select()).all() == connection.execute(batch_lines.select()).all() == []
    app.close()
