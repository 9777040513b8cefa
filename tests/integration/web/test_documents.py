"""Adding, following and removing documents, and looking at their pages."""

from __future__ import annotations

import asyncio
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest

from intramuros.accounts.projects import Project
from tests.asgi import Answer
from tests.installed import Installed, installation
from tests.integration.web.conftest import Browser, People, text_of
from tests.integration.web.files import docx, pdf

NOTE = "# Bail\n\nLe préavis est de trois mois.\n\nLe loyer est payé le 5 du mois.\n".encode()
HOSTILE = "<script>alert(1)</script> ![x](http://evil.test/i.png) <img src='http://evil.test/j.png'>"


def events(answer: Answer) -> list[tuple[str, dict[str, Any]]]:
    found = re.findall(r"event: (\w+)\ndata: (.*)\n\n", answer.body.decode())
    return [(name, json.loads(data)) for name, data in found]


async def added(browser: Browser, project: Project, name: str, content: bytes) -> str:
    answer = await browser.upload(project, name, content)
    assert answer.status == 201, answer.body
    return str(answer.json()["id"])


async def at_rest(browser: Browser, project: Project) -> list[tuple[str, dict[str, Any]]]:
    async with asyncio.timeout(30):
        return events(await browser.get(f"/projects/{project.id}/documents/live", accept="text/event-stream"))


async def test_a_file_is_stored_read_and_followed_until_it_is_ready(people: People, project: Project) -> None:
    id = await added(people.alice, project, "note%20d%C3%A9part.md", NOTE)
    seen = await at_rest(people.alice, project)
    assert seen[-1][0] == "rest"
    rows = [row for name, data in seen if name == "shelf" for row in data["rows"] if row["id"] == id]
    assert 'href="/projects/' in rows[-1]["html"]
    assert "note départ.md" in rows[-1]["html"]
    assert "1 document prêt" in [data for name, data in seen if name == "shelf"][-1]["summary"]
    assert "note départ.md" in text_of(await people.bob.get(f"/projects/{project.id}"))


async def test_a_large_file_passes_in_parts_without_being_gathered(people: People, project: Project) -> None:
    content = b"x" * 200_000 + b"\n" + NOTE
    parts = [content[start : start + 30_000] for start in range(0, len(content), 30_000)]
    headers = {"x-csrf-token": csrf_of(people.alice), "x-file-name": "long.txt", "accept": "application/json"}
    path = f"/projects/{project.id}/documents"
    answer = await people.alice.client.call("POST", path, parts, headers=headers)
    assert answer.status == 201
    assert people.alice.client.sent == len(content)


async def test_a_sender_who_leaves_leaves_nothing(installed: Installed, people: People, project: Project) -> None:
    headers = {"x-csrf-token": csrf_of(people.alice), "x-file-name": "a.txt"}
    gone = asyncio.Event()

    def parts() -> Any:
        yield b"x" * 70_000
        gone.set()
        yield b"y"

    await people.alice.client.call("POST", f"/projects/{project.id}/documents", parts(), headers=headers, gone=gone)
    assert installed.app.library.list(project) == []
    assert installed.app.library.sweep() == 0


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("vide.txt", b"", "vide"),
        ("programme.pdf", b"MZ\x90\x00" + b"\x00" * 100, "contenu"),
        ("ancien.doc", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\x00" * 600, "Word"),
    ],
)
async def test_a_file_that_can_not_be_read_is_refused_in_plain_words(
    people: People, project: Project, name: str, content: bytes, words: str
) -> None:
    answer = await people.alice.upload(project, name, content)
    assert answer.status in {400, 422}
    assert words in answer.json()["message"]


async def test_a_file_that_fails_later_says_why_in_its_row(people: People, project: Project) -> None:
    id = await added(people.alice, project, "abimé.pdf", b"%PDF-1.7\nrien d'autre\n")
    seen = await at_rest(people.alice, project)
    row = [row["html"] for name, data in seen if name == "shelf" for row in data["rows"] if row["id"] == id][-1]
    assert "échec" in row and "tronqué" in row and "téléchargez-le à nouveau" in row


async def test_a_file_that_is_too_large_is_refused(installed: Installed, people: People, project: Project) -> None:
    headers = {"content-length": str(installed.app.settings.upload_mib * 2**20 + 2**20)}
    headers |= {"x-csrf-token": csrf_of(people.alice), "x-file-name": "a.txt", "accept": "application/json"}
    answer = await people.alice.client.call("POST", f"/projects/{project.id}/documents", b"x", headers=headers)
    assert answer.status == 413
    assert answer.json()["message"]


async def test_only_contributors_add_and_remove(people: People, project: Project) -> None:
    id = await added(people.alice, project, "a.md", NOTE)
    assert (await people.bob.upload(project, "b.md", NOTE)).status == 403
    assert (await people.charlie.upload(project, "b.md", NOTE)).status == 404
    assert (await people.bob.post(f"/projects/{project.id}/documents/{id}/remove")).status == 403
    assert (await people.charlie.post(f"/projects/{project.id}/documents/{id}/remove")).status == 404
    headers = {"x-file-name": "c.md"}
    assert (
        await people.alice.client.call("POST", f"/projects/{project.id}/documents", NOTE, headers=headers)
    ).status == 403


