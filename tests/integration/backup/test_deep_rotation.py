"""A deep change of keys: everything opens as before, by new keys, and what the old ones were opens nothing."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select

from intramuros.accounts.caller import LOCAL, Caller
from intramuros.app import App
from intramuros.errors import AlreadyRunning, Conflict, IntramurosError, ModelFileError, NotFound
from intramuros.models.sealed import new_key
from intramuros.security import keys as key_files
from intramuros.security.crypto import open_sealed, seal
from intramuros.security.keys import DataKeys
from intramuros.security.subject_keys import PREPARED, SubjectKeys
from intramuros.storage import swap
from intramuros.storage.backups.place import within
from intramuros.storage.database import open_database
from intramuros.storage.erasable import Subject
from intramuros.storage.schema import batches, documents, erasures, now, turns
from intramuros.storage.schema import files as files_table
from intramuros.tasks import rotate_deep
from intramuros.tasks.backup import verify
from intramuros.tasks.batch_lines import Line, LineStore
from intramuros.tasks.resealing import ROWS
from intramuros.tasks.restore import open_backup, restore, undo
from intramuros.tasks.rotate import rotate, write_database
from intramuros.tasks.rotate_deep import finish, prepare
from intramuros.tasks.stored_replies import StoredReply
from tests.models import tiny
from tests.support import installation
from tests.support.installation import Installation, texts

ANNA = Caller("anna", "Anna", "member", "session", "fr")
TURNS = 2 * ROWS + 1


@pytest.fixture
def here(tmp_path: Path) -> Installation:
    """A document of each project, and of Anna: turns, aliases, a stored reply, a batch, a file; a sealed model."""
    made = installation.make(tmp_path)
    app = made.open()
    project = next(one for one in app.projects.list(LOCAL) if one.name == "Project 0")
    app.projects.add_member(project.id, user_id="anna", role="reader", by=LOCAL)
    talk = app.conversations.create(project, by=ANNA)
    for number in range(TURNS):
        app.conversations.append(talk, project=project, by=ANNA, question=f"q{number}", answer={"answer": "oui"})
    aliases = app.aliases.of(talk, project_id=project.id, user_id="anna")
    with aliases.changing():
        aliases.alias("PERSON", "Jeanne Dupont")
    reply = StoredReply("resp_1", "response", "m", "completed", {"output": "secret"}, (project.id,))
    app.replies.add(reply, by=ANNA)
    app.files.add("lines.jsonl", "batch", io.BytesIO(b"sent by anna"), by=ANNA)
    with app.database.write() as connection:
        connection.execute(
            insert(batches).values(
                id="batch_1", user_id="anna", credential="session", endpoint="/v1/chat/completions", state="in_progress",
                input_file="file", times={}, created_at=now(), expires_at=now() + 1000,
            )
        )  # fmt: skip
        key = app.subject_keys.create("erasure", "e1")
        connection.execute(
            insert(erasures).values(
                id="e1", kind="project", subject="gone", state="begun", reason="asked", actor="local", begun_at=now(),
                counts={}, samples=seal(key, b"[]", context=b"e1"),
            )
        )  # fmt: skip
    lines(app).add([Line(1, {"asked": "by anna"}, None), Line(2, {"asked": "again"}, {"reply": "to anna"})])
    app.models.add_file(tiny.chat(tmp_path / "tiny.gguf"), "tiny")
    app.models.seal("tiny")
    app.close()
    return made


def lines(app: App) -> LineStore:
    batch = app.batches.get("batch_1", by=ANNA)
    return LineStore(app.database, app.subject_keys, batch, "worker")


def everything(here: Installation) -> Any:
    """What can be read of all that is sealed, by the ways the product reads it."""
    app = here.open()
    try:
        assert app.audit.verify().ok and app.database.check() == []
        with app.database.read() as connection:
            talk = connection.execute(select(turns.c.conversation_id)).scalars().first()
            sent = connection.execute(select(files_table.c.blob_id)).scalars().all()
            samples = connection.scalar(select(erasures.c.samples).where(erasures.c.id == "e1")) or b""
        project = here.projects["Project 0"]
        read = app.conversations.read(str(talk), project_id=project, user_id="anna")
        model = app.models.get("tiny")
        assert model.is_sealed and model.digest() == model.sha256
        return (
            texts(app),
            [(turn.question, turn.answer["answer"]) for turn in read],
            dict(app.aliases.of(str(talk), project_id=project, user_id="anna").values),
            app.replies.get("resp_1", kind="response", by=ANNA).body,
            [app.blobs.open(app.subject_keys.get("user", "anna"), one) for one in sent],
            [(line.request, line.reply) for line in lines(app).all()],
            open_sealed(app.subject_keys.get("erasure", "e1"), samples, context=b"e1"),
        )
    finally:
        app.close()


def keys_of(here: Installation) -> tuple[DataKeys, dict[tuple[str, str], bytes]]:
    keys = key_files.open_keys(here.data, key_file=here.settings.key_file)
    ledger = SubjectKeys(here.data / "subjects", keys.data)
    return keys, {(kind, subject): ledger.get(kind, subject) for kind, subject in ledger.subjects()}  # type: ignore[arg-type]


def test_everything_opens_as_before_by_keys_that_are_all_new(here: Installation) -> None:
    before, (keys, subjects), files = everything(here), keys_of(here), sealed_files(here)
    assert len(before[1]) == TURNS and before[2] and len(before[5]) == 2
    done = finish(here.settings)
    assert done.is_finished and done.files == 7 and done.models == 1 and done.subjects == len(subjects)
    assert everything(here) == before
    new, renewed = keys_of(here)
    assert renewed.keys() == subjects.keys()
    assert not set(renewed.values()) & set(subjects.values())
    assert {new.database, new.data}.isdisjoint({keys.database, keys.data}) and new.audit == keys.audit
    now_sealed = sealed_files(here)
    assert files.keys() == now_sealed.keys() and len(files) == 8
    assert all(files[name] != now_sealed[name] for name in files), "a file was left as it was"
    assert not list(here.data.glob(".*"))


def test_nothing_opens_by_what_the_old_keys_were(here: Installation) -> None:
    keys, subjects = keys_of(here)
    finish(here.settings)
    with pytest.raises(IntramurosError):
        open_database(here.data / "intramuros.db", keys.database)
    ledger = SubjectKeys(here.data / "subjects", keys.data)
    for kind, subject in subjects:
        with pytest.raises(IntramurosError):
            ledger.get(kind, subject)  # type: ignore[arg-type]
    app = here.open()
    try:
        with app.database.read() as connection:
            blobs = [
                *connection.scalars(select(documents.c.blob_id)),
                *connection.scalars(select(files_table.c.blob_id)),
            ]
        for blob in blobs:
            for key in subjects.values():
                with pytest.raises(IntramurosError):
                    app.blobs.open(key, blob)
    finally:
        app.close()


def test_the_recovery_key_opens_the_new_ones_and_what_it_opened_before_opens_nothing(here: Installation) -> None:
    words = key_files.add_recovery(here.data, key_file=here.settings.key_file)
    stolen = here.data.parent / "stolen"
    stolen.mkdir()
    (stolen / "keys.json").write_bytes((here.data / "keys.json").read_bytes())
    finish(here.settings)
    opened = key_files.open_with_recovery(here.data, words)
    assert (opened.data, opened.subjects) == ((new := keys_of(here)[0]).data, new.subjects)
    former = key_files.open_with_recovery(stolen, words)
    with pytest.raises(IntramurosError):
        open_database(here.data / "intramuros.db", former.database)
    with pytest.raises(IntramurosError):
        SubjectKeys(here.data / "subjects", former.data).get("user", "anna")


def test_while_it_is_in_use_files_are_prepared_and_the_rest_waits(here: Installation) -> None:
    before = everything(here)
    app = here.open()
    try:
        with pytest.raises(AlreadyRunning):
            finish(here.settings)
        done = prepare(here.settings, app.keys, app.database)
        assert not done.is_finished and done.files == 7
        ready = modified(here.data / PREPARED / "blobs")
        assert len(ready) == 7
        later = installation.add(app, here.projects["Project 1"], "zanzibar later")
        assert later
    finally:
        app.close()
    assert finish(here.settings).files == 8
    after = modified(here.data / "blobs")
    assert {name: after[name] for name in ready} == ready, "what was ready was written once more"
    assert everything(here)[0] == before[0] | {"zanzibar later"}


def test_what_is_erased_in_between_is_erased_there_too(here: Installation) -> None:
    app = here.open()
    try:
        prepare(here.settings, app.keys, app.database)
        project = here.projects["Project 1"]
        key = here.data / PREPARED / "subjects" / f"project-{project.encode().hex()}.key"
        assert key.exists()
        count = len(modified(here.data / PREPARED / "blobs"))
        app.erasure.run(Subject("project", project), by="local")
        assert not key.exists()
        assert len(modified(here.data / PREPARED / "blobs")) == count - 3
    finally:
        app.close()
    finish(here.settings)
    app = here.open()
    try:
        with pytest.raises(NotFound):
            app.subject_keys.get("project", project)
        assert {text.split()[1] for text in texts(app)} == {"0"}
    finally:
        app.close()


def test_a_document_and_a_person_erased_in_between_are_too(here: Installation) -> None:
    app = here.open()
    try:
        prepare(here.settings, app.keys, app.database)
        with app.database.read() as connection:
            document = connection.execute(select(documents)).first()
            sent = connection.scalar(select(files_table.c.blob_id))
        assert document is not None
        ready = here.data / PREPARED
        assert {document.blob_id, sent} <= modified(ready / "blobs").keys()
        app.erasure.run(Subject("document", document.id), by="local")
        app.erasure.run(Subject("user", "anna"), by="local")
        assert not {document.blob_id, sent} & modified(ready / "blobs").keys()
        assert not (ready / "subjects" / f"user-{b'anna'.hex()}.key").exists()
    finally:
        app.close()
    assert finish(here.settings).files == 5
    assert not list(here.data.rglob(f"user-{b'anna'.hex()}.key"))


def test_with_another_key_in_between_it_begins_again(here: Installation, tmp_path: Path) -> None:
    before = everything(here)
    app = here.open()
    prepare(here.settings, app.keys, app.database)
    app.close()
    second = tmp_path / "keys" / "second.key"
    key_files.rewrap(here.data, key_files.open_keys(here.data, key_file=here.settings.key_file), key_file=second)
    moved = Installation(here.elsewhere(here.data, key_file=second), here.projects)
    finish(moved.settings)
    assert everything(moved) == before


def test_with_another_key_file_it_begins_again_though_the_old_one_is_still_there(
    here: Installation, tmp_path: Path
) -> None:
    before = everything(here)
    app = here.open()
    prepare(here.settings, app.keys, app.database)
    app.close()
    key_files.rewrap(here.data, keys_of(here)[0], key_file=tmp_path / "keys" / "second.key")
    copied = tmp_path / "copied"
    copied.mkdir()
    (copied / "keys.json").write_bytes((here.data / PREPARED / "keys.json").read_bytes())
    moved = Installation(here.elsewhere(here.data, key_file=None), here.projects)
    finish(moved.settings)
    assert everything(moved) == before
    known = key_files.open_keys(copied, key_file=here.settings.key_file)
    new = key_files.open_keys(here.data)
    assert {known.database, known.data}.isdisjoint({new.database, new.data}), "the old key file opened what holds now"


@pytest.mark.parametrize("at", ["write_keys", "decide"])
def test_what_a_stop_left_is_out_of_reach_before_anything_is_erased(
    here: Installation, at: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its copy of the database, and the keys of what is erased afterwards."""

    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        if at == "write_keys":
            patch.setattr(rotate_deep, "write_database", written_then(stopped))
        else:
            patch.setattr(swap, "commit", stopped)
        with pytest.raises(KeyboardInterrupt):
            finish(here.settings)
    project = here.projects["Project 1"]
    assert list(here.data.glob(".*/intramuros.db")), "nothing was left"
    app = here.open()
    try:
        app.erasure.run(Subject("project", project), by="local")
    finally:
        app.close()
    assert not list(here.data.glob(".*/intramuros.db*"))
    assert not list(here.data.rglob(f"project-{project.encode().hex()}.key"))
    ready = modified(here.data / PREPARED / "blobs")
    assert len(ready) == 4, "what was ready was lost"
    assert finish(here.settings).files == 4
    after = modified(here.data / "blobs")
    assert {name: after[name] for name in ready} == ready


