from __future__ import annotations

from typing import Any

import pytest

from intramuros.storage import facts
from intramuros.storage.database import Database
from intramuros.storage.remembered import Fact


@pytest.mark.parametrize(
    "value", ["text", "", "été", 0, 3, 2.5, True, False, [], [1, "a"], {"a": {"b": [1]}}, "12", "null"]
)
def test_a_value_comes_back_as_it_was(database: Database, value: Any) -> None:
    with database.write() as connection:
        facts.put(connection, "name", "before")
        facts.put(connection, "name", value)
    with database.read() as connection:
        found = facts.get(connection, "name")
    assert found == value
    assert type(found) is type(value)


def test_what_is_not_there(database: Database) -> None:
    with database.read() as connection:
        assert facts.get(connection, "name") is None
        assert facts.get(connection, "name", 7) == 7


def test_removing(database: Database) -> None:
    with database.write() as connection:
        facts.put(connection, "name", 1)
        facts.remove(connection, "name")
        facts.remove(connection, "name")
        assert facts.get(connection, "name") is None


@pytest.mark.parametrize("value", ["été", 3, True, ["a", {"b": 1}], None])
def test_a_fact_handed_to_others_is_the_one_that_was_stored_last(database: Database, value: Any) -> None:
    fact = Fact(database, "name")
    assert fact.get() is None
    fact.set("before")
    assert fact.get() == "before"
    Fact(database, "name").set(value)
    assert fact.get() == value
    assert Fact(database, "name", "by a setting").get() == "by a setting"


def test_a_fact_is_got_without_a_transaction(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    fact = Fact(database, "name")
    fact.set("smollm2")

    def read(_: object) -> None:
        raise AssertionError("a transaction takes twenty times as long")

    monkeypatch.setattr(Database, "read", read)
    assert fact.get() == "smollm2"
