"""The worker is killed with -9 at every stage; what was acknowledged becomes ready exactly once."""

from __future__ import annotations

import asyncio
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from intramuros.documents.library import Document
from tests.support import papers
from tests.support.shelf import Shelf, open_shelf

STAGES = {
    "received": "shelf.library.get = None\ndie()",
    "taken": "from intramuros.documents.reader.supervisor import Reader\nReader.read = lambda *_, **__: die()",
    "reading": "from intramuros.documents.reader import supervisor\nsupervisor._in_memory = supervisor.wire.frames = lambda *_, **__: die()",
    "between pages": "from intramuros.documents.reader import wire\nreal = wire.page_from\n"
    "wire.page_from = lambda message, number: die() if number == 3 else real(message, number=number)",
    "read": "from intramuros.documents import index\nindex.prepared = lambda *_: die()",
    "in the transaction, pages written": "from intramuros.documents import index\nindex._row = lambda *_: die()",
    "in the transaction, chunks written": "from intramuros.storage import fulltext\nfulltext.add = lambda *_: die()",
    "in the transaction, all written": "from intramuros.documents import queue\nqueue.finish = lambda *_, **__: die()",
    "committed": "from intramuros.documents.ingest import Ingest\nreal = Ingest._store\n"
    "Ingest._store = lambda *arguments: (real(*arguments), die())",
}

_WORKER = """
import asyncio, os, signal, sys
from pathlib import Path
from tests.support.shelf import open_shelf

def die():
    os.kill(os.getpid(), signal.SIGKILL)

shelf = open_shelf(Path(sys.argv[1]))
exec(sys.argv[2])
asyncio.run(shelf.ingest.run(asyncio.Event()))
"""
ROOT = Path(__file__).resolve().parents[3]
LONG = papers.pdf(*[[f"Page {number} du contrat.", "Le préavis est de trois mois."] for number in range(1, 6)])


def worker(data: Path, stage: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", _WORKER, str(data), stage], cwd=ROOT)


def once(shelf: Shelf, documents: list[Document], pages: dict[str, int]) -> None:
    """Every document is ready, with its pages, chunks and words exactly once."""
    assert {document.state for document in documents} == {"ready"}
    for document in documents:
        assert shelf.counts(document)["pages"] == pages[document.id] == document.pages_total
        ordinals = [row["ordinal"] for row in shelf.chunk_rows(document)]
        assert ordinals == list(range(len(ordinals)))
        assert ordinals
    counts = shelf.counts()
    assert counts["words"] == counts["chunks"] == sum(shelf.counts(document)["chunks"] for document in documents)
    assert len(shelf.blob_files()) == len(documents)
    assert shelf.database.check() == []


@pytest.mark.parametrize("stage", STAGES)
async def test_killed_at(stage: str, tmp_path: Path) -> None:
    shelf = open_shelf(tmp_path / "data")
    received = [shelf.add("contrat.pdf", LONG), shelf.add("note.txt", b"Bonjour")]
    killed = worker(tmp_path / "data", STAGES[stage])
    assert killed.wait(timeout=30) == -signal.SIGKILL
    started = time.monotonic()
    ready = await shelf.ingest.drain([document.id for document in received])
    assert time.monotonic() - started < 10  # nobody waits for a dead worker's lease to run out
    once(shelf, ready, dict(zip((document.id for document in ready), (5, 1), strict=True)))
    shelf.close()


async def test_killed_again_and_again(tmp_path: Path) -> None:
    shelf = open_shelf(tmp_path / "data")
    received = [shelf.add(f"{number}.txt", f"Note numéro {number}\fPage deux".encode()) for number in range(60)]
    received.append(shelf.add("contrat.pdf", LONG))
    chance = random.Random(7)
    for _ in range(4):
        process = worker(tmp_path / "data", "")
        await asyncio.sleep(0.45 + chance.random() * 0.25)
        process.kill()
        process.wait()
    ready = await shelf.ingest.drain([document.id for document in received])
    once(shelf, ready, {document.id: 5 if document.name == "contrat.pdf" else 2 for document in received})
    assert max(document.attempts for document in ready) <= 3
    shelf.close()
