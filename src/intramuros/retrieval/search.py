"""Finds the passages of some projects that are about a question: words first (BM25), vectors where they are worth it.

Called by the answer task, the command line and the API. Permissions are the caller's business: it says which projects;
both rankings filter by them before they rank. Knows no models: what makes a question's vector is handed in.

    found = await search.ask(question, projects=[…])                  # both steps
    vector = await search.vector(question)                            # waits for the embedder, not for long
    found = search.look(question, projects=[…], vector=vector)        # in a thread
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from sqlalchemy import Connection, select

from intramuros.engines.embedder import QuestionVector
from intramuros.retrieval.fuse import fused
from intramuros.retrieval.passage import Passage
from intramuros.retrieval.query import Query, Word, stems_of, weighed
from intramuros.storage import fulltext, vectors
from intramuros.storage.database import Database
from intramuros.storage.schema import chunks, documents

PER_DOCUMENT = 3
"""Passages of one document before those of others had their turn."""
DEPTH = 5
"""How many times `limit` is ranked, so that there are other documents to choose from."""


class Embedder(Protocol):
    """What turns a question into a vector."""

    async def question(self, text: str) -> QuestionVector | None:
        """Its vector, empty when it can't be made in time; None when no embedder is in use."""
        ...


@dataclass(frozen=True, slots=True)
class Found:
    """What a search gave: the question as analysed, and the passages, best first.

    `by_words` are the best by words alone: the same passages, unless vectors joined. `lexical_only`: they should have
    joined and could not.
    """

    query: Query
    passages: tuple[Passage, ...]
    by_words: tuple[Passage, ...]
    lexical_only: bool = False


@dataclass(frozen=True, slots=True)
class Search:
    """Searches one database. `report` is told of every search: words, fused, or lexical_only."""

    database: Database
    embedder: Embedder | None = None
    report: Callable[[str], None] | None = None
    used: Callable[[Sequence[str]], None] = lambda _projects: None
    """Is told which projects are searched."""

    async def ask(
        self,
        question: str,
        *,
        projects: Sequence[str],
        limit: int = 10,
        language: str | None = None,
        among: Sequence[str] | None = None,
    ) -> Found:
        """Searches by words and, where an embedder is in use, by meaning; `among` narrows it to these documents."""
        vector = await self.vector(question)
        return await asyncio.to_thread(
            self.look, question, projects=projects, limit=limit, language=language, vector=vector, among=among
        )

    async def vector(self, question: str) -> QuestionVector | None:
        """The question's vector for `look`; None when no embedder is in use."""
        return await self.embedder.question(question) if self.embedder else None

    def find(
        self, question: str, *, projects: Sequence[str], limit: int = 10, language: str | None = None
    ) -> list[Passage]:
        """The best passages by words alone, best first. `language` narrows the search to documents in it."""
        return list(self.look(question, projects=projects, limit=limit, language=language).passages)

    def look(
        self,
        question: str,
        *,
        projects: Sequence[str],
        limit: int = 10,
        language: str | None = None,
        vector: QuestionVector | None = None,
        among: Sequence[str] | None = None,
    ) -> Found:
        """The best passages, with the question as it was analysed: for whoever judges what was found."""
        self.used(projects)
        with self.database.read() as connection:
            groups = stems_of(question, [language] if language else _languages(connection, projects))
            terms = list(dict.fromkeys(stem for group in groups for stem in sorted(group)))
            depth = limit * DEPTH
            ranked = fulltext.search(connection, terms, project_ids=projects, limit=depth, document_ids=among)
            near = _nearest(connection, vector, projects=projects, limit=depth, among=among)
            query = Query(question, _weighed(connection, groups, projects))
            scores = dict(ranked)
            passages = _passages(connection, dict.fromkeys(near, 0.0) | scores, projects=projects, language=language)
        best = by_words = tuple(diverse((p for p in passages if p.chunk_id in scores), limit))
        if near and vector is not None:
            both = dict(fused([([chunk for chunk, _ in ranked], 1.0), (near, vector.weight)]))
            best = tuple(diverse(_sorted(replace(p, score=both[p.chunk_id]) for p in passages), limit))
        lexical_only = vector is not None and not vector.vector
        if self.report is not None:
            self.report("lexical_only" if lexical_only else "words" if vector is None else "fused")
        return Found(query, best, by_words, lexical_only)

    def passages(self, chunk_ids: Collection[int], *, projects: Sequence[str]) -> list[Passage]:
        """These chunks, as far as they still exist in these projects; their score is 0."""
        with self.database.read() as connection:
            return _passages(connection, dict.fromkeys(chunk_ids, 0.0), projects=projects)

    def stretch(self, document_id: str, *, first: int, last: int, projects: Sequence[str]) -> list[Passage]:
        """The passages of a document from one place in it to another, in order, if it is in these projects."""
        there = select(chunks.c.id).where(chunks.c.document_id == document_id, chunks.c.ordinal.between(first, last))
        with self.database.read() as connection:
            found = _passages(connection, dict.fromkeys(connection.scalars(there), 0.0), projects=projects)
        return sorted(found, key=lambda passage: passage.ordinal)


def diverse(passages: Iterable[Passage], limit: int) -> list[Passage]:
    """The best passages in their order, with at most `PER_DOCUMENT` of one document unless there are too few others."""
    kept: list[Passage] = []
    spare: list[Passage] = []
    taken: dict[str, int] = {}
    for passage in passages:
        taken[passage.document_id] = taken.get(passage.document_id, 0) + 1
        (kept if taken[passage.document_id] <= PER_DOCUMENT else spare).append(passage)
    chosen = kept[:limit] + spare[: max(0, limit - len(kept))]
    return _sorted(chosen)


def _sorted(passages: Iterable[Passage]) -> list[Passage]:
    return sorted(passages, key=lambda passage: (-passage.score, passage.chunk_id))


def _nearest(
    connection: Connection,
    vector: QuestionVector | None,
    *,
    projects: Sequence[str],
    limit: int,
    among: Sequence[str] | None = None,
) -> list[int]:
    """The chunks of these projects nearest to a question, best first; none where the question has no vector."""
    if vector is None or not vector.vector:
        return []
    found = vectors.rank(
        connection, vector.vector, model=vector.model, project_ids=projects, limit=limit, document_ids=among
    )
    return [chunk for chunk, _ in found]


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
    return _sorted(
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
            project_id=row.project_id,
        )
        for row in connection.execute(statement)
    )
