"""Restoring: all that is in the backup, and nothing that was erased since."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Any

import pytest

from intramuros.accounts.caller import LOCAL, Caller
from intramuros.accounts.one_time_codes import _context
from intramuros.app import App
from intramuros.errors import AlreadyRunning, Conflict, NotInitialised, StorageCorrupt, WrongKey
from intramuros.security import keys as key_files
from intramuros.storage import swap
from intramuros.storage.backups.ledger import present_keys
from intramuros.storage.backups.place import Place, within
from intramuros.storage.erasable import Subject
from intramuros.storage.schema import conversation_aliases, documents, now, users
from intramuros.tasks.backup import verify
from intramuros.tasks.restore import NewKey, forget, restore, undo
from intramuros.tasks.rotate_deep import finish
from tests.support import installation
from tests.support.installation import Installation, texts


@pytest.fixture
def here(tmp_path: Path) -> Installation:
    return installation.make(tmp_path)


@pytest.fixture
def to(tmp_path: Path, here: Installation) -> Path:
    app = here.open()
    app.backup.make(tmp_path / "backups")
    app.close()
    return tmp_path / "backups"


def newest(to: Path) -> str:
    return Place(to).ids()[0]


def all_texts(here: Installation) -> set[str]:
    app = here.open()
    try:
        return texts(app)
    finally:
        app.close()


def names(app: object) -> set[str]:
    with app.database.read() as connection:  # type: ignore[attr-defined]
        return set(connection.scalars(users.select().with_only_columns(users.c.id)))


def test_everything_is_back_and_the_audit_goes_on(here: Installation, to: Path, tmp_path: Path) -> None:
    done = restore(Place(to), newest(to), here.elsewhere(tmp_path / "new"))
    assert (done.gone, done.kept, done.is_new_key) == (0, None, False)
    there = Installation(here.elsewhere(tmp_path / "new"), here.projects)
    app = there.open()
    assert texts(app) == all_texts(here)
    assert "anna" in names(app)
    assert app.audit.verify().ok
    assert app.database.check() == []
    app.close()
    assert {p.name for p in (tmp_path / "new").iterdir()} <= {
        "blobs", "subjects", "keys.json", "intramuros.db", "intramuros.check", "intramuros.reserve", "run", "journals",
        "intramuros.db-wal", "intramuros.db-shm", "models",
    }  # fmt: skip


def test_data_that_is_there_is_not_touched_unless_asked(here: Installation, to: Path) -> None:
    before = all_texts(here)
    app = here.open()
    installation.add(app, here.projects["Project 0"], "zanzibar later")
    app.close()
    with pytest.raises(Conflict, match="already"):
        restore(Place(to), newest(to), here.settings)
    done = restore(Place(to), newest(to), here.settings, replace=True)
    assert all_texts(here) == before
    assert done.kept is not None
    undo(here.settings)
    assert all_texts(here) == before | {"zanzibar later"}
    assert forget(here.settings) == 1
    assert swap.kept(here.data) == []
    assert all_texts(here) == before | {"zanzibar later"}


def test_other_files_are_in_the_way(here: Installation, to: Path, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "thesis.odt").write_text("x")
    with pytest.raises(Conflict, match="other files"):
        restore(Place(to), newest(to), here.elsewhere(tmp_path / "new"))


def test_not_while_a_server_or_command_runs(here: Installation, to: Path) -> None:
    app = here.open()
    with pytest.raises(AlreadyRunning):
        restore(Place(to), newest(to), here.settings, replace=True)
    app.close()


def test_the_database_damaged_a_restore_brings_it_back(here: Installation, to: Path) -> None:
    before = all_texts(here)
    path = here.data / "intramuros.db"
    content = bytearray(path.read_bytes())
    for at in (100, 4096 * 6 + 9):
        content[at] ^= 1
    path.write_bytes(content)
    for rest in here.data.glob("intramuros.db-*"):
        rest.unlink()
    with pytest.raises(StorageCorrupt, match=r"pages? 1\b.*") as caught:
        here.open()
    assert "restore" in caught.value.hint
    restore(Place(to), newest(to), here.settings, replace=True)
    assert all_texts(here) == before


def test_the_key_lost_the_recovery_key_brings_it_back(here: Installation, to: Path, tmp_path: Path) -> None:
    before = all_texts(here)
    words = key_files.add_recovery(here.data, key_file=here.settings.key_file)
    app = here.open()
    app.backup.make(to)
    app.close()
    assert here.settings.key_file is not None
    here.settings.key_file.unlink()
    new, fresh = tmp_path / "new", tmp_path / "keys" / "fresh.key"
    with pytest.raises(WrongKey) as caught:
        restore(Place(to), newest(to), here.elsewhere(new))
    assert "--recovery-key" in caught.value.hint
    with pytest.raises(NotInitialised):
        Installation(here.elsewhere(new), here.projects).open()
    done = restore(Place(to), newest(to), here.elsewhere(new), words=words, new_key=NewKey(fresh))
    assert str(fresh) in done.key_place
    assert all_texts(Installation(here.elsewhere(new, key_file=fresh), here.projects)) == before


@pytest.mark.parametrize("present_data_is_there", [True, False])
def test_what_was_erased_since_stays_erased(
    here: Installation, to: Path, tmp_path: Path, present_data_is_there: bool
) -> None:
    app = here.open()
    app.subject_keys.destroy("project", here.projects["Project 0"])
    app.subject_keys.destroy("user", "anna")
    if not present_data_is_there:
        assert list(app.backup.forget_erased()) == []
    app.close()
    target = here.settings if present_data_is_there else here.elsewhere(tmp_path / "new")
    done = restore(Place(to), newest(to), target, replace=present_data_is_there)
    assert done.gone == 2
    there = Installation(target, here.projects)
    app = there.open()
    assert {text.split()[1] for text in texts(app)} == {"1"}
    assert "anna" not in names(app)
    with app.database.read() as connection:
        assert connection.exec_driver_sql("PRAGMA foreign_key_check").all() == []
    assert len([p for p in (target.data / "blobs").rglob("*") if p.is_file()]) == 3
    app.close()


@pytest.mark.parametrize("deep", [True, False])
def test_what_came_after_older_data_comes_back_and_what_it_erased_does_not(
    here: Installation, tmp_path: Path, deep: bool
) -> None:
    """Older data, such as an image of the machine, is put back; then a backup made later takes its place."""
    older, to = tmp_path / "older", tmp_path / "later"
    shutil.copytree(here.data, older)
    if deep:
        finish(here.settings)
    app = here.open()
    later = app.projects.create("Later", LOCAL)
    installation.add(app, later.id, "zanzibar later")
    app.backup.make(to)
    app.close()
    present = here.elsewhere(older)
    app = Installation(present, here.projects).open()
    app.erasure.run(Subject("project", here.projects["Project 1"]), by="local")
    app.close()
    done = restore(Place(to), newest(to), present, replace=True)
    assert done.gone == 1, "a project that came later counts as erased, or one that was erased came back"
    back = all_texts(Installation(present, here.projects))
    assert back == {"zanzibar later", *(f"zanzibar 0 {number}" for number in range(3))}


def test_what_a_restore_left_out_stays_out_of_the_next_one(here: Installation, to: Path, tmp_path: Path) -> None:
    """Also when that is from a folder which no erasure reached, and the data that came back knows nothing of any."""
    unplugged = tmp_path / "unplugged"
    shutil.copytree(to, unplugged)
    app = here.open()
    app.erasure.run(Subject("project", here.projects["Project 1"]), by="local")
    app.close()
    for folder in (to, unplugged, unplugged):
        assert restore(Place(folder), newest(folder), here.settings, replace=True).gone == 1
        assert all_texts(here) == {f"zanzibar 0 {number}" for number in range(3)}


def test_after_new_data_keys_older_backups_still_open(here: Installation, to: Path, tmp_path: Path) -> None:
    from intramuros.tasks.rotate import rotate

    before, old = all_texts(here), newest(to)
    rotate(here.settings)
    app = here.open()
    app.backup.make(to)
    app.close()
    for number, backup in enumerate((old, newest(to))):
        for target in (here.elsewhere(tmp_path / f"new{number}"), here.settings):
            restore(Place(to), backup, target, replace=target is here.settings)
            assert all_texts(Installation(target, here.projects)) == before


def test_after_another_key_file_older_backups_open_with_the_present_one(
    here: Installation, to: Path, tmp_path: Path
) -> None:
    before = all_texts(here)
    second = tmp_path / "keys" / "second.key"
    key_files.rewrap(here.data, key_files.open_keys(here.data, key_file=here.settings.key_file), key_file=second)
    moved = here.elsewhere(here.data, key_file=second)
    restore(Place(to), newest(to), moved, replace=True)
    assert all_texts(Installation(moved, here.projects)) == before


def test_second_factors_work_after_new_data_keys(here: Installation) -> None:
    from intramuros.security.crypto import derive, open_sealed, seal
    from intramuros.storage.schema import one_time_codes
    from intramuros.tasks.rotate import rotate

    app = here.open()
    with app.database.write() as connection:
        sealed = seal(derive(app.keys.data, "accounts"), b"SECRET", context=_context("anna"))
        connection.execute(
            one_time_codes.insert().values(user_id="anna", sealed_secret=sealed, created_at=now(), last_step=0)
        )
    app.close()
    rotate(here.settings)
    app = here.open()
    with app.database.read() as connection:
        sealed = connection.scalar(one_time_codes.select().with_only_columns(one_time_codes.c.sealed_secret)) or b""
    assert open_sealed(derive(app.keys.data, "accounts"), sealed, context=_context("anna")) == b"SECRET"


def test_keys_of_upstreams_open_after_new_data_keys(here: Installation) -> None:
    from intramuros.engines.upstream import Upstream
    from intramuros.tasks.rotate import rotate

    app = here.open()
    app.router.routing.add(Upstream("cloud", "https://api.example.com", key="sk-secret"))
    app.close()
    rotate(here.settings)
    app = here.open()
    assert app.router.routing.upstream("cloud").key == "sk-secret"
    app.close()


def test_consents_come_back_with_whose_they_are(here: Installation, to: Path, tmp_path: Path) -> None:
    from intramuros.engines.routing import Consent
    from intramuros.engines.upstream import Upstream

    app = here.open()
    given = {Consent("cloud", "user", "anna"), Consent("cloud", "everybody", "")}
    app.router.routing.add(Upstream("cloud", "https://api.example.com", key="sk-secret"))
    for consent in given:
        app.router.routing.agree(consent)
    app.backup.make(to)
    app.close()
    target = here.elsewhere(tmp_path / "back")
    restore(Place(to), newest(to), target)
    app = Installation(target, here.projects).open()
    assert app.router.routing.table.consents == given
    assert app.router.routing.upstream("cloud").key == "sk-secret"
    app.close()


def test_sealed_models_open_after_new_data_keys(here: Installation, tmp_path: Path) -> None:
    from intramuros.models.download import pull
    from intramuros.models.parts import ADAPTER
    from intramuros.tasks.rotate import rotate
    from tests.models import tiny

    app = here.open()
    app.models.add_file(tiny.chat(tmp_path / "tiny.gguf"), "tiny")
    app.models.seal("tiny")
    for name, seed in (("formal", 1), ("brief", 2)):
        file = str(tiny.adapter(tmp_path / f"{name}.gguf", seed=seed))
        asyncio.run(pull(file, to=app.models.beside("tiny", ADAPTER), egress=app.egress, progress=lambda _: None))
    app.backup.make(tmp_path / "to")
    app.close()

    def opens() -> None:
        app = here.open()
        model = app.models.get("tiny")
        assert model.is_sealed
        assert model.digest() == model.sha256
        found = [part.digest() for part in model.adapters]
        assert found == [part.sha256 for part in model.adapters] and len(found) == 2
        app.close()

    rotate(here.settings)
    opens()
    restore(*within(tmp_path / "to"), here.settings, replace=True)
    opens()
    rotate(here.settings)
    opens()


def test_the_local_authority_goes_on_after_new_data_keys(here: Installation) -> None:
    from intramuros.server.tls import OwnAuthority
    from intramuros.tasks.rotate import rotate

    app = here.open()
    before = OwnAuthority(app.database, app.keys.data).current()
    app.close()
    rotate(here.settings)
    app = here.open()
    assert OwnAuthority(app.database, app.keys.data).current() == before
    app.close()


def test_what_has_no_key_of_its_own_is_told_backup_by_backup(here: Installation, to: Path) -> None:
    """A document lives on in the backups made while it was there: the receipt says in which, until they are deleted."""
    app = here.open()
    old = newest(to)
    later = installation.add(app, here.projects["Project 0"], "zanzibar later")
    second = app.backup.make(to).manifest.id
    (to / ".20261103T020000Z-0417.part").mkdir()  # one that is being made may have it too
    said = said_of(app, Subject("document", later))
    assert said["in_backups"] == sorted([second, "20261103T020000Z-0417"]) and not said["key_destroyed"]
    with app.database.read() as connection:
        early = connection.scalar(documents.select().with_only_columns(documents.c.id).limit(1))
    assert early is not None
    (to / ".20261103T020000Z-0417.part").rmdir()
    assert said_of(app, Subject("document", early))["in_backups"] == [old, second]
    app.backup.make(to, keep=1)  # what the receipt's command does
    third = newest(to)
    with app.database.read() as connection:
        last = connection.scalar(documents.select().with_only_columns(documents.c.id).limit(1))
    assert last is not None
    assert said_of(app, Subject("document", last))["in_backups"] == [third]
    gone = said_of(app, Subject("project", here.projects["Project 1"]))
    assert "in_backups" not in gone and gone["backup_folders_not_reached"] == 0
    to.rename(to.with_name("unplugged"))
    with app.database.read() as connection:
        one = connection.scalar(documents.select().with_only_columns(documents.c.id).limit(1))
    assert one is not None
    said = said_of(app, Subject("document", one))
    assert (said["in_backups"], said["backup_folders_not_reached"]) == ([], 1)
    app.close()


def test_conversations_and_aliases_come_back_and_not_without_their_keys(here: Installation, tmp_path: Path) -> None:
    app, to = here.open(), tmp_path / "backups"
    user = app.users.find("anna")
    anna = Caller(user.id, user.name, user.role, "session")
    talks = {}
    for name in here.projects:
        project = app.projects.get(name, by=LOCAL)
        app.projects.add_member(project.id, user_id=anna.user_id, role="reader", by=LOCAL)
        talks[name] = app.conversations.create(project, by=anna)
        answer = {"answer": "Nothing."}
        app.conversations.append(talks[name], project=project, by=anna, question=f"What of {name}?", answer=answer)
        app.redactor.hide("Mme Anna Zebulonette", app.aliases.of(talks[name], project_id=project.id, user_id="anna"))
    backup = app.backup.make(to).manifest.id
    assert verify(Place(to), backup, app.keys, subjects=present_keys(app.subject_keys)).problems == ()
    app.erasure.run(Subject("project", here.projects["Project 1"]), by=LOCAL.user_id)
    app.close()
    restore(Place(to), backup, here.elsewhere(tmp_path / "new"))
    there = Installation(here.elsewhere(tmp_path / "new"), here.projects).open()
    project = there.projects.get("Project 0", by=anna)
    (turn,) = there.conversations.turns(talks["Project 0"], project=project, by=anna)
    assert turn.question == "What of Project 0?"
    kept = there.aliases.of(talks["Project 0"], project_id=project.id, user_id="anna")
    assert list(kept.values.values()) == ["Anna Zebulonette"]
    with there.database.read() as connection:
        rows = connection.execute(conversation_aliases.select()).all()
    assert [row.conversation_id for row in rows] == [talks["Project 0"]]
    assert there.database.check() == []
    there.close()


def said_of(app: App, subject: Subject) -> dict[str, Any]:
    """What the receipt of an erasure says."""
    statement = app.erasure.run(subject, by="local").statement
    assert statement is not None
    return statement.said
