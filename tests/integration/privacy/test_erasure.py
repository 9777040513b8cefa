"""Erasing: nothing of it stands anywhere, what belongs to others stays, and the receipt says what was done."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator

import pytest
from sqlalchemy import select, text

from intramuros.accounts.caller import LOCAL
from intramuros.errors import BadRequest, ErasureUnfinished, NotFound, StorageCorrupt
from intramuros.privacy.erase import erasure as erasing
from intramuros.privacy.erase.finding import check
from intramuros.privacy.erase.receipt import receipts, verified
from intramuros.security import signing
from intramuros.storage.database import Database
from intramuros.storage.erasable import Subject
from intramuros.storage.schema import documents, erasures
from tests.support.erasing import CHUNKS, House


@pytest.fixture
def house(database: Database, database_key: bytes) -> Iterator[House]:
    made = House(database, database_key)
    yield made
    made.audit.stop()


def test_a_project_is_gone_everywhere_and_others_are_not(house: House) -> None:
    alice = house.person("alice")
    gone, kept = house.project("Zebulonie", by=alice), house.project("Kept", by=alice)
    house.document(gone, "zebulonette")
    house.document(kept, "quatorzaine")
    house.talk(gone, alice, "mirabelle")
    talk = house.talk(kept, alice, "tournesol")
    assert house.standing("zebulonette") > 0

    receipt = house.erasure.run(Subject("project", gone.id), by=LOCAL.user_id)

    assert house.standing("zebulonette") == 0
    assert house.standing("Zebulonie") == 0
    assert house.standing("quatorzaine") > 0
    assert house.words_of(kept) == CHUNKS
    assert len(house.files()) == 1
    assert house.conversations.turns(talk, project=kept, by=alice)
    with pytest.raises(NotFound):
        house.projects.get(gone.id, by=LOCAL)
    with pytest.raises(NotFound):
        house.keys.get("project", gone.id)
    assert ("erasure", receipt.id) not in set(house.keys.subjects())
    assert house.engines.asked == 1
    assert receipt.statement is not None
    said = receipt.statement.said
    assert said["removed"] | {"members": 0} == {
        "documents": 1, "pages": CHUNKS, "chunks": CHUNKS, "vectors": CHUNKS, "index_terms_of": CHUNKS, "files": 1,
        "file_bytes": 11_000, "conversations": 1, "turns": 1, "members": 0,
        "stored_replies": 0,
    }  # fmt: skip
    assert said["met_before"] > 20
    assert said["met_after"] == said["held_elsewhere"] == 0
    assert said["searched"]["pages"] > 10
    assert said["key_destroyed"]
    for word in ("zebulonette", "Zebulonie", "alice", "mirabelle"):
        assert word not in receipt.statement.text
    with house.database.read() as connection:
        assert connection.scalar(select(erasures.c.samples)) is None


def test_the_search_sees_what_an_erasure_without_wiping_leaves(house: House) -> None:
    """The proof is worth something: without secure deletion, it finds."""
    project = house.project("P")
    document = house.document(project, "zebulonette")
    with house.database.write() as connection:
        connection.execute(text("PRAGMA secure_delete = OFF"))
        connection.execute(text("INSERT INTO passages (passages, rank) VALUES ('secure-delete', 0)"))
    house.database._writer_has.clear()
    with pytest.raises(ErasureUnfinished, match="still stand"):
        house.erasure.run(Subject("document", document), by=LOCAL.user_id)
    assert house.erasure.unfinished()
    with house.database.write() as connection:
        connection.execute(text("PRAGMA secure_delete = ON"))


def test_what_stands_in_another_project_too_is_told(house: House) -> None:
    one, other = house.project("One"), house.project("Other")
    house.document(one, "zebulonette")
    house.document(other, "zebulonette")
    receipt = house.erasure.run(Subject("project", one.id), by=LOCAL.user_id)
    assert receipt.statement is not None
    assert receipt.statement.said["held_elsewhere"] > 0
    assert receipt.statement.said["met_after"] == 0


def test_a_document_and_a_conversation(house: House) -> None:
    project = house.project("P")
    one, other = house.document(project, "zebulonette"), house.document(project, "quatorzaine")
    talk = house.talk(project, LOCAL, "mirabelle")
    house.erasure.run(Subject("document", one), by=LOCAL.user_id)
    house.erasure.run(Subject("conversation", talk), by=LOCAL.user_id)
    assert house.standing("zebulonette") == 0
    with house.database.read() as connection:
        assert list(connection.scalars(select(documents.c.id))) == [other]
    with pytest.raises(NotFound):
        house.conversations.turns(talk, project=project, by=LOCAL)
    assert house.keys.get("project", project.id)
    assert [(r.kind, r.state) for r in receipts(house.database)] == [("conversation", "done"), ("document", "done")]
    with pytest.raises(NotFound):
        check(house.database, "document", one)


def test_a_person(house: House) -> None:
    alice, bob = house.person("alicezebulon"), house.person("bob", role="administrator")
    project = house.project("P", by=bob)
    house.projects.add_member(project.id, user_id=alice.user_id, role="contributor", by=bob)
    document = house.document(project, "quatorzaine")
    with house.database.write() as connection:
        connection.execute(documents.update().values(added_by=alice.user_id))
    talk = house.talk(project, alice, "mirabelle")
    old = house.database.path.read_bytes()
    house.erasure.run(Subject("user", house.users.find("AliceZebulon@firm.example").id), by=bob.user_id)
    assert old
    assert house.users.by_email("alicezebulon@firm.example") is None
    assert house.standing("alicezebulon") == 0
    assert [member.user_id for member in house.projects.members(project.id, by=bob)] == [bob.user_id]
    with house.database.read() as connection:
        assert connection.execute(select(documents.c.id, documents.c.added_by)).all() == [(document, None)]
    with pytest.raises(NotFound):
        house.conversations.turns(talk, project=project, by=alice)


def test_an_old_copy_of_the_database_gives_no_turns_and_no_files(house: House, tmp_path: object) -> None:
    """A backup of everything but the ledger, put back after the erasure."""
    alice = house.person("alice")
    project = house.project("P", by=alice)
    house.document(project, "zebulonette")
    talk = house.talk(project, alice, "mirabelle")
    house.database.checkpoint()
    folder = house.database.path.parent
    for name in ("intramuros.db", "blobs"):
        source, target = folder / name, folder.parent / f"old-{name}"
        shutil.copytree(source, target) if source.is_dir() else shutil.copy(source, target)
    (blob,) = house.files()
    house.erasure.run(Subject("project", project.id), by=LOCAL.user_id)
    house.database.close()
    shutil.copy(folder.parent / "old-intramuros.db", folder / "intramuros.db")
    shutil.copytree(folder.parent / "old-blobs", folder / "blobs", dirs_exist_ok=True)

    assert house.projects.get("P", by=alice).id == project.id
    with pytest.raises((NotFound, StorageCorrupt)):
        house.conversations.turns(talk, project=project, by=alice)
    with pytest.raises(NotFound):
        house.blobs.open(house.projects.key(project), blob.name)


def test_a_reader_that_holds_the_log_delays_it(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(erasing, "LOG_WAIT_S", 0.0)
    project = house.project("P")
    house.document(project, "zebulonette")
    with house.database.read() as connection:
        connection.execute(select(documents.c.id)).all()
        with pytest.raises(ErasureUnfinished, match="long read"):
            house.erasure.run(Subject("project", project.id), by=LOCAL.user_id)
        assert house.standing("zebulonette") > 0
    (receipt,) = house.erasure.resume()
    assert receipt.state == "done"
    assert house.standing("zebulonette") == 0
    assert house.erasure.resume() == []


def test_without_the_samples_it_ends_and_says_so(house: House) -> None:
    """A restored backup may hold an erasure that ran, whose own key is gone."""
    project = house.project("P")
    begun = house.erasure.begin(Subject("project", project.id), by=LOCAL.user_id)
    house.keys.destroy("erasure", begun)
    (receipt,) = house.erasure.resume()
    assert receipt.statement is not None
    assert receipt.statement.said["samples"] == {}


def test_begun_shuts_everybody_out_at_once(house: House) -> None:
    alice = house.person("alice")
    project = house.project("Zebulonie", by=alice)
    begun = house.erasure.begin(Subject("project", project.id), by=alice.user_id)
    assert house.projects.list(alice) == []
    assert house.erasure.begin(Subject("project", project.id), by=alice.user_id) == begun
    house.project("Zebulonie", by=alice)  # the name is free
    (receipt,) = house.erasure.resume()
    assert receipt.id == begun


def test_a_receipt_is_checked_with_the_public_key_alone(house: House) -> None:
    project = house.project("P")
    receipt = house.erasure.run(Subject("project", project.id), by=LOCAL.user_id)
    assert receipt.statement is not None
    line, public = receipt.statement.line(), house.audit.public_key()
    assert verified(line, public)["subject"] == project.id
    with pytest.raises(BadRequest, match="changed"):
        verified(line, signing.public_of(signing.new_key()))
    changed = json.loads(line)
    changed["statement"] = changed["statement"].replace('"met_after":0', '"met_after":1')
    with pytest.raises(BadRequest, match="changed"):
        verified(json.dumps(changed), public)
    with pytest.raises(BadRequest, match="not a receipt"):
        verified("{}", public)


def test_no_term_stays_in_the_index(house: House) -> None:
    """FTS5's `optimize` keeps the marks of what it removed, with their terms, when nothing else was in the segment."""
    project, kept = house.project("P"), house.project("Kept")
    for number in range(4):
        house.document(project, f"zebulonette{number}")
    house.document(kept, "quatorzaine")
    house.erasure.run(Subject("project", project.id), by=LOCAL.user_id)
    assert house.standing("zebulonette") == 0
