"""Every page: what it shows, to whom, and what a form needs."""

from __future__ import annotations

import re

import pytest

from intramuros.accounts.projects import Project
from intramuros.accounts.sessions import csrf
from intramuros.documents import samples
from intramuros.server.access import RULES
from intramuros.server.rule import Access, is_for_programs
from tests.installed import Installed
from tests.integration.web.conftest import People, text_of

PAGES = ["/", "/models", "/keys", "/privacy", "/privacy/masking"]


@pytest.mark.parametrize("path", PAGES)
async def test_every_page_opens_and_says_which_model_answers(people: People, path: str) -> None:
    answer = await people.alice.get(path)
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "Aucun modèle n’est installé" in text_of(answer)


async def test_pages_allow_nothing_but_their_own(people: People) -> None:
    answer = await people.alice.get("/")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "img-src 'self' data:" in policy and "script-src 'self'" in policy
    assert "unsafe" not in policy and "http" not in policy
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_static_files_may_be_kept_under_their_versions_address_only(people: People) -> None:
    page = (await people.stranger.get("/sign-in")).body.decode()
    for path in re.findall(r'(?:href|src)="(/static/[^"]+)"', page):
        answer = await people.stranger.get(path)
        assert answer.status == 200
        assert "immutable" in answer.headers["cache-control"]
        assert answer.headers["content-type"].partition(";")[0] in {"text/css", "text/javascript", "image/svg+xml"}
    old = await people.stranger.get("/static/000000000000/tokens.css")
    assert (old.status, old.headers["cache-control"]) == (200, "no-cache")
    for missing in ("/static/x/none.css", "/static/x/..%2f__init__.py", "/static/x/../../routes.py"):
        assert (await people.stranger.get(missing)).status in {303, 404}


async def test_whatever_changes_something_needs_the_sessions_token(installed: Installed, people: People) -> None:
    rules = [r for r in RULES if r.method == "POST" and not is_for_programs(r.path) and r.access is not Access.PUBLIC]
    assert len(rules) > 8
    for rule in rules:
        path = re.sub(r"{\w+(:\w+)?}", "x", rule.path)
        for wrong in ("", "0" * 64, csrf("another session")):
            answer = await people.charlie.post(path, csrf_token=wrong)
            assert answer.status == 403, rule
            assert "trop longtemps" in text_of(answer)
    assert {record.outcome for record in installed.records(*(rule.action for rule in rules))} == {"refused"}


async def test_a_key_in_a_header_is_no_session(installed: Installed) -> None:
    answer = await installed.client("alice").call(
        "POST", "/keys", b"name=x", headers={"content-type": "application/x-www-form-urlencoded"}
    )
    assert answer.status == 403


async def test_forms_of_other_sites_are_refused(people: People) -> None:
    people.alice.client.headers["sec-fetch-site"] = "cross-site"
    assert (await people.alice.post("/keys", name="x")).status == 403
    people.stranger.client.headers["sec-fetch-site"] = "cross-site"
    assert (await people.stranger.post("/sign-in", email="a@b.example", password="x")).status == 403


async def test_forms_with_parts_are_refused_because_parsing_writes_plain_files(people: People) -> None:
    answer = await people.alice.client.call(
        "POST", "/keys", b"--x--", headers={"content-type": "multipart/form-data; boundary=x"}
    )
    assert answer.status == 400


async def test_what_is_not_there_is_a_calm_page(people: People) -> None:
    answer = await people.alice.get("/nothing/here")
    assert answer.status == 404
    assert "n’existe pas" in text_of(answer)
    assert 'href="/"' in answer.body.decode()


async def test_a_project_is_made_and_names_are_text(people: People) -> None:
    answer = await people.alice.post("/projects", name="<img src=x onerror=alert(1)>")
    assert answer.status == 303
    page = await people.alice.get(answer.headers["location"])
    assert "<img src=x onerror=alert(1)>" in text_of(page)
    assert "<img src=x" not in page.body.decode()
    again = await people.alice.post("/projects", name="<img src=x onerror=alert(1)>")
    assert again.status == 409
    assert "porte déjà ce nom" in text_of(again)


async def test_an_empty_installation_offers_samples_in_one_click(installed: Installed, people: People) -> None:
    assert 'action="/samples"' in (await people.charlie.get("/")).body.decode()
    answer = await people.charlie.post("/samples")
    assert answer.status == 303
    page = text_of(await people.charlie.get(answer.headers["location"]))
    for path in samples.paths():
        assert path.name in page
    for question in samples.questions():
        assert question["question"] in page
    assert "Exemples" in page
    assert 'action="/samples"' not in (await people.charlie.get("/")).body.decode()
    assert "Exemples 2" in text_of(await people.alice.get((await people.alice.post("/samples")).headers["location"]))


async def test_projects_are_seen_by_their_members_only(people: People, project: Project) -> None:
    assert (await people.alice.get(f"/projects/{project.id}")).status == 200
    assert (await people.bob.get(f"/projects/{project.id}")).status == 200
    assert (await people.charlie.get(f"/projects/{project.id}")).status == 404
    assert project.name not in text_of(await people.charlie.get("/"))
    assert "Baux <b>2026</b>" in text_of(await people.bob.get("/"))


async def test_readers_are_offered_nothing_they_may_not_do(people: People, project: Project) -> None:
    assert 'id="drop"' in (await people.alice.get(f"/projects/{project.id}")).body.decode()
    assert 'id="drop"' not in (await people.bob.get(f"/projects/{project.id}")).body.decode()


async def test_a_key_is_shown_once_and_works_until_it_is_revoked(installed: Installed, people: People) -> None:
    answer = await people.alice.post("/keys", name="Tableur", days="30")
    found = re.search(r"imk_[0-9A-Za-z]{33}", answer.body.decode())
    assert found and installed.app.api_keys.caller(found[0])
    page = await people.alice.get("/keys")
    assert found[0] not in page.body.decode()
    assert f"…{found[0][-4:]}" in text_of(page)
    path = re.findall(r"/keys/[^\"/]+/revoke", page.body.decode())[0]
    assert (await people.bob.post(path)).status == 404
    assert (await people.alice.post(path)).status == 303
    assert installed.app.api_keys.caller(found[0]) is None
    assert "révoquée" in text_of(await people.alice.get("/keys"))


async def test_a_key_needs_a_name_and_a_known_end(people: People) -> None:
    assert (await people.alice.post("/keys", name="")).status == 400
    assert (await people.alice.post("/keys", name="x", days="-5")).status == 400


async def test_the_privacy_page_shows_ones_own_actions_only(people: People, project: Project) -> None:
    await people.alice.post("/keys", name="Tableur")
    await people.bob.post("/projects", name="")
    mine, his = text_of(await people.alice.get("/privacy")), text_of(await people.bob.get("/privacy"))
    assert "clé créée" in mine and "clé créée" not in his
    assert "projet créé refusé" in his
    assert "Alice, Bob" in mine and "sauf par un accès exceptionnel" in mine
    assert "page ouverte" not in mine


async def test_where_the_data_is_only_administrators_read(installed: Installed, people: People) -> None:
    folder = str(installed.app.settings.data)
    assert folder in text_of(await people.charlie.get("/privacy"))
    assert folder not in text_of(await people.alice.get("/privacy"))
