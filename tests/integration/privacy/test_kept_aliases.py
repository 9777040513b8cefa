"""The aliases of conversations: they last as long as these, in every process, and no copy gives them back."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from intramuros.accounts.caller import LOCAL, Caller
from intramuros.accounts.projects import Project
from intramuros.errors import IntramurosError, NotFound, StorageCorrupt
from intramuros.privacy.redact.aliases import Aliases
from intramuros.privacy.redact.kept import KeptAliases
from intramuros.privacy.redact.redactor import Redactor
from intramuros.privacy.redact.restore import Restorer
from intramuros.security.subject_keys import SubjectKeys
from intramuros.storage.database import Database, open_database
from intramuros.storage.erasable import Subject
from intramuros.storage.schema import conversation_aliases
from tests.support.erasing import House
from tests.support.forked import Child, Say

TEXT = "Mme Anna Zebulonette, anna.zebulonette@firm.example, a appelé M. Jean Quatorzaine."


@pytest.fixture
def house(database: Database, database_key: bytes) -> Iterator[House]:
    made = House(database, database_key)
    yield made
    made.audit.stop()


@pytest.fixture
def alice(house: House) -> Caller:
    return house.person("alice")


@pytest.fixture
def project(house: House, alice: Caller) -> Project:
    house.person("bob", role="administrator")
    return house.project("P", by=alice)


@pytest.fixture
def talk(house: House, project: Project, alice: Caller) -> str:
    return house.talk(project, alice, "mirabelle")


def of(kept: KeptAliases, talk: str, project: Project, by: Caller) -> Aliases:
    return kept.of(talk, project_id=project.id, user_id=by.user_id)


def rows(house: House) -> int:
    with house.database.read() as connection:
        return len(connection.execute(select(conversation_aliases)).all())


def test_they_survive_a_restart_and_no_other_conversation_has_them(
    house: House, project: Project, alice: Caller, talk: str, database_key: bytes
) -> None:
    hidden = Redactor().hide(TEXT, of(house.aliases, talk, project, alice)).text
    assert "Zebulonette" not in hidden and "Quatorzaine" not in hidden
    again = open_database(house.database.path, database_key)
    kept = KeptAliases(again, SubjectKeys(house.keys.folder, database_key))
    assert Redactor().hide(TEXT, of(kept, talk, project, alice)).text == hidden
    restorer = Restorer(of(kept, talk, project, alice).values)
    assert restorer.feed(hidden) + restorer.close() == TEXT
    other = house.talk(project, alice, "tournesol")
    assert Redactor().hide(TEXT, of(kept, other, project, alice)).text != hidden
    again.close()


def test_nobody_else_gets_them(house: House, project: Project, alice: Caller, talk: str) -> None:
    Redactor().hide(TEXT, of(house.aliases, talk, project, alice))
    for conversation, project_id, user_id in (
        (talk, project.id, LOCAL.user_id),
        (talk, house.project("Other", by=alice).id, alice.user_id),
        ("none", project.id, alice.user_id),
    ):
        with pytest.raises(NotFound):
            house.aliases.of(conversation, project_id=project_id, user_id=user_id)


def test_nothing_of_them_is_readable_on_the_disk(house: House, project: Project, alice: Caller, talk: str) -> None:
    aliases = of(house.aliases, talk, project, alice)
    Redactor().hide(TEXT, aliases)
    assert len(aliases.values) == 3
    for value in ("Zebulonette", "zebulonette@", "Quatorzaine", *aliases.values):
        assert house.standing(value) == 0, "also on the decrypted pages of the database"
        assert house.standing(json.dumps(value)[1:-1]) == 0
        folder = house.database.path.parent
        assert not any(value.encode() in path.read_bytes() for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("kind", ["conversation", "project", "user", "document"])
def test_an_erasure_removes_them_and_proves_it(
    house: House, project: Project, alice: Caller, talk: str, kind: str
) -> None:
    document, other = house.document(project, "tournesol"), house.project("Other", by=LOCAL)
    kept_talk = house.talk(other, LOCAL, "prunelle")
    Redactor().hide(TEXT, of(house.aliases, kept_talk, other, LOCAL))
    aliases = of(house.aliases, talk, project, alice)
    before = Redactor().hide(TEXT, aliases).text
    subject = Subject(kind, {"user": alice.user_id, "project": project.id, "document": document}.get(kind, talk))  # type: ignore[arg-type]
    receipt = house.erasure.run(subject, by=LOCAL.user_id)
    assert receipt.removed("alias_maps") == 1 and rows(house) == 1
    assert receipt.statement and receipt.statement.said["samples"]["aliases"] == 1
    if kind == "document":  # the conversation lives on, and whoever held its map begins anew
        assert Redactor().hide(TEXT, aliases).text != before
    else:
        with pytest.raises(NotFound):
            Redactor().hide(TEXT, aliases)
        with pytest.raises(NotFound):
            of(house.aliases, talk, project, alice)


@pytest.mark.parametrize("kind", ["project", "user"])
def test_an_old_copy_of_the_database_gives_no_aliases(
    house: House, project: Project, alice: Caller, talk: str, database_key: bytes, kind: str, tmp_path: Path
) -> None:
    Redactor().hide(TEXT, of(house.aliases, talk, project, alice))
    house.database.checkpoint()
    old = tmp_path / "old.db"
    shutil.copy(house.database.path, old)
    copied = open_database(old, database_key)
    assert of(KeptAliases(copied, house.keys), talk, project, alice).values, "before, it can be opened"
    house.erasure.run(Subject(kind, alice.user_id if kind == "user" else project.id), by=LOCAL.user_id)  # type: ignore[arg-type]
    with copied.read() as connection:
        assert connection.scalar(select(conversation_aliases.c.sealed))
    with pytest.raises((NotFound, StorageCorrupt)):
        of(KeptAliases(copied, house.keys), talk, project, alice)
    copied.close()


def test_processes_that_hide_at_once_agree(
    house: House, project: Project, alice: Caller, talk: str, database_key: bytes
) -> None:
    """Each in its own order: the same value gets the same alias, and none is lost."""
    first, last = ("Anna", "Jean", "Marie", "Paul", "Claire"), ("Zebulon", "Quatorze", "Mirabel", "Tournier")
    texts = [f"Mme {one} {two}, tél. +41 22 345 {n}{m} 0{n}" for n, one in enumerate(first, 10) for m, two in enumerate(last, 1)]  # fmt: skip
    path, folder = house.database.path, house.keys.folder

    def work(order: int) -> object:
        def run(say: Say) -> None:
            database = open_database(path, database_key)
            kept = KeptAliases(database, SubjectKeys(folder, database_key))
            aliases = of(kept, talk, project, alice)
            for text in texts[::order]:
                say(json.dumps([text, Redactor().hide(text, aliases).text]))
            database.close()

        return run

    children = [Child(work(order)) for order in (1, -1, 1)]  # type: ignore[arg-type]
    said = [dict(json.loads(line) for line in child.rest()) for child in children]
    assert all(set(one) == set(texts) for one in said)
    assert said[0] == said[1] == said[2]
    values = of(house.aliases, talk, project, alice).values
    for text in texts:
        restorer = Restorer(values)
        assert restorer.feed(said[0][text]) + restorer.close() == text


def test_a_map_that_was_changed_is_refused(house: House, project: Project, alice: Caller, talk: str) -> None:
    Redactor().hide(TEXT, of(house.aliases, talk, project, alice))
    other = house.talk(project, alice, "prunelle")
    Redactor().hide(TEXT, of(house.aliases, other, project, alice))
    with house.database.write() as connection:  # one conversation's map in another's place
        sealed = connection.scalar(
            select(conversation_aliases.c.sealed).where(conversation_aliases.c.conversation_id == other)
        )
        connection.execute(
            conversation_aliases.update()
            .where(conversation_aliases.c.conversation_id == talk)
            .values(sealed=sealed, stamp="x")
        )
    with pytest.raises(IntramurosError):
        of(house.aliases, talk, project, alice)
