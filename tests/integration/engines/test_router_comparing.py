"""The router comparing targets: shadows and weights, and the numbers that are kept."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from intramuros.accounts.caller import LOCAL
from intramuros.audit.record import Audit
from intramuros.engines import routed
from intramuros.engines.asked import Asked, asking
from intramuros.engines.upstream import Waits
from intramuros.errors import (
    StorageBusy,
)
from intramuros.storage.database import Database
from intramuros.storage.schema import audit as audit_table
from intramuros.storage.schema import comparisons
from tests.integration.engines.routed_place import (
    ABOUT,
    NAME,
    Place,
    entry,
    fails,
    settled,
)
from tests.support.upstream_server import says


async def test_a_shadow_is_asked_beside_and_only_numbers_are_kept(
    place: Place, audit: Audit, database: Database
) -> None:
    await place.server("one", says("le ", "ciel ", "bleu"))
    shadow = await place.server("new", says("le ", "ciel ", "gris"))
    place.route("one/m", shadow="new/m", shadow_share=1)
    assert await place.stream() == await place.whole() == "le ciel bleu"
    await settled(place)
    assert len(shadow.chats) == 2
    summary = {row["role"]: row for row in place.router.comparisons.summary("big")}
    assert summary["served"]["target"] == "one/m" and summary["shadow"]["target"] == "new/m"
    assert summary["shadow"]["agreement"] == 0.5 and summary["served"]["completion_tokens"] == 3
    with database.read() as connection:
        rows = connection.execute(comparisons.select()).mappings().all()
    assert len(rows) == 4 and len({row["pair"] for row in rows}) == 2
    assert "ciel" not in str(rows) and "Bonjour" not in str(rows)


async def test_outcomes_that_can_not_be_written_now_are_written_later(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    await place.server("one")
    await place.server("two")
    place.route("one/m", "two/m")
    await place.whole()

    def write(_: object, **options: Any) -> None:
        raise StorageBusy

    with monkeypatch.context() as patched, pytest.raises(StorageBusy):
        patched.setattr(Database, "write", write)
        place.router.comparisons.flush()
    await place.whole()
    rows = place.router.comparisons.summary("big")
    assert sum(row["requests"] for row in rows) == 2


async def test_a_shadow_that_fails_or_hangs_is_nobodys_trouble(place: Place) -> None:
    await place.server("one")
    await place.server("new", lambda call: asyncio.sleep(30), waits=Waits(first_token_s=0.3))
    place.route("one/m", shadow="new/m", shadow_share=1)
    for _ in range(8):
        assert await asyncio.wait_for(place.stream(), 10) == "one"
    assert len(place.servers["new"].chats) <= 4
    await settled(place)
    summary = {row["role"]: row for row in place.router.comparisons.summary("big")}
    assert summary["shadow"]["failed"] == summary["shadow"]["requests"] > 0


async def test_a_shadow_that_fails_in_a_way_nobody_foresaw_is_in_the_log(
    place: Place, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails_on(*texts: str) -> float:
        raise ValueError(texts)

    await place.server("one")
    await place.server("new")
    place.route("one/m", shadow="new/m", shadow_share=1)
    monkeypatch.setattr(routed, "agreement", fails_on)
    assert await place.stream() == "one"
    await settled(place)
    assert "shadow failed: ValueError at routed.py:" in caplog.text and "'one'" not in caplog.text


async def test_a_shadow_outside_needs_consent_and_has_a_record_of_its_own(
    place: Place, audit: Audit, database: Database, agreed: Asked
) -> None:
    await place.server("one")
    new = await place.server("new", outside=True)
    place.route("one/m", shadow="new/m", shadow_share=1)
    with asking(Asked(LOCAL, entry())):
        await place.stream(ABOUT)
    await settled(place)
    assert new.calls == []
    with asking(agreed):
        await place.stream(ABOUT)
    await settled(place)
    assert len(new.chats) == 1 and NAME not in new.wire
    assert "targets" not in agreed.entry.facts
    audit.flush()
    with database.read() as connection:
        records = connection.execute(audit_table.select().where(audit_table.c.action == "shadow")).all()
    assert [record.facts["targets"] for record in records] == [["new/m"]]
    assert records[0].facts["masked"] == {"PERSON": 1, "EMAIL_ADDRESS": 1}


async def test_weights_are_counted_target_by_target(place: Place) -> None:
    await place.server("one")
    await place.server("two", fails)
    place.route("one/m", "two/m")
    for number in range(10):
        await place.whole({"messages": [{"role": "user", "content": str(number)}]})
    rows = {row["target"]: row for row in place.router.comparisons.summary("big")}
    assert rows["one/m"]["failed"] == 0 and rows["one/m"]["requests"] == 10
    assert rows["two/m"]["failed"] == rows["two/m"]["requests"] > 0
