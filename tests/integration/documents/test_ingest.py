"""From received to ready, once."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from reportlab.pdfgen.canvas import Canvas
from sqlalchemy import select, update

from intramuros.documents import index, queue, samples
from intramuros.documents.analyse import query_terms
from intramuros.documents.library import Document
from intramuros.errors import StorageFull
from intramuros.storage import fulltext, liveness
from intramuros.storage.schema import chunks, documents, now
from tests.support import papers
from tests.support.shelf import Shelf, open_shelf


@contextlib.asynccontextmanager
async def running(shelf: Shelf) -> AsyncIterator[None]:
    """The background of a server."""
    stop = asyncio.Event()
    task = asyncio.create_task(shelf.ingest.run(stop))
    try:
        yield
    finally:
        stop.set()
        await task


async def finished(shelf: Shelf, document: Document, *, within_s: float = 20) -> Document:
    async with asyncio.timeout(within_s):
        while not (state := shelf.library.get(shelf.project, document.id)).is_finished:
            await asyncio.sleep(0.02)
    return state


async def test_samples_become_ready_with_pages_chunks_and_words(shelf: Shelf) -> None:
    received = [shelf.add(path.name, path.read_bytes()) for path in samples.paths()]
    told: list[int] = []
    ready = await shelf.ingest.drain([document.id for document in received], progress=told.append)
    assert [document.id for document in ready] == [document.id for document in received]
    assert {document.state for document in ready} == {"ready"}
    assert told[-1] == len(received)
    assert told == sorted(told)
    rules = next(document for document in ready if document.name == "reglement-interieur.pdf")
    assert (rules.language, rules.title, rules.pages_total, rules.pages_read) == ("fr", "Règlement intérieur", 3, 3)
    counts = shelf.counts()
    assert counts["chunks"] == counts["words"] > 20
    rows = shelf.chunk_rows(rules)
    assert [row["ordinal"] for row in rows] == list(range(len(rows)))
    for row in rows:
        page = shelf.library.page(rules, int(str(row["page"])))
        start, text = int(str(row["start"])), str(row["text"])
        assert page.text[start : start + len(text)] == text
        assert row["lines"]


async def test_words_are_found_under_their_chunk(shelf: Shelf) -> None:
    document = await shelf.ready(
        "note.txt", "CONGÉS\n\nLes salariés déposent leur demande.\n\nFRAIS\n\nLe train est remboursé.".encode()
    )
    with shelf.database.read() as connection:
        [(chunk_id, _)] = fulltext.search(
            connection, query_terms("remboursement des trains", ["fr"]), project_ids=[shelf.project.id], limit=5
        )
        row = connection.execute(select(chunks).where(chunks.c.id == chunk_id)).one()
    assert (row.document_id, row.headings, row.text) == (document.id, ["FRAIS"], "Le train est remboursé.")


async def test_pages_without_text_are_listed_and_a_document_without_any_fails(shelf: Shelf) -> None:
    def drawing(canvas: Canvas) -> None:
        canvas.rect(100, 100, 200, 200, fill=1)

    document = await shelf.ready("plan.pdf", papers.pdf(["Texte"], drawing, ["Fin"], drawing))
    assert (document.state, document.pages_without_text) == ("ready", (2, 4))
    scan = await shelf.ready("scan.pdf", papers.pdf(drawing))
    assert (scan.state, scan.error_code, scan.pages_total) == ("failed", "no_text", None)


async def test_the_background_takes_up_what_is_received(shelf: Shelf) -> None:
    async with running(shelf):
        document = await finished(shelf, shelf.add("a.txt", b"Bonjour"))
        assert document.state == "ready"
        document = await finished(shelf, shelf.add("b.pdf", b"%PDF-1.4 broken %%EOF"))
        assert document.state == "failed"


async def test_command_line_and_server_share_the_work(tmp_path: Path) -> None:
    server, command = open_shelf(tmp_path / "data"), open_shelf(tmp_path / "data")
    async with running(server):
        received = [command.add(f"{n}.txt", f"Note numéro {n}".encode()) for n in range(30)]
        ready = await command.ingest.drain([document.id for document in received])
    assert [document.state for document in ready] == ["ready"] * 30
    assert [document.attempts for document in ready] == [1] * 30
    assert command.counts() == {"pages": 30, "chunks": 30, "words": 30}
    server.close()
    command.close()


async def test_progress_is_stored_while_it_reads(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("intramuros.documents.ingest._TICK_S", 0.05)
    document = shelf.add("long.pdf", papers.pdf(*[["mot " * 20] * 55 for _ in range(60)]))
    seen = set()
    task = asyncio.create_task(shelf.ingest.drain([document.id]))
    while not task.done():
        state = shelf.library.get(shelf.project, document.id)
        seen.add((state.state, state.pages_read, state.pages_total))
        await asyncio.sleep(0.02)
    assert any(name == "reading" and read > 0 and total == 60 for name, read, total in seen)
    assert (await task)[0].pages_read == 60


async def test_a_document_removed_while_it_is_read_leaves_nothing(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = shelf.add("a.txt", b"Bonjour")
    prepare = index.prepared

    def removing(*arguments: object) -> index.Prepared:
        shelf.erase(document)
        return prepare(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(index, "prepared", removing)
    assert await shelf.ingest.drain([document.id]) == []
    assert shelf.counts() == {"pages": 0, "chunks": 0, "words": 0}


async def test_who_lost_a_document_writes_nothing(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that was suspended for longer than its lease must not write over its successor."""
    document = shelf.add("a.txt", b"Bonjour")
    prepare = index.prepared
    written: list[dict[str, int]] = []

    def losing(*arguments: object) -> index.Prepared:
        with shelf.database.write() as connection:
            connection.execute(update(documents).values(lease_owner="somebody else", state="reading"))
        monkeypatch.setattr(index, "prepared", counting)
        return prepare(*arguments)  # type: ignore[arg-type]

    def counting(*arguments: object) -> index.Prepared:
        written.append(shelf.counts())
        return prepare(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(index, "prepared", losing)
    [ready] = await shelf.ingest.drain([document.id])  # nobody of that name lives, so it is read again
    assert (ready.state, ready.attempts) == ("ready", 2)
    assert written == [{"pages": 0, "chunks": 0, "words": 0}]
    assert shelf.counts() == {"pages": 1, "chunks": 1, "words": 1}


async def test_writing_again_replaces_what_was_written(shelf: Shelf) -> None:
    document = await shelf.ready("a.txt", b"Bonjour")
    again = index.prepared(document, await shelf.reader.read(b"Bonsoir\fdeux", "text/plain"))
    with shelf.database.write() as connection:
        index.write(connection, again)
    assert shelf.counts() == {"pages": 2, "chunks": 2, "words": 2}
    assert [row["text"] for row in shelf.chunk_rows(document)] == ["Bonsoir", "deux"]


def test_a_lease_holds_as_long_as_its_holder_lives(shelf: Shelf) -> None:
    document = shelf.add("a.txt", b"Bonjour")
    holder = liveness.Holder(shelf.settings.data / "run")
    with shelf.database.write() as connection:
        assert queue.take(connection, document.id, owner=holder.name, is_alive=holder.is_alive)
        assert queue.take(connection, document.id, owner="other", is_alive=holder.is_alive) is None
        assert queue.waiting(connection, is_alive=holder.is_alive) == []
        connection.execute(update(documents).values(lease_until=now() - 1))
        assert queue.waiting(connection, is_alive=holder.is_alive) == [document.id]
    with shelf.database.write() as connection:
        connection.execute(update(documents).values(lease_until=now() + 60))
        other = liveness.Holder(shelf.settings.data / "run")
        assert queue.waiting(connection, is_alive=other.is_alive) == []
        holder.close()
        assert queue.waiting(connection, is_alive=other.is_alive) == [document.id]
        assert queue.take(connection, document.id, owner=other.name, is_alive=other.is_alive)
    other.close()


def test_three_crashes_are_enough(shelf: Shelf) -> None:
    document = shelf.add("a.txt", b"Bonjour")
    with shelf.database.write() as connection:
        for _ in range(queue.MAX_ATTEMPTS):
            assert queue.take(connection, document.id, owner="dead", is_alive=lambda _: False)
        assert queue.take(connection, document.id, owner="dead", is_alive=lambda _: False) is None
    failed = shelf.library.get(shelf.project, document.id)
    assert (failed.state, failed.error_code) == ("failed", "stopped_repeatedly")
    assert "3 times" in str(shelf.library.explain(failed))


async def test_stopping_gives_documents_back_without_blame(shelf: Shelf) -> None:
    document = shelf.add("long.pdf", papers.pdf(*[["mot " * 20] * 55 for _ in range(200)]))
    async with running(shelf):
        async with asyncio.timeout(10):
            while shelf.library.get(shelf.project, document.id).state != "reading":
                await asyncio.sleep(0.02)
    given_back = shelf.library.get(shelf.project, document.id)
    assert (given_back.state, given_back.attempts) == ("received", 0)
    with shelf.database.read() as connection:
        assert queue.waiting(connection, is_alive=lambda _: True) == [document.id]


async def test_a_full_disk_keeps_documents_in_the_queue(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    document = shelf.add("a.txt", b"Bonjour")

    def full(*_: object) -> None:
        raise StorageFull

    monkeypatch.setattr(index, "write", full)
    with pytest.raises(StorageFull):
        await shelf.ingest.drain([document.id])
    waiting = shelf.library.get(shelf.project, document.id)
    assert (waiting.state, waiting.attempts) == ("received", 0)
    monkeypatch.undo()
    [ready] = await shelf.ingest.drain([document.id])
    assert ready.state == "ready"


async def test_the_background_goes_on_after_a_full_disk(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("intramuros.documents.ingest._TROUBLE_S", 0.05)
    tries = []
    write = index.write

    def full_twice(*arguments: object) -> None:
        tries.append(1)
        if len(tries) <= 2:
            raise StorageFull
        write(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(index, "write", full_twice)
    async with running(shelf):
        assert (await finished(shelf, shelf.add("a.txt", b"Bonjour"))).state == "ready"
    assert len(tries) == 3


async def test_a_mistake_of_ours_ends_in_words_not_in_a_loop(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise KeyError("a word of the document")

    monkeypatch.setattr(index, "prepared", broken)
    document = await shelf.ready("a.txt", b"Bonjour")
    assert (document.state, document.error_code, document.attempts) == ("failed", "stopped_repeatedly", 3)


async def test_nothing_to_wait_for(shelf: Shelf) -> None:
    assert await shelf.ingest.drain([]) == []
    assert await shelf.ingest.drain(["unknown"]) == []
