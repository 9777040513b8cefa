"""The full-text index: analysed terms in, passages ranked by BM25 out.

Called by document ingestion (`add`), by whoever erases (`remove`) and by retrieval (`search`). It holds terms, never
reads text: lower-casing, stemming and folding are the analyser's. Each row is bound to its project by a column of its
own that takes part in the match, so that what a caller may not read is never ranked.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from sqlalchemy import Connection, text

WIPE_COST = 130
"""Wiping one row costs as much as rewriting this many: measured, 2.7 ms and 20 µs with 200 terms a row."""

_AMONG = "AND rowid IN (SELECT id FROM chunks WHERE document_id IN (SELECT value FROM json_each(:documents)))"


class Weights(NamedTuple):
    """How much a match counts in each part of a passage."""

    title: float = 4.0
    headings: float = 2.0
    body: float = 1.0


class Row(NamedTuple):
    """A passage to index: terms in their order, separated by spaces."""

    chunk_id: int
    title_terms: str
    heading_terms: str
    body_terms: str
    project_id: str


def add(connection: Connection, rows: Iterable[tuple[int, str, str, str, str]]) -> None:
    """Indexes passages, each `(chunk_id, title terms, heading terms, body terms, project_id)`."""
    values = [
        {"id": chunk_id, "title": title, "headings": headings, "body": body, "scope": _scope(project_id)}
        for chunk_id, title, headings, body, project_id in rows
    ]
    if values:
        connection.execute(
            text(
                "INSERT INTO passages (rowid, title, headings, body, scope)"
                " VALUES (:id, :title, :headings, :body, :scope)"
            ),
            values,
        )


def remove(connection: Connection, chunk_ids: Collection[int]) -> None:
    """Erases passages from the index, their terms included: wiped from the file, not marked.

    Costs about 3 ms for each passage, or one rewriting of the index where that is less.
    """
    if not chunk_ids:
        return
    rows = [{"id": chunk_id} for chunk_id in chunk_ids]
    is_rewriting = len(rows) * WIPE_COST > count(connection)
    if is_rewriting:
        _configure(connection, "secure-delete", 0)
    connection.execute(text("DELETE FROM passages WHERE rowid = :id"), rows)
    if is_rewriting:
        # Not 'optimize': where it finds nothing older to merge with, it keeps the marks of removed rows, terms and all.
        connection.execute(text("INSERT INTO passages (passages) VALUES ('rebuild')"))
        _configure(connection, "secure-delete", 1)


def search(
    connection: Connection,
    terms: Sequence[str],
    *,
    project_ids: Sequence[str],
    limit: int,
    document_ids: Sequence[str] | None = None,
    weights: Weights = Weights(),  # noqa: B008  (immutable)
) -> list[tuple[int, float]]:
    """The passages of these projects that have any of the terms: `(chunk_id, score)`, best first, higher is better.

    `document_ids`: only of these.

    Source: Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond"; SQLite FTS5's bm25().
    """
    if not terms or not project_ids:
        return []
    rows = connection.execute(
        text(
            "SELECT rowid, -bm25(passages, :title, :headings, :body, 0.0) AS score FROM passages"
            f" WHERE passages MATCH :match {'' if document_ids is None else _AMONG}"
            " ORDER BY score DESC, rowid LIMIT :limit"
        ),
        {"match": _match(terms, project_ids), "limit": limit, **weights._asdict()}
        | ({} if document_ids is None else {"documents": json.dumps(list(document_ids))}),
    )
    return [(row[0], row[1]) for row in rows]


def document_frequency(
    connection: Connection, terms: Iterable[str], *, project_ids: Sequence[str] | None = None
) -> dict[str, int]:
    """In how many passages each term occurs: of these projects, or of all (then from the index's own vocabulary)."""
    wanted = dict.fromkeys(terms)
    if project_ids is None:
        statement = text("SELECT doc FROM passage_terms WHERE term = :term")
        return {term: connection.scalar(statement, {"term": term}) or 0 for term in wanted}
    if not project_ids:
        return dict.fromkeys(wanted, 0)
    statement = text("SELECT count(*) FROM passages WHERE passages MATCH :match")
    return {term: connection.scalar(statement, {"match": _match([term], project_ids)}) or 0 for term in wanted}


def count(connection: Connection, *, project_ids: Sequence[str] | None = None) -> int:
    """How many passages the index has: of these projects, or of all."""
    if project_ids is None:
        return connection.scalar(text("SELECT count(*) FROM passages_docsize")) or 0
    if not project_ids:
        return 0
    match = {"match": _within(project_ids)}
    return connection.scalar(text("SELECT count(*) FROM passages WHERE passages MATCH :match"), match) or 0


def check(connection: Connection) -> None:
    """Compares the index with the terms it keeps.

    Raises: sqlalchemy.exc.DBAPIError (StorageCorrupt through `Database`) if they differ.
    """
    connection.execute(text("INSERT INTO passages (passages) VALUES ('integrity-check')"))


def _match(terms: Iterable[str], project_ids: Iterable[str]) -> str:
    words = " OR ".join(map(_quoted, dict.fromkeys(terms)))
    return f"{_within(project_ids)} AND {{title headings body}} : ({words})"


def _within(project_ids: Iterable[str]) -> str:
    return f"{{scope}} : ({' OR '.join(_quoted(_scope(p)) for p in project_ids)})"


def _quoted(term: str) -> str:
    """A term as FTS5 takes it literally: it would end at a null character."""
    return '"' + term.replace('"', '""').replace("\0", "") + '"'


def _scope(project_id: str) -> str:
    """A project's term: hexadecimal, because the tokenizer would fold the case of an id."""
    return "p" + project_id.encode().hex()


def _configure(connection: Connection, option: str, value: int) -> None:
    statement = text("INSERT INTO passages (passages, rank) VALUES (:option, :value)")
    connection.execute(statement, {"option": option, "value": value})
