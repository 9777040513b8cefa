"""The models page, and the one click that installs the best model."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from intramuros.engines.pool import EnginePool
from intramuros.errors import DownloadFailed
from intramuros.models.installed import InstalledModel
from intramuros.models.progress import Progress
from intramuros.privacy.egress import Egress
from tests.installed import Installed
from tests.integration.web.conftest import Browser, People, text_of
from tests.integration.web.test_ask import events
from tests.models import tiny as tiny_models
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
    assert re.search(r"Intramuros sort une fois des murs : il télécharge un fichier depuis", page)
    assert f"Modèle : {tiny.title} · réponses citées mot pour mot" in text_of(await people.alice.get("/keys"))


async def test_where_nothing_is_installed_the_page_says_what_to_do(people: People) -> None:
    assert "Rien encore" in text_of(await people.charlie.get("/models"))


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
    assert [kind for kind, _ in seen if kind != "memory"] == ["download", "download", "rest"]
    assert "est installé et répond désormais" in [data["html"] for kind, data in seen if kind == "download"][1]
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


async def test_the_page_shows_what_is_in_memory_and_administrators_change_it(
    people: People, installed: Installed, tmp_path: Path
) -> None:
    path = tiny_models.chat(tmp_path / "real.gguf")
    for name in ("real", "other"):
        installed.app.models.add_file(path, name)
    pool = EnginePool(installed.app.models, replace(installed.app.settings, autotune=False), egress=Egress())
    installed.app.pool = pool
    try:
        assert "Aucun modèle n’est chargé" in text_of(await people.charlie.get("/models"))
        assert (await people.charlie.post("/models/pin", name="real")).status == 303
        page = text_of(await people.charlie.get("/models"))
        assert "épinglé" in page and "Ne plus épingler" in page and "occupés sur" in page
        assert "Décharger" not in page  # a pinned one is unpinned first
        assert (await people.charlie.post("/models/unload", name="real")).status == 409
        assert 'action="/models/' not in (await people.alice.get("/models")).body.decode()
        for path_of in ("/models/pin", "/models/unload"):
            assert (await people.alice.post(path_of, name="real")).status == 403
            assert (await people.charlie.post(path_of, name="none-such")).status == 404
            assert (await people.charlie.post(path_of, csrf_token="wrong", name="real")).status == 403
        assert (await people.charlie.post("/models/pin", name="real")).status == 303  # and lets it go again
        async with pool.engine("real"):
            assert (await people.charlie.post("/models/unload", name="real")).status == 409
        assert (await people.charlie.post("/models/unload", name="real")).status == 303
        assert pool.states() == {}
        pool.settings = replace(pool.settings, models_memory_mib=1)
        assert (await people.charlie.post("/models/pin", name="other")).status == 507
    finally:
        await pool.stop()
    assert [record.facts["model"] for record in installed.records("model.unload") if record.outcome == "ok"]


@pytest.fixture
async def pool(installed: Installed, tmp_path: Path) -> AsyncIterator[EnginePool]:
    """The real engines, and a real model beside one that no engine can load."""
    installed.app.models.add_file(tiny_models.chat(tmp_path / "real.gguf"), "real")
    path = tmp_path / "hollow.gguf"
    path.write_bytes(bytes(Gguf.model().bytes()))
    installed.app.models.add_file(path, "hollow")
    made = EnginePool(installed.app.models, replace(installed.app.settings, autotune=False), egress=Egress())
    installed.app.pool = made
    yield made
    await made.stop()


async def watched(browser: Browser, model: str = "") -> list[tuple[str, dict[str, str]]]:
    async with asyncio.timeout(30):
        return events(await browser.get(f"/models/live?model={model}", accept="text/event-stream"))


async def test_a_model_is_loaded_from_the_page_while_one_watches(people: People, pool: EnginePool) -> None:
    page = text_of(await people.charlie.get("/models"))
    assert "Charger un modèle à l’avance" in page
    loaded = await people.charlie.post("/models/load", name="real")
    assert (loaded.status, loaded.headers["location"]) == (303, "/models")
    told = await watched(people.charlie)
    bars = [data for kind, data in told if kind == "load"]
    assert bars and all(bar["name"] == "real" and bar["text"] for bar in bars)
    seen = [data["html"] for kind, data in told if kind == "memory"]
    assert all("se charge" in html for html in seen if "data-load" in html)  # a bar that moves draws nothing anew
    assert "<progress" in seen[0] and "se charge" in seen[0] and "data-busy" in seen[0]
    assert "<progress" not in seen[-1] and "prêt" in seen[-1] and "Décharger" in seen[-1]
    assert pool.states()["real"].state == "ready"
    again = await people.charlie.post("/models/load", **{"name": "real", "from": "model"})
    assert again.headers["location"] == "/models/installed/real"
    assert "Charger un modèle" not in text_of(await people.alice.get("/models"))
    for path in ("/models/load", "/models/pin", "/models/unload"):
        assert (await people.alice.post(path, name="real")).status == 403
        assert (await people.charlie.post(path, csrf_token="wrong", name="real")).status == 403
        assert (await people.charlie.post(path, name="none-such")).status == 404


async def test_a_load_that_fails_says_so_on_the_page(people: People, pool: EnginePool) -> None:
    assert (await people.charlie.post("/models/load", name="hollow")).status == 303
    seen = await watched(people.charlie, "hollow")
    assert seen[-1][0] == "rest"
    for path in ("/models", "/models/installed/hollow"):
        page = text_of(await people.charlie.get(path))
        assert "en échec" in page and "Le modèle n’a pas pu être chargé" in page
    pool.settings = replace(pool.settings, models_memory_mib=1)
    assert (await people.charlie.post("/models/load", name="real")).status == 303
    await watched(people.charlie)
    page = text_of(await people.charlie.get("/models/installed/real"))
    assert "ne tient pas dans la mémoire" in page and "Charger en mémoire" in page


async def test_a_load_that_failed_is_forgotten_once_it_succeeded_or_the_model_is_gone(
    people: People, pool: EnginePool, installed: Installed
) -> None:
    before = pool.settings
    pool.settings = replace(before, models_memory_mib=1)
    for name in ("real", "hollow"):
        assert (await people.charlie.post("/models/load", name=name)).status == 303
        await watched(people.charlie, name)
    assert text_of(await people.charlie.get("/models")).count("en échec") == 2
    installed.app.models.remove("hollow")
    pool.settings = before
    async with pool.engine("real"):  # somebody asks for it
        assert "en échec" not in text_of(await people.charlie.get("/models"))
    assert await pool.unload("real")
    assert "en échec" not in text_of(await people.charlie.get("/models"))


async def test_the_page_says_what_fits_on_which_card(people: People) -> None:
    page = text_of(await people.alice.get("/models"))
    for gb in (8, 16, 64):
        assert f"{gb} Go de mémoire graphique" in page
    assert re.search(r"\d+ à la fois\W+seul, jusqu’à [\d\W]+ jetons", page)
