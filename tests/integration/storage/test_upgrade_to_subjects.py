"""A database from before keys of subjects: its projects' files still open, and its turns are sealed at the next start."""

from __future__ import annotations

import io
import json
import secrets
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import select, text

from intramuros.accounts.caller import LOCAL
from intramuros.accounts.projects import Projects
from intramuros.security.crypto import seal
from intramuros.security.subject_keys import SubjectKeys
from intramuros.storage import migrations
from intramuros.storage.blobs import Blobs
from intramuros.storage.database import Database, open_database
from intramuros.storage.schema import turns
from intramuros.tasks.conversation import Conversations


def old_database(path: Path, key: bytes, rows: list[tuple[str, dict[str, object]]]) -> None:
    path.touch(mode=0o600)
    database = Database(path, key)
    with database.write() as connection:
        config = Config()
        config.set_main_option("script_location", str(migrations.FOLDER))
        config.attributes["connection"] = connection
        command.upgrade(config, "0003")
        for statement, values in rows:
            connection.execute(text(statement), values)
    database.close()


def test_keys_move_and_turns_are_sealed(tmp_path: Path, database_key: bytes) -> None:
    data_key, project_key = secrets.token_bytes(32), secrets.token_bytes(32)
    blob = Blobs(tmp_path / "blobs").put(project_key, io.BytesIO(b"lease"))
    old_database(
        tmp_path / "intramuros.db",
        database_key,
        [
            (
                "INSERT INTO projects VALUES ('P-1', 'Old', :key, 1)",
                {"key": seal(data_key, project_key, context=b"project key")},
            ),
            ("INSERT INTO conversations VALUES ('c', 'P-1', 'local', 1, 1)", {}),
            (
                "INSERT INTO turns VALUES ('t', 'c', 0, 'Délai ?', :answer, 1)",
                {"answer": json.dumps({"answer": "trois mois"})},
            ),
        ],
    )
    database = open_database(tmp_path / "intramuros.db", database_key)
    keys = SubjectKeys(tmp_path / "subjects", data_key)
    project = Projects(database, keys).get("Old", by=LOCAL)
    assert Blobs(tmp_path / "blobs").open(Projects(database, keys).key(project), blob.id) == b"lease"

    conversations = Conversations(database, keys)
    for _ in range(2):
        (turn,) = conversations.turns("c", project=project, by=LOCAL)
        assert (turn.question, turn.answer) == ("Délai ?", {"answer": "trois mois"})
        assert conversations.list(project, by=LOCAL)[0].title == "Délai ?"
        conversations.seal_plain()
    with database.read() as connection:
        stored = repr(connection.execute(select(turns)).all())
    assert "trois" not in stored
    assert conversations.seal_plain() == 0
    database.close()
