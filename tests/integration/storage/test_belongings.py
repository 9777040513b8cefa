"""Nothing of a person, project, document or conversation is left out of the one list that erasure and backups go by."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from intramuros.storage.belongings import Belonging, of_conversation, of_document, of_project, of_user
from intramuros.storage.schema import batch_lines, metadata, stored_replies


@pytest.mark.parametrize("of", [of_user, of_project, of_document, of_conversation])
def test_every_table_that_belongs_to_what_is_listed_is_listed(of: Callable[[str], list[Belonging]]) -> None:
    """Also what hangs on a listed row: lines on a batch, pages on a document, turns on a conversation."""
    listed = {item.table.name for item in of("somebody")}
    pointing = {
        table.name
        for table in metadata.tables.values()
        for key in table.foreign_keys
        if key.target_fullname.partition(".")[0] in listed
    }
    assert pointing - listed == set(), "say in storage/belongings.py how these are erased and backed up"


def test_what_no_foreign_key_says_is_listed_too() -> None:
    assert stored_replies in [item.table for item in of_project("p")], "it names its projects in a list"
    assert batch_lines in [item.table for item in of_user("somebody")]
