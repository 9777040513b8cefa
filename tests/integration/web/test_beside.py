"""The page of one model: adapters and a projector come from an address, the server's folder or the browser's file."""

from __future__ import annotations

import asyncio
from pathlib import Path
from urllib.parse import urlencode

import pytest

from intramuros.accounts.sessions import csrf
from intramuros.models.download import pull
from intramuros.models.parts import PROJECTOR
from intramuros.privacy.egress import Egress
from tests.asgi import Answer
from tests.installed import Installed
from tests.integration.web.conftest import Browser, People, text_of
from tests.integration.web.test_ask import events
from tests.models import encoders, tiny

PAGE = "/models/installed/tiny"


@pytest.fixture(autouse=True)
def model(installed: Installed, tmp_path: Path) -> None:
    installed.app.models.add_file(tiny.chat(tmp_path / "tiny.gguf"), "tiny")
    installed.app.models.add_file(tiny.embedder(tmp_path / "vectors.gguf"), "vectors")


@pytest.fixture
def offered(installed: Installed) -> Path:
    folder = installed.app.settings.data / "offered"
    folder.mkdir()
    return folder


async def finished(browser: Browser) -> str:
    """The page once the download has ended."""
    async with asyncio.timeout(30):
        assert events(await browser.get("/models/live", accept="text/event-stream"))[-1][0] == "rest"
    return text_of(await browser.get(PAGE))


async def upload(browser: Browser, file: Path, token: str = "", **asked: str) -> Answer:
    headers = {"x-csrf-token": token or csrf(browser.token), "x-file-name": file.name, "accept": "application/json"}
    return await browser.client.call("POST", f"{PAGE}/upload?{urlencode(asked)}", file.read_bytes(), headers=headers)


async def test_a_file_that_lies_on_the_server_is_offered_checked_and_installed(
    people: People, installed: Installed, offered: Path, tmp_path: Path
) -> None:
    tiny.adapter(offered / "formal.gguf", seed=2, rank=3)
    (offered / "secret.txt").write_text("not for models")
    (offered / "outside.gguf").symlink_to(tmp_path / "tiny.gguf")
    page = text_of(await people.charlie.get(PAGE))
    assert "formal.gguf" in page and "secret" not in page and "outside" not in page
    said = {"kind": "adapter", "name": "formel", "offered": "formal.gguf"}
    assert (await people.charlie.post(f"{PAGE}/parts", **said)).headers["location"] == PAGE
    page = await finished(people.charlie)
    assert "tiny:formel" in page and "rang 3" in page and "est installé" in page
    assert [part.name for part in installed.app.models.get("tiny").adapters] == ["formel"]
    (record,) = installed.records("adapter.pull")
    assert (record.outcome, record.facts["model"], record.facts["adapter"]) == ("ok", "tiny", "formel")
    for wrong in ("../data.key", "/etc/passwd", "outside.gguf", "secret.txt", "none.gguf"):
        assert (await people.charlie.post(f"{PAGE}/parts", kind="adapter", offered=wrong)).status == 404, wrong
    removed = await people.charlie.post(f"{PAGE}/parts/remove", kind="adapter", name="formel")
    assert removed.status == 303 and not installed.app.models.get("tiny").parts
    assert (await people.charlie.post(f"{PAGE}/parts/remove", kind="adapter", name="formel")).status == 404


async def test_a_page_names_no_other_file_of_the_server(people: People, installed: Installed, tmp_path: Path) -> None:
    file = tiny.adapter(tmp_path / "formal.gguf", seed=2)
    for source in (str(file), f"file://{file}", "formal.gguf", "~/formal.gguf", "http://127.0.0.1/formal.gguf", ""):
        answer = await people.charlie.post(f"{PAGE}/parts", kind="adapter", source=source)
        assert answer.status == 400 and "Indiquez un adaptateur" in text_of(answer), source
    assert (await people.charlie.post(f"{PAGE}/parts", kind="model", source="hf:a/b/c.gguf")).status == 400
    assert installed.records("adapter.pull") == [] and not installed.app.models.get("tiny").parts


async def test_a_file_of_another_model_is_refused_in_plain_words(
    people: People, installed: Installed, offered: Path
) -> None:
    tiny.projector(offered / "eye.gguf", projects_to=96)
    said = {"kind": "adapter", "offered": "eye.gguf", "name": "eye"}
    assert (await people.charlie.post(f"{PAGE}/parts", **said)).status == 303
    assert "n’est pas un adaptateur LoRA" in await finished(people.charlie)
    assert (await people.charlie.post(f"{PAGE}/parts", **said | {"kind": "projector"})).status == 303
    assert "fait pour un autre modèle" in await finished(people.charlie)
    assert (await people.charlie.post(f"{PAGE}/parts", **said | {"name": "Not A Name"})).status == 303
    assert "Ce nom ne va pas" in await finished(people.charlie)
    assert not installed.app.models.get("tiny").parts
    assert [record.outcome for record in installed.records("model.see")] == ["refused"]


async def test_the_browser_sends_a_file(people: People, installed: Installed, tmp_path: Path) -> None:
    eye = tiny.projector(tmp_path / "eye.gguf")
    sent = await upload(people.charlie, eye, kind="projector")
    assert (sent.status, sent.json()) == (201, {"name": PROJECTOR})
    projector = installed.app.models.get("tiny").projector
    assert projector and projector.source == "upload:eye.gguf"
    page = text_of(await people.alice.get(PAGE))
    assert "lit les images" in page and "Vérifier et installer" not in page
    again = await upload(people.charlie, eye, kind="projector")
    assert again.status == 409
    broken = tmp_path / "Broken Adapter.gguf"
    broken.write_bytes(eye.read_bytes()[:5000])
    answer = await upload(people.charlie, broken, kind="adapter")
    assert answer.status == 422 and answer.json()["message"]
    assert [path.name for path in installed.app.models.incoming.rglob("*.part")] == []
    assert [part.kind for part in installed.app.models.get("tiny").parts] == [PROJECTOR]
    formal = tiny.adapter(tmp_path / "Très Formel.gguf", seed=2)
    assert (await upload(people.charlie, formal, kind="adapter", name="formel")).status == 201
    assert "avec formel, projector" in text_of(await people.charlie.get("/models"))


async def test_only_administrators_change_what_stands_beside(people: People, tmp_path: Path) -> None:
    file = tiny.adapter(tmp_path / "formal.gguf", seed=2)
    assert (await upload(people.alice, file, kind="adapter")).status == 403
    assert (await upload(people.charlie, file, "wrong", kind="adapter")).status == 403
    for path in ("parts", "parts/remove"):
        assert (await people.alice.post(f"{PAGE}/{path}", kind="adapter", name="x")).status == 403
        assert (await people.charlie.post(f"{PAGE}/{path}", csrf_token="wrong", kind="adapter")).status == 403
    assert (await people.charlie.get("/models/installed/none-such")).status == 404


async def test_an_embedder_of_any_format_has_nothing_beside_it(
    people: People, installed: Installed, tmp_path: Path
) -> None:
    folder = encoders.encoder(tmp_path / "graph").folder
    await pull(str(folder), to=installed.app.models, egress=Egress(), progress=lambda _: None, name="graph")
    for name in ("vectors", "graph"):
        page = text_of(await people.charlie.get(f"/models/installed/{name}"))
        assert name in page and "À côté de ce modèle" not in page and "Vérifier et installer" not in page
        assert "lit le texte seulement" not in page, "it writes nothing"
    assert "graph" in (await people.charlie.get("/models")).body.decode()
