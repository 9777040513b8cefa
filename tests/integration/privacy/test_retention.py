"""Times to keep: what is older goes with a receipt, what is younger stays, and without a time nothing goes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import select, update

from intramuros.accounts.caller import LOCAL
from intramuros.errors import BadRequest
from intramuros.privacy.erase.receipt import receipts
from intramuros.privacy.erase.retention import Kept, Retention
from intramuros.privacy.erase.unused import DAY_S
from intramuros.storage.database import Database
from intramuros.storage.schema import conversations, documents, now
from tests.support.erasing import House


@pytest.fixture
def house(database: Database, database_key: bytes) -> Iterator[House]:
    made = House(database, database_key)
    yield made
    made.audit.stop()


def test_what_is_too_old_is_erased_and_nothing_else(house: House) -> None:
    retention = Retention(house.database, house.erasure)
    project, other = house.project("P"), house.project("Other")
    old, young = house.document(project, "zebulonette"), house.document(project, "quatorzaine")
    elsewhere = house.document(other, "mirabelle")
    old_talk, young_talk = house.talk(project, LOCAL, "tournesol"), house.talk(project, LOCAL, "capucine")
    with house.database.write() as connection:
        for table, which in ((documents, [old, elsewhere]), (conversations, [old_talk])):
            long_ago = {"created_at": now() - 31 * DAY_S, "updated_at": now() - 31 * DAY_S}
            connection.execute(update(table).where(table.c.id.in_(which)).values(long_ago))
    assert retention.run(by=LOCAL.user_id) == []
    retention.set(project.id, Kept(conversations_days=30, documents_days=30))
    assert retention.get(project.id) == Kept(30, 30)

    done = retention.run(by=LOCAL.user_id)

    assert {(item.kind, item.subject, item.reason) for item in done} == {
        ("document", old, "retention"),
        ("conversation", old_talk, "retention"),
    }
    assert house.engines.asked == 1
    assert house.standing("zebulonette") == 0
    with house.database.read() as connection:
        assert set(connection.scalars(select(documents.c.id))) == {young, elsewhere}
        assert list(connection.scalars(select(conversations.c.id))) == [young_talk]
    assert retention.run(by=LOCAL.user_id) == []
    assert len(receipts(house.database)) == 2


@pytest.mark.parametrize("days", [0, -1, 10**6])
def test_less_than_a_day_is_refused(house: House, days: int) -> None:
    project = house.project("P")
    with pytest.raises(BadRequest):
        Retention(house.database, house.erasure).set(project.id, Kept(documents_days=days))
