"""Everything kept about a person, and nothing of others; streamed, without a readable file in the data folder."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator

import pytest

from intramuros.storage.database import Database
from intramuros.tasks.person import PersonExport
from tests.support.erasing import House


@pytest.fixture
def house(database: Database, database_key: bytes) -> Iterator[House]:
    made = House(database, database_key)
    yield made
    made.audit.stop()


def test_all_of_one_person_and_nothing_of_another(house: House) -> None:
    alice, bob = house.person("alice"), house.person("bob")
    project = house.project("Baux", by=alice)
    house.projects.add_member(project.id, user_id=bob.user_id, role="reader", by=alice)
    house.talk(project, alice, "<zebulon>")
    house.talk(project, bob, "mirabelle")
    with house.audit.entry_sync("chat", by=alice):
        pass
    before = set(house.database.path.parent.rglob("*"))
    pieces = list(PersonExport(house.database, house.conversations).stream(house.users.get(alice.user_id)))
    assert set(house.database.path.parent.rglob("*")) == before

    archive = zipfile.ZipFile(io.BytesIO(b"".join(pieces)))
    assert archive.testzip() is None
    data = json.loads(archive.read("data.json"))
    page = archive.read("index.html").decode()
    assert data["profile"]["email"] == "alice@firm.example"
    assert [item["name"] for item in data["memberships"]] == ["Baux"]
    (talk,) = data["conversations"]
    assert talk["turns"][0]["question"] == "Que dit <zebulon> de tout cela ?"
    assert "chat" in {record["action"] for record in data["audit"]}
    assert "&lt;zebulon&gt;" in page
    assert "<zebulon>" not in page
    for text in (json.dumps(data), page):
        assert "mirabelle" not in text
        assert "bob@" not in text
        assert "password" not in text
    assert len(pieces) > 5
