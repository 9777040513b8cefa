"""A restore that was stopped, and what is erased before it goes on: its copies are out of reach by then."""

from __future__ import annotations

from pathlib import Path

import pytest

from intramuros.storage.backups import restoring
from intramuros.storage.backups.place import within
from intramuros.storage.erasable import Subject
from intramuros.tasks.restore import restore
from tests.support import installation
from tests.support.installation import texts


def test_a_stopped_restore_gives_nothing_that_is_erased_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = installation.make(tmp_path)
    app = here.open()
    app.backup.make(tmp_path / "to")
    app.close()

    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(restoring, "put_in_place", stopped)
        with pytest.raises(KeyboardInterrupt):
            restore(*within(tmp_path / "to"), here.settings, replace=True)
    project = here.projects["Project 1"]
    key = f"project-{project.encode().hex()}.key"
    assert (here.data / ".next" / "intramuros.db").exists() and (here.data / ".next" / "subjects" / key).exists()

    app = here.open()
    app.erasure.run(Subject("project", project), by="local")
    app.close()
    assert not list(here.data.rglob(".next/**/*.db*")) and not list(here.data.rglob(key))
    assert len(list((here.data / ".next" / "blobs").glob("*/*"))) == 6, "what was brought was lost"

    done = restore(*within(tmp_path / "to"), here.settings, replace=True)
    assert done.gone == 1
    app = here.open()
    assert {text.split()[1] for text in texts(app)} == {"0"}
    app.close()