def test_a_stop_right_after_the_last_step_leaves_nothing(here: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    before, former = everything(here), keys_of(here)[0]
    removed = shutil.rmtree

    def stopped(path: Path, **more: Any) -> None:
        if Path(path).name == swap.NEXT and (Path(path) / "deep.json").exists():
            raise KeyboardInterrupt
        removed(path, **more)

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", stopped)
        with pytest.raises(KeyboardInterrupt):
            finish(here.settings)
    assert everything(here) == before and keys_of(here)[0].data != former.data
    assert not list(here.data.glob(".*"))


def written_then(stopped: Callable[..., None]) -> Callable[..., int]:
    def write(*given: Any, **more: Any) -> int:
        write_database(*given, **more)
        stopped()
        raise AssertionError

    return write


@pytest.fixture
def to(here: Installation, tmp_path: Path) -> Iterator[Path]:
    app = here.open()
    app.backup.make(tmp_path / "to")
    app.close()
    yield tmp_path / "to"


def test_backups_of_before_stay_whole_and_new_ones_go_elsewhere(here: Installation, to: Path, tmp_path: Path) -> None:
    before = everything(here)[0]
    finish(here.settings)
    app = here.open()
    try:
        with pytest.raises(Conflict) as error:
            app.backup.make(to)
        assert error.value.code == "backup_of_former_keys"
        assert list(app.backup.forget_erased()) == [str(to)], "an erasure does not reach what is there, and says so"
        app.backup.make(tmp_path / "new")
    finally:
        app.close()
    for number, place in enumerate((to, tmp_path / "new")):
        target = here.elsewhere(tmp_path / f"back-{number}")
        restore(*within(place), target)
        app = Installation(target, here.projects).open()
        assert texts(app) == before
        app.close()


def test_a_sealed_model_that_does_not_open_is_named(here: Installation) -> None:
    manifest = here.data / "models" / "tiny" / "manifest.json"
    known = json.loads(manifest.read_text())
    manifest.write_text(json.dumps({**known, "sealed_key": new_key(b"x" * 32)[1]}))
    before = keys_of(here)
    for change in (finish, rotate):
        with pytest.raises(ModelFileError, match="tiny"):
            change(here.settings)
    assert keys_of(here) == before
    app = here.open()
    app.models.remove("tiny")
    app.close()
    assert finish(here.settings).models == 0


def test_a_backup_of_before_comes_back_in_the_place_of_data_under_new_keys(here: Installation, to: Path) -> None:
    """With the keys that its folder holds, for those of the data are of another generation."""
    before = everything(here)[0]
    finish(here.settings)
    place, newest = within(to)
    ring = open_backup(place, newest, here.settings)
    assert verify(place, newest, ring.data, subjects=ring.subjects).problems == ()
    app = here.open()
    app.erasure.run(Subject("project", here.projects["Project 1"]), by="local")
    app.close()
    done = restore(place, newest, here.settings, replace=True)
    assert done.gone == 1, "what was erased since came back"
    app = here.open()
    assert texts(app) == {text for text in before if text.split()[1] == "0"}
    model = app.models.get("tiny")
    assert model.digest() == model.sha256, "the sealed model that stayed does not open"
    app.close()
    undo(here.settings)
    app = here.open()
    assert app.models.get("tiny").digest() == model.sha256
    app.close()
    restore(place, newest, here.settings, replace=True)
    finish(here.settings)
    app = here.open()
    assert texts(app) == {text for text in before if text.split()[1] == "0"}
    app.close()


def sealed_files(here: Installation) -> dict[str, bytes]:
    found = [*(here.data / "blobs").rglob("*"), *(here.data / "models").rglob("*.sealed")]
    return {path.name: path.read_bytes() for path in found if path.is_file()}


def modified(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
