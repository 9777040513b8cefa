"""The models page, and the one click that installs the best model."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from pathlib import Path

import pytest

from intramuros.errors import DownloadFailed
from intramuros.models.installed import InstalledModel
from intramuros.models.progress import Progress
from tests.installed import Installed
from tests.integration.web.conftest import People, text_of
from tests.integration.web.test_ask import events
from tests.unit.models.builder import Gguf


@pytest.fixture
def tiny(installed: Installed, tmp_path: Path) -> InstalledModel:
    """An installed model that answers."""
    path = tmp_path / "tiny.gguf"
    path.write_bytes(bytes(Gguf.model().bytes()))
    model = installed.app.models.add_file(path, "tiny")
    return installed.app.models.use(model.name)


async def test_the_page_says_what_answers_and_what_would_be_better(
    people: People, installed: Installed, tiny: InstalledModel
) -> None:
    page = text_of(await people.charlie.get("/models"))
    assert f"Répond maintenant {tiny.title}" in page
    assert "À croire quand il cite" in page
    for model in installed.app.catalogue:
        if model.is_chat:
            assert model.title in page
    assert re.search(r"C’est le seul moment où Intramuros sort des murs", page)
    assert f"Modèle : {tiny.title} · réponses citées mot pour mot" in text_of(await people.alice.get("/keys"))


async def test_only_administrators_install_and_choose(people: People, tiny: InstalledModel) -> None:
    page = (await people.alice.get("/models")).body.decode()
    assert 'action="/models/' not in page
    assert (await people.alice.post("/models/install", name="smollm2-135m")).status == 403
    assert (await people.alice.post("/models/use", name=tiny.name)).status == 403


async def test_an_unknown_model_is_not_found(people: People) -> None:
    assert (await people.charlie.post("/models/use", name="none-such")).status == 404
    assert (await people.charlie.post("/models/install", name="none-such")).status == 404


async def test_one_click_downloads_shows_progress_and_lets_it_answer(
    people: People, installed: Installed, tiny: InstalledModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    going, halfway = asyncio.Event(), asyncio.Event()

    async def pull(entry: object, **more: object) -> InstalledModel:
        report = more["progress"]
        assert callable(report)
        report(Progress("downloading", 500_000, 1_000_000))
        halfway.set()
        await going.wait()
        other = tmp_path / "other.gguf"
        other.write_bytes(Gguf.model(block_count=3).bytes())
        return installed.app.models.add_file(other, "other")

    monkeypatch.setattr("intramuros.web.downloads.pull", pull)
    name = installed.app.catalogue.starter.name
    assert (await people.charlie.post("/models/install", name=name)).status == 303
    await halfway.wait()
    assert "500 ko sur 1,0 Mo" in text_of(await people.charlie.get("/models"))
    again = await people.charlie.post("/models/install", name=name)
    assert again.status == 409
    assert "déjà en cours" in text_of(again)
    watching = asyncio.create_task(people.charlie.get("/models/live", accept="text/event-stream"))
    await asyncio.sleep(0.01)
    going.set()
    async with asyncio.timeout(5):
        seen = events(await watching)
    assert [kind for kind, _ in seen] == ["download", "download", "rest"]
    assert "est installé et répond désormais" in seen[1][1]["html"]
    assert installed.app.models.get().name == "other"
    record = installed.records("model.download")[-1]
    assert (record.outcome, record.facts["model"]) == ("ok", name)


async def test_a_download_that_fails_says_so_in_plain_words(
    people: People, installed: Installed, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def pull(entry: object, **more: object) -> InstalledModel:
        raise DownloadFailed("No route to host.")

    monkeypatch.setattr("intramuros.web.downloads.pull", pull)
    assert (await people.charlie.post("/models/install", name=installed.app.catalogue.starter.name)).status == 303
    async with asyncio.timeout(5):
        seen = events(await people.charlie.get("/models/live", accept="text/event-stream"))
    assert "n’a pas pu être installé" in seen[0][1]["html"]
    assert "Vérifiez la connexion" in text_of(await people.charlie.get("/models"))
    assert installed.records("model.download")[-1].outcome == "failed"


async def test_a_model_that_is_there_is_chosen(
    people: People, installed: Installed, tiny: InstalledModel, tmp_path: Path
) -> None:
    other = tmp_path / "other.gguf"
    other.write_bytes(Gguf.model(block_count=3).bytes())
    installed.app.models.add_file(other, "other")
    assert (await people.charlie.post("/models/use", name="other")).status == 303
    assert installed.app.models.get().name == "other"


async def test_a_model_whose_file_may_change_says_so(people: People, installed: Installed) -> None:
    loose = [model for model in installed.app.catalogue if model.is_chat and not model.is_pinned]
    assert text_of(await people.charlie.get("/models")).count("Non figé") == len(loose) > 0


async def test_a_licence_that_limits_use_says_so(people: People, installed: Installed) -> None:
    app = installed.app
    starter = app.catalogue.starter
    licence = replace(starter.licence, commercial=False, limits=("attribution",))
    app.catalogue = replace(app.catalogue, models=(replace(starter, licence=licence),))
    page = text_of(await people.charlie.get("/models"))
    assert "Pas d’usage commercial. Le nom du modèle doit être cité." in page
