"""The page of the backups: what it shows, who may open it, and that it makes one."""

from __future__ import annotations

import asyncio
from pathlib import Path

from intramuros.storage.backups.place import Place
from tests.installed import Installed
from tests.integration.web.conftest import People

PAGE = "/administration/backups"


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
