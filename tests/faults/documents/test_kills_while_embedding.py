"""The worker is killed with -9 while it makes vectors; each chunk has one in the end, and few were made twice."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import func, select

from intramuros.documents import embed
from intramuros.documents.ingest import Ingest
from intramuros.storage.schema import vectors
from tests.support.embedders import MadeUp
from tests.support.shelf import Shelf, open_shelf

STAGES = {
    "indexed": "embed.queue.take_indexed = lambda *_, **__: die()",
    "taken": "embed.Embedding._make = lambda *_, **__: die()",
    "made": "embed.Embedding._store = lambda *_: die()",
    "in the transaction": "real = embed.vectors.put\nembed.vectors.put = lambda *a, **b: (real(*a, **b), die())",
    "some stored": "real = embed.Embedding._store\nembed.Embedding._store = lambda *a: (real(*a), die())",
    "all stored": "embed.Embedding._finish = lambda *_: die()",
}
_WORKER = """
import asyncio, os, signal, sys
from pathlib import Path
from intramuros.documents import embed
from intramuros.documents.ingest import Ingest
from tests.support.embedders import MadeUp
from tests.support.shelf import open_shelf

def die():
    os.kill(os.getpid(), signal.SIGKILL)

shelf = open_shelf(Path(sys.argv[1]))
exec(sys.argv[2])
ingest = Ingest(shelf.database, shelf.library, shelf.reader, shelf.settings, embedder=MadeUp())
asyncio.run(ingest.run(asyncio.Event()))
"""
ROOT = Path(__file__).resolve().parents[3]
PAGES = embed.AT_ONCE + 8
LONG = "\f".join(f"Le préavis numéro {number}." for number in range(PAGES)).encode()


def stored(shelf: Shelf) -> int:
    with shelf.database.read() as connection:
        return connection.scalar(select(func.count()).select_from(vectors)) or 0


@pytest.mark.parametrize("stage", STAGES)
async def test_killed_while_embedding(stage: str, tmp_path: Path) -> None:
    shelf = open_shelf(tmp_path / "data")
    received = shelf.add("long.txt", LONG)
    killed = subprocess.Popen([sys.executable, "-c", _WORKER, str(tmp_path / "data"), STAGES[stage]], cwd=ROOT)
    assert killed.wait(timeout=30) == -signal.SIGKILL
    assert shelf.library.get(shelf.project, received.id).state == "indexed"
    before = stored(shelf)
    assert before == {"some stored": embed.AT_ONCE, "all stored": PAGES}.get(stage, 0)

    embedder = MadeUp()
    ingest = Ingest(shelf.database, shelf.library, shelf.reader, shelf.settings, embedder=embedder)
    [document] = await ingest.drain([received.id])
    assert document.state == "ready"
    assert len(embedder.texts) == PAGES - before
    counts = shelf.counts(document)
    assert stored(shelf) == counts["chunks"] == counts["words"] == PAGES
    assert shelf.database.check() == []
    shelf.close()
