"""The audit's page: records without content, the check of them, and files to take along; for those whose task it is."""

from __future__ import annotations

import json
import re

import pytest

from intramuros.accounts.projects import Project
from intramuros.audit.export import verify_export
from intramuros.security import signing
from intramuros.storage.schema import audit
from tests.installed import Installed
from tests.integration.web.conftest import People, text_of

AUDIT = "/administration/audit"


async def test_an_administrator_sees_who_did_what_and_never_what_about(people: People, project: Project) -> None:
    await people.alice.post(f"/projects/{project.id}/ask", question="Où est le trésor caché du notaire ?")
    page = text_of(await people.charlie.get(AUDIT))
    assert "Alice" in page
    assert "question posée" in page
    assert "trésor" not in page and "notaire" not in page


@pytest.mark.parametrize("path", ["/administration", AUDIT, f"{AUDIT}/export", f"{AUDIT}/public-key"])
async def test_members_see_none_of_it(people: People, path: str) -> None:
    assert (await people.alice.get(path)).status == 403
    assert "/administration" not in (await people.alice.get("/")).body.decode()
    assert (await people.charlie.get(path)).status == 200


async def test_records_can_be_found_by_person_action_outcome_and_day(people: People) -> None:
    await people.alice.get("/administration")
    await people.alice.get("/keys")
    page = text_of(await people.charlie.get(f"{AUDIT}?who=alice@firm.example&outcome=refused"))
    assert "administration consultée" in page.split("Mesures")[1]
    assert "clés" not in page.split("Mesures")[1].split("Exporter")[0]
    assert "Aucun enregistrement" in text_of(await people.charlie.get(f"{AUDIT}?who=nobody"))
    assert "Aucun enregistrement" in text_of(await people.charlie.get(f"{AUDIT}?until=2001-01-01"))
    assert "Aucun enregistrement" not in text_of(await people.charlie.get(f"{AUDIT}?since=2001-01-01"))


@pytest.mark.parametrize("query", ["since=yesterday", "before=-1", "before=1%27", "outcome=good", "until=9999-99-99"])
async def test_what_can_t_be_asked_is_refused(people: People, query: str) -> None:
    assert (await people.charlie.get(f"{AUDIT}?{query}")).status == 400


async def test_pages_lead_to_older_records(people: People) -> None:
    for _ in range(120):
        await people.alice.get("/keys")
    body = (await people.charlie.get(AUDIT)).body.decode()
    found = re.search(r'href="(/administration/audit\?before=\d+)"', body)
    assert found is not None
    assert "audit?before=" not in (await people.charlie.get(found[1])).body.decode()


async def test_the_check_says_what_held_and_what_not(people: People, installed: Installed) -> None:
    await people.alice.get("/")
    assert "Le journal est intact" in text_of(await people.charlie.post(f"{AUDIT}/verify"))
    with installed.app.database.write() as connection:
        connection.execute(audit.update().where(audit.c.sequence == 1).values(actor="somebody-else"))
    broken = text_of(await people.charlie.post(f"{AUDIT}/verify"))
    assert "Le journal a été modifié" in broken
    assert "enregistrement 1." in broken


async def test_an_export_verifies_with_the_public_key_alone(people: People) -> None:
    await people.alice.get("/")
    export = await people.charlie.get(f"{AUDIT}/export?format=jsonl")
    assert export.headers["content-disposition"].endswith('.jsonl"')
    public = signing.from_pem((await people.charlie.get(f"{AUDIT}/public-key")).body.decode())
    lines = export.body.decode().splitlines(keepends=True)
    assert json.loads(lines[1])
    assert verify_export(lines, public).ok
    assert (await people.charlie.get(f"{AUDIT}/export?format=syslog")).body.startswith(b"<")
