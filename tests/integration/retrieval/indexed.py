"""Documents put into the index by the product's own parsers, chunker and analyser, without the reader's process."""

from __future__ import annotations

from sqlalchemy import insert

from intramuros.accounts.projects import Project
from intramuros.documents import index
from intramuros.documents.library import Document
from intramuros.documents.parse import markdown, pdf
from intramuros.documents.parse.limits import Limits
from intramuros.storage.database import Database
from intramuros.storage.schema import documents, new_id, now


def add(database: Database, project: Project, name: str, content: str | bytes) -> str:
    """Stores and indexes a document (Markdown, or PDF by its name) and returns its id."""
    data = content.encode() if isinstance(content, str) else content
    reading = (pdf if name.endswith(".pdf") else markdown).read(data, Limits())
    row = {
        "id": new_id(),
        "project_id": project.id,
        "name": name,
        "media_type": "text/markdown",
        "size_bytes": len(data),
        "blob_id": "b",
        "state": "reading",
        "pages_total": None,
        "pages_read": 0,
        "pages_without_text": [],
        "error_code": None,
        "title": None,
        "language": None,
        "added_by": None,
        "created_at": now(),
        "updated_at": now(),
        "attempts": 1,
    }
    document = Document(**{**row, "pages_without_text": ()})  # type: ignore[arg-type]
    ready = index.prepared(document, reading)
    with database.write() as connection:
        connection.execute(insert(documents).values(**row, sha256=row["id"].encode()))  # type: ignore[attr-defined]
        index.write(connection, ready)
        outcome = dict(ready.outcome)
        connection.execute(documents.update().where(documents.c.id == row["id"]).values(outcome))
    return str(row["id"])


LEASE = """# Bail commercial

## Article 1. Préavis

Le préavis du bail est de trois mois. Il court dès la réception de la lettre recommandée.

## Article 2. Caution

La caution s'élève à 2 400 francs. Elle est rendue dans les soixante jours.
"""
FAQ = """# Staff questions

## Parking

Employees park on the north side. A parking card costs CHF 25 a month.

## Printers

The printer on the second floor takes A3 paper.
"""
RULES = """# Règlement intérieur

## Congés

Un salarié à temps plein a droit à 27 jours ouvrables de congés payés par an.

## Horaires

Les bureaux ouvrent à 7h30 et ferment à 19h00.
"""
