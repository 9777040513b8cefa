"""From indexed to ready: vectors after words, once, whatever happens in between."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from sqlalchemy import select, update

from intramuros.documents import embed, queue
from intramuros.documents.analyse import query_terms
from intramuros.documents.ingest import Ingest
from intramuros.documents.library import Document
from intramuros.storage import fulltext
from intramuros.storage.schema import chunks, documents, now, vectors
from tests.support.embedders import MadeUp, vector_of
from tests.support.shelf import Shelf, open_shelf

NOTE = "CONGÉS\n\nLes salariés déposent leur demande.\n\nFRAIS\n\nLe train est remboursé.".encode()
LONG = "\f".join(f"Le préavis numéro {number}." for number in range(embed.AT_ONCE * 2 + 6)).encode()
OTHER = "b" * 64


@pytest.fixture
def embedder() -> MadeUp:
    return MadeUp()


@pytest.fixture
def shelf(tmp_path: Path, embedder: MadeUp) -> Iterator[Shelf]:
    shelf = open_shelf(tmp_path / "data")
    shelf.ingest = using(shelf, embedder)
    yield shelf
    shelf.close()


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_IDLE_S", "_REOPEN_S", "_TROUBLE_S"):
        monkeypatch.setattr(embed, name, 0.02)


def using(shelf: Shelf, embedder: MadeUp) -> Ingest:
    return Ingest(shelf.database, shelf.library, shelf.reader, shelf.settings, embedder=embedder)


@contextlib.asynccontextmanager
async def running(shelf: Shelf) -> AsyncIterator[None]:
    stop = asyncio.Event()
    task = asyncio.create_task(shelf.ingest.run(stop))
    try:
        yield
    finally:
        stop.set()
        await task


async def until(shelf: Shelf, document: Document, state: str) -> Document:
    async with asyncio.timeout(20):
        while (found := shelf.library.get(shelf.project, document.id)).state != state:
            await asyncio.sleep(0.02)
    return found


async def made_by(shelf: Shelf, document: Document, model: str | None) -> None:
    async with asyncio.timeout(20):
        while marked(shelf, document) != ("ready", model):
            await asyncio.sleep(0.02)


def marked(shelf: Shelf, document: Document) -> tuple[str, str | None]:
    with shelf.database.read() as connection:
        row = connection.execute(select(documents).where(documents.c.id == document.id)).one()
    return row.state, row.embedder


def rows(shelf: Shelf) -> dict[int, tuple[str, bytes]]:
    with shelf.database.read() as connection:
        return {row.chunk_id: (row.model, row.vector) for row in connection.execute(select(vectors))}


def words_found(shelf: Shelf, question: str) -> bool:
    with shelf.database.read() as connection:
        terms = query_terms(question, ["fr"])
        return bool(fulltext.search(connection, terms, project_ids=[shelf.project.id], limit=5))


async def test_a_chunk_is_embedded_with_its_title_and_headings(shelf: Shelf, embedder: MadeUp) -> None:
    document = await shelf.ready("note.md", "# Note de frais\n\n## Trains\n\nLe train est remboursé.".encode())
    assert (document.state, marked(shelf, document)) == ("ready", ("ready", embedder.model))
    text = embedder.texts[-1]
    assert text == "Note de frais\nNote de frais › Trains\nLe train est remboursé."
    assert vector_of(text) in {vector for _, vector in rows(shelf).values()}
    assert len(rows(shelf)) == len(shelf.chunk_rows(document)) == len(embedder.texts)


async def test_without_an_embedder_nothing_changes(shelf: Shelf, embedder: MadeUp) -> None:
    embedder.model = None
    told: list[int] = []
    received = shelf.add("note.txt", NOTE)
    [document] = await shelf.ingest.drain([received.id], told.append)
    assert marked(shelf, document) == ("ready", None)
    assert rows(shelf) == {}
    assert told[-1] == 1


async def test_words_are_found_before_the_vectors_are_made(shelf: Shelf, embedder: MadeUp) -> None:
    embedder.gate = asyncio.Event()
    document = shelf.add("note.txt", NOTE)
    async with running(shelf):
        await until(shelf, document, "indexed")
        assert words_found(shelf, "remboursement")
        assert rows(shelf) == {}
        other = shelf.add("autre.txt", b"Une autre note.")
        await until(shelf, other, "indexed")  # reading goes on meanwhile
        embedder.gate.set()
        await until(shelf, document, "ready")
        await until(shelf, other, "ready")


async def test_an_embedder_that_fails_holds_back_nothing_and_is_tried_again(
    shelf: Shelf, embedder: MadeUp, caplog: pytest.LogCaptureFixture
) -> None:
    embedder.fails = 3
    first, second = shelf.add("note.txt", NOTE), shelf.add("autre.txt", b"Une autre note.")
    async with running(shelf):
        await until(shelf, first, "ready")
        await until(shelf, second, "ready")
    assert embedder.fails == 0
    assert "vectors are not made yet" in caplog.text
    assert "note" not in caplog.text


async def test_a_command_says_that_the_embedder_failed_and_the_next_goes_on(shelf: Shelf, embedder: MadeUp) -> None:
    embedder.fails = 1
    received = [shelf.add("note.txt", NOTE), shelf.add("autre.txt", b"Une autre note.")]
    ids = [document.id for document in received]
    assert {document.state for document in await shelf.ingest.drain(ids)} == {"indexed"}
    assert words_found(shelf, "remboursement")
    told: list[int] = []
    assert {document.state for document in await shelf.ingest.drain(ids, told.append)} == {"ready"}
    assert told == sorted(told)
    assert told[-1] == 2


async def test_what_was_made_before_an_interruption_is_not_made_again(shelf: Shelf, embedder: MadeUp) -> None:
    received = shelf.add("long.txt", LONG)
    whole = embedder.passages

    async def interrupted(texts: list[str], *, model: str) -> object:
        if embedder.texts:
            embedder.fails = 1
        return await whole(texts, model=model)

    embedder.passages = interrupted  # type: ignore[method-assign, assignment]
    [document] = await shelf.ingest.drain([received.id])
    assert document.state == "indexed"
    assert len(rows(shelf)) == embed.AT_ONCE
    embedder.passages = whole  # type: ignore[method-assign]
    [document] = await shelf.ingest.drain([received.id])
    assert document.state == "ready"
    assert len(embedder.texts) == len(set(embedder.texts)) == len(rows(shelf)) == shelf.counts()["chunks"]


async def test_another_embedder_makes_all_vectors_again_while_words_are_found(shelf: Shelf, embedder: MadeUp) -> None:
    document = await shelf.ready("note.txt", NOTE)
    before = rows(shelf)
    embedder.model, embedder.gate = OTHER, asyncio.Event()
    async with running(shelf):
        await until(shelf, document, "indexed")
        assert words_found(shelf, "remboursement")
        assert marked(shelf, document) == ("indexed", None)
        embedder.gate.set()
        await made_by(shelf, document, OTHER)
    assert {model for model, _ in rows(shelf).values()} == {OTHER}
    assert rows(shelf).keys() == before.keys()


async def test_an_embedder_that_comes_later_embeds_what_is_there(shelf: Shelf, embedder: MadeUp) -> None:
    embedder.model = None
    document = await shelf.ready("note.txt", NOTE)
    async with running(shelf):
        embedder.model = OTHER
        await made_by(shelf, document, OTHER)
    assert len(rows(shelf)) == shelf.counts()["chunks"]


async def test_an_embedder_that_goes_leaves_no_document_waiting(shelf: Shelf, embedder: MadeUp) -> None:
    embedder.fails = 1
    document = await shelf.ready("note.txt", NOTE)
    assert document.state == "indexed"
    embedder.model = None
    async with running(shelf):
        await made_by(shelf, document, None)


async def test_a_document_that_another_process_embeds_is_waited_for(shelf: Shelf, embedder: MadeUp) -> None:
    server = MadeUp(gate=asyncio.Event())
    command, shelf.ingest = shelf.ingest, using(shelf, server)
    received = shelf.add("note.txt", NOTE)
    async with running(shelf):
        await until(shelf, received, "indexed")
        await asyncio.sleep(0.1)
        waiting = asyncio.create_task(command.drain([received.id]))
        await asyncio.sleep(0.1)
        assert not waiting.done()
        assert server.gate is not None
        server.gate.set()
        [document] = await waiting
    assert document.state == "ready"
    assert embedder.texts == []


async def test_a_document_that_is_removed_while_it_is_embedded_leaves_nothing(shelf: Shelf, embedder: MadeUp) -> None:
    embedder.gate = asyncio.Event()
    document = shelf.add("note.txt", NOTE)
    async with running(shelf):
        await until(shelf, document, "indexed")
        await asyncio.sleep(0.1)
        shelf.erase(document)
        embedder.gate.set()
        other = shelf.add("autre.txt", b"Une autre note.")
        await until(shelf, other, "ready")
    assert len(rows(shelf)) == shelf.counts()["chunks"] == 1


async def test_the_lease_of_a_dead_worker_is_no_obstacle(shelf: Shelf, embedder: MadeUp) -> None:
    embedder.fails = 1
    document = await shelf.ready("note.txt", NOTE)
    with shelf.database.write() as connection:
        held = {"lease_owner": "gone", "lease_until": now() + 1000}
        connection.execute(update(documents).values(held))
        assert queue.take_indexed(connection, document.id, owner="me", is_alive=lambda _: True) is None
    [document] = await shelf.ingest.drain([document.id])
    assert document.state == "ready"


async def test_vectors_are_erased_with_their_document(shelf: Shelf) -> None:
    document = await shelf.ready("note.txt", NOTE)
    kept = await shelf.ready("autre.txt", b"Une autre note.")
    assert len(rows(shelf)) > 1
    shelf.erase(document)
    with shelf.database.read() as connection:
        there = set(connection.scalars(select(chunks.c.id).where(chunks.c.document_id == kept.id)))
    assert rows(shelf).keys() == there