async def test_a_removed_document_is_gone_from_the_shelf(
    installed: Installed, people: People, project: Project
) -> None:
    id = await added(people.alice, project, "a.md", NOTE)
    await at_rest(people.alice, project)
    assert (await people.alice.post(f"/projects/{project.id}/documents/{id}/remove")).status == 303
    assert installed.app.library.list(project) == []
    assert (await people.alice.get(f"/projects/{project.id}/documents/{id}")).status == 404


async def test_a_watcher_who_loses_access_stops_seeing(installed: Installed, people: People, project: Project) -> None:
    await added(people.alice, project, "a.md", NOTE)
    installed.app.sessions.close(people.bob.token)
    assert (await people.bob.get(f"/projects/{project.id}/documents/live", accept="text/event-stream")).status == 401
    assert (
        await people.charlie.get(f"/projects/{project.id}/documents/live", accept="text/event-stream")
    ).status == 404


@pytest.mark.parametrize("how", ["session", "membership"])
async def test_an_open_stream_ends_when_its_watcher_loses_access(tmp_path: Path, how: str) -> None:
    with installation(tmp_path) as installed:  # nothing reads here, so the document stays on its way
        app = installed.app
        alice, bob = (app.sessions.caller(installed.sessions[name]) for name in ("alice", "bob"))
        assert alice and bob
        project = app.projects.create("Leases", by=alice)
        app.projects.add_member(project.id, user_id=bob.user_id, role="reader", by=alice)
        app.library.receive(project, "a.md", io.BytesIO(NOTE), by=alice)
        watching = asyncio.create_task(
            installed.browser("bob").call("GET", f"/projects/{project.id}/documents/live", headers={"accept": "*/*"})
        )
        await asyncio.sleep(0.2)
        if how == "session":
            app.sessions.close(installed.sessions["bob"])
        else:
            app.projects.remove_member(project.id, user_id=bob.user_id, by=alice)
        app.library.receive(project, "secret.md", io.BytesIO(b"# Secret"), by=alice)
        async with asyncio.timeout(5):
            seen = await watching
    assert b"a.md" in seen.body and b"secret.md" not in seen.body
    assert b"event: rest" not in seen.body


