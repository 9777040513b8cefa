"""Nothing of a person is left out of the one list that erasure and backups go by."""

from __future__ import annotations

from intramuros.storage.belongings import of_user
from intramuros.storage.schema import metadata


def test_every_table_that_belongs_to_a_person_is_listed() -> None:
    listed = {item.table.name for item in of_user("somebody")}
    pointing = {
        table.name
        for table in metadata.tables.values()
        for key in table.foreign_keys
        if key.target_fullname == "users.id"
    }
    assert pointing - listed == set(), "say in storage/belongings.py how these are erased and backed up"
