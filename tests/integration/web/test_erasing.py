"""Erasing on pages: who may, what it takes, and that the receipt comes by itself."""

from __future__ import annotations

import asyncio
import io
import json
import zipfile
from pathlib import Path

import pytest

from intramuros.accounts.projects import Project
from intramuros.privacy.erase.receipt import Receipt, receipts, verified
from intramuros.privacy.erase.retention import Kept
from tests.asgi import Answer
from tests.installed import Installed
from tests.integration.web.conftest import Browser, People, text_of


async def finished(installed: Installed) -> list[Receipt]:
    """The erasures, once the schedule has finished them."""
    async with asyncio.timeout(20):
        while not (found := receipts(installed.app.database)) or any(item.state != "done" for item in found):
            await asyncio.sleep(0.05)
    return found


async def test_an_owner_erases_a_project_by_typing_its_name(
    installed: Installed, people: People, project: Project
) -> None:
    address = f"/projects/{project.id}/erase"
    assert (await people.bob.post(address, name=project.name)).status == 403
    assert (await people.charlie.post(address, name=project.name)).status == 404
    assert (await people.alice.post(address, name="something else")).status == 400
    assert (await people.alice.get(f"/projects/{project.id}")).status == 200
    answer = await people.alice.post(address, name=project.name)
    assert (answer.status, answer.headers["location"]) == (303, "/")
    assert (await people.alice.get(f"/projects/{project.id}")).status == 404
    (receipt,) = await finished(installed)
    assert (receipt.kind, receipt.subject) == ("project", project.id)


async def test_a_removed_document_gets_its_receipt(installed: Installed, people: People, project: Project) -> None:
    await people.alice.upload(project, "bail.md", b"# Bail\n\nLe loyer est de 900 francs.\n")
    document = installed.app.library.list(project)[0]
    assert (await people.alice.post(f"/projects/{project.id}/documents/{document.id}/remove")).status == 303
    assert installed.app.library.list(project) == []
    (receipt,) = await finished(installed)
    assert receipt.subject == document.id
    shown = await people.charlie.get("/receipts?lang=en")
    assert shown.status == 303
    page = text_of(await people.charlie.get("/receipts"))
    assert document.id in page
    assert "bail" not in page


async def test_the_receipts_page_names_the_backups_that_hold_it_still(
    installed: Installed, people: People, project: Project, tmp_path: Path
) -> None:
    await people.alice.upload(project, "bail.md", b"# Bail\n\nLe loyer est de 900 francs.\n")
    document = installed.app.library.list(project)[0]
    first, second = (installed.app.backup.make(tmp_path / "backups").manifest.id for _ in range(2))
    await people.alice.post(f"/projects/{project.id}/documents/{document.id}/remove")
    (receipt,) = await finished(installed)
    assert receipt.statement and receipt.statement.said["in_backups"] == [first, second]
    page = text_of(await people.charlie.get("/receipts"))
    assert f"2 sauvegarde(s), de {first} à {second}" in page and "--keep 1" in page


async def test_receipts_are_for_auditors_and_can_be_verified(
    installed: Installed, people: People, project: Project
) -> None:
    await people.alice.post(f"/projects/{project.id}/erase", name=project.name)
    (receipt,) = await finished(installed)
    assert (await people.alice.get("/receipts")).status == 403
    assert (await people.alice.get(f"/receipts/{receipt.id}")).status == 403
    file = await people.charlie.get(f"/receipts/{receipt.id}")
    assert "attachment" in file.headers["content-disposition"]
    assert verified(file.body.decode(), installed.app.audit.public_key())["subject"] == project.id


async def test_an_administrator_erases_a_person(installed: Installed, people: People, project: Project) -> None:
    assert (await people.alice.post("/receipts/people", email="bob@firm.example")).status == 403
    refused = await people.charlie.post("/receipts/people", email="alice@firm.example")
    assert refused.status == 409  # she is the last owner of a project
    assert "Indiquez qui les reprend" in text_of(refused)
    to_self = await people.charlie.post("/receipts/people", email="alice@firm.example", heir="charlie@firm.example")
    assert to_self.status == 403
    assert (await people.charlie.post("/receipts/people", email="charlie@firm.example")).status == 409
    assert (await people.charlie.post("/receipts/people", email="nobody@firm.example")).status == 404
    assert (await people.charlie.post("/receipts/people", email="bob@firm.example")).status == 303
    assert (await people.bob.get("/")).status != 200
    (receipt,) = await finished(installed)
    assert receipt.kind == "user"
    assert installed.app.users.by_email("bob@firm.example") is None