async def test_a_project_of_many_documents_lists_the_newest(
    installed: Installed, people: People, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("intramuros.web.shelf.SHOWN", 2)
    for number in range(4):
        await added(people.alice, project, f"note{number}.md", NOTE + str(number).encode())
    await at_rest(people.alice, project)
    page = text_of(await people.alice.get(f"/projects/{project.id}"))
    assert "note3.md" in page and "note1.md" not in page
    assert "4 documents prêts" in page and "et 2 plus anciens" in page


@pytest.mark.parametrize("name", ["a.md", "a.txt", "a.html", "a.docx"])
async def test_every_format_has_page_images(people: People, project: Project, name: str) -> None:
    said = "Le préavis est de trois mois."
    contents = {"a.docx": docx(["Bail", said]), "a.html": f"<h1>Bail</h1><p>{said}</p>".encode()}
    id = await added(people.alice, project, name, contents.get(name, f"# Bail\n\n{said}\n".encode()))
    await at_rest(people.alice, project)
    page = (await people.alice.get(f"/projects/{project.id}/documents/{id}?rects=54,70,200,84")).body.decode()
    assert 'viewBox="0 0 595' in page
    assert '<rect class="passage"' in page
    assert "Mise en page faite à partir du texte" in page
    image = re.findall(r'<image href="([^"]+)"', page)[0]
    picture = await people.bob.get(image, accept="image/png")
    assert (picture.status, picture.headers["content-type"]) == (200, "image/png")
    assert picture.body.startswith(b"\x89PNG")
    assert (await people.charlie.get(image)).status == 404


async def test_the_page_of_another_script_shows_the_passage_marked(people: People, project: Project) -> None:
    id = await added(people.alice, project, "a.md", "# Договор\n\nLe préavis est de trois mois.\n".encode())
    await at_rest(people.alice, project)
    plain = (await people.alice.get(f"/projects/{project.id}/documents/{id}")).body.decode()
    text = re.findall(r'<div class="text">(.*?)</div>', plain, re.DOTALL)[0]
    start = text.index("Le préavis")
    marked = await people.alice.get(f"/projects/{project.id}/documents/{id}?page=1&at={start}-{start + 29}")
    assert '<mark id="passage">Le préavis est de trois mois.</mark>' in marked.body.decode()
    assert "<image" not in marked.body.decode()
    assert "lettres qui ne peuvent pas être dessinées" in text_of(marked)
    assert (await people.alice.get(f"/projects/{project.id}/documents/{id}/pages/1.png")).status == 404


async def test_boxes_in_an_image_are_said_to_be_boxes(people: People, project: Project) -> None:
    id = await added(people.alice, project, "a.txt", ("Le contrat de M. Dvořák. " * 3).encode())
    await at_rest(people.alice, project)
    page = await people.alice.get(f"/projects/{project.id}/documents/{id}")
    assert "<image" in page.body.decode()
    assert "cases vides" in text_of(page)


async def test_the_page_of_a_pdf_shows_its_image_with_the_passage_highlighted(people: People, project: Project) -> None:
    id = await added(people.alice, project, "bail.pdf", pdf(["Le préavis est de trois mois.", "Deuxième page."]))
    await at_rest(people.alice, project)
    where = f"/projects/{project.id}/documents/{id}"
    page = (await people.alice.get(f"{where}?page=1&rects=72,100,300,114")).body.decode()
    assert 'viewBox="0 0 595' in page
    assert '<rect class="passage" x="70.5" y="98.5" width="231.0" height="17.0"' in page
    image = re.findall(r'<image href="([^"]+)"', page)[0]
    picture = await people.bob.get(image, accept="image/png")
    assert (picture.status, picture.headers["content-type"]) == (200, "image/png")
    assert picture.body.startswith(b"\x89PNG")
    assert picture.headers["cache-control"] == "no-store"
    assert (await people.charlie.get(image)).status == 404
    assert (await people.alice.get(f"{where}/pages/9.png")).status == 404
    assert "page=2" in page and 'rel="prev"' not in page
    larger = re.findall(r'id="larger" href="([^"]+)"', page)[0].replace("&amp;", "&")
    zoomed = (await people.alice.get(where + larger)).body.decode()
    assert 'class="sheet zoom-150"' in zoomed and 'class="passage"' in zoomed


async def test_a_passage_that_was_not_located_is_not_highlighted(people: People, project: Project) -> None:
    id = await added(people.alice, project, "bail.pdf", pdf(["Le préavis est de trois mois."]))
    await at_rest(people.alice, project)
    for query in ("cited=1", "rects=nonsense", "rects=9999,9999,10000,10000", "at=5-900000"):
        page = await people.alice.get(f"/projects/{project.id}/documents/{id}?page=1&{query}")
        assert "rien n’est surligné" in text_of(page)
        assert "<rect" not in page.body.decode().partition("<main")[2].partition('class="sheet')[2]


@pytest.mark.parametrize("page", ["0", "99", "-1", "x", "1e3", "٣", "99999999999999"])
async def test_a_page_that_is_not_there_is_not_found(people: People, project: Project, page: str) -> None:
    id = await added(people.alice, project, "a.md", NOTE)
    await at_rest(people.alice, project)
    answer = await people.alice.get(
        f"/projects/{project.id}/documents/{id}?zoom=7&page={page.encode().hex() if not page.isascii() else page}"
    )
    assert answer.status == 404


@pytest.mark.parametrize("page", ["0", "999999999999999999999999", "9" * 5000, "2147483649", "x"])
async def test_an_image_of_a_page_that_is_not_there_is_not_found(people: People, project: Project, page: str) -> None:
    id = await added(people.alice, project, "a.md", NOTE)
    assert (await people.alice.get(f"/projects/{project.id}/documents/{id}/pages/{page}.png")).status == 404


async def test_a_document_of_another_project_is_not_shown_through_ones_own(
    installed: Installed, people: People, project: Project
) -> None:
    id = await added(people.alice, project, "a.md", NOTE)
    await at_rest(people.alice, project)
    charlie = installed.app.sessions.caller(people.charlie.token)
    assert charlie
    other = installed.app.projects.create("Charlie", by=charlie)
    assert (await people.charlie.get(f"/projects/{other.id}/documents/{id}")).status == 404
    assert (await people.charlie.get(f"/projects/{other.id}/documents/{id}/pages/1.png")).status == 404
    assert (await people.charlie.post(f"/projects/{other.id}/documents/{id}/remove")).status == 404


@pytest.mark.parametrize("kind", ["md", "html", "docx", "pdf", "txt"])
async def test_hostile_text_and_names_are_text(people: People, project: Project, kind: str) -> None:
    made = {"docx": docx, "pdf": lambda texts: pdf(texts)}.get(kind)
    escaped = HOSTILE.replace("<", "&lt;") if kind == "html" else HOSTILE
    content = made([HOSTILE]) if made else f"{escaped}\n".encode()
    id = await added(people.alice, project, f"%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E.{kind}", content)
    await at_rest(people.alice, project)
    for path in (f"/projects/{project.id}", f"/projects/{project.id}/documents/{id}"):
        answer = await people.alice.get(path)
        body = answer.body.decode()
        assert "<img src=x" not in body and "<script>alert" not in body
        assert not re.search(r"(?:src|href)=[\"']?http", body)
        assert "<img src=x onerror=alert(1)>" in text_of(answer)


def csrf_of(browser: Browser) -> str:
    from intramuros.accounts.sessions import csrf

    return csrf(browser.token)
