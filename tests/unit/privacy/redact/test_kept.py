"""The aliases of conversations: stable while they last, gone when they are erased."""

from __future__ import annotations

import pytest

from intramuros.privacy.redact.kept import KeptAliases
from intramuros.storage.erasable import Kind, Subject


def test_a_conversation_keeps_its_aliases_and_no_other_shares_them() -> None:
    kept = KeptAliases(most=2)
    one = kept.of("a", project_id="p", user_id="u")
    assert kept.of("a", project_id="p", user_id="u") is one
    assert kept.of("b", project_id="p", user_id="u") is not one
    assert kept.of("a", project_id="p", user_id="somebody else") is not one
    kept.of("c", project_id="p", user_id="u")
    assert len([name for name in ("a", "b", "c") if kept.count(Subject("conversation", name))]) == 2


@pytest.mark.parametrize(
    ("kind", "id", "left"), [("conversation", "a", 2), ("user", "u", 1), ("project", "p", 1), ("document", "d", 0)]
)
def test_an_erasure_forgets_map_and_key(kind: Kind, id: str, left: int) -> None:
    kept = KeptAliases()
    for name, project, user in (("a", "p", "u"), ("b", "p", "v"), ("c", "q", "u")):
        kept.of(name, project_id=project, user_id=user).alias("PERSON", "Anna Keller")
    before = kept.of("a", project_id="p", user_id="u").alias("PERSON", "Anna Keller")
    assert kept.count(Subject(kind, id)) == {"aliases": 3 - left}
    assert not list(kept.samples(Subject(kind, id)))
    kept.erase(Subject(kind, id))
    assert not kept.count(Subject(kind, id))
    assert kept.of("a", project_id="p", user_id="u").alias("PERSON", "Anna Keller") != before
    kept.clear()
    assert not kept.count(Subject("project", "p"))