async def test_an_heir_takes_over_what_only_they_owned(installed: Installed, people: People, project: Project) -> None:
    sent = {"email": "alice@firm.example", "heir": "bob@firm.example"}
    assert (await people.charlie.post("/receipts/people", **sent)).status == 303
    assert (await people.alice.get("/")).status != 200
    (receipt,) = await finished(installed)
    assert receipt.kind == "user"
    bob = installed.app.sessions.caller(installed.sessions["bob"])
    assert bob and installed.app.projects.get(project.id, by=bob, need="owner")


@pytest.mark.parametrize(
    ("who", "method", "path"),
    [
        ("alice", "POST", "/projects/{project}/erase"),
        ("alice", "DELETE", "/api/v1/projects/{project}"),
        ("charlie", "POST", "/receipts/people"),
        ("charlie", "DELETE", "/api/v1/users/bob@firm.example"),
        ("bob", "POST", "/privacy/export"),
    ],
)
async def test_erasing_and_handing_over_take_a_fresh_proof(
    installed: Installed, people: People, project: Project, who: str, method: str, path: str
) -> None:
    """Whoever finds a browser that was left open gets no further, neither by the page nor by the API."""
    person: Browser = getattr(people, who)
    fields = {"name": project.name, "email": "bob@firm.example"}

    async def tried() -> Answer:
        if method == "POST":
            return await person.post(path.format(project=project.id), **fields)
        return await person.client.call(method, path.format(project=project.id))

    with installed.app.database.write() as connection:
        connection.exec_driver_sql("UPDATE sessions SET proven_at = 1")
    installed.app.identity.flush()
    answer = await tried()
    assert answer.status in {303, 403} and receipts(installed.app.database) == []
    if method == "POST":
        assert answer.headers["location"].startswith("/account/prove")
    else:
        assert answer.json()["error"]["code"] == "proof_needed"
    assert installed.app.users.by_email("bob@firm.example") and installed.app.library.list(project) == []
    with installed.app.database.write() as connection:  # what a new proof does
        connection.exec_driver_sql("UPDATE sessions SET proven_at = unixepoch()")
    installed.app.identity.flush()
    done = await tried()
    assert done.status in {200, 303} and "/account/prove" not in done.headers.get("location", "")


async def test_times_to_keep(installed: Installed, people: People, project: Project) -> None:
    address = f"/projects/{project.id}/retention"
    assert (await people.bob.post(address, documents="3")).status == 403
    assert (await people.alice.post(address, documents="365", conversations="")).status == 303
    assert installed.app.retention.get(project.id) == Kept(None, 365)
    assert 'value="365"' in (await people.alice.get(f"/projects/{project.id}")).body.decode()
    assert "365" in text_of(await people.bob.get(f"/projects/{project.id}"))
    assert (await people.alice.post(address, documents="365", unused="90")).status == 303
    assert installed.app.retention.get(project.id) == Kept(None, 365, 90)
    assert 'value="90"' in (await people.alice.get(f"/projects/{project.id}")).body.decode()
    assert "que personne n’utilise : 90 jours" in text_of(await people.bob.get(f"/projects/{project.id}"))
    for wrong in ("0", "-1", "abc", "1e9", "9999999"):
        assert (await people.alice.post(address, documents=wrong)).status == 400
    assert installed.app.retention.get(project.id) == Kept(None, 365, 90)


async def test_everybody_gets_their_own_data_and_no_other(people: People, project: Project) -> None:
    answer = await people.bob.post("/privacy/export")
    assert answer.headers["content-type"] == "application/zip"
    data = json.loads(zipfile.ZipFile(io.BytesIO(answer.body)).read("data.json"))
    assert data["profile"]["email"] == "bob@firm.example"
    assert "alice@" not in json.dumps(data)


@pytest.mark.parametrize("path", ["/privacy/export", "/receipts/people"])
async def test_a_form_needs_its_token(people: People, path: str) -> None:
    assert (await people.charlie.post(path, csrf_token="wrong", email="bob@firm.example")).status == 403
