"""The whole way of a vector, on the real engine with a tiny random embedder: add, search, ask, erase, self-test."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import func, select
from typer.testing import CliRunner

from intramuros.accounts.caller import LOCAL
from intramuros.app import App, assemble, build, create
from intramuros.audit.entry import Entry
from intramuros.cli.main import app as command_line
from intramuros.errors import EngineDied
from intramuros.models.catalogue import Catalogue, Embedding, load
from intramuros.models.installed import digest_of
from intramuros.settings import load as load_settings
from intramuros.storage.erasable import Subject
from intramuros.storage.schema import vectors
from tests.integration.retrieval.indexed import FAQ, LEASE, RULES
from tests.models import tiny

ASK = "Quel est le préavis du bail ?"


@pytest.fixture(scope="module")
def model_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.embedder(tmp_path_factory.mktemp("model") / "tiny.gguf")


def catalogue_with(path: Path, weight: float | None) -> Catalogue:
    """The catalogue, in which this file is an embedder of that worth."""
    entry = load().get("multilingual-e5-small")
    known = replace(entry, name="tiny", sha256=digest_of(path), embedding=Embedding(weight, "query: ", "passage: "))
    return Catalogue((*load().models, known))


@pytest.fixture
def opened(tmp_path: Path, model_file: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., App]]:
    """Opens one installation with the tiny embedder in it, of some worth, configured or not."""
    for name, value in {"data": tmp_path / "data", "key_file": tmp_path / "data.key", "autotune": "no"}.items():
        monkeypatch.setenv(f"INTRAMUROS_{name.upper()}", str(value))
    made: list[App] = []

    def open_(*, embedder: str | None = "tiny", weight: float | None = 1.0) -> App:
        monkeypatch.setattr(assemble, "load_catalogue", lambda: catalogue_with(model_file, weight))
        if embedder:
            monkeypatch.setenv("INTRAMUROS_EMBEDDER", embedder)
        else:
            monkeypatch.delenv("INTRAMUROS_EMBEDDER", raising=False)
        settings = load_settings()
        if not (tmp_path / "data").exists():
            create(settings)
        app = build(settings)
        made.append(app)
        if app.models.find("tiny") is None:
            app.models.add_file(model_file, "tiny")
            app.projects.create("Atelier", by=LOCAL)
        return app

    yield open_
    for app in made:
        app.close()


@asynccontextmanager
async def with_documents(app: App) -> AsyncIterator[str]:
    """Three documents in the project, ready; its id."""
    project = app.projects.get("Atelier", by=LOCAL, need="reader")
    try:
        ids = []
        for name, text in {"bail.md": LEASE, "faq.md": FAQ, "regles.md": RULES}.items():
            with (app.settings.data / name).open("w+b") as file:
                file.write(text.encode())
                file.seek(0)
                ids.append(app.library.receive(project, name, file, by=LOCAL).id)
            (app.settings.data / name).unlink()
        assert {document.state for document in await app.ingest.drain(ids)} == {"ready"}
        yield project.id
    finally:
        await app.pool.stop()


def stored(app: App) -> int:
    with app.database.read() as connection:
        return connection.scalar(select(func.count()).select_from(vectors)) or 0


def searches(app: App) -> dict[str, int]:
    lines = app.metrics.render().decode().splitlines()
    counted = (line.split() for line in lines if line.startswith("intramuros_searches_total"))
    return {name.split('"')[1]: int(float(value)) for name, value in counted}


async def test_vectors_are_made_searched_and_erased(opened: Callable[..., App]) -> None:
    app = opened()
    async with with_documents(app) as project:
        assert stored(app) == 6
        found = await app.search.ask(ASK, projects=[project], limit=6)
        usual = app.search.look(ASK, projects=[project], limit=6)
        assert len(found.passages) == 6 > len(usual.passages)  # everything is near to some degree
        assert found.by_words == usual.passages
        assert not found.lexical_only
        again = await app.search.vector(ASK)
        assert again == await app.search.vector(ASK)
        document = found.passages[0].document_id
        app.erasure.remove(Subject("document", document), by=LOCAL.user_id)
        after = await app.search.ask(ASK, projects=[project], limit=6)
        assert document not in {p.document_id for p in after.passages}
        assert stored(app) == 4
    assert searches(app) == {"fused": 2, "words": 1}


async def test_the_answer_is_made_from_both_and_says_when_it_was_not(
    opened: Callable[..., App], monkeypatch: pytest.MonkeyPatch
) -> None:
    app = opened()
    async with with_documents(app):
        project = app.projects.get("Atelier", by=LOCAL, need="reader")
        answer = await app.answer.run(ASK, project=project, by=LOCAL, entry=Entry("answer", None, "api"), mode="quote")
        assert (answer.mode, answer.lexical_only) == ("quote", False)
        assert "trois mois" in answer.answer
        assert answer.to_json()["lexical_only"] is False

        async def fails(self: object, texts: object) -> None:
            raise EngineDied

        monkeypatch.setattr("intramuros.engines.local.LocalEngine.embed", fails)
        entry = Entry("answer", None, "api")
        answer = await app.answer.run(ASK, project=project, by=LOCAL, entry=entry, mode="quote")
        assert "trois mois" in answer.answer
        assert answer.to_json()["lexical_only"] is True
        assert entry.facts["lexical_only"] is True
    assert searches(app) == {"fused": 1, "lexical_only": 1}


async def test_a_question_the_documents_do_not_answer_stays_unanswered(opened: Callable[..., App]) -> None:
    """The nearest vector is no evidence: everything is near to something."""
    app = opened()
    async with with_documents(app):
        project = app.projects.get("Atelier", by=LOCAL, need="reader")
        question = "Quel est le nom du chien de la réceptionniste ?"
        entry = Entry("answer", None, "api")
        assert (await app.answer.run(question, project=project, by=LOCAL, entry=entry, mode="quote")).mode == "none"


@pytest.mark.parametrize("how", ["none configured", "unworthy"])
async def test_words_alone_where_no_embedder_is_worth_it(opened: Callable[..., App], how: str) -> None:
    app = opened(embedder=None) if how == "none configured" else opened(weight=None)
    async with with_documents(app) as project:
        found = await app.search.ask(ASK, projects=[project])
        assert found == app.search.look(ASK, projects=[project])
        assert found.passages == found.by_words
        assert not found.lexical_only
        assert stored(app) == 0
        assert app.pool.states() == {}  # it was not even loaded
    assert searches(app) == {"words": 2}


async def test_an_embedder_configured_later_is_caught_up_with_in_the_background(opened: Callable[..., App]) -> None:
    before = opened(embedder=None)
    async with with_documents(before):
        pass
    app = opened()
    async with app.running(), asyncio.timeout(30):
        while stored(app) < 6:
            await asyncio.sleep(0.05)


async def test_the_self_test_says_what_the_embedder_is_worth(opened: Callable[..., App]) -> None:
    async def said(app: App) -> tuple[bool | None, str]:
        [check] = [check async for check in app.selftest.run() if check.name == "search"]
        return check.held, check.detail

    app = opened()
    async with with_documents(app):
        held, detail = await said(app)
    assert held
    assert "weight 1; 64 numbers a vector, 6 of 6 passages have one, 0 of them cut" in detail
    assert (await said(opened(weight=None)))[1].endswith("it is not fused: search goes by words alone")
    assert await said(opened(embedder=None)) == (None, "no embedder is configured: search goes by words alone")
    assert "is not installed" in (await said(opened(embedder="gone")))[1]


def test_the_commands_search_by_both(opened: Callable[..., App], monkeypatch: pytest.MonkeyPatch) -> None:
    app = opened()
    asyncio.run(_filled(app))
    run = CliRunner()
    result = run.invoke(command_line, ["search", ASK, "--project", "Atelier", "--limit", "6", "--json"])
    assert result.exit_code == 0, result.output
    assert len(json.loads(result.stdout)) == 6
    shown = run.invoke(command_line, ["models", "show", "tiny", "--json"])
    assert json.loads(shown.stdout)["search"] == "tiny is fused with the ranking by words, weight 1"
    opened(weight=None)
    shown = run.invoke(command_line, ["models", "show", "tiny"])
    assert "not fused" in " ".join(shown.stdout.split())
    words = run.invoke(command_line, ["search", ASK, "--project", "Atelier", "--limit", "6", "--json"])
    assert len(json.loads(words.stdout)) < 6


async def _filled(app: App) -> None:
    async with with_documents(app):
        pass
