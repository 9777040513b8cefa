"""How fast documents become ready: 1,000 short texts (about 2 KB each), received, read, encrypted and indexed.

    python -m benchmarks.ingest [--documents 1000] [--pages 200] [--json]

Everything is as in the product: SQLCipher, encrypted originals synced one by one, one confined process a document.
The texts are made up. The peer is the reading alone, in one plain process.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import random
import secrets
import tempfile
import time
from pathlib import Path

from intramuros.accounts.caller import LOCAL
from intramuros.accounts.projects import Projects
from intramuros.documents.ingest import Ingest
from intramuros.documents.layout.flow import laid_out
from intramuros.documents.library import Library
from intramuros.documents.parse import pdf, text
from intramuros.documents.parse.limits import Limits
from intramuros.documents.reader.supervisor import Reader
from intramuros.security.subject_keys import SubjectKeys
from intramuros.settings import Settings, load
from intramuros.storage import database as store
from intramuros.storage.blobs import Blobs

_WORDS = (Path(__file__).parent / "data" / "french_words.txt").read_text(encoding="utf-8").split()
GOAL_S = 60.0


def short_text(seed: int) -> bytes:
    """About 2 KB of French-looking sentences, different for each seed."""
    chance = random.Random(seed)
    lines = [f"Note numéro {seed}"]
    while sum(map(len, lines)) < 2_000:
        words = chance.choices(_WORDS, k=chance.randint(8, 18))
        lines.append(" ".join(words).capitalize() + f" {chance.randint(1, 999)} CHF.")
    return "\n\n".join(lines).encode()


def long_pdf(pages: int) -> bytes:
    """A PDF of that many pages of running text."""
    from reportlab.lib.pagesizes import A4
    from reportlab.pdfgen.canvas import Canvas

    written = io.BytesIO()
    canvas = Canvas(written, pagesize=A4)
    for page in range(pages):
        chance = random.Random(page)
        canvas.setFont("Helvetica", 10)
        for line in range(50):
            canvas.drawString(60, 780 - 14 * line, " ".join(chance.choices(_WORDS, k=12)))
        canvas.showPage()
    canvas.save()
    return written.getvalue()


async def measure(settings: Settings, documents: int, pages: int) -> dict[str, float]:
    """Seconds and documents or pages a second of each step."""
    settings.data.mkdir(parents=True)
    database = store.create(settings.data / "intramuros.db", secrets.token_bytes(32))
    blobs = Blobs(settings.data / "blobs")
    projects = Projects(database, SubjectKeys(settings.data / "subjects", secrets.token_bytes(32)))
    library, reader = Library(database, blobs, projects, settings), Reader(settings)
    ingest = Ingest(database, library, reader, settings)
    project = projects.create("Bench", LOCAL)
    figures: dict[str, float] = {}

    started = time.perf_counter()
    sources = [short_text(seed) for seed in range(documents)]
    ids = [library.receive(project, f"note{n}.txt", io.BytesIO(body), by=LOCAL).id for n, body in enumerate(sources)]
    received = time.perf_counter()
    finished = await ingest.drain(ids)
    ended = time.perf_counter()
    assert all(document.state == "ready" for document in finished)
    figures["short documents"] = documents
    figures["received, s"] = received - started
    figures["read and indexed, s"] = ended - received
    figures["in all, s"] = ended - started
    figures["documents a second"] = documents / (ended - started)

    started = time.perf_counter()
    for body in sources:
        laid_out(text.read(body, Limits()))
    figures["reading alone, unconfined, s"] = time.perf_counter() - started

    content = long_pdf(pages)
    started = time.perf_counter()
    pdf.read(content, Limits())
    alone = time.perf_counter()
    document = library.receive(project, "long.pdf", io.BytesIO(content), by=LOCAL)
    await ingest.drain([document.id])
    figures["pages of a PDF a second, to ready"] = pages / (time.perf_counter() - alone)
    figures["pages of a PDF a second, reading alone"] = pages / (alone - started)
    reader.close()
    database.close()
    return {name: round(value, 2) for name, value in figures.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=1000)
    parser.add_argument("--pages", type=int, default=200)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        settings = load({"data": Path(folder) / "data"}, environ={})
        figures = asyncio.run(measure(settings, options.documents, options.pages))
    if options.json:
        print(json.dumps(figures))
        return
    for name, value in figures.items():
        print(f"{name:<42}{value:>10.2f}")
    print(f"{'goal for 1,000 short documents, s':<42}{GOAL_S:>10.2f}")


if __name__ == "__main__":
    main()
