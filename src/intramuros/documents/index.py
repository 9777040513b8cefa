"""From a reading to rows: pages, chunks and their terms, written in the transaction of the caller.

Called by `ingest`. The stemming is done before the transaction begins, so that others wait for writing only.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from sqlalchemy import Connection, insert

from intramuros.documents.analyse import terms
from intramuros.documents.chunk import Chunk, chunks
from intramuros.documents.document import Reading
from intramuros.documents.failures import failure
from intramuros.documents.language import SAMPLE_CHARACTERS, detect
from intramuros.documents.layout.sheet import sheet
from intramuros.documents.library import Document, remove_index
from intramuros.documents.media import PDF
from intramuros.storage import fulltext, schema


@dataclass(frozen=True, slots=True)
class Prepared:
    """Everything to write for one document. `words` are (title, heading, body) terms, one a chunk."""

    document: Document
    reading: Reading
    language: str
    chunks: tuple[Chunk, ...]
    words: tuple[tuple[str, str, str], ...]

    @property
    def outcome(self) -> dict[str, Any]:
        """What the document's own row says afterwards."""
        return {
            "state": "ready",
            "pages_total": len(self.reading.pages),
            "pages_read": len(self.reading.pages),
            "pages_without_text": [page.number for page in self.reading.pages if not page.has_text],
            "title": self.reading.title or None,
            "language": self.language,
            "embedder": None,
            "error_code": None,
            "error_message": None,
        }


def prepared(document: Document, reading: Reading) -> Prepared:
    """Cuts and analyses a reading.

    Raises: DocumentError `no_text` when nothing on any page could be read.
    """
    made = chunks(reading, document.sizes)
    if not made:
        raise failure("no_text")
    language = detect(_sample(made))
    title = " ".join(terms(f"{reading.title} {PurePath(document.name).stem}", language))
    headings = {path: " ".join(terms(" ".join(path), language)) for path in {chunk.headings for chunk in made}}
    words = tuple((title, headings[chunk.headings], " ".join(terms(chunk.text, language))) for chunk in made)
    return Prepared(document, reading, language, tuple(made), words)


def write(connection: Connection, ready: Prepared) -> None:
    """Writes pages, chunks and terms; whatever an earlier reading of the document left goes first."""
    document = ready.document
    remove_index(connection, document.id)
    connection.execute(
        insert(schema.pages),
        [
            {
                "document_id": document.id,
                "number": page.number,
                "width": page.width,
                "height": page.height,
                "text": page.text,
                "sheet": None if document.media_type == PDF else sheet(page),
            }
            for page in ready.reading.pages
        ],
    )
    ids = list(
        connection.scalars(
            insert(schema.chunks).returning(schema.chunks.c.id, sort_by_parameter_order=True),
            [_row(document, chunk) for chunk in ready.chunks],
        )
    )
    fulltext.add(connection, ((id_, *words, document.project_id) for id_, words in zip(ids, ready.words, strict=True)))


def _row(document: Document, chunk: Chunk) -> dict[str, Any]:
    return {
        "document_id": document.id,
        "project_id": document.project_id,
        "ordinal": chunk.ordinal,
        "page": chunk.page,
        "headings": list(chunk.headings),
        "text": chunk.text,
        "start": chunk.start,
        "lines": [[line.start, line.end, *line.rect] for line in chunk.lines],
        "tokens": chunk.tokens,
    }


def _sample(made: list[Chunk]) -> str:
    """Some text from all over the document: the beginning alone may be an English cover of a French text."""
    step = max(1, len(made) // 40)
    return "\n".join(chunk.text[:1000] for chunk in made[::step])[:SAMPLE_CHARACTERS]
