"""Everything kept about a person, and nothing of others; streamed, without a readable file in the data folder."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Table, insert, select

from intramuros.accounts.caller import Caller
from intramuros.engines.routing import Routing
from intramuros.engines.upstream import Upstream
from intramuros.storage.database import Database
from intramuros.storage.schema import (
    batches,
    break_glass,
    external_identities,
    outside_consents,
    passkeys,
    quotas,
    usage,
)
from intramuros.tasks.batch import COLUMNS, from_row
from intramuros.tasks.batch_lines import Line, LineStore
from intramuros.tasks.person import PersonExport
from intramuros.tasks.stored_replies import StoredReplies
from tests.support.erasing import House


@pytest.fixture
def house(database: Database, database_key: bytes) -> Iterator[House]:
    made = House(database, database_key)
    yield made
    made.audit.stop()


def more_of(house: House, person: Caller) -> None:
    """A row of this person's in each table that the export reads besides."""
    id = person.user_id
    rows: dict[Table, dict[str, Any]] = {
        passkeys: {"id": id, "user_id": id, "credential_id": id.encode(), "public_key": b"secret", "sign_count": 0,
                   "site": "localhost", "name": f"key of {id}", "created_at": 1.0},
        external_identities: {"issuer": "https://sso.example", "subject": f"subject of {id}", "user_id": id,
                              "created_at": 1.0},
        outside_consents: {"id": id, "upstream": "cloud", "user_id": id, "created_at": 1.0},
        usage: {"kind": "user", "subject": id, "day": "2026-11-25", "requests": 1, "tokens": 17, "euros": 0.0},
        quotas: {"kind": "user", "subject": id, "tokens_per_day": 1000},
        break_glass: {"id": id, "user_name": "Charlie", "subject_id": id, "reason": f"audit of {id}",
                      "created_at": 1.0, "expires_at": 2.0},
        batches: {"id": id, "user_id": id, "credential": "session", "endpoint": "/v1/chat/completions",
                  "state": "in_progress", "input_file": "f", "times": {}, "created_at": 1.0, "expires_at": 2.0},
    }  # fmt: skip
    with house.database.write() as connection:
        for table, values in rows.items():
            connection.execute(insert(table).values(values))
        batch = from_row(connection.execute(select(*COLUMNS).where(batches.c.id == id)).one())
    house.keys.create("user", id)
    LineStore(house.database, house.keys, batch, "").add([Line(1, {"custom_id": "a", "body": f"line of {id}"})])


def test_all_of_one_person_and_nothing_of_another(house: House) -> None:
    alice, bob = house.person("alice"), house.person("bob")
    project = house.project("Baux", by=alice)
    house.projects.add_member(project.id, user_id=bob.user_id, role="reader", by=alice)
    house.talk(project, alice, "<zebulon>")
    house.talk(project, bob, "mirabelle")
    with house.audit.entry_sync("chat", by=alice):
        pass
    Routing(house.database, key=bytes(32)).add(Upstream("cloud", "https://cloud.example", is_outside=True))
    for person in (alice, bob):
        more_of(house, person)
    before = set(house.database.path.parent.rglob("*"))
    pieces = list(
        PersonExport(
            house.database, house.conversations, StoredReplies(house.database, house.keys, house.projects), house.keys
        ).stream(house.users.get(alice.user_id))
    )
    assert set(house.database.path.parent.rglob("*")) == before

    archive = zipfile.ZipFile(io.BytesIO(b"".join(pieces)))
    assert archive.testzip() is None
    data = json.loads(archive.read("data.json"))
    page = archive.read("index.html").decode()
    assert data["profile"]["email"] == "alice@firm.example"
    assert [item["name"] for item in data["memberships"]] == ["Baux"]
    (talk,) = data["conversations"]
    assert talk["turns"][0]["question"] == "Que dit <zebulon> de tout cela ?"
    assert [item["name"] for item in data["passkeys"]] == [f"key of {alice.user_id}"]
    assert [item["subject"] for item in data["identities_elsewhere"]] == [f"subject of {alice.user_id}"]
    assert [item["upstream"] for item in data["consents"]] == ["cloud"]
    assert [item["tokens"] for item in data["usage"]] == [17]
    assert [item["tokens_per_day"] for item in data["quotas"]] == [1000]
    assert [item["reason"] for item in data["looked_at_by"]] == [f"audit of {alice.user_id}"]
    assert [line["request"]["body"] for line in data["batch_lines"]] == [f"line of {alice.user_id}"]
    for text in (json.dumps(data), page):
        assert f"line of {alice.user_id}" in text and bob.user_id not in text
    assert "chat" in {record["action"] for record in data["audit"]}
    assert "&lt;zebulon&gt;" in page
    assert "<zebulon>" not in page
    for text in (json.dumps(data), page):
        assert "mirabelle" not in text
        assert "bob@" not in text
        assert "password" not in text
    assert len(pieces) > 5
