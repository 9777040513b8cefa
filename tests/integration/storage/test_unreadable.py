"""Nothing of what is stored can be read on the disk without the key."""

from __future__ import annotations

import io
import secrets
from pathlib import Path

from sqlalchemy import insert, select

from intramuros.audit.record import Audit
from intramuros.engines.upstream import Upstream
from intramuros.models.presets import Wanted
from intramuros.storage import facts, fulltext
from intramuros.storage.blobs import Blobs
from intramuros.storage.database import Database
from intramuros.storage.schema import (
    attached_files,
    batch_lines,
    batches,
    conversation_aliases,
    files,
    presets,
    stored_replies,
    upstreams,
    users,
)
from intramuros.tasks.batch import COLUMNS, from_row
from intramuros.tasks.batch_lines import Line, LineStore, Spent
from intramuros.tasks.stored_replies import StoredReply
from tests.installed import Installed, installation
from tests.unit.models.builder import Gguf

WORDS = ("zebulonette", "quatorzaine", "alice@firm.example", "facts", "passages", "CREATE TABLE", "SQLite format")


def test_no_word_is_readable_in_any_file(database: Database, blobs: Blobs) -> None:
    with database.write() as connection:
        for number in range(500):
            facts.put(connection, f"fact {number}", "zebulonette " * 20)
            fulltext.add(connection, [(number, "titre", "", "quatorzaine " * 20, "project")])
        connection.execute(
            insert(users).values(
                id="a", email="alice@firm.example", name="Alice", role="member", language="fr", created_at=0.0
            )
        )
        blobs.put(bytes(32), io.BytesIO(b"zebulonette quatorzaine " * 10_000))
    with Audit(database, secrets.token_bytes(32)).entry_sync("quatorzaine"):
        files = {path: path.read_bytes() for path in database.path.parent.rglob("*") if path.is_file()}
    files = {path: content for path, content in files.items() if path.suffix != ".reserve"}
    suffixes = {path.name.rpartition(".")[2] for path in files}
    assert {"db", "db-wal", "db-shm", "journal"} <= suffixes
    assert sum(map(len, files.values())) > 500_000
    for path, content in files.items():
        for word in WORDS:
            assert word.encode() not in content, (path.name, word)
            assert word.encode("utf-16-le") not in content, (path.name, word)
            assert word not in path.name


SEALED, NAMED = "mirabellenkuchen", "kirschpfannkuchen"


def test_what_programs_store_is_readable_neither_on_the_disk_nor_where_it_is_sealed(tmp_path: Path) -> None:
    """Names and attributes are in the encrypted database; content and keys are sealed in it once more."""
    with installation(tmp_path / "made") as installed:
        stored(installed, tmp_path)
        database = installed.app.database
        with database.read() as connection:
            for table in (
                stored_replies, files, attached_files, batches, batch_lines, presets, conversation_aliases, upstreams,
            ):  # fmt: skip
                assert connection.execute(select(table)).first() is not None, table.name
        pages = [image.content for image in database.images()]
        assert any(NAMED.encode() in page for page in pages), "it would be found"
        assert not any(SEALED.encode() in page for page in pages)
        folder = installed.app.settings.data
        for path in (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".reserve"):
            content = path.read_bytes()
            for word in (SEALED, NAMED):
                assert word.encode() not in content and word.encode("utf-16-le") not in content, (path.name, word)
                assert word not in path.name


def stored(installed: Installed, folder: Path) -> None:
    """A word in every table that programs write: one in what is sealed, another in what has to be found by."""
    app, alice = installed.app, installed.app.sessions.caller(installed.sessions["alice"])
    assert alice is not None
    model = folder / "tiny.gguf"
    model.write_bytes(bytes(Gguf.model().bytes()))
    app.models.add_file(model, "tiny")
    project = app.projects.create("P", by=alice)
    for kind in ("response", "completion"):
        body = {"asked": SEALED, "said": SEALED, "metadata": {"word": SEALED}}
        app.replies.add(StoredReply(kind, kind, "m", "completed", body, (project.id,)), by=alice)
    file = app.files.add(f"{NAMED}.jsonl", "batch", io.BytesIO(SEALED.encode() * 1000), by=alice)
    app.files.write(f"{NAMED}-out.jsonl", io.BytesIO(SEALED.encode() * 1000), user_id=alice.user_id, file_id="out")
    batch = app.batches.create(file.id, "/v1/chat/completions", by=alice, metadata={"word": NAMED})
    with app.database.write() as connection:
        connection.execute(batches.update().values(worker="me", state="in_progress"))
        connection.execute(
            insert(attached_files).values(
                project_id=project.id, file_id=file.id, attributes={"word": NAMED}, created_at=0.0
            )
        )
        batch = from_row(connection.execute(select(*COLUMNS)).one())
    lines = LineStore(app.database, app.subject_keys, batch, "me")
    both = [Line(number, {"custom_id": SEALED, "body": {"messages": SEALED}}) for number in (1, 2)]
    lines.add(both)
    lines.settle(Line(1, None, {"content": SEALED}), is_ok=True, spent=Spent())
    assert [line.reply is not None for line in lines.all()] == [True, False]
    app.presets.create(Wanted(name=NAMED, model="tiny", system=f"Be {NAMED}."), by=alice)
    talk = app.conversations.create(project, by=alice)
    app.conversations.append(talk, project=project, by=alice, question=SEALED, answer={"answer": SEALED})
    aliases = app.aliases.of(talk, project_id=project.id, user_id=alice.user_id)
    text = f"Bonjour M. Jean {SEALED.title()}, votre adresse est {SEALED}@firm.example."
    assert SEALED not in app.redactor.hide(text, aliases).text
    app.router.routing.add(Upstream("cloud", "https://cloud.example/v1", models=(NAMED,), key=f"sk-{SEALED}"))
