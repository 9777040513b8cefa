"""Finds the passages of some projects that are about a question: words first (BM25), vectors where they are worth it.

Called by the answer task, the command line and the API. Permissions are the caller's business: it says which projects;
the index filters by them before it ranks. Knows no models.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from sqlalchemy import Connection, select

from intramuros.retrieval.fuse import fused
from intramuros.retrieval.passage import Passage
from intramuros.retrieval.query import Query, Word, stems_of, weighed
from intramuros.storage import fulltext
from intramuros.storage.database import Database
from intramuros.storage.schema import chunks, documents

PER_DOCUMENT = 3
"""Passages of one document before those of others had their turn."""
DEPTH = 5
"""How many times `limit` is ranked, so that there are other documents to choose from."""


class SecondRanking(Protocol):
    """Another way to rank chunks, such as vectors of an embedder; `weight` is its say beside BM25's 1."""

    @property
    def weight(self) -> float:
        """Its say in the fusion."""
        ...

    def rank(self, question: str, *, projects: Sequence[str], limit: int) -> list[int]:
        """The chunks of these projects nearest to the question, best first."""
        ...


@dataclass(frozen=True, slots=True)
class Found:
    """What a search gave: the question as analysed, and the passages, best first."""

    query: Query
    passages: tuple[Passage, ...]


@dataclass(frozen=True, slots=True)
class Search:
    """Searches the full-text index of one database; `second` joins only where the embedder is worth it."""

    database: Database
    second: SecondRanking | None = None

    def find(
        self, question: str, *, projects: Sequence[str], limit: int = 10, language: str | None = None
    ) -> list[Passage]:
        """The best passages of these projects, best first. `language` narrows the search to documents in it."""
        return list(self.look(question, projects=projects, limit=limit, language=language).passages)

    def look(self, question: str, *, projects: Sequence[str], limit: int = 10, language: str | None = None) -> Found:
        """Like `find`, with the question as it was analysed: for whoever judges what was found."""
        with self.database.read() as connection:
            groups = stems_of(question, [language] if language else _languages(connection, projects))
            terms = list(dict.fromkeys(stem for group in groups for stem in sorted(group)))
            ranked = fulltext.search(connection, terms, project_ids=projects, limit=limit * DEPTH)
            if self.second is not None:
                other = self.second.rank(question, projects=projects, limit=limit * DEPTH)
                ranked = fused([([chunk for chunk, _ in ranked], 1.0), (other, self.second.weight)])
            query = Query(question, _weighed(connection, groups, projects))
            passages = _passages(connection, dict(ranked), projects=projects, language=language)
        return Found(query, tuple(diverse(passages, limit)))

    def passages(self, chunk_ids: Collection[int], *, projects: Sequence[str]) -> list[Passage]:
        """These chunks, as far as they still exist in these projects; their score is 0."""
        with self.database.read() as connection:
            return _passages(connection, dict.fromkeys(chunk_ids, 0.0), projects=projects)


def diverse(passages: Iterable[Passage], limit: int) -> list[Passage]:
    """The best passages in their order, with at most `PER_DOCUMENT` of one document unless there are too few others."""
    kept: list[Passage] = []
    spare: list[Passage] = []
    taken: dict[str, int] = {}
    for passage in passages:
        taken[passage.document_id] = taken.get(passage.document_id, 0) + 1
        (kept if taken[passage.document_id] <= PER_DOCUMENT else spare).append(passage)
    chosen = kept[:limit] + spare[: max(0, limit - len(kept))]
    return sorted(chosen, key=lambda passage: (-passage.score, passage.chunk_id))


def _languages(connection: Connection, projects: Sequence[str]) -> list[str]:
    """The languages of the documents in these projects."""
    statement = select(documents.c.language).where(documents.c.project_id.in_(projects)).distinct()
    return sorted(language for (language,) in connection.execute(statement) if language) or ["fr"]


def _weighed(connection: Connection, groups: Sequence[frozenset[str]], projects: Sequence[str]) -> tuple[Word, ...]:
    terms = [stem for group in groups for stem in group]
    frequency = fulltext.document_frequency(connection, terms, project_ids=projects)
    return weighed(groups, frequency=frequency, passages=fulltext.count(connection, project_ids=projects))


def _passages(
    connection: Connection, scores: dict[int, float], *, projects: Sequence[str], language: str | None = None
) -> list[Passage]:
    """The chunks with these scores, best first; a chunk outside the projects is dropped whatever the index said."""
    statement = (
        select(chunks, documents.c.name, documents.c.title, documents.c.language)
        .join(documents, documents.c.id == chunks.c.document_id)
        .where(chunks.c.id.in_(scores), chunks.c.project_id.in_(projects), documents.c.project_id.in_(projects))
    )
    if language:
        statement = statement.where(documents.c.language == language)
    found = [
        Passage(
            chunk_id=row.id,
            document_id=row.document_id,
            document=row.name,
            title=row.title or "",
            language=row.language or "fr",
            page=row.page,
            ordinal=row.ordinal,
            headings=tuple(row.headings),
            text=row.text,
            start=row.start,
            lines=tuple(tuple(line) for line in row.lines),
            score=scores[row.id],
        )
        for row in connection.execute(statement)
    ]
    return sorted(found, key=lambda passage: (-passage.score, passage.chunk_id))
