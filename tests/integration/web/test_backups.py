"""The page of the backups: what it shows, who may open it, and that it makes one."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from intramuros.accounts.rights import Rights
from intramuros.storage.backups.place import Place
from tests.asgi import Client
from tests.installed import Installed
from tests.integration.web.conftest import People, text_of

PAGE = "/administration/backups"


async def seen(people: People, page: str, language: str) -> str:
    """What an administrator reads on a page."""
    charlie = people.charlie
    cookie = f"intramuros_session={charlie.token}; language={language}"
    return text_of(await charlie.get(page, cookie=cookie))


async def test_administrators_only(people: People) -> None:
    assert (await people.charlie.get(PAGE)).status == 200
    assert (await people.alice.get(PAGE)).status in {403, 404}
    assert (await people.alice.post(PAGE)).status in {403, 404}
    assert (await people.charlie.post(PAGE, csrf_token="wrong")).status == 403


async def test_without_a_folder_it_says_how(people: People) -> None:
    page = await people.charlie.get(PAGE)
    assert "INTRAMUROS_BACKUP_FOLDER" in page.body.decode()
    assert "intramuros recovery create" in page.body.decode()
    assert (await people.charlie.post(PAGE)).status == 400


async def test_it_makes_one(people: People, installed: Installed, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    object.__setattr__(installed.app.settings, "backup_folder", folder)
    assert (await people.charlie.post(PAGE)).status == 303
    for _ in range(200):
        if Place(folder).ids():
            break
        await asyncio.sleep(0.05)
    (backup,) = Place(folder).ids()
    page = await people.charlie.get(PAGE)
    assert backup in page.body.decode()


async def test_what_went_wrong_is_shown(people: People, installed: Installed, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "me.jpg").write_text("x")
    object.__setattr__(installed.app.settings, "backup_folder", folder)
    await people.charlie.post(PAGE)
    for _ in range(200):
        page = await people.charlie.get(PAGE)
        if "photos" in page.body.decode() and "disabled" not in page.body.decode():
            break
        await asyncio.sleep(0.05)
    assert [p.name for p in folder.iterdir()] == ["me.jpg"]


async def test_scheduled_ones_that_are_refused_are_told_wherever_an_administrator_looks(
    people: People, installed: Installed, tmp_path: Path
) -> None:
    app, folder = installed.app, tmp_path / "backups"
    object.__setattr__(app.settings, "backup_folder", folder)
    object.__setattr__(app.settings, "backup_every_hours", 24)
    charlie, alice = installed.client("charlie"), installed.client("alice")
    app.backup.make(folder)
    assert "new folder" not in await seen(people, "/administration", "en")
    assert (await charlie.call("GET", "/health")).json()["backups"]["state"] == "good"
    assert f'intramuros_backup_ok{{folder="{folder}"}} 1.0' in (await charlie.call("GET", "/metrics")).body.decode()

    ledger = folder / "subjects.json"  # as a deep change of keys leaves it: of another generation
    there = json.loads(ledger.read_text())
    ledger.write_text(json.dumps({**there, "keys": json.dumps({**json.loads(there["keys"]), "subjects": "former"})}))
    for page in ("/administration", PAGE):
        said = await seen(people, page, "en")
        assert "will be refused" in said and "new folder in INTRAMUROS_BACKUP_FOLDER" in said, page
        said = await seen(people, page, "fr")
        assert "sera refusée" in said and "nouveau dossier dans INTRAMUROS_BACKUP_FOLDER" in said, page
    told = (await charlie.call("GET", "/health")).json()["backups"]
    assert (told["ok"], told["state"], told["error"]) == (False, "refused", "backup_of_former_keys")
    assert "new folder" in told["hint"]
    metrics = (await charlie.call("GET", "/metrics")).body.decode()
    assert f'intramuros_backup_ok{{folder="{folder}"}} 0.0' in metrics
    assert f'intramuros_backup_last_timestamp_seconds{{folder="{folder}"}}' in metrics
    assert [record.actor for record in installed.records("health")] == [
        record.actor for record in installed.records("metrics")
    ]
    for client in (alice, installed.client(None), Client(installed.guard, authorization="Bearer imk_wrong")):
        assert (await client.call("GET", "/health")).json().keys() == {"status", "version", "isolation"}


async def test_a_failed_try_stays_on_the_page(people: People, installed: Installed, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "me.jpg").write_text("x")
    object.__setattr__(installed.app.settings, "backup_folder", folder)
    object.__setattr__(installed.app.settings, "backup_every_hours", 24)
    await people.charlie.post(PAGE)
    async with asyncio.timeout(10):
        while "disabled" in (await people.charlie.get(PAGE)).body.decode():
            await asyncio.sleep(0.02)
    said = await seen(people, "/administration", "en")
    assert "The last try to back up failed" in said and "Name an empty folder" in said
    assert "without success" in await seen(people, PAGE, "en")


async def test_a_key_without_the_scope_is_told_no_more_than_others(installed: Installed) -> None:
    key, _ = installed.app.api_keys.create(
        "narrow", installed.app.users.find("charlie@firm.example").id, rights=Rights(scopes=frozenset({"chat"}))
    )
    answer = await Client(installed.guard, authorization=f"Bearer {key}").call("GET", "/health")
    assert answer.status == 200 and "backups" not in answer.json()
