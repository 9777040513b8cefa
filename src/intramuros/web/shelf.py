"""The documents of a project as their panel shows them: each with its state in plain words.

Called by the project page and by the documents' routes.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from intramuros.accounts.projects import Project
from intramuros.documents.library import Document
from intramuros.web.visit import Visit

SHOWN = 300
"""Documents a page lists; a project may have many thousands."""


@dataclass(frozen=True, slots=True)
class Item:
    """One document; `version` changes whenever its row looks different."""

    id: str
    name: str
    state: str
    pages_read: int
    pages_total: int | None
    pages_without_text: tuple[int, ...]
    size_bytes: int
    failure: str
    version: str

    @property
    def is_readable(self) -> bool:
        """Whether its pages can be looked at."""
        return self.state in {"indexed", "ready"}


@dataclass(frozen=True, slots=True)
class Shelf:
    """The newest documents of a project, how many it has beyond them, and how many of all are where."""

    documents: tuple[Item, ...]
    hidden: int
    ready: int
    waiting: int
    failed: int


def shelf_of(visit: Visit, project: Project) -> Shelf:
    """The shelf as it is now."""
    documents = visit.app.library.list(project)[::-1]
    states = Counter(document.state for document in documents)
    ready, failed = states["ready"], states["failed"]
    return Shelf(
        documents=tuple(_item(visit, document) for document in documents[:SHOWN]),
        hidden=max(0, len(documents) - SHOWN),
        ready=ready,
        waiting=len(documents) - ready - failed,
        failed=failed,
    )


def _item(visit: Visit, document: Document) -> Item:
    failure = visit.app.library.explain(document, language=visit.words.language) if document.state == "failed" else ""
    return Item(
        id=document.id,
        name=document.name,
        state=document.state,
        pages_read=document.pages_read,
        pages_total=document.pages_total,
        pages_without_text=tuple(document.pages_without_text),
        size_bytes=document.size_bytes,
        failure=failure or "",
        version=f"{document.state}-{document.pages_read}-{document.pages_total}-{document.error_code}",
    )
